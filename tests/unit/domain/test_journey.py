"""Contacts of several visits, and promised callbacks: what is said of them beside each visit's own life."""

from itertools import permutations

import pytest

from service.domain.contact_record import ContactRecord
from service.domain.contacts import Contact
from service.domain.events import Event
from service.domain.facts import CalledBack, OfferedAgain, WaitedBefore
from service.domain.recent import RECENT_KEPT, RecentVisit, RecentVisits
from tests.unit.domain.build import Story, aggregate, event, net

FIRST = {"visit_id": "c/1", "queue_id": "sales"}
SECOND = {"visit_id": "c/2", "queue_id": "service"}
MOVED = [
    event("visit.queued", 0, **FIRST), event("visit.flowed_out", 30, **FIRST),
    event("visit.queued", 40, **SECOND), event("visit.answered", 55, agent_id="1001", **SECOND),
]  # fmt: skip
OF_JOURNEYS = (OfferedAgain, WaitedBefore, CalledBack)


def journeys(story: Story) -> list[tuple[object, ...]]:
    """(type, scope, what is special about it) of what stands in the end."""
    found = [fact for fact, count in story.net().items() if isinstance(fact, OF_JOURNEYS) and count == 1]
    return sorted((type(f).__name__, f.scope, getattr(f, "before_ms", getattr(f, "state", None))) for f in found)


def test_a_contact_of_one_visit_has_nothing_more_to_say() -> None:
    assert journeys(Story(*MOVED[:2])) == []


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
def test_the_first_visit_is_the_earliest_whatever_is_heard_first(order: tuple[int, ...]) -> None:
    assert journeys(Story(*(MOVED[index] for index in order))) == [
        ("OfferedAgain", "queue:service", None),
        ("WaitedBefore", "queue:service", 40_000),
    ]


def test_somebody_refused_at_first_is_offered_for_the_first_time_later() -> None:
    refused = event("visit.refused", 0, **FIRST)
    assert journeys(Story(refused, *MOVED[2:])) == []


def test_a_visit_that_its_contacts_end_closes_had_waited_before_as_well() -> None:
    hung_up = event("contact.ended", 60, disconnect_by="customer")
    assert ("WaitedBefore", "queue:service", 40_000) in journeys(Story(*MOVED[:3], hung_up))


def test_how_long_a_contact_had_waited_before_outlives_a_correction_of_how_its_visit_left() -> None:
    hung_up = event("contact.ended", 60, disconnect_by="customer")
    really = event("visit.flowed_out", 60, visit_id="c/2", queue_id="service")
    (left,) = aggregate([*MOVED[:3], hung_up, really], live=True).scopes.queues["queue:service"].recent.newest(None, 9)
    assert (left.outcome, left.waited_before_ms) == ("flowed_out", 40_000)


def callback(kind: str, seconds: float) -> Event:
    return event(f"callback.{kind}", seconds, queue_id="sales")


ASKED = [event("visit.queued", 0), event("visit.callback_requested", 20)]


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_latest_state_of_a_callback_stands_in_any_order(order: tuple[int, ...]) -> None:
    told = [callback("scheduled", 21), callback("attempted", 900), callback("connected", 900)]
    assert journeys(Story(*ASKED, *(told[index] for index in order))) == [("CalledBack", "queue:sales", "connected")]


def test_a_contact_stays_open_while_its_callback_is_due() -> None:
    story = Story(*ASKED)
    open_after = [story.contact.record.closed]
    for number, kind in enumerate(("scheduled", "attempted", "expired")):
        story.tell(callback(kind, 30 + number))
        open_after.append(story.contact.record.closed)
    assert open_after == [True, False, False, True]


def test_a_contact_read_again_says_nothing_twice() -> None:
    story = Story(*MOVED)
    again = Story()
    again.contact = Contact(story.contact.record)
    again.tell(MOVED[0])
    assert net(again.facts) == {}


def test_a_new_record_has_no_journey() -> None:
    assert Contact(ContactRecord("c", "pbx")).record.callback is None


def left(name: str, ended_ms: int = 0, outcome: str = "abandoned") -> RecentVisit:
    return RecentVisit(0, name, outcome, 0, ended_ms, 0)


def test_the_last_visits_are_so_many_answered_and_so_many_others_newest_first() -> None:
    recent = RecentVisits()
    for number in range(RECENT_KEPT + 10):
        recent.add(left(f"a{number}", number, "answered"), True)
    recent.add(left("late", 5), False)
    assert len(recent.newest("answered", 1000)) == RECENT_KEPT
    assert [visit.visit_id for visit in recent.newest(None, 2)] == [f"a{RECENT_KEPT + 9}", f"a{RECENT_KEPT + 8}"]
    assert [visit.visit_id for visit in recent.newest("abandoned", 9)] == ["late"]
    assert recent.find("a0") is None and recent.find("late") is not None


def test_after_a_recovery_new_visits_take_the_oldest_places() -> None:
    recent, again = RecentVisits(), RecentVisits()
    for number in range(RECENT_KEPT + 3):
        recent.add(left(str(number), number), False)
    for slot, visit in sorted(recent.slots.items()):
        again.put(slot, visit)
    assert again.add(left("new"), False) == recent.add(left("new"), False)
    again.put(0, None)
    assert 0 not in again.slots
