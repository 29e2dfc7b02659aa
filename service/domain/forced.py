"""Closures that the watchdog or a snapshot made because the source never told: kept apart from what the source said.

A closure is laid over the contact's record where the source said nothing and taken off again before an event of the
source is filled in. So what the source says, however late, takes the closure's place, and the order of arrival does
not matter.
"""

from collections import Counter
from typing import Final

import msgspec

from service.domain import events as ev
from service.domain.amends import Amends, Closure
from service.domain.contact_record import ContactRecord
from service.domain.facts import Additive, AnyFact, Fact, LegMoved, Move
from service.domain.leg_context import claims
from service.domain.legs import Leg
from service.domain.visits import Visit

GRACE_MS: Final = 10_000
"""An end that comes so soon after the agent moved on is the end; a later one is taken for somebody else's."""

NEXT_CONTACT, READY, SNAPSHOT = "next_contact", "ready", "snapshot"
RINGING, CONNECTED, AFTER_CALL, WAITING, FORGOTTEN = "ringing", "connected", "after_call", "waiting", "forgotten"
"""Why a closure was made: the agent moved on, the source's list of what is open, or a limit of the watchdog."""

FINAL: Final = frozenset({NEXT_CONTACT, READY})
"""Reasons that prove the end: an end told more than `GRACE_MS` later is in conflict, unless it states the talk time."""

CLOSES: Final[dict[type[ev.Event], str]] = {
    ev.LegMissed: "missed_ms",
    ev.LegEnded: "ended_ms",
    ev.LegWrapupEnded: "wrapup_ended_ms",
    ev.VisitCancelled: "end_ms",
}
"""Types of synthetic events that are closures, and the place in the record that they fill."""


def add_closure(amends: Amends, made: Closure) -> bool:
    """Remember a closure; of several for one place the earliest counts. False: it changes nothing."""
    for known in amends.closures:
        if (known.place, known.target) == (made.place, made.target):
            if known.at_ms <= made.at_ms:
                return False
            amends.closures.remove(known)
            break
    amends.closures.append(made)
    return True


def lift(record: ContactRecord, amends: Amends) -> None:
    """Take all closures off the record: it then holds only what the source said."""
    for closure in amends.closures:
        if closure.laid:
            closure.laid = closure.over = False
            found = _target(record, closure)
            setattr(found, closure.place, closure.instead_of_ms)
            closure.instead_of_ms = None
            if isinstance(found, Visit):
                found.ending = found.reason = None
                if found.terms is not None:
                    found.terms.open_wait_ms = None


def lay(record: ContactRecord, amends: Amends) -> None:
    """Lay closures where they hold."""
    for closure in amends.closures:
        found = _target(record, closure)
        if isinstance(found, Visit):
            _close_visit(record, found, closure)
        elif found is not None and _holds(record, found, closure):
            closure.laid, closure.instead_of_ms = True, getattr(found, closure.place)
            closure.over = closure.place == "ended_ms" and _end_ms(record, found) is not None
            setattr(found, closure.place, closure.at_ms)


def _target(record: ContactRecord, closure: Closure) -> Visit | Leg | None:
    if closure.place == "end_ms":
        return next((visit for visit in record.visits if visit.visit_id == closure.target), None)
    return next((leg for leg in record.legs if leg.leg_id == closure.target), None)


def _close_visit(record: ContactRecord, visit: Visit, closure: Closure) -> None:
    if visit.end_ms is None and record.ended_ms is None:
        closure.laid = True
        visit.end_ms, visit.ending, visit.reason = closure.at_ms, "cancelled", closure.reason


def _holds(record: ContactRecord, leg: Leg, closure: Closure) -> bool:
    """Whether a leg's closure counts beside what the source said."""
    if not leg.told and answered_ms(record, leg) is None:
        return False  # it was made for an answer that came too late: nothing was ever open
    if closure.place == "wrapup_ended_ms":
        return leg.wrapping
    end_ms = _end_ms(record, leg)
    if closure.place == "missed_ms":
        return leg.missed_ms is None and end_ms is None and answered_ms(record, leg) is None
    if end_ms is None:
        return True
    return closure.reason in FINAL and end_ms > closure.at_ms + GRACE_MS and leg.talk_ms is None


def _end_ms(record: ContactRecord, leg: Leg) -> int | None:
    end_ms = leg.end_ms()
    return end_ms if end_ms is not None else record.ended_ms


def answered_ms(record: ContactRecord, leg: Leg) -> int | None:
    """When the leg was answered, by its own event or by its visit's; None if nobody said."""
    if leg.answered_ms is not None:
        return leg.answered_ms
    visit = record.visit_of(leg)
    return visit.end_ms if visit is not None and claims(record, leg, visit) else None


def settled(facts: list[AnyFact]) -> list[AnyFact]:
    """The facts without those that take each other back, retractions first."""
    moves: dict[tuple[str, str | None], Counter[Move]] = {}
    since: dict[tuple[str, str | None], int] = {}
    sums: dict[Additive, int] = {}
    for fact in facts:
        if isinstance(fact, LegMoved):
            where = fact.scope, fact.queue_id
            steps = moves.setdefault(where, Counter())
            since[where] = min(fact.since_ms, since.get(where, fact.since_ms))
            for at_ms, phase, sign in fact.moves:
                steps[at_ms, phase, 1] += sign
        elif isinstance(fact, Fact):
            plain: Additive = msgspec.structs.replace(fact, sign=1)
            sums[plain] = sums.get(plain, 0) + fact.sign
    left: list[AnyFact] = [msgspec.structs.replace(fact, sign=-1) for fact, count in sums.items() if count < 0]
    left += [fact for fact, count in sums.items() if count > 0]
    for where, steps in moves.items():
        if net := [(at_ms, phase, count) for (at_ms, phase, _), count in steps.items() if count]:
            left.append(LegMoved(*where, since[where], net))
    return left
