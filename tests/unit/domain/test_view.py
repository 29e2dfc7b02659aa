"""What a queue or an agent looks like at one moment."""

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.events import Event
from service.domain.kpis import read_kpis
from service.domain.scopes import Waiting
from service.domain.settings import Floor, Queue, ServiceLevel, Site
from service.domain.totals import Totals
from service.domain.view import ROLLING_MS, FloorView, WaitingNow, distinct_staff, expected_wait_ms, staff_by_queue
from tests.unit.domain.build import aggregate, event, ms

HOUR_S = 3600


def floor(timezone: str = "UTC") -> Floor:
    level = ServiceLevel(20_000, variant="abandon_negative")
    return Floor(default_queue=Queue("", service_level=level), default_site=Site("default", timezone))


def view(now_s: float, timezone: str = "UTC") -> FloorView:
    here = floor(timezone)
    return FloorView(here, Calendars(here), ms(now_s))


def store_after(events: list[Event]) -> AggregateStore:
    return aggregate(events, floor(), live=True)


def offered(events: list[Event], window: str, now_s: float, timezone: str = "UTC") -> int:
    return view(now_s, timezone).queue_totals(store_after(events).scopes.queues["queue:sales"], window).offered


@pytest.mark.parametrize(
    ("at_s", "inside"),
    [
        pytest.param(3600.0, 1, id="the pane that is still filling"),
        pytest.param(3310.0, 1, id="the oldest of the 30 newest panes"),
        pytest.param(3309.999, 0, id="the pane before it"),
        pytest.param(3610.0, 0, id="a pane that is yet to come"),
    ],
)
def test_five_minutes_are_the_thirty_newest_panes(at_s: float, inside: int) -> None:
    assert offered([event("visit.queued", at_s)], "5m", 3600.5) == inside


@pytest.mark.parametrize(("window", "span_ms"), ROLLING_MS.items())
def test_a_contact_leaves_a_rolling_window_by_the_clock(window: str, span_ms: int) -> None:
    events = [event("visit.queued", 5)]
    assert offered(events, window, span_ms / 1000 - 1) == 1
    assert offered(events, window, span_ms / 1000) == 0


def test_interval_and_day_begin_anew_by_the_clock_without_traffic() -> None:
    events = [event("visit.queued", 5)]
    assert [offered(events, "interval", at) for at in (899, 900)] == [1, 0]
    assert [offered(events, "day", at) for at in (15 * HOUR_S - 1, 15 * HOUR_S)] == [1, 0]


def test_the_day_is_that_of_the_site() -> None:
    events = [event("visit.queued", 5)]
    assert [offered(events, "day", at, "Europe/Berlin") for at in (14 * HOUR_S - 1, 14 * HOUR_S)] == [1, 0]


@pytest.mark.parametrize(
    ("age_s", "over"),
    [pytest.param(20.0, 0, id="at the threshold"), pytest.param(20.001, 1, id="a millisecond later")],
)
def test_a_waiting_visit_is_over_the_threshold_after_it(age_s: float, over: int) -> None:
    queue = store_after([event("visit.queued", 0)]).scopes.queues["queue:sales"]
    waiting = WaitingNow(floor(), [queue], ms(age_s))
    assert (waiting.count, waiting.over, waiting.oldest_ms) == (1, over, round(age_s * 1000))


def test_the_longest_wait_grows_with_the_clock_and_never_runs_backwards() -> None:
    store = store_after([event("visit.queued", 10), event("visit.queued", 0, contact_id="d")])
    queue = store.scopes.queues["queue:sales"]
    assert [WaitingNow(floor(), [queue], ms(at)).oldest_ms for at in (-5, 30, 31)] == [0, 30_000, 31_000]
    assert WaitingNow(floor(), [], ms(0)).oldest_ms is None


def test_one_caller_beyond_the_threshold_changes_the_service_level_before_any_answer() -> None:
    answered = [event("visit.queued", 0, contact_id="d"), event("visit.answered", 5, contact_id="d", agent_id="1001")]
    queue = store_after([*answered, event("visit.queued", 10)]).scopes.queues["queue:sales"]
    levels = []
    for at in (29, 31):
        here, waiting = view(at), WaitingNow(floor(), [queue], ms(at))
        reading = here.queue_now([queue], {}, floor().queue("sales").service_level)
        reading.totals = here.queue_totals(queue, "interval")
        assert reading.over_threshold == waiting.over
        levels.append(read_kpis("queue", reading)["service_level_ratio"])
    assert levels == [1.0, 0.5]


AGENT = [
    event("agent.login", -300),
    event("agent.state_changed", 0, state="not_ready"),
    event("agent.state_changed", 840, state="ready"),
]


@pytest.mark.parametrize(
    ("window", "now_s", "not_ready_s", "available_s"),
    [
        pytest.param("interval", 860, 840, 20, id="cut at the interval's start, open up to now"),
        pytest.param("interval", 960, 0, 60, id="the next interval"),
        pytest.param("5m", 960, 120, 120, id="five minutes: four whole panes and the one that has just begun"),
        pytest.param("day", 960, 840, 420, id="the day"),
        pytest.param("day", 40_000, 840, 39_460, id="the day, hours later and without any event"),
    ],
)
def test_time_in_state_of_an_agent(window: str, now_s: float, not_ready_s: int, available_s: int) -> None:
    agent = store_after(AGENT).scopes.agents["agent:1001"]
    totals = view(now_s).agent_totals(agent, window)
    assert (totals.not_ready_ms, totals.available_ms) == (not_ready_s * 1000, available_s * 1000)


