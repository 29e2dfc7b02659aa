"""An offer of a contact to one agent, as a record that events fill in any order, and the facts that follow from it."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field

from service.domain import events as ev
from service.domain.facts import CONNECTED, RESERVING, WRAPPING, Additive, AfterCall, Handled, Move, Rang

HELD, RETRIEVED = 1, 0


class Leg(Struct, array_like=True, gc=False):
    """One leg. Each event type has its own place; of several events of one type the earliest counts.

    `leg_id` is fixed when the leg is first heard of; `named` is the feed's own id, which may come later.
    """

    leg_id: str
    agent_id: str | None
    visit_id: str | None = None
    named: str | None = None
    queue_id: str | None = None
    consult: bool = False
    offered_ms: int | None = None
    answered_ms: int | None = None
    ring_ms: int | None = None
    missed_ms: int | None = None
    transferred_ms: int | None = None
    ended_ms: int | None = None
    talk_ms: int | None = None
    hold_ms: int | None = None
    holds: list[tuple[int, int]] = field(default_factory=list)
    conferenced: list[int] = field(default_factory=list)
    wrapup_ms: int | None = None
    wrapup_ended_ms: int | None = None
    acw_ms: int | None = None
    planned_acw_ms: int | None = None

    def end_ms(self) -> int | None:
        """When the agent was no longer connected; None while open. A transfer ends the leg unless its end is told
        apart.
        """
        return self.ended_ms if self.ended_ms is not None else self.transferred_ms

    @property
    def open(self) -> bool:
        """True while the agent is reserved, connected, or in after-call work whose end is to come."""
        if self.missed_ms is not None and self.answered_ms is None:
            return False
        if self.end_ms() is None:
            return True
        return self.wrapping

    @property
    def wrapping(self) -> bool:
        """True while in after-call work whose end is to come."""
        if self.wrapup_ms is None or self.wrapup_ended_ms is not None:
            return False
        return self.acw_ms is None and self.planned_acw_ms is None

    @property
    def was_connected(self) -> bool:
        """True if something was told that only happens to an agent who had answered; ringing alone does not say so."""
        return self.end_ms() is not None or self.wrapup_ms is not None or bool(self.holds or self.conferenced)

    def hold_total_ms(self, end_ms: int) -> int:
        """Time on hold up to `end_ms`, stated or summed over held-retrieved pairs."""
        if self.hold_ms is not None:
            return self.hold_ms
        total, since = 0, -1
        for at_ms, kind in self.holds:
            if kind == HELD and since < 0:
                since = at_ms
            elif kind == RETRIEVED and since >= 0:
                total, since = total + at_ms - since, -1
        return total + max(0, end_ms - since) if since >= 0 else total

    def times_held(self) -> int:
        """How often the customer was put on hold; stated hold alone counts once."""
        return sum(1 for _, kind in self.holds if kind == HELD) or int(self.hold_ms is not None and self.hold_ms > 0)

    def after_call(self, end_ms: int) -> tuple[int, int | None] | None:
        """(start, end or None while open) of after-call work; None without any. The length stated at its end wins,
        then the end, then
        the plan.
        """
        start_ms = self.wrapup_ms if self.wrapup_ms is not None else end_ms
        if self.acw_ms is not None:
            return start_ms, start_ms + self.acw_ms
        if self.wrapup_ended_ms is not None:
            return start_ms, max(start_ms, self.wrapup_ended_ms)
        if self.planned_acw_ms is not None:
            return start_ms, start_ms + self.planned_acw_ms
        return (start_ms, None) if self.wrapup_ms is not None else None


Fill = Callable[[Leg, Any, int], None]

RANG, HANDLED, AFTER_CALL, MOVES = 1, 2, 4, 8
"""Parts of what a leg means."""

ALL: Final = RANG | HANDLED | AFTER_CALL | MOVES


def _earliest(name: str) -> Fill:
    def fill(leg: Leg, event: Any, at_ms: int) -> None:
        known = getattr(leg, name)
        if known is None or at_ms < known:
            setattr(leg, name, at_ms)

    return fill


def _ring(name: str) -> Fill:
    earliest = _earliest(name)

    def fill(leg: Leg, event: ev.LegAnswered | ev.LegMissed | ev.LegRejected, at_ms: int) -> None:
        known = getattr(leg, name)
        earliest(leg, event, at_ms)
        if event.ring_ms is not None and (known is None or at_ms < known or leg.ring_ms is None):
            leg.ring_ms = event.ring_ms

    return fill


def _ended_at(leg: Leg, event: ev.LegEnded, at_ms: int) -> None:
    if leg.ended_ms is None or at_ms < leg.ended_ms:
        leg.ended_ms = at_ms
        _state_durations(leg, event)


def _transferred_at(leg: Leg, event: ev.LegTransferred, at_ms: int) -> None:
    if leg.transferred_ms is None or at_ms < leg.transferred_ms:
        leg.transferred_ms = at_ms
        if leg.ended_ms is None:
            _state_durations(leg, event)
            return
    if leg.talk_ms is None:
        leg.talk_ms = event.talk_ms
    if leg.hold_ms is None:
        leg.hold_ms = event.hold_ms


def _state_durations(leg: Leg, event: ev.LegEnded | ev.LegTransferred) -> None:
    leg.talk_ms = event.talk_ms if event.talk_ms is not None else leg.talk_ms
    leg.hold_ms = event.hold_ms if event.hold_ms is not None else leg.hold_ms


def _hold(kind: int) -> Fill:
    def fill(leg: Leg, event: Any, at_ms: int) -> None:
        if (at_ms, kind) not in leg.holds:
            leg.holds.append((at_ms, kind))
            leg.holds.sort()

    return fill


def _conferenced(leg: Leg, event: ev.LegConferenced, at_ms: int) -> None:
    if at_ms not in leg.conferenced:
        leg.conferenced.append(at_ms)


def _wrapup(name: str, length: str) -> Fill:
    earliest = _earliest(name)

    def fill(leg: Leg, event: ev.LegWrapupStarted | ev.LegWrapupEnded, at_ms: int) -> None:
        earliest(leg, event, at_ms)
        if event.acw_ms is not None:
            setattr(leg, length, event.acw_ms)

    return fill


def _nothing(leg: Leg, event: Any, at_ms: int) -> None:
    """The event is part of the contact's story and changes no total."""


