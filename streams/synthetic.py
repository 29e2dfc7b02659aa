"""Synthetic events on their way to `cti.events`."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterable
from typing import Any

from service.domain.codec import encode_event, record_key
from service.domain.correlate import BY_KEY, EVALUATOR, EVERYWHERE, HERE, CorrelateStore
from service.domain.events import Event
from streams.kafka_hash import partitions_of
from streams.misrouted import COPIED_FROM, EVENTS
from streams.producer import BatchProducer

TICKS = "cti.ticks"
ACKNOWLEDGED = b"acknowledged"
"""Key of an acknowledgement among the ticks."""

Sent = list[Future[Any]]


def send_made(producer: BatchProducer, made: Iterable[tuple[str, Event]], here: int, partitions: int) -> Sent:
    """Send synthetic events, each where it belongs; `here` is the partition that they were made for."""
    targets: dict[str, Iterable[int | None]] = {HERE: (here,), EVERYWHERE: range(partitions), BY_KEY: (None,)}
    stays = [(COPIED_FROM, b"%d" % here)]  # what is for every partition is at home in one
    sent: Sent = []
    for where, event in made:
        if where == EVALUATOR:
            sent.append(producer.send_facts(TICKS, 0, encode_event(event), key=ACKNOWLEDGED))
            continue
        raw, key = encode_event(event), record_key(event).encode()
        headers = stays if where == EVERYWHERE else None
        sent += [producer.send_facts(EVENTS, to, raw, key=key, headers=headers) for to in targets[where]]
    return sent


def at_home(store: CorrelateStore, partition: int, partitions: int) -> CorrelateStore:
    """Tell the store of a partition which contacts belong to it: those that Kafka's own partitioner gives it."""

    def is_home(contact_id: str) -> bool:
        key = contact_id.encode()
        return partitions_of([key], partitions)[key] == partition

    store.is_home = is_home
    return store
