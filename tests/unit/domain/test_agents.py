"""An agent's states over time, from the agent's own events and from the legs of contacts."""

from typing import Any

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.events import Event
from service.domain.scopes import AgentScope
from service.domain.totals import Totals
from service.domain.view import add_states, queues_served, staff_by_queue, state_of
from tests.unit.domain.build import aggregate, event, ms, scope_totals
from tests.unit.domain.watched import Watched

AGENT = "agent:1001"
LOGIN = event("agent.login", 0)
PAUSE = event("agent.state_changed", 10, state="not_ready", reason="break")
READY = event("agent.state_changed", 40, state="ready")
LOGOUT = event("agent.logout", 100)
CALL = [
    event("visit.queued", 15),
    event("leg.alerting", 20),
    event("visit.answered", 25, agent_id="1001"),
    event("leg.ended", 60),
    event("leg.wrapup_ended", 75),
    event("contact.ended", 60),
]

Line = list[tuple[float, float, str]]


def agent_of(store: AggregateStore) -> AgentScope:
    return store.scopes.agents[AGENT]


def line(events: list[Event], until_s: float = 1_000) -> Line:
    """(since, until, state) in seconds, without what is unknown."""
    segments = agent_of(aggregate(events)).timeline.segments(0, ms(until_s))
    return [
        ((s.since_ms - ms(0)) / 1000, (s.until_ms - ms(0)) / 1000, s.state) for s in segments if s.state != "unknown"
    ]


def seconds(events: list[Event], until_s: float = 1_000) -> dict[str, float]:
    """Seconds in each state up to a moment, without zeros."""
    totals = Totals()
    add_states(totals, agent_of(aggregate(events)), 0, ms(until_s))
    names = ("available_ms", "reserved_ms", "on_contact_ms", "acw_state_ms", "not_ready_ms", "login_ms")
    return {name.removesuffix("_ms"): getattr(totals, name) / 1000 for name in names if getattr(totals, name)}


def test_a_shift_with_a_pause() -> None:
    assert line([LOGIN, PAUSE, READY, LOGOUT], 200) == [
        (0, 10, "ready"), (10, 40, "not_ready"), (40, 100, "ready"), (100, 200, "offline"),
    ]  # fmt: skip
    assert seconds([LOGIN, PAUSE, READY, LOGOUT]) == {"available": 70, "not_ready": 30, "login": 100}


def test_a_call_takes_precedence_over_the_agents_own_state() -> None:
    assert line([LOGIN, *CALL, LOGOUT], 100) == [
        (0, 20, "ready"), (20, 25, "reserved"), (25, 60, "on_contact"), (60, 75, "acw"), (75, 100, "ready"),
    ]  # fmt: skip


def test_a_pause_taken_during_a_call_begins_when_the_call_is_over() -> None:
    pause = event("agent.state_changed", 30, state="not_ready")
    assert line([LOGIN, *CALL, pause], 100)[-2:] == [(60, 75, "acw"), (75, 100, "not_ready")]


def test_of_concurrent_contacts_the_union_counts() -> None:
    chat = [event("leg.answered", 40, contact_id="d"), event("leg.ended", 90, contact_id="d")]
    assert seconds([LOGIN, *CALL, *chat, LOGOUT])["on_contact"] == 65


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        pytest.param([event("leg.alerting", 30, contact_id="d")], "on_contact", id="ringing during a call"),
        pytest.param([event("leg.alerting", 62, contact_id="d")], "acw", id="ringing during after-call work"),
        pytest.param([event("leg.answered", 62, contact_id="d")], "on_contact", id="connected during after-call work"),
    ],
)
def test_the_busiest_leg_is_shown(other: list[Event], shown: str) -> None:
    at_s = other[0].occurred_at_ms + 1
    assert state_of(agent_of(aggregate([LOGIN, *CALL[:5], *other])), ms(1_000))[0] in ("reserved", "on_contact")
    timeline = agent_of(aggregate([LOGIN, *CALL, *other])).timeline
    assert next(s.state for s in timeline.segments(at_s, at_s + 1)) == shown


def test_after_call_work_of_stated_length_ends_by_itself() -> None:
    events = [LOGIN, *CALL[:4], event("leg.wrapup_started", 60, acw_ms=20_000)]
    agent = agent_of(aggregate(events))
    assert [state_of(agent, ms(at_s))[0] for at_s in (59, 60, 79.999, 80)] == ["on_contact", "acw", "acw", "ready"]
    assert seconds(events, 70) == {"available": 20, "reserved": 5, "on_contact": 35, "acw_state": 10, "login": 70}


