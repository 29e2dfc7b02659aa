"""Measures a worker from outside: by what it wrote durably into the state feed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.domain.facts import SourceSeen
from service.domain.scopes import Scopes
from service.errors import FailedError
from service.fetches import Batch, RawRecord, take_batches
from service.processes import Child, Processes

STATE, CONTACTS = "cti.state", "cti.contacts"
CORRELATE: Final = "correlate"
"""What a worker's first process does."""

_STUCK_SECONDS: Final = 60
_SILENT_SECONDS: Final = 1.5
"""The counts tell that all events are in CORRELATE; when nothing more comes after them, all are in every scope, too."""
_LOOK_SECONDS: Final = 0.3
_GATHER_MS: Final = 50
_GATHERED_BYTES: Final = 1 << 18
"""So long, or until so much is there, the broker lets records gather: seldom looked is cheaply looked."""

_SOURCE_PREFIX: Final = b"o|"


@dataclass(frozen=True, slots=True)
class Watched:
    """How fast the backlog went into the state feed, what was written for it, and the floor after it.

    `cpu_seconds_per_event` is what each of the worker's processes took: `correlate`, `aggregate`, `evaluator`; empty
    where that cannot be told.
    """

    events_per_second: float
    cpu_seconds_per_event: dict[str, float]
    state_bytes: int
    state_records: int
    scopes: Scopes


async def watch_backlog(bootstrap: str, partitions: int, events: int, worker: Child, processes: Processes) -> Watched:
    """Follow the state feed from the first count seen until all `events` are in it.

    When the first look finds them all, the worker's start is part of the time. Raises FailedError when it stands still.
    """
    consumer = await _reader(bootstrap, STATE, partitions)
    tally = _Tally()
    started = moved = time.monotonic()
    used_before = used = worker.cpu_seconds_by_process(CORRELATE)
    first = 0
    try:
        while tally.events < events or time.monotonic() - moved < _SILENT_SECONDS:
            found = await _take(consumer)
            for records in found:
                tally.take(records)
            if found:
                moved, used = time.monotonic(), worker.cpu_seconds_by_process(CORRELATE)
            if not first and 0 < tally.events < events:
                started, first, used_before = moved, tally.events, used
            if time.monotonic() - moved > _STUCK_SECONDS:
                raise FailedError(f"the worker stands still after {tally.events} of {events} events")
            processes.check()
        rate = (events - first) / max(moved - started, 1e-6)
    finally:
        await consumer.stop()
    scopes = Scopes()
    for key, value in tally.latest.items():
        scopes.put(key, value)
    costs = {name: (seconds - used_before.get(name, 0.0)) / max(events - first, 1) for name, seconds in used.items()}
    return Watched(rate, costs, tally.bytes, tally.records, scopes)


async def size_of(bootstrap: str, topic: str, partitions: int) -> int:
    """The bytes of keys and values in a topic that nobody writes to."""
    consumer = await _reader(bootstrap, topic, partitions)
    size, silent = 0, 0
    try:
        while silent < 3:
            found = await _take(consumer)
            silent = 0 if found else silent + 1
            size += sum(len(r.key or b"") + len(r.value or b"") for records in found for r in records)
    finally:
        await consumer.stop()
    return size


async def _reader(bootstrap: str, topic: str, partitions: int) -> Any:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, fetch_max_wait_ms=_GATHER_MS, fetch_min_bytes=_GATHERED_BYTES,
        max_partition_fetch_bytes=2 << 20, check_crcs=False,
    )  # fmt: skip
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
    await consumer.seek_to_beginning()
    return consumer


async def _take(consumer: Any) -> list[Batch]:
    """What came lately, record batch by record batch: who watches must not cost what is to be measured."""
    found: dict[TopicPartition, Batch] = await take_batches(
        consumer._fetcher, lambda tp: True, wait=_LOOK_SECONDS, max_records=20_000, check_crcs=False
    )
    return list(found.values())


class _Tally:
    """Counts events from the sources' running counts, and keeps the newest value of each key."""

    def __init__(self) -> None:
        self.latest: dict[bytes, bytes | None] = {}
        self.bytes = self.records = 0
        self._decode = msgspec.msgpack.Decoder(SourceSeen).decode
        self._counts: dict[tuple[str, int], int] = {}

    @property
    def events(self) -> int:
        return sum(self._counts.values())

    def take(self, records: Sequence[RawRecord]) -> None:
        for record in records:
            key, value = record.key or b"", record.value
            self.latest[key] = value
            self.bytes += len(key) + len(value or b"")
            if value and key.startswith(_SOURCE_PREFIX):
                seen = self._decode(value)
                # event types have a dot in their name, findings such as `late` have none
                self._counts[seen.scope, seen.partition] = sum(n for kind, n in seen.counts.items() if "." in kind)
        self.records += len(records)
