"""Windows to the millisecond: the rolling ones by panes, interval and day by the site's calendar."""

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.events import Event
from service.domain.settings import Floor
from service.domain.totals import Totals
from service.domain.view import ROLLING_MS, WINDOWS, FloorView
from tests.unit.domain.build import aggregate, event, ms

LENGTH_S = {window: span_ms // 1000 for window, span_ms in ROLLING_MS.items()} | {"interval": 900, "day": 86_400}
MIDNIGHT_S = 15 * 3_600
MS = 0.001


def queue_totals(store: AggregateStore, window: str, now_s: float) -> Totals:
    floor = Floor()
    return FloorView(floor, Calendars(floor), ms(now_s)).queue_totals(store.scopes.queues["queue:sales"], window)


def agent_totals(store: AggregateStore, window: str, now_s: float) -> Totals:
    floor = Floor()
    return FloorView(floor, Calendars(floor), ms(now_s)).agent_totals(store.scopes.agents["agent:1001"], window)


def offered_at(at_s: float, window: str, now_s: float) -> int:
    return queue_totals(aggregate([event("visit.queued", at_s)], live=True), window, now_s).offered


def test_the_windows_are_those_of_the_interface() -> None:
    assert WINDOWS == ("5m", "15m", "30m", "60m", "interval", "day")
    assert [span_ms // 10_000 for span_ms in ROLLING_MS.values()] == [30, 90, 180, 360]


@pytest.mark.parametrize("window", ROLLING_MS)
@pytest.mark.parametrize("into_pane_s", [0, MS, 5, 10 - MS])
def test_a_rolling_window_is_its_newest_panes_with_the_open_one(window: str, into_pane_s: float) -> None:
    now_s = 7_200 + into_pane_s
    oldest_s = 7_210 - LENGTH_S[window]
    assert offered_at(oldest_s, window, now_s) == 1
    assert offered_at(oldest_s - MS, window, now_s) == 0
    assert offered_at(now_s, window, now_s) == 1
    assert offered_at(7_210, window, now_s) == 0  # of a pane to come


@pytest.mark.parametrize("window", ["interval", "day"])
def test_interval_and_day_are_closed_at_their_start_and_open_at_their_end(window: str) -> None:
    start_s = {"interval": 900, "day": MIDNIGHT_S}[window]
    end_s = start_s + LENGTH_S[window]
    for now_s in (start_s, end_s - MS):
        assert [offered_at(at_s, window, now_s) for at_s in (start_s - MS, start_s, end_s - MS, end_s)] == [0, 1, 1, 0]


@pytest.mark.parametrize("window", WINDOWS)
def test_an_outcome_counts_in_a_window_when_it_happens_not_when_the_visit_began(window: str) -> None:
    now_s = MIDNIGHT_S + 3_600
    long_ago = event("visit.queued", now_s - 2 * 86_400)
    store = aggregate([long_ago, event("visit.answered", now_s - 1, agent_id="1001")], live=True)
    # an interval that begins now knows nothing of the second before
    found = queue_totals(store, window, now_s)
    assert (found.offered, found.answered) == (0, 0 if window == "interval" else 1)


def shift() -> list[Event]:
    """Signed in for six hours; every five minutes a minute of break."""
    events = [event("agent.login", 0)]
    for minute in range(0, 360, 5):
        events.append(event("agent.state_changed", 60 * minute, state="not_ready", reason="break"))
        events.append(event("agent.state_changed", 60 * minute + 60, state="ready"))
    return events


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("now_s", [14_400, 14_400 + MS, 14_459.5, 14_460, 14_520])
def test_an_agents_time_in_state_is_cut_at_both_edges_of_the_window(window: str, now_s: float) -> None:
    found = agent_totals(aggregate(shift(), live=True), window, now_s)
    if window in ROLLING_MS:  # whole minutes and what has passed of the newest
        since_s = (now_s // 60 + 1) * 60 - LENGTH_S[window]
    else:
        since_s = {"interval": 14_400, "day": 0}[window]
    not_ready_s = sum(overlap(60 * m, 60 * m + 60, since_s, now_s) for m in range(0, 360, 5))
    assert found.not_ready_ms == round(not_ready_s * 1000)
    assert found.not_ready_ms + found.available_ms == found.login_ms == round((now_s - since_s) * 1000)


def overlap(start: float, end: float, since: float, until: float) -> float:
    return max(0.0, min(end, until) - max(start, since))


@pytest.mark.parametrize("window", ROLLING_MS)
def test_legs_of_an_agent_count_in_the_minutes_panes(window: str) -> None:
    oldest_s = 7_260 - LENGTH_S[window]
    for ended_s, handled in ((oldest_s, 1), (oldest_s - MS, 0)):
        call = [event("visit.queued", ended_s - 50), event("visit.answered", ended_s - 40, agent_id="1001"),
                event("leg.ended", ended_s)]  # fmt: skip
        assert agent_totals(aggregate(call, live=True), window, 7_200 + 59).handled == handled
