"""Failures on Apache Kafka: poison, workers that stop, a foreign partitioner. Part of `make crash`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import poison_scenarios, rebuild_scenarios, stop_scenarios
from tests.support.apache_kafka import KafkaProcess
from tests.support.misrouted_scenario import PARTITIONS, foreign_partitioner
from tests.support.mornings import CONFIG, Event, simulated
from tests.support.stream_run import StreamRun

pytestmark = [pytest.mark.kafka, pytest.mark.crash]


@pytest.fixture
def run(broker: KafkaProcess, tmp_path: Path) -> StreamRun:
    return StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=False, partitions=PARTITIONS)


@pytest.fixture(scope="module")
def morning() -> list[Event]:
    return simulated(contacts_per_hour=700)


async def test_a_worker_killed_while_it_undoes_poison_loses_and_doubles_nothing(
    run: StreamRun, morning: list[Event], tmp_path: Path
) -> None:
    async with run:
        await poison_scenarios.killed_in_reload(run, morning, tmp_path)


async def test_two_workers_restarted_in_turn_leave_no_gap(run: StreamRun, morning: list[Event], tmp_path: Path) -> None:
    async with run:
        worst_s = await stop_scenarios.restart_one_after_the_other(run, morning, tmp_path, per_second=200)
        print(f"an event waited {worst_s:.1f} s at most")


async def test_a_worker_stops_in_time_while_the_broker_is_silent(
    run: StreamRun, broker: KafkaProcess, morning: list[Event], tmp_path: Path
) -> None:
    node = broker.nodes[0]
    async with run:
        await stop_scenarios.stop_without_a_broker(run, morning, tmp_path, node.freeze, node.thaw)


async def test_a_foreign_partitioner_changes_no_number(run: StreamRun, tmp_path: Path) -> None:
    async with run:
        await foreign_partitioner(run, simulated(), tmp_path)


@pytest.mark.parametrize("partitions", [None, 5])
async def test_rebuilt_state_is_the_state_before(run: StreamRun, partitions: int | None, tmp_path: Path) -> None:
    async with run:
        await rebuild_scenarios.the_same_state(run, simulated(), tmp_path, partitions)
