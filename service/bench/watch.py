"""Measures a worker from outside: by what it wrote durably into the state feed."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.bench.load import warm_up
from service.domain.facts import SourceSeen
from service.domain.scopes import Scopes
from service.errors import FailedError
from service.fetches import RawRecord, take_unread
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
    """Follow the state feed until all `events` are in it; what is measured begins once the worker is warm.

    What comes is looked into once nothing more does: who watches must not cost what is to be measured. When the first
    look after the warm-up finds all events, the worker's start is part of the time. Raises FailedError when it stands
    still.
    """
    consumer = await _reader(bootstrap, STATE, partitions)
    moved, looks = time.monotonic(), list[_Look]()
    tally = _Tally(events, _Look(moved, worker.cpu_seconds_by_process(CORRELATE), ()))
    try:
        while tally.events < events or looks:
            found = await _take(consumer)
            if found:
                moved = time.monotonic()
                looks.append(_Look(moved, worker.cpu_seconds_by_process(CORRELATE), found))
            elif time.monotonic() - moved > _SILENT_SECONDS:
                for look in looks:
                    tally.take(look)
                looks.clear()
            if time.monotonic() - moved > _STUCK_SECONDS:
                raise FailedError(f"the worker stands still after {tally.events} of {events} events")
            processes.check()
    finally:
        await consumer.stop()
    return tally.result()


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


async def _take(consumer: Any) -> list[Iterable[RawRecord]]:
    """The record batches that came lately, not looked into."""
    found: dict[TopicPartition, list[Iterable[RawRecord]]] = await take_unread(
        consumer._fetcher, lambda tp: True, wait=_LOOK_SECONDS
    )
    return [batch for batches in found.values() for batch in batches]


@dataclass(frozen=True, slots=True)
class _Look:
    """What came into the state feed by a moment of the monotonic clock, and what the worker had used of processors."""

    at: float
    used: dict[str, float]
    found: Sequence[Iterable[RawRecord]]


class _Tally:
    """Counts events from the sources' running counts, and keeps the newest value of each key."""

    def __init__(self, expected: int, began: _Look) -> None:
        """So many events are `expected`; what is measured begins with the first look that finds it warm,
        and not all there.
        """
        self._expected, self._warm = expected, max(1, warm_up(expected))
        self._began = self._last = began
        self._first = 0
        self._bytes = self._records = 0
        self._latest: dict[bytes, bytes | None] = {}
        self._decode = msgspec.msgpack.Decoder(SourceSeen).decode
        self._counts: dict[tuple[str, int], int] = {}

    @property
    def events(self) -> int:
        return sum(self._counts.values())

    def take(self, look: _Look) -> None:
        for records in look.found:
            for record in records:
                self._put(record.key or b"", record.value)
        self._last = look
        if not self._first and self._warm <= self.events < self._expected:
            self._first, self._began = self.events, look

    def _put(self, key: bytes, value: bytes | None) -> None:
        self._latest[key] = value
        self._records += 1
        self._bytes += len(key) + len(value or b"")
        if value and key.startswith(_SOURCE_PREFIX):
            seen = self._decode(value)
            # event types have a dot in their name, findings such as `late` have none
            self._counts[seen.scope, seen.partition] = sum(n for kind, n in seen.counts.items() if "." in kind)

    def result(self) -> Watched:
        """What all looks together tell."""
        events, began, last = self.events - self._first, self._began, self._last
        scopes = Scopes()
        for key, value in self._latest.items():
            scopes.put(key, value)
        costs = {name: (used - began.used.get(name, 0.0)) / max(events, 1) for name, used in last.used.items()}
        return Watched(events / max(last.at - began.at, 1e-6), costs, self._bytes, self._records, scopes)
