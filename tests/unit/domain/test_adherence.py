"""Adherence, conformance and shrinkage against figures worked out by hand; minutes after 09:00 UTC."""

import pytest

from service.domain.adherence import Heads, heads
from service.domain.events import Event
from service.domain.kpis import Reading, read_kpis
from service.domain.settings import Adherence, Fit, ReasonKind
from service.domain.totals import Totals
from tests.unit.domain.schedules import MINUTE_MS, Shift, activity, at, call, changed, excepted, published, state

HALF_DAY = published(activity(0, 120), activity(120, 135, "break"), activity(135, 240))
PRESENT = [state(0, "ready"), state(120, "not_ready", reason="break"), state(135, "ready"), state(240, "offline")]
OVERLONG = [state(0, "ready"), *call("c", 110, 111, 128, 130), state(130, "not_ready", reason="break"),
            state(146, "ready")]  # fmt: skip
"""A call from 111 to 128 and work after it to 130 run into the break that began at 120; back 11 minutes late."""

GRACE = Adherence(grace_before_ms=2 * MINUTE_MS, grace_after_ms=5 * MINUTE_MS)
OVERRUN = Adherence(call_overrun_ms=60 * MINUTE_MS)


def ratios(shift: Shift, until: float = 240, **kinds: ReasonKind) -> dict[str, float | int | None]:
    """The KPIs of [0, until); what the states come to beside the plan is added up from the timeline."""
    totals = Totals(adherence_ms={key: round(time * MINUTE_MS) for key, time in shift.sums(0, until).items()})
    for segment in shift.agent.timeline.segments(at(0), at(until)):
        time_ms = segment.until_ms - segment.since_ms
        totals.login_ms += time_ms * segment.logged_in
        if segment.state == "not_ready":
            reason = segment.reason or "unstated"
            totals.not_ready_by_reason[reason] = totals.not_ready_by_reason.get(reason, 0) + time_ms
    return read_kpis("agent", Reading(totals, reason_kinds=kinds))


def test_an_agent_who_keeps_to_the_plan_adheres_wholly() -> None:
    shift = Shift(HALF_DAY, *PRESENT)
    assert shift.sums(0, 240) == {"scheduled": 240, "planned_on_queue": 225, "on_queue": 225}
    found = ratios(shift)
    assert (found["adherence_ratio"], found["conformance_ratio"], found["paid_seconds"]) == (1, 1, 240 * 60)
    assert found["shrinkage_ratio"] == pytest.approx(15 / 240)


def test_without_a_plan_there_is_no_adherence() -> None:
    found = read_kpis("agent", Reading(Totals(login_ms=60_000)))
    assert (found["adherence_ratio"], found["conformance_ratio"], found["paid_seconds"]) == (None, None, 60)


def test_a_late_break_counts_as_out_at_both_ends() -> None:
    assert ratios(Shift(HALF_DAY, *OVERLONG))["adherence_ratio"] == pytest.approx(1 - (10 + 11) / 240)


@pytest.mark.parametrize(
    ("settings", "excused"),
    [
        pytest.param(Adherence(), 0, id="nothing by default"),
        pytest.param(OVERRUN, 10, id="the call and the work after it, not the late return"),
        pytest.param(Adherence(call_overrun_ms=4 * MINUTE_MS), 4, id="so much of it as the policy allows"),
        pytest.param(GRACE, 5 + 5, id="grace after both boundaries"),
        pytest.param(Adherence(grace_after_ms=5 * MINUTE_MS, call_overrun_ms=60 * MINUTE_MS), 15, id="both at once"),
    ],
)
def test_what_is_excused_is_shown_beside_the_strict_ratio(settings: Adherence, excused: float) -> None:
    found = ratios(Shift(HALF_DAY, *OVERLONG, settings=settings))
    assert found["adherence_ratio"] == pytest.approx(1 - 21 / 240)
    assert found["adherence_excused_ratio"] == pytest.approx(1 - (21 - excused) / 240)


