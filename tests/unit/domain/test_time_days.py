"""Business days: each site's own, driven by the clock, and whole when the clocks change."""

from datetime import datetime
from itertools import pairwise

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.events import Event
from service.domain.settings import Agent, Floor, Queue, Site
from service.domain.totals import Totals, total_of
from service.domain.view import FloorView
from tests.unit.domain.build import T0, aggregate, event

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SITES = {
    "berlin": Site("berlin", "Europe/Berlin"),
    "montreal": Site("montreal", "America/Montreal", 240),
    "island": Site("island", "Australia/Lord_Howe", 150),
}


def floor(interval_minutes: int = 15) -> Floor:
    """A queue and an agent of each site, both named like it."""
    return Floor(
        sites=dict(SITES),
        queues={name: Queue(name, site=name) for name in SITES},
        agents={name: Agent(name, site=name) for name in SITES},
        interval_ms=interval_minutes * MINUTE_MS,
    )


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def seconds(moment_ms: int) -> float:
    return (moment_ms - T0) / 1000


def queued(site: str, moment_ms: int) -> Event:
    return event("visit.queued", seconds(moment_ms), contact_id=f"{site}{moment_ms}", queue_id=site)


def offered(store: AggregateStore, site: str, now_ms: int, window: str = "day") -> int:
    here = floor()
    view = FloorView(here, Calendars(here), now_ms)
    return view.queue_totals(store.scopes.queues["queue:" + site], window).offered


@pytest.mark.parametrize(
    ("site", "reset"),
    [
        pytest.param("berlin", "2026-11-21T00:00+01:00", id="Berlin at midnight"),
        pytest.param("montreal", "2026-11-21T04:00-05:00", id="Montreal at four"),
        pytest.param("island", "2026-11-21T02:30+11:00", id="Lord Howe at half past two"),
    ],
)
def test_a_day_ends_at_its_sites_reset_time_to_the_millisecond_and_without_traffic(site: str, reset: str) -> None:
    reset_ms = at_ms(reset)
    store = aggregate([queued(site, reset_ms - HOUR_MS)], floor(), live=True)
    assert [offered(store, site, now) for now in (reset_ms - 1, reset_ms, reset_ms + 24 * HOUR_MS)] == [1, 0, 0]


def test_a_visit_at_the_reset_time_belongs_to_the_new_day() -> None:
    reset_ms = at_ms("2026-11-21T04:00-05:00")
    store = aggregate([queued("montreal", reset_ms - 1), queued("montreal", reset_ms)], floor(), live=True)
    assert [offered(store, "montreal", now) for now in (reset_ms - 1, reset_ms)] == [1, 1]


def test_sites_in_different_zones_have_their_own_day_at_the_same_moment() -> None:
    moment_ms = at_ms("2026-11-21T00:30+01:00")
    events = [queued(site, moment_ms - n * HOUR_MS) for site in ("berlin", "montreal") for n in range(3)]
    store = aggregate(events, floor(), live=True)
    assert offered(store, "berlin", moment_ms) == 1  # half an hour of the 21st
    assert offered(store, "montreal", moment_ms) == 3  # 18:30 of the 20th
    assert offered(store, "berlin", moment_ms, "60m") == offered(store, "montreal", moment_ms, "60m") == 1


CHANGES = [
    pytest.param("berlin", "2026-03-29T12:00+02:00", 15, 92, 23.0, id="Berlin forward, 15 min"),
    pytest.param("berlin", "2026-10-25T12:00+01:00", 15, 100, 25.0, id="Berlin back, 15 min"),
    pytest.param("berlin", "2026-03-29T12:00+02:00", 30, 46, 23.0, id="Berlin forward, 30 min"),
    pytest.param("berlin", "2026-10-25T12:00+01:00", 60, 25, 25.0, id="Berlin back, an hour"),
    pytest.param("montreal", "2026-03-08T12:00-04:00", 15, 96, 24.0, id="Montreal forward: before its reset at four"),
    pytest.param("montreal", "2026-03-07T12:00-05:00", 15, 92, 23.0, id="Montreal forward: the night of the 7th"),
    pytest.param("montreal", "2026-10-31T12:00-04:00", 15, 100, 25.0, id="Montreal back: the night of the 31st"),
    pytest.param("island", "2026-10-04T12:00+11:00", 15, 96, 24.0, id="Lord Howe: its clock changes up to its reset"),
    pytest.param("island", "2026-04-04T12:00+11:00", 15, 98, 24.5, id="Lord Howe back by half an hour, 15 min"),
    pytest.param("island", "2026-10-03T12:00+10:30", 15, 94, 23.5, id="Lord Howe forward by half an hour"),
    pytest.param("island", "2026-04-04T12:00+11:00", 60, 25, 24.5, id="Lord Howe back: the last hour is half of one"),
]


@pytest.mark.parametrize(("site", "noon", "minutes", "count", "hours"), CHANGES)
def test_a_day_on_which_clocks_change_is_the_sum_of_its_intervals(
    site: str, noon: str, minutes: int, count: int, hours: float
) -> None:
    here = floor(minutes)
    calendar = Calendars(here).of_site(site)
    start_ms, end_ms = calendar.day_bounds_ms(at_ms(noon))
    assert (end_ms - start_ms) / HOUR_MS == hours
    around = range(start_ms - 2 * HOUR_MS, end_ms + 2 * HOUR_MS, MINUTE_MS)
    login = event("agent.login", seconds(around[0]), agent_id=site)
    logout = event("agent.logout", seconds(around[-1]), agent_id=site)
    store = aggregate([login, *(queued(site, minute) for minute in around), logout], here)
    visits = day_of(store.scopes.queues["queue:" + site].intervals, start_ms, end_ms)
    states = day_of(store.scopes.agents["agent:" + site].intervals, start_ms, end_ms)
    assert len(visits) == len(states) == count
    edges = [*visits, end_ms]
    for (since_ms, until_ms), found, state in zip(pairwise(edges), visits.values(), states.values(), strict=True):
        assert calendar.interval_end_ms(since_ms) == until_ms
        assert found.offered == (until_ms - since_ms) / MINUTE_MS
        assert state.available_ms == state.login_ms == until_ms - since_ms
    assert total_of(list(visits.values())).offered == hours * 60
    assert total_of(list(states.values())).login_ms == end_ms - start_ms


def day_of(intervals: dict, start_ms: int, end_ms: int) -> dict[int, Totals]:  # type: ignore[type-arg]
    return {at: interval.outcome for at, interval in sorted(intervals.items()) if start_ms <= at < end_ms}


@pytest.mark.parametrize(("site", "noon", "minutes", "count", "hours"), CHANGES)
def test_the_day_as_it_is_read_live_is_that_same_sum(
    site: str, noon: str, minutes: int, count: int, hours: float
) -> None:
    here = floor(minutes)
    calendars = Calendars(here)
    start_ms, end_ms = calendars.of_site(site).day_bounds_ms(at_ms(noon))
    store = aggregate([queued(site, at) for at in range(start_ms, end_ms, 5 * MINUTE_MS)], here, live=True)
    view = FloorView(here, calendars, end_ms - 1)
    assert view.queue_totals(store.scopes.queues["queue:" + site], "day").offered == hours * 12
