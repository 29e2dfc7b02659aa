"""An offer of a contact to one agent, as a record that events fill in any order, and the facts that follow from it."""

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field

from service.domain import events as ev
from service.domain.facts import Additive, AfterCall, Handled, Rang, Times

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
        """When the agent was no longer connected; None while open. A transfer ends the leg unless its end is told apart."""
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

    def after_call(self, end_ms: int) -> tuple[int, int | None] | None:
        """(start, end or None while open) of after-call work; None without any. The length stated at its end wins, then the end, then
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


def _earliest(name: str) -> Callable[[Leg, Any, int], None]:
    def fill(leg: Leg, event: Any, at_ms: int) -> None:
        known = getattr(leg, name)
        if known is None or at_ms < known:
            setattr(leg, name, at_ms)

    return fill


def _ring(name: str) -> Callable[[Leg, Any, int], None]:
    earliest = _earliest(name)

    def fill(leg: Leg, event: ev.LegAnswered | ev.LegMissed | ev.LegRejected, at_ms: int) -> None:
        earliest(leg, event, at_ms)
        if event.ring_ms is not None:
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


def _hold(kind: int) -> Callable[[Leg, Any, int], None]:
    def fill(leg: Leg, event: Any, at_ms: int) -> None:
        if (at_ms, kind) not in leg.holds:
            leg.holds.append((at_ms, kind))
            leg.holds.sort()

    return fill


def _conferenced(leg: Leg, event: ev.LegConferenced, at_ms: int) -> None:
    if at_ms not in leg.conferenced:
        leg.conferenced.append(at_ms)


def _wrapup(name: str, length: str) -> Callable[[Leg, Any, int], None]:
    earliest = _earliest(name)

    def fill(leg: Leg, event: ev.LegWrapupStarted | ev.LegWrapupEnded, at_ms: int) -> None:
        earliest(leg, event, at_ms)
        if event.acw_ms is not None:
            setattr(leg, length, event.acw_ms)

    return fill


def _nothing(leg: Leg, event: Any, at_ms: int) -> None:
    """The event is part of the contact's story and changes no total."""


FILL: Final[dict[type[ev.LegEvent], Callable[[Leg, Any, int], None]]] = {
    ev.LegOffered: _earliest("offered_ms"),
    ev.LegAlerting: _earliest("offered_ms"),
    ev.LegAnswered: _ring("answered_ms"),
    ev.LegMissed: _ring("missed_ms"),
    ev.LegRejected: _ring("missed_ms"),
    ev.LegHeld: _hold(HELD),
    ev.LegRetrieved: _hold(RETRIEVED),
    ev.LegTransferStarted: _nothing,
    ev.LegTransferred: _transferred_at,
    ev.LegConferenced: _conferenced,
    ev.LegPartyLeft: _nothing,
    ev.LegEnded: _ended_at,
    ev.LegWrapupStarted: _wrapup("wrapup_ms", "planned_acw_ms"),
    ev.LegWrapupEnded: _wrapup("wrapup_ended_ms", "acw_ms"),
}
"""Leg event type -> how it fills the record."""


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


def leg_facts(leg: Leg, about: LegContext) -> tuple[list[Additive], Times | None]:
    """What this leg means for its queue and its agent, and where it stands on the agent's timeline (None: nowhere yet)."""
    end_ms = leg.end_ms()
    answered_ms = leg.answered_ms if leg.answered_ms is not None else about.answered_ms
    if end_ms is None and about.contact_ended_ms is not None:
        end_ms = about.contact_ended_ms
    if answered_ms is None and end_ms is not None and leg.missed_ms is None and leg.was_connected:
        answered_ms = end_ms - (leg.talk_ms or 0) - leg.hold_total_ms(end_ms)
    scopes = [] if leg.agent_id is None else ["agent:" + leg.agent_id]
    if about.queue_id is not None:
        scopes.append("queue:" + about.queue_id)
    facts: list[Additive] = []
    if answered_ms is None:
        return _missed(leg, about, scopes, end_ms)
    ring_ms = leg.ring_ms if leg.ring_ms is not None else about.ring_ms
    if ring_ms is None and leg.offered_ms is not None:
        ring_ms = max(0, answered_ms - leg.offered_ms)
    arrival_ms = about.arrival_ms if about.queue_id is not None or about.arrival_ms else answered_ms
    for scope in scopes:
        if ring_ms is not None or scope[0] == "a":
            facts.append(Rang(scope, answered_ms, arrival_ms, 1, leg.leg_id, False, ring_ms))
    acw = None
    if end_ms is not None:
        end_ms = max(end_ms, answered_ms)
        acw = _ended(leg, about, scopes, arrival_ms, answered_ms, end_ms, facts)
    reserved_ms = min(leg.offered_ms, answered_ms) if leg.offered_ms is not None else None
    if reserved_ms is None and ring_ms:
        reserved_ms = answered_ms - ring_ms
    acw_ms, closed_ms = (acw[0], acw[1]) if acw else (None, end_ms)
    return facts, (reserved_ms, answered_ms, acw_ms, closed_ms)


def _missed(
    leg: Leg, about: LegContext, scopes: list[str], end_ms: int | None
) -> tuple[list[Additive], Times | None]:
    """Facts of a leg without an answer."""
    missed_ms = leg.missed_ms
    if missed_ms is None:
        return [], (leg.offered_ms, None, None, end_ms) if leg.offered_ms is not None else None
    ring_ms = leg.ring_ms
    if ring_ms is None and leg.offered_ms is not None:
        ring_ms = max(0, missed_ms - leg.offered_ms)
    times = (leg.offered_ms if leg.offered_ms is not None else missed_ms - (ring_ms or 0), None, None, missed_ms)
    arrival_ms = about.arrival_ms or missed_ms
    return [Rang(scope, missed_ms, arrival_ms, 1, leg.leg_id, True, ring_ms) for scope in scopes], times


def _ended(
    leg: Leg, about: LegContext, scopes: list[str], arrival_ms: int, answered_ms: int, end_ms: int, facts: list[Additive]
) -> tuple[int, int | None] | None:
    """Add the facts of a leg that ended; returns its after-call work as (start, end or None)."""
    hold_ms = leg.hold_total_ms(end_ms)
    talk_ms = leg.talk_ms if leg.talk_ms is not None else max(0, end_ms - answered_ms - hold_ms)
    holds = sum(1 for _, kind in leg.holds if kind == HELD) or (1 if hold_ms else 0)
    acw = leg.after_call(end_ms)
    for scope in scopes:
        first = about.first_of_agent if scope[0] == "a" else about.first_in_queue
        facts.append(
            Handled(
                scope, end_ms, arrival_ms, 1, leg.leg_id, talk_ms, hold_ms, holds, first, leg.transferred_ms is not None,
                about.transferred_in, len(leg.conferenced), leg.consult,
            )
        )  # fmt: skip
    if acw and acw[1] is not None:
        for scope in scopes:
            facts.append(AfterCall(scope, end_ms, arrival_ms, 1, leg.leg_id, acw[1] - acw[0], talk_ms + hold_ms))
    return acw
