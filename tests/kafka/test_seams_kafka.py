"""The two Faust seams on Apache Kafka: exact counts whatever happens to workers and broker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import seam_scenarios as scenarios
from tests.support.apache_kafka import KafkaProcess
from tests.support.toy_run import ToyRun

pytestmark = pytest.mark.kafka


@pytest.fixture
def run(kafka: KafkaProcess, tmp_path: Path) -> Iterator[ToyRun]:
    toy = ToyRun(kafka.bootstrap, f"toy{uuid.uuid4().hex[:8]}", tmp_path, idempotent=True)
    asyncio.run(toy.create_topics())
    yield toy
    toy.stop_all()


def test_nothing_is_lost_or_doubled_when_workers_are_killed_join_and_leave(run: ToyRun) -> None:
    found = asyncio.run(scenarios.kills_joins_and_leaves(run, total=150_000, per_second=3000, kills=5, seed=11))
    scenarios.assert_exact(run, found)


def test_deaths_right_before_and_right_after_a_write_lose_and_double_nothing(run: ToyRun) -> None:
    scenarios.assert_exact(run, asyncio.run(scenarios.deaths_at_writes(run, total=600_000, deaths=6)))


def test_a_worker_frozen_past_its_session_ends_and_spoils_nothing(run: ToyRun) -> None:
    found, code = asyncio.run(scenarios.freeze(run, total=60_000, per_second=3000, seconds=9))
    scenarios.assert_exact(run, found)
    assert code == 1, "the frozen worker should have ended when it saw that its lease was lost"


def test_a_broker_that_is_frozen_for_less_than_its_sessions_costs_nothing(run: ToyRun, kafka: KafkaProcess) -> None:
    found = asyncio.run(scenarios.broker_pause(run, kafka, total=40_000, per_second=3000, seconds=3.2))
    scenarios.assert_exact(run, found)


def test_the_older_generation_ends_and_the_newer_one_repairs_what_a_stranger_wrote(run: ToyRun) -> None:
    assert asyncio.run(scenarios.intrusions(run, total=20_000)) == 1
