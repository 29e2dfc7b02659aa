"""Rows 7 to 9 and 16: what came in is accounted for, live and in the report, whatever the feed does."""

from __future__ import annotations

import random

import httpx
import pytest

from service.domain.codec import encode_event
from service.domain.events import Event
from service.domain.settings import Floor
from service.simulate.options import HOUR_MS, SimulationOptions
from tests.pitfalls.scenes import ask, report
from tests.property.lives import counts_of
from tests.support.same_numbers import api_differences
from tests.unit.api.floors import Centre
from tests.unit.domain.build import aggregate
from tests.unit.simulate.days import day

OUTCOMES = ("answered", "abandoned", "flowed_out", "callback_requested", "cancelled")


@pytest.fixture(scope="module")
def busy_stretch() -> list[Event]:
    """A stretch of a simulated day, with transfers, callbacks, overflow, holds, misses and breaks."""
    return list(day(SimulationOptions(queues=4, agents=30, seed=7)))[:4_000]


def told_in_order(events: list[Event], floor: Floor | None = None) -> Centre:
    """A centre that heard the events in this order, each ten seconds late at most."""
    centre = Centre(floor or Floor())
    for told in events:
        centre.now_ms = max(told.occurred_at_ms, centre.now_ms if centre.offset else 0)
        centre.raw(encode_event(told))
    centre.flush()
    return centre


def shuffled(events: list[Event], seed: int) -> list[Event]:
    """The events in an order of arrival that is up to ten seconds off."""
    rng = random.Random(seed)
    return sorted(events, key=lambda told: told.occurred_at_ms + rng.randrange(10_000))


def sums(centre: Centre, attribution: str) -> dict[str, int]:
    intervals = [i for queue in centre.aggregate.scopes.queues.values() for i in queue.intervals.values()]
    return {name: sum(getattr(i.totals(attribution), name) for i in intervals) for name in ("offered", *OUTCOMES)}


def test_row_07_offered_is_accounted_for_at_every_second_under_both_attributions(busy_stretch: list[Event]) -> None:
    centre = Centre(Floor())
    second, by_outcome = 0, {}
    for told in busy_stretch:
        centre.now_ms = told.occurred_at_ms
        centre.raw(encode_event(told))
        if told.occurred_at_ms // 1000 == second:
            continue
        second = told.occurred_at_ms // 1000
        waiting = sum(len(queue.waiting) for queue in centre.aggregate.scopes.queues.values())
        by_outcome, by_arrival = sums(centre, "outcome"), sums(centre, "arrival")
        assert by_outcome == by_arrival
        assert by_outcome["offered"] == sum(by_outcome[name] for name in OUTCOMES) + waiting
    assert min(by_outcome[name] for name in ("answered", "abandoned")) > 10


async def test_row_07_both_attributions_are_published() -> None:
    centre = Centre()
    centre.call("c1", wait_ms=HOUR_MS, agent="1001")
    centre.flush()
    rows = [
        (attribution, item["start"][11:16], item["offered"], item["answered"])
        for attribution in ("outcome", "arrival")
        for item in (await ask(centre, f"/v1/queues/sales/intervals?attribution={attribution}"))["items"]
    ]
    assert rows == [("outcome", "11:00", 1, 0), ("outcome", "12:00", 0, 1), ("arrival", "11:00", 1, 1)]


@pytest.mark.parametrize("attribution", ["outcome", "arrival"])
async def test_row_08_live_equals_history(busy_stretch: list[Event], attribution: str) -> None:
    centre = told_in_order(shuffled(busy_stretch, 8))
    end_ms = centre.now_ms = max(told.occurred_at_ms for told in busy_stretch)
    assert end_ms == centre.state.newest_event_ms
    history = report(busy_stretch, attribution=attribution)
    transport = httpx.ASGITransport(app=centre.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        assert await api_differences(client, history, attribution) == []


async def test_row_09_the_balance_is_shown_with_every_outcome() -> None:
    centre = Centre()
    centre.call("answered", agent="1001")
    centre.call("abandoned")
    centre.queued("waiting")
    for kind in ("flowed_out", "callback_requested", "cancelled"):
        centre.queued(kind, ago_ms=5_000)
        centre.event(f"visit.{kind}", contact_id=kind, visit_id=f"{kind}/1", queue_id="sales")
    centre.flush()
    day = (await ask(centre, "/v1/queues/sales/reconciliation"))["day"]
    assert {name: day[name] for name in ("offered", *OUTCOMES, "waiting")} == {
        "offered": 6, **dict.fromkeys(OUTCOMES, 1), "waiting": 1,
    }  # fmt: skip
    assert (day["balanced"], day["difference"]) == (True, 0)


def test_row_16_events_delivered_twice_and_out_of_order_change_nothing(busy_stretch: list[Event]) -> None:
    events = busy_stretch
    once, twice = told_in_order(events), told_in_order(shuffled(events + events, 16))
    assert counts_of([twice.aggregate]) == counts_of([once.aggregate])
    duplicates = sum(seen.counts.get("duplicates", 0) for seen in twice.aggregate.scopes.sources.values())
    assert duplicates > 0.9 * len(events)
    assert counts_of([once.aggregate]) == counts_of([aggregate(events, live=True)])