def test_a_state_of_no_length_leaves_no_trace() -> None:
    blink = [
        event("agent.state_changed", 20, state="not_ready", seq=1),
        event("agent.state_changed", 20, state="ready", seq=2),
    ]
    assert line([LOGIN, *blink, LOGOUT], 100) == [(0, 100, "ready")]


def test_a_logout_without_a_login_implies_one_the_stated_time_earlier() -> None:
    assert seconds([event("agent.logout", 100, login_ms=60_000)]) == {"login": 60}


def test_an_implied_login_does_not_reach_back_before_the_last_logout() -> None:
    assert seconds([LOGIN, event("agent.logout", 50), event("agent.logout", 100, login_ms=80_000)])["login"] == 100


def test_the_stated_time_of_a_logout_is_ignored_when_the_login_was_seen() -> None:
    assert seconds([LOGIN, event("agent.logout", 100, login_ms=3_600_000)])["login"] == 100


def test_a_login_that_arrives_after_its_logout_takes_the_implied_one_back() -> None:
    logout = event("agent.logout", 30, login_ms=60_000)
    assert seconds([logout, LOGIN]) == seconds([LOGIN, logout]) == {"available": 30, "login": 30}


def test_pauses_count_without_a_login() -> None:
    assert seconds([PAUSE, READY], 50) == {"available": 10, "not_ready": 30}


def test_a_repeated_pause_changes_nothing_but_its_reason() -> None:
    again = event("agent.state_changed", 20, state="not_ready", reason="break", event_id="again")
    assert seconds([LOGIN, PAUSE, again, READY, LOGOUT]) == seconds([LOGIN, PAUSE, READY, LOGOUT])
    lunch = event("agent.state_changed", 20, state="not_ready", reason="lunch")
    segments = agent_of(aggregate([LOGIN, PAUSE, lunch, READY])).timeline.segments(ms(0), ms(40))
    assert [(s.state, s.reason) for s in segments] == [("ready", None), ("not_ready", "break"), ("not_ready", "lunch")]


def in_queue(kind: str, at_s: float, queue: str, **fields: Any) -> Event:
    return event(kind, at_s, queue_id=queue, **fields)


def test_a_pause_in_one_of_two_queues_is_no_pause_of_the_agent() -> None:
    joined = [in_queue("agent.queue_joined", 0, "sales"), in_queue("agent.queue_joined", 0, "service")]
    paused = in_queue("agent.state_changed", 10, "sales", state="not_ready", reason="break")
    store = aggregate([*joined, paused])
    assert state_of(agent_of(store), ms(20))[0] == "ready"
    staff = staff_by_queue(store.scopes.agents.values(), ms(20))
    assert staff == {"sales": {"not_ready": 1}, "service": {"available": 1}}


def test_an_agent_paused_in_all_queues_is_not_ready() -> None:
    joined = [in_queue("agent.queue_joined", 0, queue) for queue in ("sales", "service")]
    paused = [
        in_queue("agent.state_changed", at, queue, state="not_ready") for at, queue in ((10, "sales"), (20, "service"))
    ]
    back = in_queue("agent.state_changed", 50, "sales", state="ready")
    assert line([*joined, *paused, back], 60) == [(0, 20, "ready"), (20, 50, "not_ready"), (50, 60, "ready")]


def test_a_pause_of_all_queues_told_once_more_per_queue_counts_once() -> None:
    joined = [in_queue("agent.queue_joined", 0, f"q{n}") for n in range(5)]
    paused = [event("agent.state_changed", 60, state="not_ready")]
    paused += [in_queue("agent.state_changed", 60, f"q{n}", state="not_ready", seq=n + 1) for n in range(5)]
    back = [event("agent.state_changed", 660, state="ready")]
    assert seconds([*joined, *paused, *back], 700)["not_ready"] == 600


def test_membership_is_login_time_until_the_last_queue_is_left() -> None:
    joined = [in_queue("agent.queue_joined", 0, "sales"), in_queue("agent.queue_joined", 10, "service")]
    left = [in_queue("agent.queue_left", 50, "sales"), in_queue("agent.queue_left", 80, "service")]
    assert line([*joined, *left], 100) == [(0, 80, "ready"), (80, 100, "offline")]
    assert seconds([*joined, *left])["login"] == 80


