"""The writer of one table partition: it makes what the agent did durable, in the order that loses and doubles nothing:
facts acknowledged, then state and mark in one RecordBatch, then source batches acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from faust.types import TP, EventT

from streams.batch_app import FloorwalkerApp
from streams.crash import crash_on_error, end_process
from streams.intruder import GENERATION_HEADER, read_intrusion
from streams.producer import MAX_BATCH_BYTES, Record

log = logging.getLogger(__name__)

# room for the RecordBatch's own bytes around keys and values
DRAIN_BYTES = MAX_BATCH_BYTES - (MAX_BATCH_BYTES >> 3)

BEHIND_TO_INTERVAL = 10
LONGEST_INTERVAL = 0.5
"""Seconds between the starts of two flushes at most, and what part of the arrears they are."""

QUIET_SECONDS = 0.15
"""When nothing has come for so long, there is nothing to wait for: the arrears are made up, or their next part is yet
to be fetched.
"""


class Store(Protocol):
    """State of one partition, opaque to the table. Its mark must be written with every flush, as the last record."""

    def load(self, records: Sequence[Record]) -> None:
        """Recovery: apply changelog records in order; None is a tombstone."""

    def drain(self, max_bytes: int) -> list[Record]:
        """Encode and forget the keys changed since the last drain, and the mark; empty when nothing changed."""

    def touch(self, keys: Sequence[bytes]) -> None:
        """Have the next drain write the present value of these changelog keys, a tombstone for those it lacks."""


class Writer:
    """Flushes one store. Call `add` right after changing the store, with no `await` in between."""

    def __init__(
        self, app: FloorwalkerApp, tp: TP, store: Store, *, min_interval_ms: int = 50, max_pending: int = 3000
    ) -> None:
        """`min_interval_ms` lies between the starts of two flushes; `max_pending` changes make `ready` wait."""
        self._app = app
        self._tp = tp
        self._store = store
        self._min_interval = self.flush_interval_seconds = min_interval_ms / 1000
        self._max_pending = max_pending
        self._events: list[EventT[Any]] = []
        self._facts: list[asyncio.Future[Any]] = []
        self._pending = 0
        self._flushing = 0
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._halted = False
        self._repairing = False
        self.next_offset = 0
        self.flushes = 0
        self.records_written = 0

    def start(self, next_offset: int) -> None:
        """Start; `next_offset` is where the next record of this changelog partition belongs."""
        self.next_offset = next_offset
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        """Stop at once; what is not flushed will be done again by the partition's next owner."""
        if self._task is not None:
            self._task.cancel()

    async def halt(self) -> tuple[list[EventT[Any]], list[asyncio.Future[Any]]]:
        """Let a flush under way finish and begin no other: the store is not to be written any more.

        Returns the events and the facts that were added and are in no flush.
        """
        self._halted = True
        async with self._changed:
            await self._changed.wait_for(lambda: not self._flushing)
        self.stop()
        if self._repairing:
            end_process(f"{self._tp}: a stranger's writing was to be put right from a store that is lost")
        events, self._events = self._events, []
        facts, self._facts = self._facts, []
        self._pending = 0
        return events, facts

    @property
    def idle(self) -> bool:
        """Whether everything added has been written and acknowledged."""
        return not self._pending and not self._flushing

    def add(self, event: EventT[Any] | None, facts: Iterable[asyncio.Future[Any]] = (), changes: int = 1) -> None:
        """The store has changed: flush it after these facts, then acknowledge the event.

        `changes` says how many records or facts were applied, which bounds the size of a flush. Without an event this
        was only a part of an event's batch, or no event at all (time passed).
        """
        if event is not None:
            self._events.append(event)
        self._facts.extend(facts)
        self._pending += max(1, changes)
        self._work.set()

    def pace(self, behind_ms: int) -> None:
        """Event time is so far behind the clock: let changes gather for a tenth of that, within limits.

        Catching up, a key then is written once for many events, and what is shown is hardly older for it.
        """
        wanted = behind_ms / BEHIND_TO_INTERVAL / 1000
        self.flush_interval_seconds = min(max(wanted, self._min_interval), LONGEST_INTERVAL)

    async def ready(self) -> None:
        """Wait until so little is pending that the next change still fits into a flush."""
        if self._pending >= self._max_pending:
            self._urgent.set()
            async with self._changed:
                await self._changed.wait_for(lambda: self._pending < self._max_pending)

    async def drained(self) -> None:
        """Wait until everything added so far, and since, is written and acknowledged."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.idle)

    @crash_on_error
    async def _run(self) -> None:
        while True:
            await self._work.wait()
            if self._halted:
                return
            started = time.monotonic()
            await self._flush()
            await self._pause(self.flush_interval_seconds - (time.monotonic() - started))

    async def _pause(self, seconds: float) -> None:
        """Let changes gather for as long as more come, unless somebody waits for room already."""
        end = time.monotonic() + seconds
        while not self._urgent.is_set() and (left := end - time.monotonic()) > 0:
            before = self._pending
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), min(left, QUIET_SECONDS))
            if before and self._pending == before:  # there is something to write, and no more came
                break
        self._urgent.clear()

    async def _flush(self) -> None:
        # one instant: state, facts and events that belong together; no await before the drain is done
        self._work.clear()
        events, self._events = self._events, []
        facts, self._facts = self._facts, []
        self._flushing, self._pending = self._pending, 0
        records = self._store.drain(DRAIN_BYTES)
        await self._announce()
        if facts:
            await asyncio.gather(*facts)
        if records:
            await self._write(records)
        for event in events:
            event.message.ack(self._app.consumer)
        self._flushing = 0
        await self._announce()

    async def _announce(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _write(self, records: list[Record]) -> None:
        generation = self._app.consumer_generation_id
        headers = [(GENERATION_HEADER, str(generation).encode())]
        topic, partition = self._tp
        base_offset = await self._app.batch_producer.send_batch(topic, partition, records, last_headers=headers)
        expected, self.next_offset = self.next_offset, base_offset + len(records)
        self.flushes += 1
        self.records_written += len(records)
        self._repairing = base_offset != expected
        if self._repairing:
            await self._repair(expected, base_offset, generation)

    async def _repair(self, expected: int, base_offset: int, generation: int) -> None:
        """Somebody else wrote here. The lower generation ends, the higher one writes the touched keys again."""
        log.error("%s: another worker wrote offsets %d to %d of our changelog", self._tp, expected, base_offset - 1)
        if base_offset < expected:
            end_process(f"{self._tp}: wrote at offset {base_offset}, expected {expected}: the changelog was cut")
        keys, newest = await read_intrusion(self._app, self._tp, expected, base_offset)
        if newest is None or newest >= generation:
            end_process(f"{self._tp}: the other writer is of generation {newest}, we are of {generation}")
        log.warning("%s: writing the %d touched keys again", self._tp, len(keys))
        self._store.touch(keys)
        self.add(None)  # an ordinary flush, since the store may hold changes by now whose facts are under way
