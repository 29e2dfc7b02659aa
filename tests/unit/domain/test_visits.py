"""What a stay in one queue counts as."""

import pytest

from service.domain.events import Event
from service.domain.settings import Floor, Queue, ServiceLevel
from tests.unit.domain.build import Story, event, ms


def floor(threshold_s: float | None = 20, short_s: float = 5) -> Floor:
    level = ServiceLevel(None if threshold_s is None else int(threshold_s * 1000), short_abandon_ms=int(short_s * 1000))
    return Floor(default_queue=Queue("", service_level=level))


@pytest.mark.parametrize(
    ("ending", "counted"),
    [
        pytest.param("visit.answered", "answered", id="taken by an agent"),
        pytest.param("visit.abandoned", "abandoned", id="hung up while waiting"),
        pytest.param("visit.flowed_out", "flowed_out", id="overflow, timeout or key"),
        pytest.param("visit.callback_requested", "callback_requested", id="a callback instead of waiting"),
        pytest.param("visit.cancelled", "cancelled", id="taken back by the system"),
    ],
)
def test_every_visit_is_offered_and_leaves_in_exactly_one_way(ending: str, counted: str) -> None:
    totals = Story(event("visit.queued", 0), event(ending, 12)).totals()
    ways = ("answered", "abandoned", "flowed_out", "callback_requested", "cancelled")
    assert totals.offered == 1
    assert {way: getattr(totals, way) for way in ways} == {way: int(way == counted) for way in ways}


def test_a_visit_without_an_ending_waits() -> None:
    story = Story(event("visit.queued", 0))
    assert story.totals().offered == 1
    assert not story.contact.record.closed


@pytest.mark.parametrize(
    ("wait_s", "within"),
    [
        pytest.param(19.999, 1, id="one millisecond before the threshold is within"),
        pytest.param(20.0, 1, id="exactly at the threshold is within"),
        pytest.param(20.001, 0, id="one millisecond later is not"),
    ],
)
def test_in_threshold_includes_the_boundary(wait_s: float, within: int) -> None:
    answered = Story(event("visit.queued", 0), event("visit.answered", wait_s), floor=floor()).totals()
    abandoned = Story(event("visit.queued", 0), event("visit.abandoned", wait_s), floor=floor()).totals()
    assert (answered.answered_in_threshold, abandoned.abandoned_in_threshold) == (within, within)


@pytest.mark.parametrize(
    ("wait_s", "short"),
    [
        pytest.param(4.999, 1, id="just before the limit"),
        pytest.param(5.0, 1, id="at the limit"),
        pytest.param(5.001, 0, id="just after the limit"),
    ],
)
def test_a_short_abandon_is_one_within_the_limit(wait_s: float, short: int) -> None:
    totals = Story(event("visit.queued", 0), event("visit.abandoned", wait_s), floor=floor()).totals()
    assert (totals.abandoned, totals.short_abandoned) == (1, short)


def test_without_a_threshold_nothing_is_in_threshold() -> None:
    story = Story(event("visit.queued", 0), event("visit.answered", 0), floor=floor(threshold_s=None))
    assert story.totals().answered_in_threshold == 0


def test_the_threshold_is_the_one_in_force_when_the_visit_was_queued() -> None:
    story = Story(event("visit.queued", 0), floor=floor(threshold_s=20))
    story.floor = floor(threshold_s=60)
    story.tell(event("visit.answered", 30))
    assert story.totals().answered_in_threshold == 0


def test_a_stated_wait_wins_over_the_difference_of_times() -> None:
    totals = Story(event("visit.queued", 0), event("visit.answered", 30, wait_ms=12_000)).totals()
    assert (totals.wait_ms, totals.answered_in_threshold) == (12_000, 1)


def test_an_answer_before_its_queueing_has_no_negative_wait() -> None:
    assert Story(event("visit.queued", 10), event("visit.answered", 8)).totals().wait_ms == 0


def test_an_ending_alone_implies_the_queueing_by_its_stated_wait() -> None:
    story = Story(event("visit.abandoned", 40, wait_ms=30_000))
    (offered,) = (fact for fact in story.net() if type(fact).__name__ == "Offered")
    assert offered.at_ms == ms(10)
    assert story.applied[0].unmatched
    assert story.totals().abandoned == 1


def test_the_queueing_told_after_the_ending_corrects_what_was_implied() -> None:
    late = Story(event("visit.answered", 30), event("visit.queued", 0))
    in_order = Story(event("visit.queued", 0), event("visit.answered", 30))
    assert late.net() == in_order.net()
    assert late.totals() == in_order.totals()
    assert late.totals().wait_ms == 30_000