FILL: Final[dict[type[ev.LegEvent], tuple[Fill, int]]] = {
    ev.LegOffered: (_earliest("offered_ms"), RANG | MOVES),
    ev.LegAlerting: (_earliest("offered_ms"), RANG | MOVES),
    ev.LegAnswered: (_ring("answered_ms"), RANG | MOVES),
    ev.LegMissed: (_ring("missed_ms"), RANG | MOVES),
    ev.LegRejected: (_ring("missed_ms"), RANG | MOVES),
    ev.LegHeld: (_hold(HELD), 0),
    ev.LegRetrieved: (_hold(RETRIEVED), 0),
    ev.LegTransferStarted: (_nothing, 0),
    ev.LegTransferred: (_transferred_at, HANDLED | AFTER_CALL | MOVES),
    ev.LegConferenced: (_conferenced, 0),
    ev.LegPartyLeft: (_nothing, 0),
    ev.LegEnded: (_ended_at, HANDLED | AFTER_CALL | MOVES),
    ev.LegWrapupStarted: (_wrapup("wrapup_ms", "planned_acw_ms"), AFTER_CALL | MOVES),
    ev.LegWrapupEnded: (_wrapup("wrapup_ended_ms", "acw_ms"), AFTER_CALL | MOVES),
}
"""Leg event type -> how it fills the record, and the parts it can change when it is the newest event of an answered
leg.
"""

