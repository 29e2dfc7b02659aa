"""AGGREGATE: the agent that adds facts up into the floor's state. A thin shell around the domain."""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Sequence
from typing import Any

import msgspec
from faust.types import TP, StreamT

from service.domain.aggregate import AggregateStore
from service.domain.errors import FactFailed
from service.domain.facts import FactBatch, decode_batch, encode_batch, following_offset, following_partition
from service.fetches import RawRecord
from streams.batch_app import FloorwalkerApp
from streams.contiguity import Contiguity
from streams.poison import Poisoned, Quarantine
from streams.producer import BatchProducer
from streams.router import FACTS, FactRouter
from streams.tables import BatchTable
from streams.telemetry import Telemetry
from streams.transport import batch_of, batches
from streams.writer import Writer

INTERVALS = "cti.intervals"

PART_KEYS = 1000
"""Keys of the state that facts may change before a flush may be cut: with the writer's limit, the size of a flush."""

encode = msgspec.msgpack.Encoder().encode


def send_closed(producer: BatchProducer, store: AggregateStore) -> list[Future[Any]]:
    """Publish the closed intervals that changed."""
    return [
        producer.send_facts(INTERVALS, None, encode(closed), key=f"{closed.scope}|{closed.start_ms}".encode())
        for closed in store.drain_closed()
    ]


class Aggregate:
    """The stage: `run` is the agent."""

    def __init__(
        self, app: FloorwalkerApp, table: BatchTable[AggregateStore], partitions: int, telemetry: Telemetry
    ) -> None:
        """`table` is the state; all topics have so many `partitions`."""
        self._partitions = partitions
        self._producer = app.batch_producer
        self._dead_letters = app.dead_letters
        self._table = table
        self._telemetry = telemetry
        self._contiguity = Contiguity(app)
        self._quarantine = Quarantine(table, self._contiguity, lambda store: store.mark.next_offset)

    async def run(self, stream: StreamT[Any]) -> None:
        """Work off batches until cancelled."""
        async for event in batches(stream):
            partition, batch = event.message.partition, batch_of(event)
            store, writer = self._table.store(partition), self._table.writer(partition)
            await writer.ready()
            if not await self._contiguity.accepts(event, store.mark.next_offset or None):
                continue
            try:
                for record in batch:
                    if record.offset >= store.mark.next_offset:
                        await self._apply(event.message.tp, record, store, writer)
            except Poisoned as found:
                await self._quarantine.roll_back(event, found)
            else:
                store.pass_over(batch.next_offset)
                writer.add(event)
                self._telemetry.consumed(FACTS, partition, len(batch), batch[-1].timestamp if batch else 0)

    async def _apply(self, tp: TP, record: RawRecord, store: AggregateStore, writer: Writer) -> None:
        """Apply one record's facts and hand them to the writer, part by part. Raises Poisoned."""
        try:
            facts = decode_batch(record.value or b"")
        except msgspec.DecodeError as error:  # nothing has changed, so there is nothing to undo
            store.pass_over(record.offset + 1)
            writer.add(None, self._unreadable(tp, record, error))
            return
        poison = self._quarantine.parts(tp, record.offset)
        wholesome: Sequence[int] = range(len(facts.facts))
        if poison:
            wholesome = [index for index in wholesome if index not in poison]
            facts.offsets = [facts.offsets[index] for index in wholesome]
            facts.facts = [facts.facts[index] for index in wholesome]
        if facts.partition >= 0:  # what follows from other facts does not say how far the floor has come
            writer.pace(int(time.time() * 1000) - facts.newest_ms)
        index, end = 0, len(facts.facts)
        while True:
            before = store.pending_keys()
            try:
                index = store.apply_some(facts, index, PART_KEYS)
            except FactFailed as failed:
                raise self._poisoned(tp, record, facts, wholesome, failed) from failed.__cause__
            if index == end:
                store.pass_over(record.offset + 1)
            sent = [*send_closed(self._producer, store), *self._send_following(tp, record, store)]
            writer.add(None, sent, store.pending_keys() - before)
            await writer.ready()
            if index == end:
                return

    def _send_following(self, tp: TP, record: RawRecord, store: AggregateStore) -> list[Future[Any]]:
        """Send the facts that follow from those of the record which were just applied."""
        following = store.take_following()
        if not following:
            return []
        router = FactRouter(following_partition(tp.partition), self._partitions)
        for index, fact in following:
            router.add(following_offset(record.offset, index), [fact])
        return router.send(self._producer, store.reached_ms)

    def _unreadable(self, tp: TP, record: RawRecord, error: Exception) -> list[Future[Any]]:
        if record.offset < self._quarantine.told(tp):
            return []
        self._telemetry.poison(tp.topic)
        return [self._dead_letters.poison(tp, record, error)]

    def _poisoned(
        self, tp: TP, record: RawRecord, facts: FactBatch, wholesome: Sequence[int], failed: FactFailed
    ) -> Poisoned:
        """The one fact that failed goes to the dead letter, as a batch of its own."""
        error, index = failed.__cause__, failed.index
        if not isinstance(error, Exception) or isinstance(error, MemoryError):
            raise failed  # not the fact's fault: the process ends
        self._telemetry.poison(tp.topic)
        alone = FactBatch(facts.partition, facts.newest_ms, [facts.offsets[index]], [facts.facts[index]])
        letter = self._dead_letters.poison_facts(tp, record, error, encode_batch(alone))
        return Poisoned(record.offset, wholesome[index], [letter])
