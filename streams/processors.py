"""The tables and agents of a worker's stages, and the smallest agent: DECODE, which turns native topics into events."""

from __future__ import annotations

import time
from asyncio import Future, gather
from collections.abc import Mapping
from functools import partial
from typing import Any

from faust.types import StreamT

from service.adapters import Adapter, events_of, parse_record
from service.domain.aggregate import AggregateStore
from service.domain.codec import encode_event, record_key
from service.domain.correlate import CorrelateStore
from service.domain.customer_keys import DROPPED, CustomerKeys, protect
from service.domain.errors import InvalidEvent
from streams.aggregate import Aggregate
from streams.batch_app import FloorwalkerApp
from streams.correlate import Correlate
from streams.crash import crash_on_error
from streams.lag import LagCollector, lags_of
from streams.misrouted import EVENTS
from streams.router import FACTS
from streams.synthetic import at_home
from streams.tables import BatchTable
from streams.telemetry import Telemetry
from streams.transport import batch_of, batches
from streams.watch import watch_agents, watch_contacts

CONTACTS, STATE = "cti.contacts", "cti.state"


def add_decode(
    app: FloorwalkerApp, topic: str, adapter: Adapter, telemetry: Telemetry, customer_keys: CustomerKeys | None
) -> None:
    """Add the agent that turns a native topic's records into canonical events, keyed as `cti.events` needs them.

    A crash between sending and acknowledging sends some events again; they carry the same ids and change nothing.
    """
    producer, dead_letters = app.batch_producer, app.dead_letters

    async def decode(stream: StreamT[Any]) -> None:
        async for event in batches(stream):
            tp = event.message.tp
            sent: list[Future[Any]] = []
            for record in batch_of(event):
                try:
                    parsed = parse_record(adapter, record.value or b"")
                    key = f"{topic}-{tp.partition}-{record.offset}"
                    for found in events_of(parsed, key, int(time.time() * 1000)):
                        protect(found, customer_keys, instead=DROPPED)
                        sent.append(
                            producer.send_facts(EVENTS, None, encode_event(found), key=record_key(found).encode())
                        )
                except InvalidEvent as error:
                    telemetry.rejected(error.reason)
                    sent.append(dead_letters.reject(tp, record, error))
                except MemoryError:
                    raise
                except Exception as error:
                    telemetry.poison(topic)
                    sent.append(dead_letters.poison(tp, record, error))
            await gather(*sent)
            event.message.ack(app.consumer)

    app.agent(_raw_topic(app, topic), name=f"decode-{topic}")(crash_on_error(decode))


def add_correlate(
    app: FloorwalkerApp,
    partitions: int,
    make_store: partial[CorrelateStore],
    native: Mapping[str, Adapter],
    telemetry: Telemetry,
    customer_keys: CustomerKeys | None = None,
) -> None:
    """Add DECODE and CORRELATE with its contacts; `native` maps topics of native records to their adapters.

    `customer_keys` hash raw customers' numbers; None: they are dropped.
    """
    contacts: BatchTable[CorrelateStore] = BatchTable(
        app, name="contacts", changelog=CONTACTS, partitions=partitions,
        store_factory=lambda partition: at_home(make_store(customer_keys=customer_keys), partition, partitions),
    )  # fmt: skip
    app.tables.add(contacts)
    correlate = Correlate(app, contacts, partitions, telemetry, customer_keys)
    app.agent(_raw_topic(app, EVENTS), name="correlate")(crash_on_error(correlate.run))
    watch_contacts(app, contacts, partitions)
    telemetry.registry.register(LagCollector(partial(lags_of, app, {EVENTS: contacts})))
    for topic, adapter in native.items():
        add_decode(app, topic, adapter, telemetry, customer_keys)


def add_aggregate(
    app: FloorwalkerApp, partitions: int, make_store: partial[AggregateStore], telemetry: Telemetry
) -> None:
    """Add AGGREGATE with its state."""
    state: BatchTable[AggregateStore] = BatchTable(
        app, name="state", changelog=STATE, partitions=partitions,
        store_factory=lambda partition: make_store(partition=partition, partitions=partitions),
    )  # fmt: skip
    app.tables.add(state)
    aggregate = Aggregate(app, state, partitions, telemetry)
    app.agent(_raw_topic(app, FACTS), name="aggregate")(crash_on_error(aggregate.run))
    watch_agents(app, state, partitions)
    telemetry.registry.register(LagCollector(partial(lags_of, app, {FACTS: state})))


def _raw_topic(app: FloorwalkerApp, name: str) -> Any:
    return app.topic(name, key_serializer="raw", value_serializer="raw")
