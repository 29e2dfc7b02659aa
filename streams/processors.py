"""The three agents: DECODE native topics, CORRELATE events to facts, AGGREGATE facts to state. Thin shells around the
domain.
"""

from __future__ import annotations

import logging
import time
from asyncio import Future, gather
from collections.abc import Mapping
from functools import partial
from typing import Any
from zlib import crc32

import msgspec
from faust.types import StreamT

from service.adapters import Adapter, events_of, parse_record
from service.domain.aggregate import AggregateStore
from service.domain.codec import encode_event, record_key
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.facts import AnyFact, FactBatch, decode_batch, encode_batch
from streams.batch_app import FloorwalkerApp
from streams.contiguity import Contiguity
from streams.crash import crash_on_error
from streams.fetches import RawRecord
from streams.producer import BatchProducer
from streams.tables import BatchTable
from streams.telemetry import Telemetry
from streams.transport import batch_of, batches

EVENTS, FACTS, INTERVALS, DEAD_LETTERS = "cti.events", "cti.facts", "cti.intervals", "cti.dead-letter"
CONTACTS, STATE = "cti.contacts", "cti.state"

PART = 256
"""Events applied before a flush may be cut; a mark is valid between any two events."""

PART_KEYS = 1000
"""Keys of the state that facts may change before a flush may be cut: with the writer's limit, the size of a flush."""

KEPT_OF_REJECTED = 1 << 20
"""So many bytes of a rejected record go to the dead letter."""

log = logging.getLogger(__name__)
encode = msgspec.msgpack.Encoder().encode


def partition_of(scope: str, partitions: int) -> int:
    """The partition of `cti.facts` and `cti.state` that a scope belongs to."""
    return crc32(scope.encode()) % partitions


class FactRouter:
    """Facts of one source partition on their way, sorted by target partition."""

    def __init__(self, source: int, partitions: int) -> None:
        """Nothing to send yet."""
        self._source = source
        self._partitions = partitions
        self._target: dict[str, int] = {}
        self._batches: dict[int, FactBatch] = {}

    def add(self, offset: int, facts: list[AnyFact]) -> None:
        """Take the facts that the record at `offset` gave."""
        for fact in facts:
            scope = fact.scope
            target = self._target.get(scope)
            if target is None:
                target = self._target[scope] = partition_of(scope, self._partitions)
            batch = self._batches.get(target)
            if batch is None:
                batch = self._batches[target] = FactBatch(self._source, 0, [], [])
            batch.offsets.append(offset)
            batch.facts.append(fact)

    def send(self, producer: BatchProducer, newest_ms: int) -> list[Future[Any]]:
        """Send what was added, one record a target, and begin anew; event time has come to `newest_ms`."""
        for batch in self._batches.values():
            batch.newest_ms = newest_ms
        sent = [producer.send_facts(FACTS, to, encode_batch(batch)) for to, batch in self._batches.items()]
        self._batches.clear()
        return sent


def dead_letter(
    producer: BatchProducer, topic: str, partition: int, record: RawRecord, error: InvalidEvent
) -> Future[Any]:
    """Send a rejected record with its reason and where it came from."""
    headers = [
        ("reason", error.reason.encode()),
        ("detail", error.detail[:1024].encode()),
        ("source_topic", topic.encode()),
        ("source_partition", str(partition).encode()),
        ("source_offset", str(record.offset).encode()),
    ]
    value = (record.value or b"")[:KEPT_OF_REJECTED]
    return producer.send_facts(DEAD_LETTERS, None, value, key=record.key, headers=headers)


def add_correlate(
    app: FloorwalkerApp, table: BatchTable[CorrelateStore], partitions: int, telemetry: Telemetry
) -> None:
    """Add the agent that turns the events of a partition into facts."""
    contiguity = Contiguity(app)
    producer = app.batch_producer

    async def correlate(stream: StreamT[Any]) -> None:
        async for event in batches(stream):
            partition, batch = event.message.partition, batch_of(event)
            store, writer = table.store(partition), table.writer(partition)
            await writer.ready()
            if not await contiguity.accepts(event, store.mark.next_offset or None):
                continue
            router = FactRouter(partition, partitions)
            sent: list[Future[Any]] = []
            done, before = store.mark.next_offset, store.pending_keys()
            for number, record in enumerate(batch, 1):
                if record.offset >= done:
                    try:
                        router.add(record.offset, store.take(record.value or b"", record.timestamp, record.offset))
                    except InvalidEvent as error:
                        telemetry.rejected(error.reason)
                        sent.append(dead_letter(producer, EVENTS, partition, record, error))
                if number % PART == 0 and number < len(batch):
                    writer.add(None, sent + router.send(producer, store.newest_ms()), store.pending_keys() - before)
                    sent = []
                    await writer.ready()
                    before = store.pending_keys()
            store.pass_over(batch.next_offset)
            for seen in store.source_facts():
                router.add(batch.next_offset - 1, [msgspec.structs.replace(seen, partition=partition)])
            writer.add(event, sent + router.send(producer, store.newest_ms()), store.pending_keys() - before)
            telemetry.consumed(EVENTS, partition, len(batch), batch[-1].timestamp if batch else 0)

    app.agent(_raw_topic(app, EVENTS), name="correlate")(crash_on_error(correlate))


