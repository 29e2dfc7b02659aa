"""Faust table whose partitions are opaque stores, written and recovered in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, cast

from faust.tables.manager import TableManager
from faust.tables.table import Table
from faust.types import TP, EventT

from service.fetches import Batch
from streams import changelog
from streams.batch_app import FloorwalkerApp
from streams.crash import crash_on_error, end_process
from streams.transport import batch_of, consumer_of
from streams.writer import Store, Writer

S = TypeVar("S", bound=Store)


class BatchTable(Table[bytes, bytes], Generic[S]):
    """One store and one writer per assigned partition; the changelog is one topic, partition i for store i.

    Add it with `app.tables.add(BatchTable(...))`. A partition's store changes with the assignment: ask for it at every
    batch, do not keep it.
    """

    app: FloorwalkerApp

    def __init__(
        self,
        app: FloorwalkerApp,
        *,
        name: str,
        changelog: str,
        partitions: int,
        store_factory: Callable[[int], S],
        min_flush_interval_ms: int = 50,
        **kwargs: Any,
    ) -> None:
        """`changelog` is the topic's full name; it must have as many partitions as the source topic."""
        topic = app.topic(
            changelog,
            partitions=partitions,
            key_serializer="raw",  # the type bytes alone would have Faust decode the batch as JSON
            value_serializer="raw",
            acks=False,
            allow_empty=True,
        )
        # 2, not 1: with 1 Faust goes on reading the changelog after recovery, which is our own writing
        super().__init__(app, name=name, changelog_topic=topic, recovery_buffer_size=2, **kwargs)
        self._store_factory = store_factory
        self._min_flush_interval_ms = min_flush_interval_ms
        self._stores: dict[int, S] = {}
        self._writers: dict[int, Writer] = {}
        self._applied: dict[int, int] = {}
        self._departures = app.lease.departures
        app.on_partitions_revoked.connect(cast(Any, self._finish_writing))

    @property
    def active_partitions(self) -> set[int]:
        """Partitions held now, recovered or not."""
        return set(self._stores)

    @property
    def writable_partitions(self) -> set[int]:
        """Partitions held now and recovered."""
        return set(self._writers)

    def loaded(self, partition: int) -> int:
        """The offset up to which a partition's changelog is in its store."""
        return self._applied.get(partition, 0)

    def store(self, partition: int) -> S:
        """The store of an assigned partition. Raises KeyError for any other."""
        return self._stores[partition]

    def writer(self, partition: int) -> Writer:
        """The writer of an assigned and recovered partition. Raises KeyError for any other."""
        return self._writers[partition]

    async def on_start(self) -> None:
        """Nothing to open or declare: stores come with the assignment, the topic exists."""

    async def on_stop(self) -> None:
        """Stop the writers; Faust has waited before for everything they had to write."""
        for writer in self._writers.values():
            writer.stop()

    def unflushed(self) -> list[int]:
        """The partitions with changes that are not in the changelog, or whose events are not acknowledged."""
        return sorted(partition for partition, writer in list(self._writers.items()) if not writer.idle)

    def persisted_offset(self, tp: TP) -> int | None:
        """The last changelog offset that our store contains, so that recovery reads only what follows it."""
        writer = self._writers.get(tp.partition)
        next_offset = writer.next_offset if writer is not None else self._applied.get(tp.partition, 0)
        return next_offset - 1 if next_offset else None

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop what is not ours any more, start the rest from nothing; keep what we hold with a known offset.

        Nothing is kept of a time before the group went on without us: others wrote since, and what they deleted may be
        gone from the changelog already.
        """
        mine = {tp.partition for tp in assigned if tp.topic == self.changelog_topic_name}
        for partition, writer in self._writers.items():
            if not writer.idle:
                # its changes are in the store but not in the changelog, which may now have another owner's
                end_process(f"{self.name}[{partition}] was reassigned while it was being written")
        departures = self.app.lease.departures
        kept = mine if departures == self._departures else set()
        self._departures = departures
        for partition in set(self._stores) - kept:
            self._drop(partition)
        for partition in mine - set(self._stores):
            self._stores[partition] = self._store_factory(partition)
        # a writer exists only between two recoveries: its offset moves on to the one that recovery continues from
        for partition in list(self._writers):
            self._retire_writer(partition)

    async def reload(self, partition: int) -> tuple[list[EventT[Any]], list[asyncio.Future[Any]]]:
        """Replace a store that an exception has left half changed by what its changelog says.

        Returns the events that the writer has not acknowledged, in their order, and the facts that were sent for what
        is undone now; ask for store and writer again. Raises TimeoutError, KafkaError.
        """
        halted = self._writers[partition]
        events, facts = await halted.halt()
        tp = TP(self.changelog_topic_name, partition)
        store = self._store_factory(partition)
        await changelog.read_changelog(self.app, tp, halted.next_offset, store.load)
        self._stores[partition] = store
        self._start_writer(tp, halted.next_offset)
        return events, facts

    def _start_writer(self, tp: TP, next_offset: int) -> None:
        store = self._stores[tp.partition]
        writer = Writer(self.app, tp, store, min_interval_ms=self._min_flush_interval_ms)
        writer.start(next_offset)
        self._writers[tp.partition] = writer

    def _drop(self, partition: int) -> None:
        if partition in self._writers:
            self._retire_writer(partition)
        self._stores.pop(partition)
        self._applied.pop(partition, None)

    def _retire_writer(self, partition: int) -> None:
        writer = self._writers.pop(partition)
        writer.stop()
        self._applied[partition] = writer.next_offset

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Load fetched changelog batches into the stores. Faust would log an exception here and go on without."""
        try:
            for event in batch:
                self._load(event.message.tp, batch_of(event))
        except Exception as error:
            end_process(f"table {self.name} cannot be recovered", error)

    def _load(self, tp: TP, batch: Batch) -> None:
        store = self._stores.get(tp.partition)
        if store is None:
            return  # fetched before this partition was taken away
        applied = self._applied.get(tp.partition, 0)
        if batch.start_offset > max(applied, consumer_of(self.app).earliest.get(tp, 0)):
            raise RuntimeError(f"{tp}: a hole in recovery, {applied} applied and {batch.start_offset} comes next")
        # Faust seeks to the last applied record, not behind it
        store.load([(record.key or b"", record.value) for record in batch if record.offset >= applied])
        self._applied[tp.partition] = max(applied, batch.next_offset)

    @crash_on_error  # Faust would not look at the exception
    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Start the writers at the end of the changelog."""
        ends = cast(TableManager, self.app.tables).recovery.active_highwaters
        for tp in active_tps:
            self._start_writer(tp, max(self._applied.get(tp.partition, 0), ends[tp] + 1))
        await self.call_recover_callbacks()

    async def _finish_writing(self, app: Any, *args: Any, **kwargs: Any) -> None:
        # Faust waits for the batches it knows; a change without one (time passed) must be written as well
        await asyncio.gather(*(writer.drained() for writer in self._writers.values()))