def test_leaving_the_last_queue_keeps_a_signed_in_agent() -> None:
    events = [LOGIN, in_queue("agent.queue_joined", 10, "sales"), in_queue("agent.queue_left", 50, "sales")]
    assert line(events, 100) == [(0, 100, "ready")]


def test_an_agent_serves_the_queues_joined_else_those_of_offered_contacts() -> None:
    offered = aggregate([LOGIN, event("leg.alerting", 20, queue_id="sales")])
    assert staff_by_queue(offered.scopes.agents.values(), ms(30)) == {"sales": {"reserved": 1}}
    joined = aggregate([in_queue("agent.queue_joined", 0, "service"), event("leg.alerting", 20, queue_id="sales")])
    assert staff_by_queue(joined.scopes.agents.values(), ms(30)) == {"service": {"reserved": 1}}


def test_an_agent_serves_a_queue_however_late_it_becomes_known_whose_the_contact_was() -> None:
    unknown = event("visit.answered", 20, agent_id="1001", queue_id=None)
    store = aggregate([unknown, event("visit.queued", 10)])
    assert staff_by_queue(store.scopes.agents.values(), ms(30)) == {"sales": {"on_contact": 1}}


@pytest.mark.parametrize("offers_first", [True, False], ids=["in order", "the offer is heard of after the pauses"])
def test_a_pause_in_one_queue_leaves_the_other_one_offered(offers_first: bool) -> None:
    offer = [event("leg.alerting", 5, queue_id="service"), event("leg.missed", 8)]
    pause = in_queue("agent.state_changed", 10, "sales", state="not_ready")
    own = [LOGIN, pause, event("agent.state_changed", 20, state="not_ready")]
    assert line([*offer, *own] if offers_first else [*own, *offer], 30)[-2:] == [
        (8, 20, "ready"),
        (20, 30, "not_ready"),
    ]


@pytest.mark.parametrize("offer_first", [True, False])
def test_of_an_agent_only_heard_of_in_one_queue_nothing_is_known_in_another_one_offered(offer_first: bool) -> None:
    offer = [event("leg.alerting", 5, queue_id="service"), event("leg.missed", 8)]
    pause = [in_queue("agent.state_changed", 10, "sales", state="not_ready")]
    assert line([*offer, *pause] if offer_first else [*pause, *offer], 30) == [(5, 8, "reserved")]


def test_a_pause_in_all_joined_queues_is_one_although_another_queues_contact_was_offered() -> None:
    joined = in_queue("agent.queue_joined", 0, "sales")
    offer = [event("leg.alerting", 5, queue_id="service"), event("leg.missed", 8)]
    pause = in_queue("agent.state_changed", 10, "sales", state="not_ready")
    assert line([joined, *offer, pause], 20)[-1] == (10, 20, "not_ready")


def test_signing_out_in_the_middle_of_a_call_does_not_begin_it_anew() -> None:
    agent = agent_of(aggregate([LOGIN, *CALL[:3], event("agent.logout", 40)]))
    assert state_of(agent, ms(50)) == ("on_contact", None, ms(25))


@pytest.mark.parametrize("kind", ["agent.state_changed", "agent.snapshot"])
def test_an_offline_state_is_a_logout(kind: str) -> None:
    assert line([LOGIN, event(kind, 50, state="offline")], 60) == [(0, 50, "ready"), (50, 60, "offline")]


def test_a_heartbeat_never_opens_a_session() -> None:
    assert line([LOGIN, event("agent.logout", 50), event("agent.heartbeat", 90)], 100)[-1] == (50, 100, "offline")


def test_an_agent_logged_in_before_midnight_is_so_after_it() -> None:
    night = event("agent.login", 13 * 3600)
    agent = agent_of(aggregate([night], live=True))
    assert state_of(agent, ms(15.1 * 3600)) == ("ready", None, night.occurred_at_ms)


STORY = [LOGIN, PAUSE, READY, *CALL, LOGOUT]


@pytest.mark.parametrize("late", range(len(STORY)))
def test_an_event_that_comes_last_is_folded_in_where_it_belongs(late: int) -> None:
    shuffled = [*STORY[:late], *STORY[late + 1 :], STORY[late]]
    assert line(shuffled, 200) == line(sorted(STORY, key=lambda told: told.occurred_at_ms), 200)