def add_aggregate(app: FloorwalkerApp, table: BatchTable[AggregateStore], telemetry: Telemetry) -> None:
    """Add the agent that adds facts up into the floor's state."""
    contiguity = Contiguity(app)
    producer = app.batch_producer

    async def aggregate(stream: StreamT[Any]) -> None:
        async for event in batches(stream):
            partition, batch = event.message.partition, batch_of(event)
            store, writer = table.store(partition), table.writer(partition)
            await writer.ready()
            if not await contiguity.accepts(event, store.mark.next_offset or None):
                continue
            for record in batch:
                if record.offset < store.mark.next_offset:
                    continue
                facts, index = decode_batch(record.value or b""), 0
                while index < len(facts.facts):
                    before = store.pending_keys()
                    index = store.apply_some(facts, index, PART_KEYS)
                    if index == len(facts.facts):
                        store.pass_over(record.offset + 1)
                    writer.add(None, send_closed(producer, store), store.pending_keys() - before)
                    await writer.ready()
            store.pass_over(batch.next_offset)
            writer.add(event)
            telemetry.consumed(FACTS, partition, len(batch), batch[-1].timestamp if batch else 0)

    app.agent(_raw_topic(app, FACTS), name="aggregate")(crash_on_error(aggregate))


def send_closed(producer: BatchProducer, store: AggregateStore) -> list[Future[Any]]:
    """Publish the closed intervals that changed."""
    return [
        producer.send_facts(INTERVALS, None, encode(closed), key=f"{closed.scope}|{closed.start_ms}".encode())
        for closed in store.drain_closed()
    ]


def add_decode(app: FloorwalkerApp, topic: str, adapter: Adapter, telemetry: Telemetry) -> None:
    """Add the agent that turns a native topic's records into canonical events, keyed as `cti.events` needs them.

    A crash between sending and acknowledging sends some events again; they carry the same ids and change nothing.
    """
    producer = app.batch_producer

    async def decode(stream: StreamT[Any]) -> None:
        async for event in batches(stream):
            partition = event.message.partition
            sent: list[Future[Any]] = []
            for record in batch_of(event):
                try:
                    parsed = parse_record(adapter, record.value or b"")
                    key = f"{topic}-{partition}-{record.offset}"
                    for found in events_of(parsed, key, int(time.time() * 1000)):
                        sent.append(
                            producer.send_facts(EVENTS, None, encode_event(found), key=record_key(found).encode())
                        )
                except InvalidEvent as error:
                    telemetry.rejected(error.reason)
                    sent.append(dead_letter(producer, topic, partition, record, error))
            await gather(*sent)
            event.message.ack(app.consumer)

    app.agent(_raw_topic(app, topic), name=f"decode-{topic}")(crash_on_error(decode))


def add_processors(
    app: FloorwalkerApp,
    partitions: int,
    make_correlate: partial[CorrelateStore],
    make_aggregate: partial[AggregateStore],
    native: Mapping[str, Adapter],
    telemetry: Telemetry,
) -> None:
    """Add tables and agents to the app; `native` maps topics of native records to their adapters."""
    contacts: BatchTable[CorrelateStore] = BatchTable(
        app,
        name="contacts",
        changelog=CONTACTS,
        partitions=partitions,
        store_factory=lambda partition: make_correlate(),
    )
    state: BatchTable[AggregateStore] = BatchTable(
        app, name="state", changelog=STATE, partitions=partitions,
        store_factory=lambda partition: make_aggregate(partition=partition),
    )  # fmt: skip
    app.tables.add(contacts)
    app.tables.add(state)
    add_correlate(app, contacts, partitions, telemetry)
    add_aggregate(app, state, telemetry)
    for topic, adapter in native.items():
        add_decode(app, topic, adapter, telemetry)


def _raw_topic(app: FloorwalkerApp, name: str) -> Any:
    return app.topic(name, key_serializer="raw", value_serializer="raw")