def test_an_ending_without_a_queue_counts_once_the_queue_is_told() -> None:
    story = Story(event("visit.answered", 30, queue_id=None))
    assert not story.net()
    story.tell(event("visit.queued", 0))
    assert story.totals().answered == 1


@pytest.mark.parametrize("late_first", [False, True], ids=["in order", "the later ending arrives first"])
def test_of_two_endings_the_earlier_stands_and_the_conflict_is_told(late_first: bool) -> None:
    endings = [event("visit.answered", 10), event("visit.abandoned", 12)]
    story = Story(event("visit.queued", 0), *(reversed(endings) if late_first else endings))
    totals = story.totals()
    assert (totals.answered, totals.abandoned) == (1, 0)
    assert [applied.conflict for applied in story.applied] == [False, False, True]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("visit.answered", "visit.abandoned"),
        ("visit.abandoned", "visit.flowed_out"),
        ("visit.flowed_out", "visit.cancelled"),
    ],
)
def test_endings_of_the_same_moment_have_a_fixed_order(first: str, second: str) -> None:
    told = [event(first, 10), event(second, 10)]
    assert Story(event("visit.queued", 0), *told).net() == Story(event("visit.queued", 0), *reversed(told)).net()
    assert getattr(Story(event("visit.queued", 0), *told).totals(), first.partition(".")[2]) == 1


@pytest.mark.parametrize("late_first", [False, True], ids=["in order", "the later ending arrives first"])
def test_a_queue_told_by_an_ending_that_does_not_stand_is_the_visits_all_the_same(late_first: bool) -> None:
    endings = [event("visit.abandoned", 10, queue_id=None), event("visit.answered", 12)]
    totals = Story(*(reversed(endings) if late_first else endings)).totals()
    assert (totals.offered, totals.abandoned, totals.answered) == (1, 1, 0)


@pytest.mark.parametrize("agent_first", [False, True])
def test_an_answer_told_by_two_monitors_is_one_answer_of_which_both_know_a_part(agent_first: bool) -> None:
    answers = [
        event("visit.answered", 10, wait_ms=9_000, event_id="queue"),
        event("visit.answered", 10, agent_id="1001", ring_ms=2_000, event_id="agent"),
    ]
    story = Story(event("visit.queued", 0), *(reversed(answers) if agent_first else answers))
    assert (story.totals().answered, story.totals().wait_ms) == (1, 9_000)
    assert (story.totals("agent:1001").answered, story.totals("agent:1001").ring_ms) == (1, 2_000)


def test_of_two_queueings_of_one_visit_the_earlier_counts() -> None:
    story = Story(event("visit.queued", 5), event("visit.queued", 2), event("visit.answered", 10))
    assert (story.totals().offered, story.totals().wait_ms) == (1, 8_000)


@pytest.mark.parametrize("other_first", [False, True])
def test_of_two_queueings_at_once_the_queue_whose_name_sorts_first_counts_whatever_came_first(
    other_first: bool,
) -> None:
    told = [event("visit.queued", 0, queue_id="sales"), event("visit.queued", 0, queue_id="service")]
    story = Story(*(reversed(told) if other_first else told))
    assert (story.totals("queue:sales").offered, story.totals("queue:service").offered) == (1, 0)


def test_a_queueing_told_again_does_not_fix_the_threshold_anew() -> None:
    story = Story(event("visit.queued", 0), floor=floor(threshold_s=20))
    story.floor = floor(threshold_s=60)
    story.tell(event("visit.queued", 0, event_id="again"))
    story.tell(event("visit.answered", 30))
    assert story.totals().answered_in_threshold == 0


@pytest.mark.parametrize("shorter_first", [False, True])
def test_of_two_waits_told_of_one_ending_the_shorter_counts(shorter_first: bool) -> None:
    told = [event("visit.abandoned", 30, wait_ms=9_000), event("visit.abandoned", 30, wait_ms=8_000)]
    story = Story(event("visit.queued", 0), *(reversed(told) if shorter_first else told))
    assert (story.totals().abandoned, story.totals().abandon_wait_ms) == (1, 8_000)
    assert not any(applied.conflict for applied in story.applied)


@pytest.mark.parametrize("reason_first", [False, True])
def test_the_reason_of_an_ending_may_be_told_by_another_monitor(reason_first: bool) -> None:
    told = [event("visit.flowed_out", 30), event("visit.flowed_out", 30, outcome_reason="timeout")]
    story = Story(event("visit.queued", 0), *(reversed(told) if reason_first else told))
    assert story.totals().reasons == {"flowed_out:timeout": 1}


def test_the_same_ending_told_of_a_later_moment_is_another_one() -> None:
    story = Story(event("visit.queued", 0), event("visit.abandoned", 10), event("visit.abandoned", 12, wait_ms=1_000))
    assert (story.totals().abandoned, story.totals().abandon_wait_ms) == (1, 10_000)
    assert [applied.conflict for applied in story.applied] == [False, False, True]