def test_events_in_reverse_give_the_same_totals() -> None:
    forwards, backwards = aggregate(STORY), aggregate(reversed(STORY))
    assert scope_totals(forwards, AGENT) == scope_totals(backwards, AGENT)
    assert scope_totals(forwards, AGENT, True) == scope_totals(backwards, AGENT, True)


@pytest.mark.parametrize("again", STORY, ids=[told.event_id.partition(":")[0] for told in STORY])
def test_events_told_twice_count_once(again: Event) -> None:
    assert scope_totals(aggregate([*STORY, again]), AGENT) == scope_totals(aggregate(STORY), AGENT)


def test_an_agents_event_told_twice_is_counted_as_duplicate() -> None:
    store = aggregate([LOGIN, PAUSE, LOGIN])
    assert [seen.counts for seen in store.scopes.sources.values()] == [{"duplicates": 1}]


def test_an_own_event_older_than_the_kept_minute_is_late_and_changes_nothing() -> None:
    ticks = [event("agent.heartbeat", n * 60) for n in range(1, 6)]
    store = aggregate([LOGIN, *ticks, PAUSE])
    assert [seen.counts for seen in store.scopes.sources.values()] == [{"late": 1}]
    assert state_of(agent_of(store), ms(1_000))[0] == "ready"


def test_an_own_event_within_the_kept_minute_is_folded_in() -> None:
    ticks = [event("agent.heartbeat", n * 50) for n in range(1, 9)]
    pause = event("agent.state_changed", 340, state="not_ready")
    assert line([LOGIN, *ticks, pause], 500) == [(0, 340, "ready"), (340, 500, "not_ready")]


@pytest.mark.parametrize(
    ("newest_s", "told_s", "late"),
    [
        pytest.param(120, 1, False, id="nothing is settled while the oldest open event is two minutes old"),
        pytest.param(120.001, 60.001, False, id="else all that is older than a minute"),
        pytest.param(120.001, 60, True, id="and what is told of then is late"),
    ],
)
def test_own_events_are_open_to_reordering_for_a_minute(newest_s: float, told_s: float, late: bool) -> None:
    pause = event("agent.state_changed", told_s, state="not_ready")
    store = aggregate([LOGIN, event("agent.heartbeat", newest_s), pause])
    assert bool(store.scopes.sources) == late
    assert (state_of(agent_of(store), ms(200))[0] == "ready") == late


BOTH = ["sales", "service"]
PAUSED = {"state": "not_ready", "reason": "break"}


