"""Records of `cti.events` that another partitioner, or none, has sent to a partition that is not their key's.

The events of one contact must meet in one partition, whoever sends them. Such a record is not applied where it is: a
copy goes to the right partition, once, as a header says, and the record's offset is passed over when the broker has
the copy. A crash in between sends it again; the copy has the same event id and changes nothing.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Collection
from typing import Any

from service.domain.codec import decode_event, record_key
from streams.fetches import Batch, RawRecord
from streams.kafka_hash import partitions_of
from streams.producer import BatchProducer

EVENTS = "cti.events"
MOVED_FROM = "rekeyed_from"
COPIED_FROM = "copied_from"
"""Header of a copy that CORRELATE sends to partitions that are not its key's, on purpose."""

KEYS_REMEMBERED = 100_000


class Misrouted:
    """Finds records that are in the wrong partition of a topic, and sends them to the right one."""

    def __init__(self, producer: BatchProducer, topic: str, partitions: int) -> None:
        """No key is known yet."""
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
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

    def right_key(self, partition: int, record: RawRecord) -> bytes | None:
        """The key of the event that the record carries; None if it belongs here by that key, or carries none."""
        try:
            key = record_key(decode_event(record.value or b"")).encode()
        except Exception:
            return None  # what is wrong with it shows where it is, when it is applied
        return None if partitions_of([key], self._partitions)[key] == partition else key

    def move(self, partition: int, record: RawRecord, key: bytes) -> Future[Any]:
        """Send a copy to where this key belongs."""
        home = partitions_of([key], self._partitions)[key]
        headers = [(name, value or b"") for name, value in record.headers]
        headers.append((MOVED_FROM, f"{partition}:{record.offset}".encode()))
        return self._producer.send_facts(self._topic, home, record.value or b"", key=key, headers=headers)


def _sent_here(record: RawRecord) -> bool:
    return any(name in (MOVED_FROM, COPIED_FROM) for name, _ in record.headers)