OPEN_ONLY: Final = frozenset(
    {
        ev.LegOffered,
        ev.LegAlerting,
        ev.LegAnswered,
        ev.LegMissed,
        ev.LegRejected,
        ev.LegHeld,
        ev.LegRetrieved,
        ev.LegConferenced,
    }
)
"""Types whose parts in FILL hold for a leg that has not ended; later they may change everything."""


def parts_changed(leg: Leg, kind: type[ev.LegEvent], newest: bool, answered: bool) -> int:
    """The parts an event of this kind can change. `newest`: nothing known of the contact is later."""
    if not newest or not answered or (kind in OPEN_ONLY and leg.end_ms() is not None):
        return ALL
    return FILL[kind][1]


class LegContext(Struct, gc=False):
    """What a leg's facts need to know from its contact."""

    queue_id: str | None
    arrival_ms: int
    answered_ms: int | None
    ring_ms: int | None
    transferred_in: bool
    first_in_queue: bool
    first_of_agent: bool
    contact_ended_ms: int | None


class LegFacts(Struct, gc=False):
    """What a leg means: facts in three parts, and the moves on its agent's timeline, which it entered at `since_ms`."""

    rang: list[Additive] = field(default_factory=list)
    handled: list[Additive] = field(default_factory=list)
    after_call: list[Additive] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    since_ms: int = 0
    answered: bool = False


def leg_facts(leg: Leg, about: LegContext, known: LegFacts, parts: int = ALL) -> LegFacts:
    """What this leg means for its queue and its agent now. Only `parts` are made anew, the others are those `known`."""
    end_ms = leg.ended_ms if leg.ended_ms is not None else leg.transferred_ms
    if end_ms is None:
        end_ms = about.contact_ended_ms
    answered_ms = leg.answered_ms if leg.answered_ms is not None else about.answered_ms
    if answered_ms is None and end_ms is not None and leg.missed_ms is None and leg.was_connected:
        answered_ms = end_ms - (leg.talk_ms or 0) - leg.hold_total_ms(end_ms)
    ring_ms = leg.ring_ms if leg.ring_ms is not None else about.ring_ms
    over_ms = answered_ms if answered_ms is not None else leg.missed_ms
    if ring_ms is None and leg.offered_ms is not None and over_ms is not None:
        ring_ms = max(0, over_ms - leg.offered_ms)
    arrival_ms = about.arrival_ms or over_ms or 0
    rang, handled, after_call = known.rang, known.handled, known.after_call
    if parts & RANG:
        rang = [] if over_ms is None else _rang(leg, about, over_ms, arrival_ms, answered_ms is None, ring_ms)
    reserved_ms = leg.offered_ms
    if reserved_ms is None and ring_ms and over_ms is not None:
        reserved_ms = over_ms - ring_ms
    if answered_ms is None:
        if leg.missed_ms is not None and reserved_ms is None:
            reserved_ms = leg.missed_ms
        moves = moves_of(reserved_ms, None, leg.missed_ms if leg.missed_ms is not None else end_ms, None)
        return LegFacts(rang, [], [], moves, reserved_ms or 0)
    acw = None
    if end_ms is not None:
        end_ms = max(end_ms, answered_ms)
        acw = leg.after_call(end_ms)
        if parts & (HANDLED | AFTER_CALL):
            handled, after_call = _handled(leg, about, known, parts, arrival_ms, answered_ms, end_ms)
    else:
        handled = after_call = []
    since_ms = answered_ms if reserved_ms is None else min(reserved_ms, answered_ms)
    moves = moves_of(since_ms if reserved_ms is not None else None, answered_ms, end_ms, acw)
    told = leg.answered_ms is not None or about.answered_ms is not None
    return LegFacts(rang, handled, after_call, moves, since_ms, told)