def test_grace_before_excuses_what_is_planned_next() -> None:
    early = [state(0, "ready"), state(117, "not_ready", reason="break"), state(135, "ready"), state(236, "offline")]
    shift = Shift(HALF_DAY, *early, settings=GRACE)
    assert shift.sums(0, 240)["out"] == 3 + 4
    assert shift.sums(0, 240)["excused"] == 2 + 2


def test_a_call_that_began_in_the_break_is_no_excuse() -> None:
    shift = Shift(HALF_DAY, state(0, "ready"), *call("c", 121, 122, 130), settings=OVERRUN)
    assert (shift.sums(0, 135)["out"], shift.sums(0, 135).get("excused")) == (15, None)


def test_the_next_call_is_no_excuse_even_if_it_follows_at_once() -> None:
    calls = [*call("c", 110, 111, 122), *call("d", 122, 122.5, 130)]
    shift = Shift(HALF_DAY, state(0, "ready"), *calls, state(130, "not_ready"), settings=OVERRUN)
    assert (shift.sums(0, 135)["out"], shift.sums(0, 135)["excused"]) == (10, 2)


def test_an_excused_departure_leaves_numerator_and_denominator() -> None:
    shift = Shift(HALF_DAY, excepted(30, 60, "dentist"), state(0, "ready"), state(30, "offline"), state(60, "ready"))
    assert shift.sums(0, 120) == {
        "scheduled": 90, "on_queue": 90, "planned_on_queue": 90, "paid_beyond_login": 30, "lost:dentist": 30,
    }  # fmt: skip
    assert ratios(shift, 120)["adherence_ratio"] == 1


def test_an_activity_may_not_count() -> None:
    plan = published(activity(0, 60, "study", counts_for_adherence=False), activity(60, 120))
    assert Shift(plan, state(0, "ready")).sums(0, 120)["scheduled"] == 60


def test_time_of_which_nothing_is_known_does_not_count() -> None:
    assert Shift(HALF_DAY, state(100, "ready")).sums(0, 120)["scheduled"] == 20


def test_conformance_counts_time_whenever_it_was() -> None:
    longer = Shift(HALF_DAY, state(-30, "ready"))
    assert longer.sums(-60, 240)["on_queue"] / longer.sums(-60, 240)["planned_on_queue"] == 270 / 225
    assert longer.sums(-60, 0) == {"on_queue": 30, "paid_beyond_login": -30}


def test_work_on_a_day_without_a_plan_counts_nowhere() -> None:
    assert Shift(HALF_DAY, state(0, "ready")).sums(24 * 60, 25 * 60) == {}


@pytest.mark.parametrize(
    ("plan", "events", "internal", "external"),
    [
        pytest.param(HALF_DAY, PRESENT, 15 / 240, 0, id="the break"),
        pytest.param(HALF_DAY, [state(-9, "offline"), state(60, "ready")], 0, 60 / 240, id="away from work"),
        pytest.param(HALF_DAY, [state(0, "ready"), state(120, "offline"), state(135, "ready")], 15 / 240, 0,
                     id="signed out for the break"),
        pytest.param(published(activity(0, 120), activity(120, 150, "lunch", paid=False), activity(150, 240)),
                     [state(0, "ready"), state(120, "not_ready", reason="lunch"), state(150, "ready")], 0, 0,
                     id="an unpaid lunch is none"),
        pytest.param(HALF_DAY, [state(0, "ready"), state(60, "not_ready", reason="sick")], 0, 180 / 240,
                     id="a reason that is external"),
    ],
)  # fmt: skip
def test_shrinkage_is_of_the_time_paid_by_the_plan(
    plan: Event, events: list[Event], internal: float, external: float
) -> None:
    found = ratios(Shift(plan, *events), sick="external")
    assert found["shrinkage_internal_ratio"] == pytest.approx(internal)
    assert found["shrinkage_external_ratio"] == pytest.approx(external)


