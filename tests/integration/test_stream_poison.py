"""A record that our own code fails on costs nothing but itself. On the embedded broker, with faults put in.

The material is a simulated morning; the poison changes state before it raises (tests/support/failing_worker.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from tests.support import poison_scenarios as scenarios
from tests.support.mornings import CONFIG, Event, simulated
from tests.support.stream_run import StreamRun

pytestmark = pytest.mark.embedded


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="module")
def morning() -> list[Event]:
    return simulated(contacts_per_hour=700)


async def test_poison_is_set_aside_and_everything_else_is_counted(
    broker: EmbeddedBroker, morning: list[Event], tmp_path: Path
) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        await scenarios.set_aside(run, morning, tmp_path)


@pytest.mark.crash
async def test_a_worker_killed_while_it_undoes_poison_loses_and_doubles_nothing(
    broker: EmbeddedBroker, morning: list[Event], tmp_path: Path
) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        await scenarios.killed_in_reload(run, morning, tmp_path)