@pytest.mark.parametrize("named_first", [False, True])
def test_which_leg_was_answered_may_be_told_by_another_monitor(named_first: bool) -> None:
    answers = [
        event("visit.answered", 10, agent_id="1001", event_id="queue"),
        event("visit.answered", 10, agent_id="1001", leg_id="L2", event_id="agent"),
    ]
    rings = [event("leg.offered", at_s, leg_id=leg_id) for at_s, leg_id in ((2, "L1"), (7, "L2"))]
    story = Story(event("visit.queued", 0), *rings, *(reversed(answers) if named_first else answers))
    assert (story.totals("agent:1001").answered, story.totals("agent:1001").ring_ms) == (1, 3_000)


def test_where_nobody_can_abandon_but_every_minute_counts_a_stated_wait_wins_as_well() -> None:
    mail = Floor(default_queue=Queue("", service_level=ServiceLevel(20_000, abandonment=False)))
    totals = Story(event("visit.queued", 0), event("visit.answered", 30, wait_ms=12_000), floor=mail).totals()
    assert (totals.wait_ms, totals.answered_in_threshold) == (12_000, 1)


def test_what_was_told_first_of_an_ending_stands() -> None:
    answers = [event("visit.answered", 10, agent_id=f"100{n}", ring_ms=n * 1_000) for n in (1, 2)]
    story = Story(event("visit.queued", 0), *answers)
    assert (story.totals("agent:1001").answered, story.totals("agent:1001").ring_ms) == (1, 1_000)
    assert story.totals("agent:1002").answered == 0
    reasons = [event("visit.flowed_out", 10, outcome_reason=reason) for reason in ("timeout", "overflow")]
    assert Story(event("visit.queued", 0), *reasons).totals().reasons == {"flowed_out:timeout": 1}


def test_an_earlier_ending_takes_nothing_over_from_the_answer_it_replaces() -> None:
    answered = event("visit.answered", 12, agent_id="1001", ring_ms=2_000, wait_ms=11_000)
    story = Story(event("visit.queued", 0), answered, event("visit.abandoned", 10))
    assert (story.totals().answered, story.totals().abandoned, story.totals().abandon_wait_ms) == (0, 1, 10_000)
    assert (story.totals("agent:1001").answered, story.totals("agent:1001").ring_ms) == (0, 0)


def test_an_earlier_answer_takes_no_reason_over_from_the_ending_it_replaces() -> None:
    flowed_out = event("visit.flowed_out", 12, outcome_reason="timeout")
    story = Story(event("visit.queued", 0), flowed_out, event("visit.answered", 10))
    assert (story.totals().answered, story.totals().reasons) == (1, {})


def test_a_refused_contact_is_never_offered() -> None:
    story = Story(event("visit.refused", 5, outcome_reason="full"))
    totals = story.totals()
    assert (totals.offered, totals.refused, totals.reasons) == (0, 1, {"refused:full": 1})
    assert [(fact.at_ms, fact.arrival_ms) for fact in story.net()] == [(ms(5), ms(5))]


def test_the_reason_of_a_flow_out_is_counted() -> None:
    totals = Story(event("visit.queued", 0), event("visit.flowed_out", 60, outcome_reason="timeout")).totals()
    assert totals.reasons == {"flowed_out:timeout": 1}


def test_a_transfer_to_another_queue_is_a_visit_of_its_own() -> None:
    story = Story(
        event("visit.queued", 0),
        event("visit.flowed_out", 20, outcome_reason="transfer", to_queue_id="service"),
        event("visit.queued", 20, visit_id="c/2", queue_id="service", initiation="transfer"),
        event("visit.answered", 50, visit_id="c/2", queue_id="service"),
    )
    sales, service = story.totals("queue:sales"), story.totals("queue:service")
    assert (sales.offered, sales.flowed_out, sales.transferred_in) == (1, 1, 0)
    assert (service.offered, service.answered, service.transferred_in, service.wait_ms) == (1, 1, 1, 30_000)


REDELIVERED = [
    event("visit.queued", 0),
    event("visit.answered", 10, agent_id="1001"),
    event("visit.abandoned", 12),
    event("visit.flowed_out", 9),
]


@pytest.mark.parametrize("again", REDELIVERED, ids=[type(told).__name__ for told in REDELIVERED])
def test_an_event_told_twice_changes_nothing_and_is_a_duplicate_only(again: Event) -> None:
    story = Story(*REDELIVERED)
    applied = story.tell(again)
    assert applied.duplicate and not applied.facts
    assert story.net() == Story(*REDELIVERED).net()
