"""What an agent's share of a contact counts as."""

from typing import Any

import pytest

from service.domain.events import Event
from service.domain.facts import Handled
from tests.unit.domain.build import Story, event, ms

QUEUED, ANSWERED = event("visit.queued", 0), event("visit.answered", 10, agent_id="1001")
AGENT, QUEUE = "agent:1001", "queue:sales"
BOTH = pytest.mark.parametrize("scope", [AGENT, QUEUE])


def told(*legs: Event) -> Story:
    """The leg's events in order, then backwards: both must come to the same, so one of them may stand for both."""
    events = [QUEUED, ANSWERED, *legs]
    story = Story(*events)
    assert Story(*reversed(events)).net() == story.net()
    return story


@BOTH
def test_a_leg_is_handled_when_it_ends(scope: str) -> None:
    assert told().totals(scope).handled == 0
    totals = told(event("leg.answered", 10), event("leg.ended", 70)).totals(scope)
    assert (totals.handled, totals.handled_contacts, totals.talk_ms, totals.hold_ms) == (1, 1, 60_000, 0)


@BOTH
def test_talk_excludes_hold(scope: str) -> None:
    legs = [event("leg.held", 20), event("leg.retrieved", 35), event("leg.held", 40), event("leg.retrieved", 45)]
    totals = told(*legs, event("leg.ended", 70)).totals(scope)
    assert (totals.talk_ms, totals.hold_ms, totals.holds, totals.held) == (40_000, 20_000, 2, 1)


def test_a_hold_still_open_when_the_leg_ends_lasts_until_then() -> None:
    totals = told(event("leg.held", 50), event("leg.ended", 70)).totals()
    assert (totals.talk_ms, totals.hold_ms) == (40_000, 20_000)


@pytest.mark.parametrize(
    ("stated", "talk_ms", "hold_ms"),
    [
        pytest.param({"talk_ms": 55_000}, 55_000, 0, id="talk"),
        pytest.param({"hold_ms": 8_000}, 52_000, 8_000, id="hold, and talk is the rest"),
        pytest.param({"talk_ms": 50_000, "hold_ms": 8_000}, 50_000, 8_000, id="both"),
    ],
)
def test_stated_durations_win_over_the_clock(stated: dict[str, Any], talk_ms: int, hold_ms: int) -> None:
    totals = told(event("leg.ended", 70, **stated)).totals()
    assert (totals.talk_ms, totals.hold_ms) == (talk_ms, hold_ms)


def test_a_stated_hold_without_holds_told_counts_as_one() -> None:
    totals = told(event("leg.ended", 70, hold_ms=8_000)).totals()
    assert (totals.holds, totals.held) == (1, 1)


@pytest.mark.parametrize(
    ("legs", "ring_ms"),
    [
        pytest.param([event("leg.alerting", 4), event("leg.answered", 10)], 6_000, id="from alerting to answer"),
        pytest.param([event("leg.offered", 3), event("leg.alerting", 4)], 7_000, id="from the offer"),
        pytest.param([event("leg.alerting", 4), event("leg.answered", 10, ring_ms=2_000)], 2_000, id="stated"),
    ],
)
def test_ring_time_of_an_answer(legs: list[Event], ring_ms: int) -> None:
    totals = told(*legs).totals(AGENT)
    assert (totals.answered, totals.missed, totals.rung, totals.ring_ms) == (1, 0, 1, ring_ms)


def test_ring_time_stated_by_the_visit() -> None:
    story = Story(QUEUED, event("visit.answered", 10, agent_id="1001", ring_ms=3_000))
    assert story.totals(AGENT).ring_ms == 3_000
    assert story.moves() == [(7, "reserved", 1), (10, "connected", 1), (10, "reserved", -1)]


def test_an_answer_whose_ring_time_nobody_told_is_not_a_ring_of_no_length() -> None:
    totals = told().totals(AGENT)
    assert (totals.answered, totals.rung) == (1, 0)


@pytest.mark.parametrize("kind", ["leg.missed", "leg.rejected"])
@BOTH
def test_an_offer_not_taken_is_missed_and_not_handled(kind: str, scope: str) -> None:
    totals = Story(QUEUED, event("leg.alerting", 4), event(kind, 19)).totals(scope)
    assert (totals.missed, totals.ring_ms, totals.handled, totals.answered) == (1, 15_000, 0, 0)