def _rang(
    leg: Leg, about: LegContext, at_ms: int, arrival_ms: int, missed: bool, ring_ms: int | None
) -> list[Additive]:
    """The part about the offer. A queue needs it for misses and known ring times only: it counts answers by visits."""
    rang: list[Additive] = []
    if leg.consult and not missed:
        return rang
    if leg.agent_id is not None:
        rang.append(Rang("agent:" + leg.agent_id, at_ms, arrival_ms, 1, leg.leg_id, missed, ring_ms))
    if about.queue_id is not None and (missed or ring_ms is not None):
        rang.append(Rang("queue:" + about.queue_id, at_ms, arrival_ms, 1, leg.leg_id, missed, ring_ms))
    return rang


def _handled(
    leg: Leg, about: LegContext, known: LegFacts, parts: int, arrival_ms: int, answered_ms: int, end_ms: int
) -> tuple[list[Additive], list[Additive]]:
    """The parts about an answered leg that ended, and about its after-call work once that is known."""
    agent_id, queue_id, leg_id = leg.agent_id, about.queue_id, leg.leg_id
    hold_ms = leg.hold_total_ms(end_ms) if leg.holds or leg.hold_ms is not None else 0
    talk_ms = leg.talk_ms if leg.talk_ms is not None else max(0, end_ms - answered_ms - hold_ms)
    handled: list[Additive] = known.handled
    if parts & HANDLED:
        handled = []
        holds = leg.times_held() if leg.holds else int(hold_ms > 0)
        out, into = leg.transferred_ms is not None, about.transferred_in
        added, consult = len(leg.conferenced), leg.consult
        if agent_id is not None:
            scope, first = "agent:" + agent_id, about.first_of_agent
            handled.append(
                Handled(scope, end_ms, arrival_ms, 1, leg_id, talk_ms, hold_ms, holds, first, out, into, added, consult)
            )
        if queue_id is not None:
            scope, first = "queue:" + queue_id, about.first_in_queue
            handled.append(
                Handled(scope, end_ms, arrival_ms, 1, leg_id, talk_ms, hold_ms, holds, first, out, into, added, consult)
            )
    acw = leg.after_call(end_ms)
    after_call: list[Additive] = []
    if acw is not None and acw[1] is not None:
        acw_ms, before_ms = acw[1] - acw[0], talk_ms + hold_ms
        if agent_id is not None:
            after_call.append(AfterCall("agent:" + agent_id, end_ms, arrival_ms, 1, leg_id, acw_ms, before_ms))
        if queue_id is not None:
            after_call.append(AfterCall("queue:" + queue_id, end_ms, arrival_ms, 1, leg_id, acw_ms, before_ms))
    return handled, after_call


def moves_of(
    reserved_ms: int | None, connected_ms: int | None, end_ms: int | None, acw: tuple[int, int | None] | None
) -> list[Move]:
    """The steps of a leg through its phases; None: not come there. `acw` is (start, end) of after-call work.

    No phase lasts less than nothing.
    """
    moves: list[Move] = []
    if reserved_ms is not None:
        moves.append((reserved_ms, RESERVING, 1))
        until_ms = connected_ms if connected_ms is not None else end_ms
        if until_ms is not None:
            moves.append((max(reserved_ms, until_ms), RESERVING, -1))
    if connected_ms is not None:
        moves.append((connected_ms, CONNECTED, 1))
        if end_ms is not None:
            moves.append((max(connected_ms, end_ms), CONNECTED, -1))
    if acw is not None:
        moves.append((acw[0], WRAPPING, 1))
        if acw[1] is not None:
            moves.append((max(acw[0], acw[1]), WRAPPING, -1))
    return moves


def moved(before: list[Move], after: list[Move]) -> list[Move]:
    """The moves that turn one list into the other."""
    known = len(before)
    if after[:known] == before:
        return after[known:]
    added = [move for move in after if move not in before]
    return added + [(at_ms, phase, -sign) for at_ms, phase, sign in before if (at_ms, phase, sign) not in after]
