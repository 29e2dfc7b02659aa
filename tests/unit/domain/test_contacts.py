"""What the life of a whole contact means for its visits and legs."""

import pytest

from service.domain.contacts import SEEN_KEPT
from service.domain.events import Event
from tests.unit.domain.build import Story, event


@pytest.mark.parametrize(
    ("by", "counted"),
    [
        pytest.param("customer", "abandoned", id="the customer hung up"),
        pytest.param(None, "abandoned", id="nobody said who"),
        pytest.param("system", "cancelled", id="the system ended it"),
        pytest.param("agent", "cancelled", id="an agent ended it"),
    ],
)
def test_a_visit_still_open_when_its_contact_ends_ends_with_it(by: str | None, counted: str) -> None:
    story = Story(event("visit.queued", 0), event("contact.ended", 30, disconnect_by=by))
    totals = story.totals()
    assert (totals.offered, getattr(totals, counted)) == (1, 1)
    assert story.contact.record.closed


def test_an_ending_told_after_the_contacts_end_replaces_the_implied_one() -> None:
    story = Story(event("visit.queued", 0), event("contact.ended", 30), event("visit.callback_requested", 29))
    assert (story.totals().abandoned, story.totals().callback_requested) == (0, 1)
    assert not story.applied[-1].conflict


def test_of_two_ends_of_a_contact_the_earlier_counts() -> None:
    story = Story(event("visit.queued", 0), event("contact.ended", 30), event("contact.ended", 20))
    assert story.totals().abandon_wait_ms == 20_000


def test_an_end_of_the_contact_before_its_queueing_is_no_negative_wait() -> None:
    assert Story(event("visit.queued", 10), event("contact.ended", 5)).totals().abandon_wait_ms == 0


@pytest.mark.parametrize(
    ("events", "closed"),
    [
        pytest.param([event("visit.queued", 0)], False, id="waiting"),
        pytest.param([event("visit.queued", 0), event("visit.abandoned", 5)], True, id="abandoned"),
        pytest.param([event("visit.queued", 0), event("visit.answered", 5, agent_id="1001")], False, id="connected"),
        pytest.param([event("leg.alerting", 0)], False, id="ringing"),
        pytest.param([event("leg.alerting", 0), event("leg.missed", 9)], True, id="missed"),
        pytest.param([event("leg.answered", 0), event("leg.ended", 9)], True, id="leg over"),
        pytest.param([event("leg.ended", 9), event("leg.wrapup_started", 9)], False, id="after-call work"),
        pytest.param([event("leg.ended", 9), event("leg.wrapup_started", 9, acw_ms=5)], True, id="planned wrap-up"),
        pytest.param(
            [event("leg.answered", 0), event("contact.ended", 9)], True, id="its end closes whatever was open"
        ),
        pytest.param(
            [event("leg.answered", 0), event("contact.ended", 9), event("leg.wrapup_started", 9)], False,
            id="after-call work outlives the contact",
        ),
    ],
)  # fmt: skip
def test_a_contact_is_closed_when_nobody_waits_for_anything(events: list[Event], closed: bool) -> None:
    assert Story(*events).contact.record.closed is closed


@pytest.mark.parametrize(
    "kind", ["contact.started", "leg.transfer_started", "callback.scheduled", "survey.answered", "outcome.recorded"]
)
def test_events_that_end_nothing_change_no_count(kind: str) -> None:
    fields = {"score": 4.0} if kind == "survey.answered" else {}
    story = Story(event("visit.queued", 0), event("visit.answered", 5, agent_id="1001"))
    before = story.net()
    story.tell(event(kind, 6, **fields))
    assert story.net() == before


def test_a_duplicate_is_recognised_among_the_newest_events_only() -> None:
    first = event("leg.held", 1, event_id="first")
    story = Story(event("visit.queued", 0), first)
    for number in range(SEEN_KEPT):
        story.tell(event("leg.held", 2 + number))
    assert not story.tell(first).duplicate
    assert not story.tell(event("leg.held", 1, event_id="other name of the same")).facts
    assert story.tell(event("leg.held", 2 + SEEN_KEPT - 1)).duplicate


def test_what_was_said_is_remembered_through_a_restart() -> None:
    before = [event("visit.queued", 0), event("visit.answered", 10, agent_id="1001"), event("leg.ended", 70)]
    after = [event("visit.flowed_out", 8), event("leg.wrapup_ended", 90), event("visit.queued", 1)]
    story, restarted = Story(*before), Story(*before)
    restarted.contact = type(restarted.contact)(restarted.contact.record)
    for told in after:
        assert restarted.tell(told).facts == story.tell(told).facts
