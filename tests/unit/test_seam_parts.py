"""The small parts of the Faust seams: reading fetch results, contiguity, ending the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import TopicPartitionState
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP

from service.domain.aggregate import AggregateStore
from service.domain.facts import FactBatch, encode_batch
from service.domain.settings import Floor
from service.fetches import Batch, take_batches
from streams.aggregate import Aggregate
from streams.contiguity import Contiguity
from streams.writer import Writer

SOURCE = TopicPartition("events", 0)


def record_batch(base_offset: int, values: Sequence[bytes]) -> bytes:
    builder = BatchBuilder(1 << 16, 0)
    for value in values:
        builder.append(timestamp=1, key=None, value=value)
    raw = bytearray(builder._build())
    raw[0:8] = base_offset.to_bytes(8, "big")  # the broker's part of a record batch; not covered by the checksum
    return bytes(raw)


class FakeFetcher:
    """What `take_batches` uses of aiokafka's fetcher, holding one fetch result."""

    def __init__(self, position: int, data: bytes) -> None:
        state = SimpleNamespace(position=position, paused=False, consumed_to=self._move)
        self.state = state
        assignment = SimpleNamespace(active=True, state_value=lambda tp: state)
        records = PartitionRecords(SOURCE, MemoryRecords(data), None, position, None, None, False, 0)
        result = FetchResult(SOURCE, partition_records=records, assignment=assignment, backoff=0.1)
        self._records = {SOURCE: result}
        self._subscriptions = SimpleNamespace(reassignment_in_progress=False, is_assigned=lambda tp: True)
        self._wait_consume_future = None

    def _move(self, position: int) -> None:
        self.state.position = position

    def _notify(self, waiter: object) -> None: ...

    def take(self, max_records: int = 100) -> dict[TP, Batch]:
        taking = take_batches(self, lambda tp: True, wait=0.0, max_records=max_records, check_crcs=True)
        return asyncio.run(taking)


def test_the_fake_follows_the_state_it_stands_for() -> None:
    assert hasattr(TopicPartitionState, "consumed_to")
    assert hasattr(TopicPartitionState, "position")


def test_a_fetch_that_starts_inside_a_record_batch_gives_only_what_follows_the_position() -> None:
    fetcher = FakeFetcher(12, record_batch(10, [b"a", b"b", b"c", b"d"]))
    batch = fetcher.take()[TP(*SOURCE)]
    assert ([record.value for record in batch], batch.start_offset, batch.next_offset) == ([b"c", b"d"], 12, 14)
    assert fetcher.state.position == 14


def test_a_gap_that_compaction_left_is_covered_by_the_batch() -> None:
    fetcher = FakeFetcher(5, record_batch(5, [b"a"]) + record_batch(9, [b"b"]))
    batch = fetcher.take()[TP(*SOURCE)]
    assert ([record.offset for record in batch], batch.start_offset, batch.next_offset) == ([5, 9], 5, 10)


def test_a_long_fetch_result_is_given_in_parts_that_follow_each_other() -> None:
    fetcher = FakeFetcher(0, record_batch(0, [b"a", b"b"]) + record_batch(2, [b"c", b"d"]))
    first = fetcher.take(max_records=2)[TP(*SOURCE)]
    second = fetcher.take(max_records=2)[TP(*SOURCE)]
    assert (first.start_offset, first.next_offset) == (0, 2)
    assert (second.start_offset, second.next_offset) == (2, 4)
    assert fetcher._records == {}


def test_a_fetch_result_from_before_a_seek_is_dropped() -> None:
    fetcher = FakeFetcher(0, record_batch(0, [b"a"]))
    fetcher.state.position = 7
    assert fetcher.take() == {}


class FakeConsumer:
    """Remembers what `Contiguity` asked for."""

    def __init__(self, earliest: int) -> None:
        self.earliest = earliest
        self.sought: list[tuple[TP, int]] = []
        self.discarded = 0

    async def earliest_offsets(self, tp: TP) -> dict[TP, int]:
        return {tp: self.earliest}

    async def seek_back(self, tp: TP, offset: int) -> None:
        self.sought.append((tp, offset))

    def discard(self, message: object) -> None:
        self.discarded += 1