def test_a_missed_offer_that_is_followed_by_the_end_of_the_contact_stays_missed() -> None:
    story = Story(QUEUED, event("leg.alerting", 4), event("leg.missed", 19), event("contact.ended", 30))
    assert (story.totals(AGENT).missed, story.totals(AGENT).handled) == (1, 0)


@pytest.mark.parametrize("kind", ["leg.offered", "leg.alerting"])
def test_a_customer_who_hangs_up_while_a_phone_rings_was_answered_by_nobody(kind: str) -> None:
    story = Story(QUEUED, event(kind, 4), event("visit.abandoned", 9), event("contact.ended", 9))
    agent, queue = story.totals(AGENT), story.totals()
    assert (agent.answered, agent.handled, agent.rung) == (0, 0, 0)
    assert (queue.abandoned, queue.handled) == (1, 0)
    assert story.moves() == [(4, "reserved", 1), (9, "reserved", -1)]


def test_rona_then_an_answer_by_the_same_agent_counts_both() -> None:
    story = told(
        event("leg.alerting", 1, leg_id="L1"),
        event("leg.missed", 5, leg_id="L1"),
        event("leg.alerting", 7, leg_id="L2"),
        event("leg.answered", 10, leg_id="L2"),
        event("leg.ended", 70, leg_id="L2"),
    )
    totals = story.totals(AGENT)
    assert (totals.missed, totals.answered, totals.handled, totals.ring_ms) == (1, 1, 1, 7_000)
    assert story.totals().missed == 1


def test_rona_then_an_answer_by_a_colleague() -> None:
    story = told(
        event("leg.alerting", 1, agent_id="1002"), event("leg.missed", 8, agent_id="1002"), event("leg.ended", 70),
    )  # fmt: skip
    assert (story.totals("agent:1002").missed, story.totals("agent:1002").handled) == (1, 0)
    assert (story.totals(AGENT).missed, story.totals(AGENT).handled) == (0, 1)


def test_an_answer_of_the_visit_belongs_to_the_leg_it_names() -> None:
    answered = event("visit.answered", 10, agent_id="1001", leg_id="L2")
    legs = [
        event("leg.alerting", 1, leg_id="L1"),
        event("leg.alerting", 7, leg_id="L2"),
        event("leg.missed", 6, leg_id="L1"),
    ]
    for order in ([QUEUED, answered, *legs], [*legs, answered, QUEUED]):
        story = Story(*order)
        rings = [(1, "reserved", 1), (6, "reserved", -1), (7, "reserved", 1), (10, "reserved", -1)]
        assert story.moves() == sorted([*rings, (10, "connected", 1)])
        assert story.totals(AGENT).ring_ms == 5_000 + 3_000


def test_a_leg_without_ids_is_the_agents_leg_in_that_visit() -> None:
    story = told(event("leg.alerting", 4), event("leg.answered", 10), event("leg.ended", 70))
    assert story.moves() == [
        (4, "reserved", 1), (10, "connected", 1), (10, "reserved", -1), (70, "connected", -1),
    ]  # fmt: skip


def test_an_id_told_late_names_the_leg_known_already() -> None:
    story = Story(QUEUED, ANSWERED, event("leg.ended", 70, leg_id="L1"))
    assert story.moves() == [(10, "connected", 1), (70, "connected", -1)]
    assert story.totals(AGENT).handled == 1


@pytest.mark.parametrize(
    ("legs", "acw_ms"),
    [
        pytest.param([event("leg.wrapup_ended", 90)], 20_000, id="from the leg's end"),
        pytest.param([event("leg.wrapup_started", 75), event("leg.wrapup_ended", 90)], 15_000, id="from its start"),
        pytest.param([event("leg.wrapup_started", 70, acw_ms=30_000)], 30_000, id="as planned, ends by itself"),
        pytest.param([event("leg.wrapup_ended", 90, acw_ms=12_000)], 12_000, id="stated at its end"),
        pytest.param(
            [event("leg.wrapup_started", 70, acw_ms=30_000), event("leg.wrapup_ended", 90, acw_ms=12_000)], 12_000,
            id="stated at its end wins over the plan",
        ),
        pytest.param(
            [event("leg.wrapup_started", 70, acw_ms=30_000), event("leg.wrapup_ended", 80)], 10_000,
            id="ended before the plan",
        ),
        pytest.param([event("leg.wrapup_started", 70)], 0, id="not over yet"),
    ],
)  # fmt: skip
@BOTH
def test_after_call_work(scope: str, legs: list[Event], acw_ms: int) -> None:
    totals = told(event("leg.ended", 70), *legs).totals(scope)
    assert (totals.acw_ms, totals.handled, totals.talk_ms) == (acw_ms, 1, 60_000)


