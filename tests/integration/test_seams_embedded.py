"""The two Faust seams on the embedded broker: exact counts whatever happens to the workers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from tests.support import seam_scenarios as scenarios
from tests.support.toy_run import ToyRun

pytestmark = pytest.mark.embedded


@pytest.fixture
def run(embedded_broker: EmbeddedBroker, tmp_path: Path) -> Iterator[ToyRun]:
    prefix = f"toy{uuid.uuid4().hex[:8]}"
    toy = ToyRun(embedded_broker.bootstrap, prefix, tmp_path, idempotent=False)
    asyncio.run(toy.create_topics())
    yield toy
    toy.stop_all()


def test_a_backlog_is_counted_exactly(run: ToyRun) -> None:
    async def scenario() -> None:
        await run.produce(100_000)
        run.start_worker()
        scenarios.assert_exact(run, await run.until_done())

    asyncio.run(scenario())


def test_nothing_is_lost_or_doubled_when_workers_are_killed_join_and_leave(run: ToyRun) -> None:
    found = asyncio.run(scenarios.kills_joins_and_leaves(run, total=150_000, per_second=4000, kills=4, seed=7))
    scenarios.assert_exact(run, found)


def test_clean_restarts_read_nothing_twice(run: ToyRun) -> None:
    found, read_again = asyncio.run(scenarios.clean_restarts(run, total=80_000, per_second=4000, restarts=2))
    scenarios.assert_exact(run, found)
    assert read_again and not any(read_again)


def test_deaths_right_before_and_right_after_a_write_lose_and_double_nothing(run: ToyRun) -> None:
    scenarios.assert_exact(run, asyncio.run(scenarios.deaths_at_writes(run, total=400_000, deaths=4)))


def test_a_worker_frozen_past_its_session_ends_and_spoils_nothing(run: ToyRun) -> None:
    found, code = asyncio.run(scenarios.freeze(run, total=60_000, per_second=3000, seconds=9))
    scenarios.assert_exact(run, found)
    assert code == 1, "the frozen worker should have ended when it saw that its lease was lost"


def test_the_older_generation_ends_and_the_newer_one_repairs_what_a_stranger_wrote(run: ToyRun) -> None:
    assert asyncio.run(scenarios.intrusions(run, total=20_000)) == 1
