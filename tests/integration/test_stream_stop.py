"""SIGTERM: a worker ends in time whatever goes on, and what it leaves undone is done by the next. Embedded broker."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from tests.support import stop_scenarios as scenarios
from tests.support.mornings import CONFIG, recording, simulated
from tests.support.stream_run import StreamRun

pytestmark = pytest.mark.embedded


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running
        signal_to(running, signal.SIGCONT)()  # a frozen one could not stop


def signal_to(broker: EmbeddedBroker, number: signal.Signals) -> Callable[[], None]:
    def send() -> None:
        assert broker.pid is not None
        os.kill(broker.pid, number)

    return send


@pytest.mark.crash
async def test_two_workers_restarted_in_turn_leave_no_gap(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        events = simulated(contacts_per_hour=700)
        worst_s = await scenarios.restart_one_after_the_other(run, events, tmp_path, per_second=200)
        print(f"an event waited {worst_s:.1f} s at most")


async def test_a_worker_stops_in_time_while_the_broker_is_silent(broker: EmbeddedBroker, tmp_path: Path) -> None:
    freeze, thaw = signal_to(broker, signal.SIGSTOP), signal_to(broker, signal.SIGCONT)
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        events = simulated(contacts_per_hour=700)
        await scenarios.stop_without_a_broker(run, events, tmp_path, freeze, thaw)


@pytest.mark.crash
async def test_a_worker_stops_in_time_in_the_middle_of_a_rebalance(broker: EmbeddedBroker, tmp_path: Path) -> None:
    events = simulated()
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        first = run.start_worker()
        await run.until_ready([first])
        load = scenarios.Load(run, events, per_second=400)
        sending = asyncio.create_task(load.send())
        run.start_worker()
        await run.until(lambda: first.log_text().count("Revoking previously assigned") > 1, "a rebalance")
        assert await scenarios.stop(run, first) in (0, 1)
        load.hurry.set()
        await sending
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(recording(events, tmp_path), attribution) == []
