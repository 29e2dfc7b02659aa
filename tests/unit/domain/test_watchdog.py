"""What has been open for too long is closed by events that say so, and what the source tells later counts instead."""

import pytest

from service.domain.events import Event, LegEnded, LegMissed, LegWrapupEnded, VisitCancelled
from service.domain.settings import Floor, Limits, Watchdog
from service.domain.view import queues_served
from tests.unit.domain.build import event, ms
from tests.unit.domain.watched import Watched, watched_floor

HOUR_S = 3_600
DAY_S = 86_400
QUEUED = event("visit.queued", 0)
RINGS = event("leg.alerting", 10)
ANSWERED = event("visit.answered", 20, agent_id="1001")
ENDED = event("leg.ended", 320)
WRAPS = event("leg.wrapup_started", 320)


@pytest.mark.parametrize(
    ("events", "limit_s", "since_s", "kind", "reason"),
    [
        pytest.param([QUEUED, RINGS], 300, 10, LegMissed, "ringing", id="an agent who rings for five minutes"),
        pytest.param([QUEUED, ANSWERED], 12 * HOUR_S, 20, LegEnded, "connected", id="a call of twelve hours"),
        pytest.param(
            [QUEUED, ANSWERED, ENDED, WRAPS], 2 * HOUR_S, 320, LegWrapupEnded, "after_call",
            id="after-call work of two hours",
        ),
        pytest.param([QUEUED], DAY_S, 0, VisitCancelled, "waiting", id="a caller who waits for a day"),
    ],
)  # fmt: skip
def test_what_lasts_too_long_is_closed_at_its_limit(
    events: list[Event], limit_s: int, since_s: int, kind: type[Event], reason: str
) -> None:
    floor = Watched(*events)
    floor.round_at(since_s + limit_s - 1)
    assert [type(made) for made in floor.made if type(made) is kind] == []
    made = [found for found in floor.round_at(since_s + limit_s) if type(found) is kind]
    assert [(m.occurred_at_ms, m.synthetic, m.synthetic_reason) for m in made] == [
        (ms(since_s + limit_s), True, reason)
    ]
    assert floor.counts()[reason] == 1


def test_a_ten_hour_call_is_still_live() -> None:
    floor = Watched(QUEUED, ANSWERED)
    assert floor.round_at(10 * HOUR_S) == []
    assert floor.states(10 * HOUR_S)[-1] == (20, "on_contact")


def test_an_offer_that_was_rejected_is_not_closed_with_the_one_that_the_agent_took_then() -> None:
    rejected = [event("leg.alerting", 5, leg_id="first"), event("leg.rejected", 10, leg_id="first")]
    taken = [event("leg.alerting", 12, leg_id="second"), event("visit.answered", 20, agent_id="1001", leg_id="second")]
    floor = Watched(QUEUED, *rejected, *taken)
    made = [found.leg_id for found in floor.round_at(13 * HOUR_S) if isinstance(found, LegEnded)]
    assert made == ["second"]


def test_a_closed_call_is_handled_and_its_agent_free() -> None:
    floor = Watched(event("agent.login", 0), QUEUED, ANSWERED)
    floor.round_at(13 * HOUR_S)
    assert floor.totals().handled == 1
    assert floor.totals().talk_ms == 12 * HOUR_S * 1000
    assert floor.states(13 * HOUR_S)[-1] == (20 + 12 * HOUR_S, "ready")


def test_an_agent_heard_of_in_a_moment_alone_still_serves_the_queue() -> None:
    """A contact taken back from hold, of which nobody said when it was answered or ended: closed, it lasted no time."""
    floor = Watched(QUEUED, event("leg.retrieved", 20))
    floor.round_at(13 * HOUR_S)
    agent = floor.aggregate.scopes.agents["agent:1001"]
    assert queues_served(agent.record) == ("sales",)
    assert floor.totals("agent:1001").handled == 1


def test_a_closure_of_an_answer_that_came_too_late_counts_nothing() -> None:
    """The caller had given up before, which was told last."""
    floor = Watched(QUEUED, ANSWERED)
    floor.round_at(13 * HOUR_S)
    assert floor.totals().handled == 1
    floor.tell(event("visit.abandoned", 15))
    assert (floor.totals().abandoned, floor.totals().answered, floor.totals().handled) == (1, 0, 0)
    assert floor.totals("agent:1001").handled == 0


def test_a_closed_wait_is_cancelled_and_the_queue_is_balanced() -> None:
    floor = Watched(QUEUED)
    assert floor.waiting == ["c/1"]
    floor.round_at(DAY_S)
    assert (floor.waiting, floor.totals().offered, floor.totals().cancelled) == ([], 1, 1)


