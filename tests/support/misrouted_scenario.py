"""Events in partitions that are not their key's, the same on every broker; the broker's own test files call this.

The producer under test spreads keys by CRC-32, as some clients do unless told otherwise, and leaves some keys out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.embedded import free_port
from streams.kafka_hash import partitions_of
from streams.misrouted import MOVED_FROM
from tests.support.mornings import Event, record, recording
from tests.support.stream_run import Placed, StreamRun

PARTITIONS = 3
SLICE_MS = 600_000
"""Less than a contact lingers: what is moved arrives a little later than it would have."""


def misplaced(events: list[Event]) -> list[Placed]:
    """Key, value and partition as the foreign producer has them; the event tells the right key."""
    placed: list[Placed] = []
    for number, event in enumerate(events):
        key, value = record(event)
        assert key is not None
        keyless = number % 10 == 0 and "contact_id" in event
        placed.append((None if keyless else key, value, (number if keyless else crc32(key)) % PARTITIONS))
    return placed


def slices(events: list[Event]) -> Iterator[list[Event]]:
    first = events[0]["occurred_at_ms"]
    found: dict[int, list[Event]] = {}
    for event in events:
        found.setdefault((event["occurred_at_ms"] - first) // SLICE_MS, []).append(event)
    return iter(found.values())


def strays(events: list[Event]) -> int:
    """How many of them the foreign producer has put where they do not belong."""
    keys = [record(event)[0] or b"" for event in events]
    home = partitions_of(keys, PARTITIONS)
    return sum(home[key] != where for key, (_, _, where) in zip(keys, misplaced(events), strict=True))


async def foreign_partitioner(run: StreamRun, morning: list[Event], folder: Path) -> None:
    """It changes no number, though the worker is killed; each stray is moved once, or twice over the crash."""
    port = free_port()
    worker = run.start_worker("--metrics-port", str(port))
    parts = list(slices(morning))
    moved = 0
    for number, part in enumerate(parts):
        if number == len(parts) // 2:
            assert await misrouted_total(port) == moved
        await run.send_to(misplaced(part))
        moved += strays(part)
        if number == len(parts) // 2:
            run.kill(worker)  # what it had moved and not yet noted is moved again, under the same event ids
            run.start_worker()
        await run.until_taken(run.sent + moved)
    await run.settle()
    for attribution in ("outcome", "arrival"):
        assert await run.differences(recording(morning, folder), attribution) == []
    assert not run.feed.dead_letters
    copies = await moved_records(run)
    assert len(copies) == moved, "each from its place"
    assert set(copies.values()) <= {1, 2}, "once, and once more over a crash"
    assert moved > len(morning) // 3


async def misrouted_total(port: int) -> int:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    line = next(line for line in text.splitlines() if line.startswith("floorwalker_worker_misrouted_total{"))
    return round(float(line.split()[-1]))


async def moved_records(run: StreamRun) -> Counter[str]:
    """Where each copy says it came from; a copy of a copy would be a record with two such headers."""
    found: Counter[str] = Counter()
    async with AIOKafkaConsumer(bootstrap_servers=run.bootstrap) as consumer:
        consumer.assign([TopicPartition("cti.events", number) for number in range(PARTITIONS)])
        await consumer.seek_to_beginning()
        while records := await consumer.getmany(timeout_ms=500):
            for several in records.values():
                for one in several:
                    origins = [value.decode() for name, value in one.headers if name == MOVED_FROM]
                    assert len(origins) <= 1
                    found.update(origins)
    return found
