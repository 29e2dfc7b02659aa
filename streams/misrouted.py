"""Records of `cti.events` that another partitioner, or none, has sent to a partition that is not their key's.

The events of one contact must meet in one partition, whoever sends them. Such a record is not applied where it is: a
copy goes to the right partition, once, as a header says, and the record's offset is passed over when the broker has
the copy. A crash in between sends it again; the copy has the same event id and changes nothing.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Collection
from typing import Any

from service.domain.codec import decode_event, encode_event, record_key
from service.domain.customer_keys import DROPPED, CustomerKeys, protect
from service.fetches import Batch, RawRecord
from streams.kafka_hash import partitions_of
from streams.producer import BatchProducer

EVENTS = "cti.events"
MOVED_FROM = "rekeyed_from"
COPIED_FROM = "copied_from"
"""Header of a copy that CORRELATE sends to partitions that are not its key's, on purpose."""

KEYS_REMEMBERED = 100_000

Keyed = tuple[bytes, bytes]
"""Key and value of a record."""


class Misrouted:
    """Finds records that are in the wrong partition of a topic, and sends them to the right one."""

    def __init__(
        self, producer: BatchProducer, topic: str, partitions: int, customer_keys: CustomerKeys | None = None
    ) -> None:
        """No key is known yet. `customer_keys` hash raw customers' numbers; None: they are dropped."""
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._customer_keys = customer_keys
        self._home: dict[bytes, int] = {}

    def find(self, partition: int, batch: Batch) -> Collection[int]:
        """The offsets of records whose key belongs elsewhere, or that have none, and that were not sent on purpose."""
        keys = {record.key for record in batch}
        if len(self._home) > KEYS_REMEMBERED:
            self._home.clear()
        home = self._home
        if new := [key for key in keys if key is not None and key not in home]:
            home.update(partitions_of(new, self._partitions))
        astray = {key for key in keys if key is None or home[key] != partition}
        if not astray:
            return ()
        return {record.offset for record in batch if record.key in astray and not _sent_here(record)}

    def rightly(self, partition: int, record: RawRecord) -> Keyed | None:
        """The record as it should be; None if it belongs here by its event's key, or carries no event.

        A customer's raw number, which may be the key, does not travel on.
        """
        value = record.value or b""
        try:
            event = decode_event(value)
            ref = getattr(event, "customer_ref", None)
            protect(event, self._customer_keys, instead=DROPPED)
            key = record_key(event).encode()
        except Exception:
            return None  # what is wrong with it shows where it is, when it is applied
        if partitions_of([key], self._partitions)[key] == partition:
            return None
        return key, value if ref == getattr(event, "customer_ref", None) else encode_event(event)

    def move(self, partition: int, record: RawRecord, moved: Keyed) -> Future[Any]:
        """Send a copy to where its key belongs."""
        key, value = moved
        home = partitions_of([key], self._partitions)[key]
        headers = [(name, value or b"") for name, value in record.headers]
        headers.append((MOVED_FROM, f"{partition}:{record.offset}".encode()))
        return self._producer.send_facts(self._topic, home, value, key=key, headers=headers)


def _sent_here(record: RawRecord) -> bool:
    return any(name in (MOVED_FROM, COPIED_FROM) for name, _ in record.headers)