def test_after_call_work_counts_where_the_leg_ended_however_late_it_ends() -> None:
    story = told(event("leg.ended", 70), event("leg.wrapup_ended", 4_000))
    after_call = [fact for fact in story.net() if type(fact).__name__ == "AfterCall"]
    assert {fact.at_ms for fact in after_call} == {ms(70)}


def test_a_transfer_ends_the_leg() -> None:
    totals = told(event("leg.transferred", 40, transfer_kind="blind")).totals(AGENT)
    assert (totals.handled, totals.transferred_out, totals.talk_ms) == (1, 1, 30_000)


def test_a_transfer_ends_the_leg_unless_the_legs_own_end_says_otherwise() -> None:
    totals = told(event("leg.transferred", 40), event("leg.ended", 55)).totals(AGENT)
    assert (totals.handled, totals.transferred_out, totals.talk_ms) == (1, 1, 45_000)


@pytest.mark.parametrize(
    ("of_transfer", "of_end", "talk_ms"),
    [
        pytest.param({"talk_ms": 20_000}, {}, 20_000, id="stated by the transfer only"),
        pytest.param({}, {"talk_ms": 21_000}, 21_000, id="stated by the end only"),
        pytest.param({"talk_ms": 20_000}, {"talk_ms": 21_000}, 21_000, id="the end's word counts"),
    ],
)
def test_talk_of_a_transferred_leg(of_transfer: dict[str, int], of_end: dict[str, int], talk_ms: int) -> None:
    story = told(event("leg.transferred", 40, **of_transfer), event("leg.ended", 42, **of_end))
    assert story.totals(AGENT).talk_ms == talk_ms


def test_a_transferred_contact_is_handled_once_per_agent_but_is_one_contact() -> None:
    story = told(
        event("leg.transferred", 40, to_agent_id="1002"),
        event("leg.answered", 40, agent_id="1002"),
        event("leg.ended", 90, agent_id="1002"),
    )
    queue = story.totals()
    assert (queue.handled, queue.handled_contacts, queue.transferred_out) == (2, 1, 1)
    assert story.totals(AGENT).transferred_in == 0
    assert (story.totals("agent:1002").transferred_in, story.totals("agent:1002").handled_contacts) == (1, 1)


def test_one_contact_is_one_handled_contact_when_its_end_ends_the_last_leg() -> None:
    story = told(
        event("leg.transferred", 40, to_agent_id="1002"),
        event("leg.answered", 40, agent_id="1002"),
        event("contact.ended", 90),
    )
    assert (story.totals().handled, story.totals().handled_contacts) == (2, 1)


def test_two_legs_that_end_with_the_contact_are_one_handled_contact() -> None:
    story = told(event("leg.answered", 20, agent_id="1002"), event("contact.ended", 90))
    assert (story.totals().handled, story.totals().handled_contacts) == (2, 1)


@pytest.mark.parametrize("answer_first", [False, True], ids=["in order", "the leg's name comes late"])
def test_of_two_legs_that_end_at_once_the_same_is_first_whatever_was_heard_first(answer_first: bool) -> None:
    begin = [event("leg.offered", 5, leg_id="L1"), ANSWERED]
    ends = [event("leg.ended", 70, leg_id="L1"), event("leg.ended", 70, leg_id="a2", agent_id="1002", talk_ms=9_000)]
    story = Story(QUEUED, *(reversed(begin) if answer_first else begin), *ends)
    first = [f.talk_ms for f in story.net() if isinstance(f, Handled) and f.scope == QUEUE and f.first_of_contact]
    assert first == [60_000]


def test_a_missed_offer_that_was_ended_too_does_not_take_the_handled_contact() -> None:
    story = told(
        event("leg.missed", 5, agent_id="1002"), event("leg.ended", 5, agent_id="1002"), event("leg.ended", 70),
    )  # fmt: skip
    assert (story.totals().handled, story.totals().handled_contacts) == (1, 1)


