"""CORRELATE: the agent that turns the events of a partition into facts. A thin shell around the domain."""

from __future__ import annotations

import time
from asyncio import Future
from typing import Any

import msgspec
from faust.types import TP, EventT, StreamT

from service.domain.codec import encode_event, record_key
from service.domain.correlate import CorrelateStore
from service.domain.customer_keys import CustomerKeys
from service.domain.errors import InvalidEvent
from service.fetches import RawRecord
from streams.batch_app import FloorwalkerApp
from streams.contiguity import Contiguity
from streams.misrouted import COPIED_FROM, EVENTS, Misrouted
from streams.poison import Poisoned, Quarantine
from streams.router import FactRouter, Unencodable
from streams.synthetic import send_made
from streams.tables import BatchTable
from streams.telemetry import Telemetry
from streams.transport import batch_of, batches
from streams.writer import Writer

PART = 256
"""Events applied before a flush may be cut; a mark is valid between any two events."""


class Correlate:
    """The stage: `run` is the agent."""

    def __init__(
        self,
        app: FloorwalkerApp,
        table: BatchTable[CorrelateStore],
        partitions: int,
        telemetry: Telemetry,
        customer_keys: CustomerKeys | None,
    ) -> None:
        """`table` is the contacts; all topics have so many `partitions`."""
        self._producer = app.batch_producer
        self._dead_letters = app.dead_letters
        self._table = table
        self._partitions = partitions
        self._telemetry = telemetry
        self._contiguity = Contiguity(app)
        self._misrouted = Misrouted(app.batch_producer, EVENTS, partitions, customer_keys)
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
                await self._apply(event, store, writer)
            except Poisoned as found:
                await self._quarantine.roll_back(event, found)
            else:
                self._telemetry.consumed(EVENTS, partition, len(batch), batch[-1].timestamp if batch else 0)

    async def _apply(self, event: EventT[Any], store: CorrelateStore, writer: Writer) -> None:
        """Apply a batch and hand it to the writer, part by part. Raises Poisoned."""
        tp, batch, producer = event.message.tp, batch_of(event), self._producer
        router = FactRouter(tp.partition, self._partitions)
        aside = {*self._quarantine.offsets(tp), *self._misrouted.find(tp.partition, batch)}
        sent: list[Future[Any]] = []
        done, before = store.mark.next_offset, store.pending_keys()
        for number, record in enumerate(batch, 1):
            offset = record.offset
            if offset >= done and not (offset in aside and self._set_aside(tp, store, record, sent)):
                try:
                    router.add(offset, store.take(record.value or b"", record.timestamp, offset))
                except InvalidEvent as error:
                    self._reject(tp, record, error, sent)
                except MemoryError:
                    raise  # not the record's fault: the process ends
                except Exception as error:
                    raise self._poisoned(tp, record, error, sent) from error
            if number % PART == 0 and number < len(batch):
                sent += self._copy(tp.partition, store)
                sent += send_made(producer, store.take_made(), tp.partition, self._partitions)
                sent += self._send(event, router, store, sent)
                writer.add(None, sent, store.pending_keys() - before)
                sent = []
                await writer.ready()
                before = store.pending_keys()
        sent += self._copy(tp.partition, store)
        writer.pace(int(time.time() * 1000) - store.newest_ms())
        store.pass_over(batch.next_offset)
        sent += send_made(producer, store.take_made(), tp.partition, self._partitions)
        for seen in store.source_facts():
            router.add(batch.next_offset - 1, [msgspec.structs.replace(seen, partition=tp.partition)])
        sent += self._send(event, router, store, sent)
        writer.add(event, sent, store.pending_keys() - before)

    def _send(
        self, event: EventT[Any], router: FactRouter, store: CorrelateStore, sent: list[Future[Any]]
    ) -> list[Future[Any]]:
        """Send the facts. Raises Poisoned; `sent` is what was sent since the writer was told last."""
        try:
            return router.send(self._producer, store.newest_ms())
        except Unencodable as failed:
            record = next((record for record in batch_of(event) if record.offset == failed.offset), None)
            if record is None or not isinstance(failed.__cause__, Exception):
                raise
            raise self._poisoned(event.message.tp, record, failed.__cause__, sent) from failed.__cause__

    def _copy(self, partition: int, store: CorrelateStore) -> list[Future[Any]]:
        """Send what this partition has to tell all others before the mark passes it; sent again, it changes nothing."""
        return [
            self._producer.send_facts(
                EVENTS, other, encode_event(event), record_key(event).encode(), [(COPIED_FROM, b"%d" % partition)]
            )
            for event in store.copies()
            for other in range(self._partitions)
            if other != partition
        ]

    def _set_aside(self, tp: TP, store: CorrelateStore, record: RawRecord, sent: list[Future[Any]]) -> bool:
        """Pass over a record that is poison or belongs elsewhere; False if it is to be applied all the same."""
        if record.offset not in self._quarantine.offsets(tp):
            moved = self._misrouted.rightly(tp.partition, record)
            if moved is None:
                return False
            if self._quarantine.told(tp) <= record.offset:
                self._telemetry.misrouted(tp.topic)
                sent.append(self._misrouted.move(tp.partition, record, moved))
        store.pass_over(record.offset + 1)
        return True

    def _reject(self, tp: TP, record: RawRecord, error: InvalidEvent, sent: list[Future[Any]]) -> None:
        if self._quarantine.told(tp) <= record.offset:
            self._telemetry.rejected(error.reason)
            sent.append(self._dead_letters.reject(tp, record, error))

    def _poisoned(self, tp: TP, record: RawRecord, error: Exception, sent: list[Future[Any]]) -> Poisoned:
        self._telemetry.poison(tp.topic)
        return Poisoned(record.offset, None, [*sent, self._dead_letters.poison(tp, record, error)])
