"""Measures a worker from outside: by what it wrote durably into the state feed."""

import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.domain.facts import SourceSeen
from service.domain.scopes import Scopes
from service.errors import FailedError
from service.processes import Child, Processes

STATE, CONTACTS = "cti.state", "cti.contacts"
_STUCK_SECONDS: Final = 60
_SILENT_SECONDS: Final = 1.5
"""The counts tell that all events are in CORRELATE; when nothing more comes after them, all are in every scope, too."""
_SOURCE_PREFIX: Final = b"o|"


@dataclass(frozen=True, slots=True)
class Watched:
    """How fast the backlog went into the state feed, what was written for it, and the floor after it.

    `cpu_seconds_per_event` is what the worker's own process took, `evaluator_cpu_seconds_per_event` its second process;
    None where that cannot be told.
    """

    events_per_second: float
    cpu_seconds_per_event: float | None
    evaluator_cpu_seconds_per_event: float | None
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
    used_before = used = _used(worker)
    first = 0
    try:
        while tally.events < events or time.monotonic() - moved < _SILENT_SECONDS:
            found = await consumer.getmany(timeout_ms=200, max_records=20_000)
            for records in found.values():
                tally.take(records)
            if found:
                moved, used = time.monotonic(), _used(worker)
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
    costs = [None if u is None or b is None else (u - b) / max(events - first, 1)
             for u, b in zip(used, used_before, strict=True)]  # fmt: skip
    return Watched(rate, costs[0], costs[1], tally.bytes, tally.records, scopes)


def _used(worker: Child) -> tuple[float | None, float | None]:
    """Processor seconds so far: the worker's own process, and its second one."""
    own = worker.cpu_seconds()
    return own, None if own is None else worker.helpers_cpu_seconds()


async def size_of(bootstrap: str, topic: str, partitions: int) -> int:
    """The bytes of keys and values in a topic that nobody writes to."""
    consumer = await _reader(bootstrap, topic, partitions)
    size, silent = 0, 0
    try:
        while silent < 3:
            found = await consumer.getmany(timeout_ms=300, max_records=20_000)
            silent = 0 if found else silent + 1
            size += sum(len(r.key or b"") + len(r.value or b"") for records in found.values() for r in records)
    finally:
        await consumer.stop()
    return size


async def _reader(bootstrap: str, topic: str, partitions: int) -> Any:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, fetch_max_wait_ms=20, max_partition_fetch_bytes=2 << 20, check_crcs=False
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
    await consumer.seek_to_beginning()
    return consumer


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

    def take(self, records: list[Any]) -> None:
        for record in records:
            key, value = record.key, record.value
            self.latest[key] = value
            self.bytes += len(key) + len(value or b"")
            if value and key.startswith(_SOURCE_PREFIX):
                seen = self._decode(value)
                # event types have a dot in their name, findings such as `late` have none
                self._counts[seen.scope, seen.partition] = sum(n for kind, n in seen.counts.items() if "." in kind)
        self.records += len(records)