def test_a_contact_in_two_queues_is_a_handled_contact_of_each() -> None:
    story = told(
        event("leg.transferred", 40),
        event("visit.queued", 40, visit_id="c/2", queue_id="service", initiation="transfer"),
        event("visit.answered", 50, visit_id="c/2", queue_id="service", agent_id="1002"),
        event("leg.ended", 90, visit_id="c/2", agent_id="1002"),
    )
    assert [story.totals(f"queue:{queue}").handled_contacts for queue in ("sales", "service")] == [1, 1]
    assert story.totals("agent:1002").transferred_in == 1


def test_a_consult_leg_is_consulted_and_neither_offered_nor_handled() -> None:
    story = told(
        event("leg.answered", 30, agent_id="1002", consult=True),
        event("leg.ended", 40, agent_id="1002", consult=True),
        event("leg.ended", 70),
    )
    consulted = story.totals("agent:1002")
    assert (consulted.consulted, consulted.handled, consulted.talk_ms, consulted.handled_contacts) == (1, 0, 0, 0)
    assert (story.totals().offered, story.totals().handled, story.totals().handled_contacts) == (1, 1, 1)


@pytest.mark.parametrize("told_late", [False, True])
def test_after_call_work_of_a_consult_leg_is_not_that_of_handled_legs(told_late: bool) -> None:
    consult = [
        event("leg.answered", 30, agent_id="1002", leg_id="x", consult=not told_late),
        event("leg.ended", 40, agent_id="1002", leg_id="x"),
        event("leg.wrapup_ended", 45, agent_id="1002", leg_id="x"),
        event("leg.answered", 30, agent_id="1002", leg_id="x", consult=True, event_id="again"),
    ]
    story = told(event("leg.ended", 70), event("leg.wrapup_ended", 90), *consult)
    assert (story.totals().consulted, story.totals().acw_ms, story.totals("agent:1002").acw_ms) == (1, 20_000, 0)
    assert story.moves("1002")[-1] == (45, "wrapping", -1)


def test_an_answer_that_names_a_leg_is_not_also_that_of_a_leg_whose_visit_nobody_told() -> None:
    second = {"visit_id": "c/2", "leg_id": "L2"}
    story = Story(
        QUEUED,
        event("leg.offered", 5, visit_id=None, leg_id="L1"),
        event("visit.callback_requested", 9),
        event("visit.queued", 20, visit_id="c/2"),
        event("visit.answered", 30, agent_id="1001", **second),
        event("leg.offered", 28, **second),
    )
    assert story.totals(AGENT).answered == 1


def test_parties_of_a_conference_are_counted() -> None:
    story = told(event("leg.conferenced", 30), event("leg.party_left", 50), event("leg.ended", 70))
    assert story.totals(AGENT).conferenced == 1


def test_an_ended_leg_whose_answer_nobody_told_was_answered_its_stated_durations_earlier() -> None:
    story = Story(QUEUED, event("leg.ended", 70, talk_ms=30_000, hold_ms=5_000))
    assert story.moves() == [(35, "connected", 1), (70, "connected", -1)]
    assert (story.totals(AGENT).answered, story.totals(AGENT).handled) == (1, 1)


def test_the_end_of_a_contact_ends_its_legs() -> None:
    totals = told(event("contact.ended", 70, disconnect_by="customer")).totals(AGENT)
    assert (totals.handled, totals.talk_ms) == (1, 60_000)


def test_a_leg_that_ends_before_it_was_answered_lasts_no_time() -> None:
    totals = told(event("leg.answered", 10), event("leg.ended", 9)).totals(AGENT)
    assert (totals.handled, totals.talk_ms) == (1, 0)


def test_legs_of_two_agents_with_one_id_both_count() -> None:
    story = Story(
        event("leg.answered", 0, agent_id="1001", leg_id="L"), event("leg.answered", 5, agent_id="1002", leg_id="L"),
        event("leg.ended", 20, agent_id="1001", leg_id="L"), event("leg.ended", 30, agent_id="1002", leg_id="L"),
    )  # fmt: skip
    assert [story.totals("agent:" + agent).talk_ms for agent in ("1001", "1002")] == [20_000, 25_000]
    assert story.moves("1001") == [(0, "connected", 1), (20, "connected", -1)]


def test_an_answer_and_a_leg_of_nobody_known_belong_together() -> None:
    story = Story(QUEUED, event("visit.answered", 10), event("leg.ended", 70, agent_id=None))
    assert (story.totals().answered, story.totals().handled, story.totals().talk_ms) == (1, 1, 60_000)
