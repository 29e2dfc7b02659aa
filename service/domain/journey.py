"""What a contact's visits mean together: which was the first, how long the contact had waited before, how the promised
callback goes.

Contacts of a single visit without a callback, the common case, have nothing to say here.
"""

from typing import Final

from service.domain.business_events import (
    CallbackAttempted,
    CallbackConnected,
    CallbackEvent,
    CallbackExpired,
    CallbackScheduled,
)
from service.domain.contact_record import ContactRecord
from service.domain.facts import CalledBack, OfferedAgain, Reached, WaitedBefore
from service.domain.visits import ANSWERED, REFUSED, Visit

JourneyFact = OfferedAgain | WaitedBefore | CalledBack

CALLBACK_STATES: Final[dict[type[CallbackEvent], str]] = {
    CallbackScheduled: "scheduled",
    CallbackAttempted: "attempted",
    CallbackConnected: "connected",
    CallbackExpired: "expired",
}
"""Event type -> the state of the callback. Their order ranks events that carry the same time."""

_RANK: Final = {state: rank for rank, state in enumerate(CALLBACK_STATES.values())}


def call_back(record: ContactRecord, event: CallbackEvent, at_ms: int) -> None:
    """Fill in what was told of the contact's callback; the latest event counts."""
    state = CALLBACK_STATES[type(event)]
    if record.callback is None or (record.callback_ms, _RANK[record.callback]) < (at_ms, _RANK[state]):
        record.callback, record.callback_ms = state, at_ms
        record.callback_queue = event.queue_id or record.callback_queue


def journey(record: ContactRecord) -> tuple[JourneyFact, ...]:
    """What is to be said of the contact's visits beside what each of them means by itself."""
    if len(record.visits) < 2 and record.callback is None:
        return ()
    visits = _offered(record)
    if not visits:
        return ()
    first = _first(visits)
    facts: list[JourneyFact] = []
    for visit in visits:
        scope, arrival_ms, end_ms = f"queue:{visit.queue_id}", visit.arrival_ms(), record.end_of(visit)
        if visit is not first:
            facts.append(OfferedAgain(scope, arrival_ms, arrival_ms, 1, visit.visit_id))
            before_ms = arrival_ms - first.arrival_ms()
            if end_ms is not None and before_ms:
                answered = visit.ending == ANSWERED
                facts.append(WaitedBefore(scope, end_ms, arrival_ms, 1, visit.visit_id, before_ms, answered))
        state = _callback(record, visit)
        if state is not None and end_ms is not None:
            facts.append(CalledBack(scope, end_ms, arrival_ms, 1, visit.visit_id, state))
    return tuple(facts)


def reached(record: ContactRecord) -> tuple[Reached, ...]:
    """What is to be said of the contact's customer: nothing while nobody told who that is, or no queue was entered."""
    ref = None if record.customer is None else record.customer.ref
    visits = [] if ref is None else _offered(record)
    if not visits:
        return ()
    first = _first(visits)
    at_ms, queue_id = first.arrival_ms(), first.queue_id or ""
    return (Reached(f"customer:{ref}", at_ms, at_ms, 1, record.contact_id, queue_id, record.class_of(first)),)


def _offered(record: ContactRecord) -> list[Visit]:
    return [visit for visit in record.visits if visit.queue_id is not None and visit.ending != REFUSED]


def _first(visits: list[Visit]) -> Visit:
    return min(visits, key=lambda visit: (visit.arrival_ms(), visit.visit_id))


def _callback(record: ContactRecord, visit: Visit) -> str | None:
    """How the callback goes to somebody who left this queue unanswered; None: nobody promised one."""
    if visit.ending == ANSWERED or (record.callback_queue or visit.queue_id) != visit.queue_id:
        return None
    return record.callback
