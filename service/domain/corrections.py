"""Corrections: an event that names another one as replaced takes back what that one filled in.

Of several events of one type about one visit or leg the record keeps the earliest, so a correction of any of them takes
the place of them all.
"""

from typing import Final

from service.domain import events as ev
from service.domain.amends import Amends
from service.domain.contacts import ID_BITS, KINDS, Contact, code_of
from service.domain.facts import AnyFact
from service.domain.legs import HELD, RETRIEVED, Leg
from service.domain.visits import ENDINGS, Visit

_LEG_FIELDS: Final[dict[type[ev.ContactEvent], tuple[str, ...]]] = {
    ev.LegOffered: ("offered_ms",),
    ev.LegAlerting: ("offered_ms",),
    ev.LegAnswered: ("answered_ms", "ring_ms"),
    ev.LegMissed: ("missed_ms", "ring_ms"),
    ev.LegRejected: ("missed_ms", "ring_ms"),
    ev.LegTransferred: ("transferred_ms", "talk_ms", "hold_ms"),
    ev.LegEnded: ("ended_ms", "talk_ms", "hold_ms"),
    ev.LegWrapupStarted: ("wrapup_ms", "planned_acw_ms"),
    ev.LegWrapupEnded: ("wrapup_ended_ms", "acw_ms"),
}
_HOLDS: Final = {ev.LegHeld: HELD, ev.LegRetrieved: RETRIEVED}


def retract(contact: Contact, event: ev.ContactEvent, amends: Amends, facts: list[AnyFact]) -> bool:
    """Take back what the event named by `event.corrects` said. False if this contact has not seen that event.

    Should it come later, it is ignored.
    """
    code = code_of(event.corrects or "")
    amends.retracted.append(code)
    for known in contact.record.seen:
        if known & ID_BITS == code:
            _take_back(contact, KINDS[known - code], event, facts)
            return True
    return False


def _take_back(contact: Contact, kind: type[ev.ContactEvent], event: ev.ContactEvent, facts: list[AnyFact]) -> None:
    """Empty the place that an event of that kind filled. What it was about is what the correction is about."""
    record = contact.record
    if kind is ev.ContactEnded:
        record.ended_ms = record.ended_by = None
    elif issubclass(kind, ev.VisitEvent):
        visit = record.visit_named(getattr(event, "visit_id", None) or "")
        if visit is not None:
            _empty_visit(visit, kind, record.legs)
            _drop_empty_legs(contact, facts)
    elif issubclass(kind, ev.LegEvent):
        leg = _leg_meant(contact, kind, event)
        if leg is not None:
            _empty_leg(leg, kind, event.occurred_at_ms)
            _drop_empty_legs(contact, facts)


def _empty_visit(visit: Visit, kind: type[ev.ContactEvent], legs: list[Leg]) -> None:
    if kind in ENDINGS:
        visit.end_ms = visit.ending = visit.wait_ms = visit.reason = None
        visit.agent_id = visit.leg_id = visit.ring_ms = None
        return
    for leg in legs:
        if leg.visit_id == visit.visit_id and leg.queue_id == visit.queue_id:
            leg.queue_id = None  # it was the visit's
    visit.queued_ms = visit.queue_id = None


def _leg_meant(contact: Contact, kind: type[ev.ContactEvent], event: ev.ContactEvent) -> Leg | None:
    """The leg of the event that is corrected: that of the correction, else one of another agent with that place full.

    Its id decides, else its visit.
    """
    if not isinstance(event, ev.LegEvent | ev.VisitAnswered):
        return None
    if isinstance(event, ev.LegEvent):
        own = contact.find_leg(event)
        if own is not None and _is_full(own, kind):
            return own
    full = [leg for leg in contact.record.legs if _is_full(leg, kind) and leg.visit_id in (None, event.visit_id)]
    named = [leg for leg in full if event.leg_id is not None and leg.named == event.leg_id]
    return next(iter(named or full), None)


def _is_full(leg: Leg, kind: type[ev.ContactEvent]) -> bool:
    if kind in _HOLDS:
        return bool(leg.holds)
    if kind is ev.LegConferenced:
        return bool(leg.conferenced)
    fields = _LEG_FIELDS.get(kind)
    return fields is not None and getattr(leg, fields[0]) is not None


def _empty_leg(leg: Leg, kind: type[ev.ContactEvent], near_ms: int) -> None:
    for name in _LEG_FIELDS.get(kind, ()):
        setattr(leg, name, None)
    if kind in _HOLDS:
        same = [entry for entry in leg.holds if entry[1] == _HOLDS[kind]]
        if same:
            leg.holds.remove(min(same, key=lambda entry: abs(entry[0] - near_ms)))
    elif kind is ev.LegConferenced:
        leg.conferenced.remove(min(leg.conferenced, key=lambda at_ms: abs(at_ms - near_ms)))


def _drop_empty_legs(contact: Contact, facts: list[AnyFact]) -> None:
    """Legs of which nothing is left never were: no event told of them, and no answer."""
    record = contact.record
    answered = {(visit.visit_id, visit.agent_id) for visit in record.visits if visit.agent_id is not None}
    for leg in list(record.legs):
        if not leg.told and (leg.visit_id, leg.agent_id) not in answered:
            contact.drop_leg(leg, facts)
