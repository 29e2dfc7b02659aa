"""An agent's states over time, from the agent's own events and from the legs of contacts."""

import pytest

from service.domain.events import Event
from service.domain.totals import Totals
from service.domain.view import add_states, staff_by_queue, state_of
from tests.unit.domain.agent_days import AGENT, CALL, LOGIN, LOGOUT, PAUSE, READY, agent_of, in_queue, line, seconds
from tests.unit.domain.build import aggregate, event, ms, scope_totals


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


@pytest.mark.parametrize(
    ("earlier", "login_s"),
    [
        pytest.param(event("agent.logout", 50, login_ms=10_000), 60, id="after one that implied a login of its own"),
        pytest.param(event("agent.logout", 50), 80, id="after one that ended nothing"),
    ],
)
def test_a_second_logout_without_a_login(earlier: Event, login_s: int) -> None:
    assert seconds([earlier, event("agent.logout", 100, login_ms=80_000)])["login"] == login_s


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


def test_leaving_a_queue_ends_the_pause_in_it_and_no_other() -> None:
    events = [LOGIN, *(in_queue("agent.queue_joined", 0, queue) for queue in ("sales", "service"))]
    events += [in_queue("agent.state_changed", 10, queue, state="not_ready") for queue in ("sales", "service")]
    events += [in_queue("agent.queue_left", 20, "service"), in_queue("agent.queue_joined", 30, "service")]
    assert line(events, 40) == [(0, 10, "ready"), (10, 30, "not_ready"), (30, 40, "ready")]
    staff = staff_by_queue(aggregate(events).scopes.agents.values(), ms(40))
    assert staff == {"sales": {"not_ready": 1}, "service": {"available": 1}}


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
