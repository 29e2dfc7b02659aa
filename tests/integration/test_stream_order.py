"""Redelivery and disorder change no number. On the embedded broker: it starts at once.

The material is a simulated morning with logins, pauses, holds, after-call work, transfers and callbacks.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from tests.support.mornings import CONFIG, Event, named, record, recording, simulated
from tests.support.stream_run import StreamRun

SEEDS = range(5)
ARRIVAL_SPREAD_MS = 10_000


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="module")
def morning() -> list[Event]:
    """Three hours of a simulated centre."""
    return simulated()


async def test_a_recording_that_is_fed_twice_counts_once(
    broker: EmbeddedBroker, morning: list[Event], tmp_path: Path
) -> None:
    source = recording(morning, tmp_path)
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        run.start_worker()
        assert await run.ingest(source) == await run.ingest(source) == len(morning)
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(source, attribution) == []
        counts = run.feed.counts()
        contacts_again = sum(1 for event in morning if "contact_id" in event)
        assert counts["duplicates"] + counts["late"] >= contacts_again


def shuffled(events: list[Event], seed: int) -> list[tuple[float, Event]]:
    """Each event with the moment at which it arrives: up to ten seconds after it happened."""
    rng = random.Random(seed)
    return [(event["occurred_at_ms"] + rng.uniform(0, ARRIVAL_SPREAD_MS), event) for event in events]


async def test_any_order_of_arrival_within_ten_seconds_gives_the_same(
    broker: EmbeddedBroker, morning: list[Event], tmp_path: Path
) -> None:
    # every seed's events have ids of their own, so that all five orders pass through one worker at once
    worlds = {seed: [named(event, f"s{seed}") for event in morning] for seed in SEEDS}
    arriving = sorted((pair for seed in SEEDS for pair in shuffled(worlds[seed], seed)), key=lambda pair: pair[0])
    source = recording([event for seed in SEEDS for event in worlds[seed]], tmp_path)
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        run.start_worker()
        await run.send([record(event) for _, event in arriving])
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(source, attribution) == []
        assert run.feed.counts()["late"] == 0