@pytest.mark.parametrize(
    ("expected", "starts", "earliest", "accepted", "sought"),
    [
        pytest.param(None, [7], 0, [True], [], id="no mark yet"),
        pytest.param(7, [7], 0, [True], [], id="exactly what comes next"),
        pytest.param(7, [3], 0, [True], [], id="again what is known: the mark skips it"),
        pytest.param(7, [9], 0, [False], [7], id="a jump seeks back"),
        pytest.param(
            7, [9, 10, 7], 0, [False, False, True], [7], id="what was queued behind a jump does not seek again"
        ),
        pytest.param(7, [9], 9, [True], [], id="expired records are Kafka's doing"),
    ],
)
def test_contiguity(
    expected: int | None, starts: list[int], earliest: int, accepted: list[bool], sought: list[int]
) -> None:
    tp = TP("events", 0)
    consumer = FakeConsumer(earliest)
    app: Any = SimpleNamespace(consumer=consumer)

    async def scenario() -> list[bool]:
        contiguity = Contiguity(app)
        events: list[Any] = [SimpleNamespace(message=SimpleNamespace(tp=tp), value=Batch(start)) for start in starts]
        return [await contiguity.accepts(event, expected) for event in events]

    assert asyncio.run(scenario()) == accepted
    assert consumer.sought == [(tp, offset) for offset in sought]
    assert consumer.discarded == accepted.count(False)


def test_a_partition_without_a_mark_starts_again_at_its_first_unacknowledged_batch() -> None:
    tp = TP("events", 0)
    consumer = FakeConsumer(0)
    app: Any = SimpleNamespace(consumer=consumer)

    def batch(start: int) -> Any:
        return SimpleNamespace(message=SimpleNamespace(tp=tp), value=Batch(start))

    async def scenario() -> list[bool]:
        contiguity = Contiguity(app)
        await contiguity.start_again([batch(3), batch(5)], None)
        return [await contiguity.accepts(batch(start), None) for start in (9, 3)]

    assert asyncio.run(scenario()) == [False, True], "what was queued behind them does not go first"
    assert consumer.sought == [(tp, 3)]
    assert consumer.discarded == 3


def test_an_exception_in_a_guarded_coroutine_ends_the_process_with_its_traceback() -> None:
    program = (
        "import asyncio, logging\n"
        "from streams.crash import crash_on_error\n"
        "logging.basicConfig()\n"
        "@crash_on_error\n"
        "async def agent(): raise KeyError('boom')\n"
        "async def main():\n"
        "    asyncio.ensure_future(agent())\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "agent failed with KeyError" in done.stderr
    assert "raise KeyError('boom')" in done.stderr or "KeyError: 'boom'" in done.stderr


class StillStore:
    """A store with nothing to write."""

    def load(self, records: Sequence[Any]) -> None:
        """Nothing to learn."""

    def drain(self, max_bytes: int) -> list[Any]:
        """Nothing to write."""
        return []

    def touch(self, keys: Sequence[bytes]) -> None:
        """Nothing to write again."""


@pytest.mark.parametrize(
    ("behind_ms", "seconds"), [(-500, 0.05), (0, 0.05), (400, 0.05), (2_000, 0.2), (86_400_000, 0.5)]
)
def test_changes_gather_for_a_tenth_of_the_arrears_and_no_longer_than_half_a_second(
    behind_ms: int, seconds: float
) -> None:
    app: Any = None
    writer = Writer(app, TP("cti.state", 0), StillStore())
    writer.pace(behind_ms)
    assert writer.flush_interval_seconds == pytest.approx(seconds)


async def test_who_catches_up_writes_the_last_changes_as_soon_as_no_more_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.writer.LONGEST_INTERVAL", 3_600)
    app: Any = None
    writer = Writer(app, TP("cti.state", 0), StillStore())
    writer.pace(86_400_000)
    writer.start(0)
    try:
        writer.add(None)
        await asyncio.wait_for(writer.drained(), 30)
        writer.add(None)  # in the pause of an hour that has begun
        await asyncio.wait_for(writer.drained(), 30)
    finally:
        writer.stop()


async def test_what_follows_from_other_facts_does_not_slow_a_floor_that_is_up_to_date() -> None:
    app: Any = SimpleNamespace(batch_producer=None, dead_letters=None)
    nothing: Any = None
    writer, store = Writer(app, TP("cti.state", 0), StillStore()), AggregateStore(Floor())
    stage = Aggregate(app, nothing, 2, nothing)
    tomorrow_ms, intervals = time.time_ns() // 1_000_000 + 86_400_000, []
    for offset, (source, newest_ms) in enumerate([(1, tomorrow_ms), (-1, 0), (1, 1), (-1, tomorrow_ms)]):
        record: Any = SimpleNamespace(offset=offset, value=encode_batch(FactBatch(source, newest_ms, [], [])))
        await stage._apply(TP("cti.facts", 0), record, store, writer)
        intervals.append(writer.flush_interval_seconds)
    assert intervals == [0.05, 0.05, 0.5, 0.5], "only what comes from the source changes the pace"
