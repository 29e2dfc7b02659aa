"""A reader of a changelog that pauses for longer than Kafka keeps tombstones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from service.feed_status import FeedStatus
from service.floor_state import Record
from service.state_tail import StateTail
from service.topic_reading import reading, until_the_end
from service.topics import connected_admin, create_topics
from tests.support.apache_kafka import KafkaProcess

pytestmark = [pytest.mark.kafka, pytest.mark.crash]

STATE = "cti.state"
WITHIN_S = 120.0
AT_ONCE = {
    "segment.ms": "500", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "0",
}  # fmt: skip


class Reader:
    """Keeps the newest value of each key."""

    def __init__(self) -> None:
        self.feed = FeedStatus()
        self.kept: dict[bytes, bytes] = {}
        self.resets = 0

    def apply(self, records: Sequence[Record]) -> None:
        for key, value in records:
            if value is None:
                self.kept.pop(key, None)
            else:
                self.kept[key] = value

    def settle(self, limit: int) -> bool:
        return True

    def reset(self) -> None:
        self.resets += 1
        self.kept.clear()
        self.feed.caught_up = False


@asynccontextmanager
async def reads(tail: StateTail) -> AsyncIterator[None]:
    """The tail runs inside; then it pauses, and keeps its position."""
    task = asyncio.create_task(tail.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {WITHIN_S} s"
        await asyncio.sleep(0.05)


def keys_in(bootstrap: str) -> set[bytes]:
    """The keys of every record that is still in the topic, tombstones among them."""
    with reading(bootstrap, [TopicPartition(STATE, 0)]) as consumer:
        return {record.key for record in until_the_end(consumer)}


def compact_at_once(bootstrap: str) -> None:
    """Compaction as soon as there is anything to compact, and tombstones gone with the next one."""
    with connected_admin(bootstrap, None) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, STATE, AT_ONCE)])


@pytest.mark.parametrize("kept_ms", [1_000, 3_600_000])
async def test_a_reader_begins_anew_after_a_pause_in_which_deletions_may_have_gone(
    broker: KafkaProcess, kept_ms: int
) -> None:
    create_topics(broker.bootstrap, 1, 1)
    compact_at_once(broker.bootstrap)
    reader = Reader()
    wall_ms = lambda: time.time_ns() // 1_000_000  # noqa: E731
    tail = StateTail(broker.bootstrap, {STATE: reader.apply}, reader, wall_ms, tombstones_kept_ms=kept_ms)
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        await producer.send_and_wait(STATE, b"here", key=b"waits")
        async with reads(tail):
            await until(lambda: b"waits" in reader.kept and reader.feed.caught_up, "the reader knows the key")
        await producer.send_and_wait(STATE, None, key=b"waits")
        written, there = 0, {b"waits"}
        deadline = time.monotonic() + WITHIN_S
        while b"waits" in there:
            assert time.monotonic() < deadline, "the tombstone is still there"
            written += 1
            await producer.send_and_wait(STATE, b"%d" % written, key=b"other")
            there = await asyncio.to_thread(keys_in, broker.bootstrap)
        async with reads(tail):
            await until(lambda: reader.kept.get(b"other") == b"%d" % written, "the reader has read on")
    if kept_ms == 1_000:
        assert reader.kept.keys() == {b"other"}
        assert reader.resets >= 1
    else:
        assert b"waits" in reader.kept, "it believed that tombstones are kept for longer than they were"