@pytest.mark.parametrize(
    ("earlier", "later", "state", "served"),
    [
        pytest.param(
            ("agent.login", {"queues": ["sales"]}), ("agent.queue_joined", {"queue_id": "service"}), "ready", BOTH,
            id="who signs in joins queues then",
        ),
        pytest.param(
            ("agent.queue_joined", {}), ("agent.state_changed", {"state": "offline"}), "offline", ["sales"],
            id="a state is told of one who joined",
        ),
        pytest.param(
            ("agent.state_changed", {"state": "ready"}), ("agent.snapshot", PAUSED), "not_ready", [],
            id="a snapshot is taken of what is",
        ),
        pytest.param(
            ("agent.snapshot", {"state": "ready", "queues": BOTH}), ("agent.queue_left", {}), "ready", ["service"],
            id="a queue is left that was served",
        ),
        pytest.param(
            ("agent.state_changed", PAUSED), ("agent.logout", {}), "offline", [], id="who signs out does nothing more"
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("later_first", [False, True], ids=["in order", "told the other way round"])
def test_own_events_of_one_time_have_an_order_whatever_they_are_called(
    earlier: tuple[str, dict[str, Any]],
    later: tuple[str, dict[str, Any]],
    state: str,
    served: list[str],
    later_first: bool,
) -> None:
    told = [event(kind, 10, event_id=name, **fields) for name, (kind, fields) in (("z", earlier), ("a", later))]
    agent = agent_of(aggregate([*(reversed(told) if later_first else told)]))
    assert (state_of(agent, ms(20))[0], list(queues_served(agent.record))) == (state, served)


@pytest.mark.parametrize("number", [{"seq": 1}, {"event_id": "a"}], ids=["by the feed's number", "by their names"])
def test_own_events_of_one_time_and_kind_are_ordered(number: dict[str, Any]) -> None:
    first = event("agent.state_changed", 10, **({"event_id": "b", "state": "ready"} | number))
    second = event("agent.state_changed", 10, event_id="b", seq=number.get("seq", -1) + 1, **PAUSED)
    for told in ([LOGIN, first, second], [LOGIN, second, first]):
        assert line(told, 20) == [(0, 10, "ready"), (10, 20, "not_ready")]


def test_an_own_event_of_the_same_time_as_the_newest_settles_nothing() -> None:
    joined = in_queue("agent.queue_joined", 0, "sales")
    at_once = [event("agent.logout", 970), event("agent.heartbeat", 970)]
    pause = event("agent.state_changed", 1, state="not_ready")
    assert line([at_once[0], joined, at_once[1], pause], 980) == [
        (0, 1, "ready"), (1, 970, "not_ready"), (970, 980, "offline"),
    ]  # fmt: skip


def test_what_was_settled_stands_when_an_event_is_folded_in() -> None:
    ticks = [event("agent.heartbeat", n * 50) for n in range(1, 9)]
    told = [LOGIN, PAUSE, *ticks, in_queue("agent.queue_joined", 345, "sales")]
    assert line(told, 500) == [(0, 10, "ready"), (10, 500, "not_ready")]
    assert agent_of(aggregate(told)).record.own.queues == ("sales",)


def test_no_more_own_events_are_kept_than_those_of_some_minutes() -> None:
    ticks = [event("agent.heartbeat", n * 30) for n in range(1, 200)]
    assert len(agent_of(aggregate([LOGIN, *ticks])).record.events) <= 5


def test_an_agents_day_outlives_restarts_between_all_its_events() -> None:
    events = sorted(STORY, key=lambda told: told.occurred_at_ms)
    floor = Watched()
    for told in events:
        floor.tell(told).restart()
        agent = agent_of(floor.aggregate) if AGENT in floor.aggregate.scopes.agents else None
        if agent is not None:  # what a reader sees of it now is what its day says
            assert state_of(agent, told.occurred_at_ms)[0] == floor.states(200)[-1][1]
    assert floor.states(200) == Watched(*events).states(200)
    assert floor.totals(AGENT) == Watched(*events).totals(AGENT)


@pytest.mark.parametrize("since_s", [20, 10], ids=["the call is the newest", "the call began with what came last"])
def test_that_a_queues_contact_was_offered_outlives_a_restart(since_s: float) -> None:
    floor = Watched(LOGIN, event("agent.heartbeat", 10)).restart()
    offered = floor.tell(event("leg.alerting", since_s, queue_id="sales")).restart().aggregate
    assert staff_by_queue(offered.scopes.agents.values(), ms(30)) == {"sales": {"reserved": 1}}


def test_a_leg_told_hours_later_still_takes_its_place() -> None:
    ticks = [event("agent.heartbeat", n * 600) for n in range(1, 20)]
    store = aggregate([LOGIN, *ticks, *CALL])
    assert scope_totals(store, AGENT).on_contact_ms == 35_000
    assert state_of(agent_of(store), ms(20_000))[0] == "ready"


def test_a_leg_whose_times_run_backwards_takes_no_negative_time() -> None:
    store = aggregate([LOGIN, event("leg.alerting", 50), event("leg.missed", 40), LOGOUT])
    assert line([LOGIN, event("leg.alerting", 50), event("leg.missed", 40), LOGOUT], 100) == [(0, 100, "ready")]
    totals = scope_totals(store, AGENT)
    assert (totals.missed, totals.ring_ms, totals.reserved_ms, totals.available_ms) == (1, 0, 0, 100_000)


def test_after_call_work_said_to_begin_before_the_answer_takes_no_time_twice() -> None:
    events = [LOGIN, event("leg.answered", 50), event("leg.wrapup_started", 45), event("leg.ended", 60)]
    totals = Totals()
    add_states(totals, agent_of(aggregate([*events, event("leg.wrapup_ended", 70), LOGOUT])), ms(0), ms(100))
    assert totals.available_ms + totals.on_contact_ms + totals.acw_state_ms == 100_000
    assert min(totals.available_ms, totals.on_contact_ms, totals.acw_state_ms) >= 0
