"""How each event of a leg fills its record, and how far back into what the leg means that reaches."""

from collections.abc import Callable
from typing import Any, Final

from service.domain import events as ev
from service.domain.legs import HELD, RETRIEVED, Leg

Fill = Callable[[Leg, Any, int], int]
"""(leg, event, its time) -> from where on the leg's meaning is to be made anew, if the leg was known to be answered."""

NOTHING, AFTER_CALL, END, BEGINNING = 0, 1, 2, 3
"""From nowhere, its after-call work, its end, its beginning."""


def learn(leg: Leg, event: ev.LegEvent) -> bool:
    """Fill in whose leg it is. Returns True if the event told something of that which was not known."""
    told = False
    if leg.named is None and event.leg_id is not None:
        leg.named, told = event.leg_id, True
    if leg.visit_id is None and event.visit_id is not None:
        leg.visit_id, told = event.visit_id, True
    if leg.queue_id is None and event.queue_id is not None:
        leg.queue_id, told = event.queue_id, True
    if event.consult and not leg.consult:
        leg.consult = told = True
    return told


def _offered(leg: Leg, event: ev.LegOffered | ev.LegAlerting, at_ms: int) -> int:
    if leg.offered_ms is not None and leg.offered_ms <= at_ms:
        return NOTHING
    leg.offered_ms = at_ms
    return BEGINNING


def _answered(leg: Leg, event: ev.LegAnswered, at_ms: int) -> int:
    known_ms = leg.answered_ms
    if known_ms is None or at_ms < known_ms:
        leg.answered_ms = at_ms
    _ring(leg, event.ring_ms, known_ms is None or at_ms < known_ms)
    return BEGINNING


def _missed(leg: Leg, event: ev.LegMissed | ev.LegRejected, at_ms: int) -> int:
    known_ms = leg.missed_ms
    if known_ms is None or at_ms < known_ms:
        leg.missed_ms = at_ms
    _ring(leg, event.ring_ms, known_ms is None or at_ms < known_ms)
    return BEGINNING


def _ring(leg: Leg, ring_ms: int | None, earliest: bool) -> None:
    if ring_ms is not None and (earliest or leg.ring_ms is None):
        leg.ring_ms = ring_ms


def _ended(leg: Leg, event: ev.LegEnded, at_ms: int) -> int:
    if leg.ended_ms is not None and leg.ended_ms <= at_ms:
        return NOTHING
    leg.ended_ms = at_ms
    _state_durations(leg, event)
    return END


def _transferred(leg: Leg, event: ev.LegTransferred, at_ms: int) -> int:
    if leg.transferred_ms is None or at_ms < leg.transferred_ms:
        leg.transferred_ms = at_ms
        if leg.ended_ms is None:
            _state_durations(leg, event)
            return END
    if leg.talk_ms is None:
        leg.talk_ms = event.talk_ms
    if leg.hold_ms is None:
        leg.hold_ms = event.hold_ms
    return END


def _state_durations(leg: Leg, event: ev.LegEnded | ev.LegTransferred) -> None:
    if event.talk_ms is not None:
        leg.talk_ms = event.talk_ms
    if event.hold_ms is not None:
        leg.hold_ms = event.hold_ms


def _hold(kind: int) -> Fill:
    def fill(leg: Leg, event: ev.LegHeld | ev.LegRetrieved, at_ms: int) -> int:
        if (at_ms, kind) not in leg.holds:
            leg.holds.append((at_ms, kind))
            leg.holds.sort()
        return NOTHING if leg.end_ms() is None else BEGINNING

    return fill


def _conferenced(leg: Leg, event: ev.LegConferenced, at_ms: int) -> int:
    if at_ms not in leg.conferenced:
        leg.conferenced.append(at_ms)
    return NOTHING if leg.end_ms() is None else BEGINNING


def _wrapup_started(leg: Leg, event: ev.LegWrapupStarted, at_ms: int) -> int:
    if leg.wrapup_ms is None or at_ms < leg.wrapup_ms:
        leg.wrapup_ms = at_ms
    if event.acw_ms is not None:
        leg.planned_acw_ms = event.acw_ms
    return AFTER_CALL


def _wrapup_ended(leg: Leg, event: ev.LegWrapupEnded, at_ms: int) -> int:
    if leg.wrapup_ended_ms is None or at_ms < leg.wrapup_ended_ms:
        leg.wrapup_ended_ms = at_ms
    if event.acw_ms is not None:
        leg.acw_ms = event.acw_ms
    return AFTER_CALL


def _nothing(leg: Leg, event: ev.LegEvent, at_ms: int) -> int:
    """The event is part of the contact's story and changes no total."""
    return NOTHING


FILL: Final[dict[type[ev.LegEvent], Fill]] = {
    ev.LegOffered: _offered,
    ev.LegAlerting: _offered,
    ev.LegAnswered: _answered,
    ev.LegMissed: _missed,
    ev.LegRejected: _missed,
    ev.LegHeld: _hold(HELD),
    ev.LegRetrieved: _hold(RETRIEVED),
    ev.LegTransferStarted: _nothing,
    ev.LegTransferred: _transferred,
    ev.LegConferenced: _conferenced,
    ev.LegPartyLeft: _nothing,
    ev.LegEnded: _ended,
    ev.LegWrapupStarted: _wrapup_started,
    ev.LegWrapupEnded: _wrapup_ended,
}
"""Leg event type -> how it fills the record."""
