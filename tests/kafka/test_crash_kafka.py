"""Failures under a steady load on Apache Kafka, each compared with the oracle: `make crash` prints the table.

After each run every interval of every queue and agent, in the state feed and from the API, is what `report` makes of
the same events in one process, and no exported counter has ever fallen.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from service.topic_reading import reading, until_the_end
from service.topics import connected_admin
from tests.support.apache_kafka import KafkaProcess
from tests.support.crash_run import CrashRun
from tests.support.detour import Detour
from tests.support.dying_worker import POINTS
from tests.support.mornings import CONFIG, Event, simulated
from tests.support.stop_scenarios import stop
from tests.support.stream_run import StreamRun, is_ready

pytestmark = [pytest.mark.kafka, pytest.mark.crash]

KILLS = 20
MOVES = 20
PER_SECOND = 12
LONGER_THAN_THE_SESSION_S = 6.0
PARTITIONS = 3


@pytest.fixture(scope="module")
def morning() -> list[Event]:
    """Enough of them to outlast the faults on a slow machine; what is left after the last one is sent at once."""
    return simulated(contacts_per_hour=700)


@pytest.fixture
async def run(broker: KafkaProcess, tmp_path: Path) -> AsyncIterator[StreamRun]:
    made = StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=False, partitions=PARTITIONS)
    made.replication = broker.replication
    async with made:
        yield made


async def test_a_worker_is_killed_twenty_times(run: StreamRun, morning: list[Event], tmp_path: Path) -> None:
    crash = CrashRun(run, morning, tmp_path, "a: worker killed, at random and at points", per_second=PER_SECOND)

    async def faults() -> None:
        for number in range(KILLS):
            kind = number % (len(POINTS) + 1)
            await (crash.kill_at_random() if kind == len(POINTS) else crash.kill_at(POINTS[kind]))

    row = await crash.through(faults)
    assert len(row.in_flight) == KILLS


async def test_partitions_move_twenty_times(run: StreamRun, morning: list[Event], tmp_path: Path) -> None:
    crash = CrashRun(run, morning, tmp_path, "b: workers join and leave", per_second=PER_SECOND)

    async def faults() -> None:
        for _ in range(MOVES // 2):
            await crash.join_and_leave()

    row = await crash.through(faults)
    assert len(row.in_flight) == MOVES


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


@pytest.mark.parametrize("nodes", [3])
async def test_one_of_three_brokers_stays_down(
    run: StreamRun, broker: KafkaProcess, morning: list[Event], tmp_path: Path
) -> None:
    crash = CrashRun(run, morning, tmp_path, "d: one of three brokers stays down", per_second=PER_SECOND)

    async def faults() -> None:
        await crash.pause(1, 3)
        crash.fault()
        broker.kill(node=2)
        await moves_again(crash)
        for _ in range(2):
            await crash.kill_at_random()

    await crash.through(faults)


async def test_a_worker_frozen_past_its_session_while_topics_are_compacted(
    run: StreamRun, morning: list[Event], tmp_path: Path
) -> None:
    crash = CrashRun(run, morning, tmp_path, "e: frozen past its session, compaction", per_second=PER_SECOND)
    compact_at_once(run.bootstrap)

    async def faults() -> None:
        for _ in range(3):
            await freeze(crash)

    await crash.through(faults)
    ends = end_of(run.bootstrap, "cti.state")
    assert await asyncio.to_thread(records_of, run.bootstrap, "cti.state") < ends, "nothing was compacted"


async def freeze(crash: CrashRun) -> None:
    """SIGSTOP the worker until another one has taken over, and let it go on."""
    frozen = crash.workers[0]
    crash.fault()
    os.killpg(frozen.pid, signal.SIGSTOP)
    crash.workers.append(crash.run.start_worker())
    await asyncio.sleep(LONGER_THAN_THE_SESSION_S)
    try:
        await moves_again(crash)
    finally:
        os.killpg(frozen.pid, signal.SIGCONT)
    await moves_again(crash)
    # one started a moment ago knows no signal yet
    others = crash.workers[1:]
    await crash.run.until(lambda: all(w.exit_code is not None or is_ready(w) for w in others), "all are up", 60.0)
    for worker in others:
        crash.workers.remove(worker)
        assert await stop(crash.run, worker) in (0, 1)
    await moves_again(crash)


def compact_at_once(bootstrap: str) -> None:
    """Have the changelogs compacted as soon as there is anything to compact.

    Tombstones stay for their hour: without them a reader that is behind would keep what was deleted.
    """
    settings = {"segment.ms": "500", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "1000"}
    topics = [ConfigResource(ConfigResourceType.TOPIC, name, settings) for name in ("cti.contacts", "cti.state")]
    with connected_admin(bootstrap, None) as admin:
        admin.alter_configs(topics)


def end_of(bootstrap: str, topic: str) -> int:
    """How many records were ever written."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    with reading(bootstrap, partitions) as consumer:
        return int(sum(consumer.end_offsets(partitions).values()))


def records_of(bootstrap: str, topic: str) -> int:
    """How many records there are."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    with reading(bootstrap, partitions) as consumer:
        return sum(1 for _ in until_the_end(consumer))


async def test_the_network_of_the_workers_stalls(
    run: StreamRun, broker: KafkaProcess, morning: list[Event], tmp_path: Path
) -> None:
    crash = CrashRun(run, morning, tmp_path, "f: the workers' network stalls", per_second=PER_SECOND)
    node = broker.nodes[0]

    async def faults() -> None:
        for seconds in (0.5, 1.0, 1.5, LONGER_THAN_THE_SESSION_S, 1.0, LONGER_THAN_THE_SESSION_S):
            await stall(crash, detour, seconds)

    async with Detour(node.proxy_port, node.detour_port) as detour:
        run.worker_bootstrap = detour.bootstrap
        await crash.through(faults)


async def stall(crash: CrashRun, detour: Detour, seconds: float) -> None:
    """Nothing passes between workers and broker for a while."""
    crash.fault()
    detour.stall()
    await asyncio.sleep(seconds)
    detour.flow()
    await moves_again(crash)
    await crash.pause(0, 1)


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


@pytest.mark.parametrize("nodes", [3])
async def test_all_of_it(run: StreamRun, broker: KafkaProcess, morning: list[Event], tmp_path: Path) -> None:
    crash = CrashRun(run, morning, tmp_path, "h: all of it, one broker of three down", per_second=PER_SECOND)
    compact_at_once(run.bootstrap)

    async def faults() -> None:
        crash.fault()
        broker.kill(node=2)
        await moves_again(crash)
        for point in POINTS:
            await crash.kill_at(point)
        await crash.join_and_leave()
        await freeze(crash)
        crash.fault()
        broker.nodes[2].freeze()
        await crash.pause(1, 3)
        broker.nodes[2].thaw()
        await moves_again(crash)
        await crash.kill_at_random()

    await crash.through(faults)
