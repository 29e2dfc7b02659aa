"""Failures under a steady load on Apache Kafka, each compared with the oracle: `make crash` prints the table.

After each run every interval of every queue and agent, in the state feed and from the API, is what `report` makes of
the same events in one process, and no exported counter has ever fallen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.apache_kafka import KafkaProcess, KafkaUnavailable
from tests.support.crash_run import CrashRun
from tests.support.mornings import CONFIG, Event, simulated
from tests.support.stop_scenarios import stop
from tests.support.stream_run import StreamRun

pytestmark = [pytest.mark.kafka, pytest.mark.crash]

PER_SECOND = 12
PARTITIONS = 3


@pytest.fixture(scope="module")
def morning() -> list[Event]:
    """Enough of them to outlast the faults on a slow machine; what is left after the last one is sent at once."""
    return simulated(contacts_per_hour=700)


@pytest.fixture
def broker() -> Iterator[KafkaProcess]:
    """A cluster of the test's own: the topics' names are fixed."""
    process = KafkaProcess()
    try:
        process.start()
    except KafkaUnavailable as error:
        pytest.skip(str(error))
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture
async def run(broker: KafkaProcess, tmp_path: Path) -> AsyncIterator[StreamRun]:
    made = StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=False, partitions=PARTITIONS)
    async with made:
        yield made


async def test_the_broker_is_killed_and_started_again(
    run: StreamRun, broker: KafkaProcess, morning: list[Event], tmp_path: Path
) -> None:
    crash = CrashRun(run, morning, tmp_path, "c: the only broker killed and restarted", per_second=PER_SECOND)

    async def faults() -> None:
        for _ in range(3):
            await crash.pause(1, 3)
            await kill_broker(crash, broker)

    await crash.through(faults)


async def kill_broker(crash: CrashRun, broker: KafkaProcess) -> None:
    """Kill -9 the first node and bring it back."""
    crash.fault()
    broker.kill()
    await crash.pause(0, 3)
    await asyncio.to_thread(broker.restart)
    await moves_again(crash)


async def moves_again(crash: CrashRun, within_s: float = 120.0) -> None:
    """Workers may end of what happened; whoever runs them starts them again until events are taken."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        await crash.revive()
        try:
            return await crash.moves(2.0)
        except AssertionError:
            if asyncio.get_running_loop().time() > deadline:
                raise


async def test_a_worker_on_a_full_disk_works_and_stops_as_ever(
    run: StreamRun, morning: list[Event], tmp_path: Path
) -> None:
    crash = CrashRun(run, morning, tmp_path, "g: the workers' disk is full", per_second=PER_SECOND)

    async def faults() -> None:
        crash.fault()
        run.kill(crash.workers.pop())
        full = run.start_worker(module="tests.support.full_disk_worker")
        await crash.moves()
        await crash.pause(3, 5)
        crash.fault()
        assert await stop(run, full) == 0
        assert full.log_text() == "", "a file grew on a full disk"
        assert [path for path in tmp_path.rglob("worker-*/**/*") if path.is_file()] == [], "a worker keeps no file"

    await crash.through(faults)