def test_an_agent_counts_once_per_queue_and_once_for_the_floor() -> None:
    joined = [event("agent.queue_joined", 0, queue_id=queue) for queue in ("sales", "service")]
    agents = store_after(joined).scopes.agents.values()
    assert staff_by_queue(agents, ms(1)) == {"sales": {"available": 1}, "service": {"available": 1}}
    assert distinct_staff(agents, ms(1)) == {"available": 1}


def test_an_offline_agent_is_no_staff() -> None:
    left = [event("agent.login", 0, queues=["sales"]), event("agent.logout", 10)]
    agents = store_after(left).scopes.agents.values()
    assert (staff_by_queue(agents, ms(20)), distinct_staff(agents, ms(20))) == ({}, {})


@pytest.mark.parametrize(("window", "minutes"), [("5m", 5), ("15m", 15), ("30m", 30), ("60m", 60)])
def test_a_rolling_window_holds_its_minutes_of_an_agents_time(window: str, minutes: int) -> None:
    agent = store_after([event("agent.login", -40_000)]).scopes.agents["agent:1001"]
    assert view(59.999).agent_totals(agent, window).available_ms == minutes * 60_000 - 1


def test_time_not_ready_is_summed_by_reason_the_open_state_up_to_now() -> None:
    told = [("break", 0), ("training", 100), ("break", 160), (None, 200)]
    events = [event("agent.state_changed", at, state="not_ready", reason=reason) for reason, at in told]
    agent = store_after([event("agent.login", -300), *events]).scopes.agents["agent:1001"]
    for window in ("day", "15m"):
        totals = view(250).agent_totals(agent, window)
        assert totals.not_ready_by_reason == {"break": 140_000, "training": 60_000, "unstated": 50_000}
        assert totals.not_ready_ms == 250_000


PLANNED = [
    event("agent.login", -300),
    event("visit.queued", 0),
    event("leg.answered", 10),
    event("leg.ended", 70),
    event("leg.wrapup_started", 70, acw_ms=900_000),
]


@pytest.mark.parametrize("window", ["day", "interval", "15m"])
def test_of_after_call_work_stated_beforehand_only_what_is_over_counts(window: str) -> None:
    agent = store_after(PLANNED).scopes.agents["agent:1001"]
    totals = view(100).agent_totals(agent, window)
    assert (totals.on_contact_ms, totals.acw_state_ms) == (60_000, 30_000)
    assert totals.login_ms == (100_000 if window == "interval" else 400_000)


def test_the_rest_of_after_call_work_counts_in_the_next_interval() -> None:
    agent = store_after(PLANNED).scopes.agents["agent:1001"]
    assert [view(at).agent_totals(agent, "interval").acw_state_ms for at in (899, 910, 970, 1_000)] == [
        829_000, 10_000, 70_000, 70_000,
    ]  # fmt: skip


def test_a_visit_whose_end_came_before_its_beginning_does_not_wait() -> None:
    queue = store_after([event("visit.queued", 0)]).scopes.queues["queue:sales"]
    queue.waiting = {"gone": Waiting(ms(0), None, net=-1), "none": Waiting(ms(0), None, net=0), **queue.waiting}
    assert WaitingNow(floor(), [queue], ms(10)).count == 1


HANDLED = Totals(handled=10, talk_ms=1_500_000, hold_ms=300_000, acw_ms=600_000)


@pytest.mark.parametrize(
    ("oldest_ms", "staff", "expected_ms"),
    [
        pytest.param(None, {}, None, id="nobody serves"),
        pytest.param(90_000, {"not_ready": 2}, None, id="all are paused"),
        pytest.param(None, {"available": 1}, 0.0, id="somebody is free"),
        pytest.param(None, {"on_contact": 1, "with_room": 1, "more_slots": 2}, 0.0, id="somebody has room"),
        pytest.param(None, {"on_contact": 4}, 60_000.0, id="next in line"),
        pytest.param(90_000, {"on_contact": 3, "acw": 1}, 150_000.0, id="some wait"),
        pytest.param(
            90_000, {"available": 1, "on_contact": 3}, 150_000.0, id="some wait, and one is about to be served"
        ),
        pytest.param(90_000, {"on_contact": 2, "not_ready": 3, "more_slots": 2}, 150_000.0, id="two chats an agent"),
    ],
)
def test_the_expected_wait(oldest_ms: int | None, staff: dict[str, int], expected_ms: float | None) -> None:
    assert expected_wait_ms(oldest_ms, staff, HANDLED) == expected_ms


def test_the_expected_wait_is_unknown_without_a_handle_time() -> None:
    assert expected_wait_ms(90_000, {"on_contact": 1}, Totals()) is None


def test_time_in_the_present_state_grows_with_the_clock() -> None:
    agent = store_after(AGENT).scopes.agents["agent:1001"]
    assert [view(at).agent_now(agent, Totals()).state_ms for at in (840, 900)] == [0, 60_000]