def test_an_agent_out_of_adherence_is_told_with_since_when_and_what_it_costs() -> None:
    shift = Shift(HALF_DAY, state(0, "ready"), state(50, "not_ready", reason="break"), state(55, "offline"))
    found = shift.now(70)
    assert (found.state, found.activity, found.since_ms, found.until_ms) == ("out", "work", at(0), at(120))
    assert (found.out_since_ms, found.impact_ms) == (at(50), -20 * MINUTE_MS)
    assert shift.now(130).state == "in"
    assert shift.now(140).out_since_ms == at(135)


def test_who_is_out_over_a_boundary_has_been_out_since_before_it() -> None:
    plan = published(activity(0, 60), activity(60, 90, "callbacks", productive=True), activity(90, 120, "break"))
    shift = Shift(plan, state(0, "ready"), state(40, "offline"))
    assert (shift.now(70).out_since_ms, shift.now(70).impact_ms) == (at(40), -30 * MINUTE_MS)


def test_working_in_the_break_is_out_but_a_gain() -> None:
    found = Shift(HALF_DAY, state(0, "ready")).now(125)
    assert (found.state, found.impact_ms) == ("out", 5 * MINUTE_MS)


@pytest.mark.parametrize(
    ("settings", "minutes", "found"),
    [
        (Adherence(), 121, "out"),
        (GRACE, 124, "excused"),
        (GRACE, 126, "out"),
        (OVERRUN, 129, "excused"),
        (OVERRUN, 132, "in"),
        (OVERRUN, 140, "out"),
        (OVERRUN, 150, "in"),
        (OVERRUN, 300, "unscheduled"),
    ],
)
def test_what_is_excused_is_told_as_such(settings: Adherence, minutes: float, found: str) -> None:
    assert Shift(HALF_DAY, *OVERLONG, settings=settings).now(minutes).state == found


def test_beyond_the_grace_an_agent_is_out_from_its_end_on() -> None:
    shift = Shift(HALF_DAY, state(-10, "offline"), settings=GRACE)
    assert shift.now(4).state == "excused"
    assert shift.now(9).out_since_ms == at(5)


def test_an_exception_is_told_by_its_own_name_and_nothing_known_as_unknown() -> None:
    shift = Shift(HALF_DAY, excepted(30, 60, "dentist"), state(20, "ready"))
    assert (shift.now(40).state, shift.now(40).activity, shift.now(40).due) == ("excused", "dentist", False)
    assert shift.now(10).state == "unknown"


@pytest.mark.parametrize(
    ("fit", "event", "state_then"),
    [
        (Fit(frozenset(("not_ready",)), frozenset(("break", "lunch"))), state(120, "not_ready", reason="lunch"), "in"),
        (Fit(frozenset(("not_ready",)), frozenset(("break",))), state(120, "not_ready", reason="email"), "out"),
        (Fit(frozenset(("not_ready",)), frozenset(("break",))), state(120, "not_ready"), "out"),
        (Fit(frozenset(("not_ready",))), state(120, "offline"), "out"),
        (Fit(frozenset(("offline", "ready"))), state(120, "ready"), "in"),
    ],
)
def test_states_and_reasons_that_fit_are_configured(fit: Fit, event: Event, state_then: str) -> None:
    shift = Shift(HALF_DAY, state(0, "ready"), event, settings=Adherence({"break": fit}))
    assert shift.now(125).state == state_then


def test_heads_scheduled_and_absent() -> None:
    plans: list[list[Event]] = [
        [state(0, "ready")],
        [state(0, "offline")],
        [state(0, "not_ready", reason="email")],
        [state(20, "ready")],  # nothing known before
        [state(0, "offline"), excepted(0, 60, "sick")],
        [state(0, "offline"), changed(activity(0, 30, "meeting"))],
        call("c", 1, 2, 30),
    ]
    now = [Shift(HALF_DAY, *events).now(10) for events in plans]
    assert heads(now) == Heads(scheduled=5, present=2, absent=2, unknown=1)
    assert heads([]) == Heads(0, 0, 0, 0)