@pytest.mark.parametrize(
    ("events", "closed_at_s", "later"),
    [
        pytest.param([QUEUED, ANSWERED], 13 * HOUR_S, event("leg.ended", 14 * HOUR_S), id="the call's real end"),
        pytest.param([QUEUED, ANSWERED], 13 * HOUR_S, event("leg.transferred", 14 * HOUR_S), id="a transfer"),
        pytest.param([QUEUED, ANSWERED], 13 * HOUR_S, event("contact.ended", 14 * HOUR_S), id="the contact's end"),
        pytest.param(
            [QUEUED, RINGS], HOUR_S, event("visit.answered", 2 * HOUR_S, agent_id="1001"), id="a late answer"
        ),
        pytest.param([QUEUED, RINGS], HOUR_S, event("leg.missed", 2 * HOUR_S), id="the end of a long ring"),
        pytest.param([QUEUED], 25 * HOUR_S, event("visit.abandoned", 26 * HOUR_S), id="the end of a long wait"),
        pytest.param([QUEUED], 25 * HOUR_S, event("visit.abandoned", HOUR_S), id="an end from before the limit"),
        pytest.param(
            [QUEUED, ANSWERED, ENDED, WRAPS], 3 * HOUR_S, event("leg.wrapup_ended", 4 * HOUR_S), id="the work's end"
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("restarted", [False, True])
def test_what_the_source_says_later_counts_instead(
    events: list[Event], closed_at_s: int, later: Event, restarted: bool
) -> None:
    told = Watched(*events, later, floor=Floor())
    floor = Watched(*events)
    floor.round_at(closed_at_s)
    assert floor.made
    if restarted:
        floor.restart()
    floor.tell(later)
    for scope in ("queue:sales", "agent:1001"):
        assert floor.totals(scope) == told.totals(scope)
    assert floor.states(2 * DAY_S) == told.states(2 * DAY_S)
    assert floor.waiting == told.waiting


def test_a_repeated_closure_is_a_duplicate() -> None:
    floor = Watched(QUEUED, ANSWERED)
    floor.round_at(13 * HOUR_S)
    before = floor.totals()
    floor.tell(*floor.made)
    assert floor.totals() == before
    assert floor.counts()["duplicates"] == len(floor.made)


def test_rounds_that_come_late_or_often_make_the_same_events() -> None:
    often, late = Watched(QUEUED, RINGS), Watched(QUEUED, RINGS)
    for seconds in range(0, 2 * DAY_S, 600):
        often.round_at(seconds)
    late.round_at(2 * DAY_S)
    assert {made.event_id for made in often.made} == {made.event_id for made in late.made}


def test_nobody_is_closed_where_the_watchdog_is_off() -> None:
    floor = Watched(QUEUED, RINGS, floor=Floor())
    assert floor.round_at(13 * DAY_S) == []


def test_a_contact_nobody_hears_of_for_two_weeks_is_over_even_so() -> None:
    floor = Watched(QUEUED, RINGS, floor=Floor())
    assert {made.synthetic_reason for made in floor.round_at(14 * DAY_S + 10)} == {"forgotten"}
    assert floor.waiting == []
    assert floor.totals().cancelled == 1


def test_a_callback_nobody_hears_of_for_two_weeks_is_given_up() -> None:
    floor = Watched(QUEUED, event("visit.callback_requested", 60), event("callback.scheduled", 60))
    assert floor.round_at(13 * DAY_S) == []
    assert [type(made).__name__ for made in floor.round_at(14 * DAY_S + 60)] == ["CallbackExpired"]
    assert floor.round_at(16 * DAY_S) == []


def test_limits_belong_to_the_channel() -> None:
    floor = Watched(QUEUED, floor=watched_floor(sales="email"))
    assert floor.round_at(12 * DAY_S) == []
    assert [type(made) for made in floor.round_at(13 * DAY_S)] == [VisitCancelled]


def test_no_limit_means_for_ever() -> None:
    patient = Floor(watchdog=Watchdog({"voice": Limits(waiting_ms=None)}))
    assert Watched(QUEUED, floor=patient).round_at(13 * DAY_S) == []


def test_a_restart_forgets_nothing_that_is_open() -> None:
    floor = Watched(QUEUED, ANSWERED).restart()
    assert [type(made) for made in floor.round_at(13 * HOUR_S)] == [LegEnded]


def test_a_contact_that_goes_on_after_it_was_closed_is_watched_again() -> None:
    floor = Watched(QUEUED, ANSWERED, ENDED)
    floor.tell(event("visit.queued", 400, contact_id="other"), event("visit.abandoned", 500, contact_id="other"))
    floor.round_at(600)
    floor.tell(event("visit.queued", 620, visit_id="c/2"))
    assert [type(made) for made in floor.round_at(620 + DAY_S)] == [VisitCancelled]


def test_closures_of_a_contact_that_is_gone_change_nothing() -> None:
    floor = Watched(QUEUED, ANSWERED)
    made = Watched(QUEUED, ANSWERED).round_at(13 * HOUR_S)
    floor.tell(ENDED, event("agent.heartbeat", 2 * HOUR_S), event("visit.queued", 2 * HOUR_S, contact_id="other"))
    before = floor.totals()
    floor.tell(*made)
    assert floor.totals() == before


@pytest.mark.parametrize(("state", "limit_s"), [("reserved", 300), ("acw", 2 * HOUR_S), ("on_contact", 12 * HOUR_S)])
def test_a_busy_state_that_no_contact_explains_becomes_unknown(state: str, limit_s: int) -> None:
    floor = Watched(event("agent.state_changed", 100, state=state))
    assert floor.round_at(99 + limit_s) == []
    floor.round_at(100 + limit_s)
    assert floor.states(2 * DAY_S)[-1] == (100 + limit_s, "unknown")
    assert floor.round_at(200 + limit_s) == []


def test_a_busy_state_that_had_ended_meanwhile_stays_ended() -> None:
    stuck = Watched(event("agent.state_changed", 100, state="acw")).round_at(DAY_S)
    floor = Watched(event("agent.state_changed", 100, state="acw"), event("agent.state_changed", 200, state="ready"))
    floor.tell(*stuck)
    assert floor.states(DAY_S) == [(100, "acw"), (200, "ready")]


def test_a_pause_may_last() -> None:
    floor = Watched(event("agent.state_changed", 100, state="not_ready"))
    assert floor.round_at(10 * DAY_S) == []
