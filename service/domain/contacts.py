"""A contact's life: visits and legs filled by events in any order, and the signed facts each event adds.

The facts of a visit or leg are a function of its record. An event changes the record; what is emitted is the
difference between the facts before and after. So arrival order and redelivery cannot matter, and a late event
corrects what was said before.
"""

from zlib import crc32

from msgspec import Struct, field

from service.domain.events import (
    ContactEnded,
    ContactEvent,
    LegEvent,
    VisitEvent,
    VisitQueued,
)
from service.domain.facts import Additive, AnyFact, LegMoved, difference
from service.domain.legs import ALL, FILL, Leg, LegContext, LegFacts, leg_facts, moved, parts_changed
from service.domain.settings import Floor
from service.domain.visits import ANSWERED, Visit

SEEN_KEPT = 64
"""How many event ids (as CRC-32) a contact remembers, only to count duplicates; applying one twice changes nothing
anyway.
"""


class ContactRecord(Struct, array_like=True, gc=False):
    """The durable form of a contact: what its events filled in.

    An event older than `horizon_ms` may have been counted before the contact was forgotten and met again.
    """

    contact_id: str
    source: str
    last_ms: int = 0
    ended_ms: int | None = None
    ended_by: str | None = None
    visits: list[Visit] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)
    horizon_ms: int = 0


class Applied(Struct, gc=False):
    """What one event did: the facts to send, and whether it was a duplicate, in conflict, or lacked its beginning."""

    facts: list[AnyFact]
    duplicate: bool = False
    conflict: bool = False
    unmatched: bool = False


class Contact:
    """A contact in flight: its record, and the facts emitted so far for each visit and leg (recomputed after a
    restart).
    """

    __slots__ = ("_leg_facts", "_visit_facts", "record")

    def __init__(self, record: ContactRecord) -> None:
        self.record = record
        self._visit_facts: dict[str, list[Additive]] = {v.visit_id: self._facts_of_visit(v) for v in record.visits}
        self._leg_facts: dict[str, LegFacts] = {}
        for leg in record.legs:
            self._leg_facts[leg.leg_id] = leg_facts(leg, self._about(leg), LegFacts())

    @property
    def closed(self) -> bool:
        """True when nothing waits, rings, is connected or wraps up. After-call work outlives the contact's end."""
        record = self.record
        if record.ended_ms is None:
            for visit in record.visits:
                if visit.end_ms is None:
                    return False
            return all(not leg.open for leg in record.legs)
        return not any(leg.wrapping for leg in record.legs)

    def apply(self, event: ContactEvent, at_ms: int, floor: Floor) -> Applied:
        """Fill the event in and return what changes. Events that belong to no visit or leg change nothing but the
        contact.
        """
        record = self.record
        applied = Applied([])
        code = crc32(event.event_id.encode())
        known = code in record.seen
        if not known:
            record.seen.append(code)
            if len(record.seen) > SEEN_KEPT:
                del record.seen[0]
        if at_ms > record.last_ms:
            record.last_ms = at_ms
        if isinstance(event, VisitEvent):
            self._visit(event, at_ms, floor, applied)
        elif isinstance(event, LegEvent):
            self._leg(event, at_ms, applied)
        elif type(event) is ContactEnded and (record.ended_ms is None or at_ms < record.ended_ms):
            record.ended_ms, record.ended_by = at_ms, event.disconnect_by
            for visit in record.visits:
                self._emit_visit(visit, applied)
            self._emit_legs(applied)
        applied.duplicate = known and not applied.facts
        return applied

    def _visit(self, event: VisitEvent, at_ms: int, floor: Floor, applied: Applied) -> None:
        visit = self._visit_named(event.visit_id)
        if visit is None:
            visit = Visit(event.visit_id)
            self.record.visits.append(visit)
            self._visit_facts[visit.visit_id] = []
        if isinstance(event, VisitQueued):
            visit.queue(event, at_ms, floor.queue(event.queue_id).service_level)
        else:
            applied.conflict = not visit.end(event, at_ms)
            if visit.queued_ms is None and visit.ending != "refused":
                applied.unmatched = True
                if visit.queue_id is not None:
                    visit.fix_level(floor.queue(visit.queue_id).service_level)
        self._emit_visit(visit, applied)
        if visit.ending == ANSWERED and visit.agent_id is not None:
            self._leg_of_answer(visit)
        if self.record.legs:
            self._emit_legs(applied)

    def _visit_named(self, visit_id: str) -> Visit | None:
        for visit in self.record.visits:
            if visit.visit_id == visit_id:
                return visit
        return None

    def _leg_of_answer(self, visit: Visit) -> None:
        """An answer by an agent begins that agent's leg, unless the feed told of it already."""
        agent_id = visit.agent_id or ""
        for leg in self.record.legs:
            same = leg.agent_id == agent_id and leg.visit_id in (None, visit.visit_id)
            if same and (visit.leg_id is None or leg.named in (None, visit.leg_id)):
                return
        leg_id = visit.leg_id or leg_id_of(visit.visit_id, agent_id)
        self._new_leg(Leg(leg_id, agent_id, visit.visit_id, visit.leg_id, visit.queue_id))

    def _leg(self, event: LegEvent, at_ms: int, applied: Applied) -> None:
        leg = self._find_leg(event)
        if leg is None:
            leg = Leg(event.leg_id or leg_id_of(event.visit_id, event.agent_id), event.agent_id, event.visit_id)
            self._new_leg(leg)
        told = (leg.named, leg.visit_id, leg.queue_id, leg.consult)
        leg.named = leg.named or event.leg_id
        leg.visit_id = leg.visit_id or event.visit_id
        leg.queue_id = leg.queue_id or event.queue_id
        leg.consult = leg.consult or event.consult
        kind = type(event)
        newest = at_ms >= self.record.last_ms and self.record.ended_ms is None
        if told == (leg.named, leg.visit_id, leg.queue_id, leg.consult):
            parts = parts_changed(leg, kind, newest, self._leg_facts[leg.leg_id].answered)
        else:
            parts = ALL
        FILL[kind][0](leg, event, at_ms)
        self._emit_legs(applied, leg, parts)

    def _find_leg(self, event: LegEvent) -> Leg | None:
        """The event's leg: by the feed's id, else the agent's newest leg in that visit; an unnamed leg takes the first
        id told.
        """
        unnamed = None
        for leg in reversed(self.record.legs):
            if leg.agent_id != event.agent_id:
                continue
            if event.leg_id is not None and leg.named == event.leg_id:
                return leg
            same_visit = event.visit_id is None or leg.visit_id is None or leg.visit_id == event.visit_id
            if unnamed is None and same_visit and (leg.named is None or event.leg_id is None):
                unnamed = leg
        return unnamed

    def _new_leg(self, leg: Leg) -> None:
        self.record.legs.append(leg)
        self._leg_facts[leg.leg_id] = LegFacts()

    def _emit_visit(self, visit: Visit, applied: Applied) -> None:
        after = self._facts_of_visit(visit)
        applied.facts += difference(self._visit_facts[visit.visit_id], after)
        self._visit_facts[visit.visit_id] = after

    def _facts_of_visit(self, visit: Visit) -> list[Additive]:
        """A visit still open when its contact ended was abandoned if the customer hung up, else cancelled."""
        ended_ms = self.record.ended_ms
        if ended_ms is None or visit.end_ms is not None:
            return visit.facts()
        kind = "cancelled" if self.record.ended_by in ("agent", "system") else "abandoned"
        visit.end_ms, visit.ending = max(ended_ms, visit.arrival_ms()), kind
        facts = visit.facts()
        visit.end_ms = visit.ending = None
        return facts

    def _emit_legs(self, applied: Applied, only: Leg | None = None, parts: int = ALL) -> None:
        """Emit what changed for one leg, or for all when they look at each other (transfers, first of contact)."""
        if only is not None and len(self.record.legs) == 1:
            self._emit_leg(only, parts, applied)
        else:
            for leg in self.record.legs:
                self._emit_leg(leg, ALL, applied)

    def _emit_leg(self, leg: Leg, parts: int, applied: Applied) -> None:
        about = self._about(leg)
        before = self._leg_facts[leg.leg_id]
        after = self._leg_facts[leg.leg_id] = leg_facts(leg, about, before, parts)
        if after.rang is not before.rang:
            applied.facts += difference(before.rang, after.rang)
        if after.handled is not before.handled:
            applied.facts += difference(before.handled, after.handled)
        if after.after_call is not before.after_call:
            applied.facts += difference(before.after_call, after.after_call)
        if leg.agent_id is not None and (moves := moved(before.moves, after.moves)):
            applied.facts.append(LegMoved("agent:" + leg.agent_id, about.queue_id, after.since_ms, moves))

    def _about(self, leg: Leg) -> LegContext:
        """The leg's surroundings: its queue, and the visit's answer if that is this leg's."""
        record = self.record
        visit = self._visit_of(leg)
        if visit is None:
            queue_id, arrival_ms, answered_ms, ring_ms, transferred_in = leg.queue_id, 0, None, None, False
        else:
            queue_id = leg.queue_id or visit.queue_id
            arrival_ms = visit.queued_ms if visit.queued_ms is not None else visit.arrival_ms()
            answered_ms = ring_ms = None
            if visit.ending == ANSWERED and visit.agent_id == leg.agent_id and self._claims(leg, visit):
                answered_ms, ring_ms = visit.end_ms, visit.ring_ms
            transferred_in = visit.initiation == "transfer"
        if len(record.legs) == 1:
            return LegContext(
                queue_id, arrival_ms, answered_ms, ring_ms, transferred_in, True, True, record.ended_ms
            )
        first_in_queue, first_of_agent = self._firsts(leg, queue_id)
        began_ms = leg.answered_ms if leg.answered_ms is not None else answered_ms
        transferred_in = transferred_in or any(
            o is not leg and o.transferred_ms is not None and began_ms is not None and o.transferred_ms <= began_ms
            for o in record.legs
        )
        return LegContext(
            queue_id, arrival_ms, answered_ms, ring_ms, transferred_in, first_in_queue, first_of_agent, record.ended_ms
        )

    def _claims(self, leg: Leg, visit: Visit) -> bool:
        """Whether the visit's answer belongs to this leg: the one it names, else the agent's first leg there that was
        not missed.
        """
        if visit.ending != ANSWERED or visit.agent_id != leg.agent_id:
            return False
        if len(self.record.legs) == 1:
            return leg.missed_ms is None or leg.answered_ms is not None or leg.end_ms() is not None
        same = [o for o in self.record.legs if o.agent_id == leg.agent_id and o.visit_id == leg.visit_id]
        if len(same) == 1:
            return leg.missed_ms is None or leg.answered_ms is not None or leg.end_ms() is not None
        named = [o for o in same if visit.leg_id is not None and o.named == visit.leg_id]
        taken = named or [o for o in same if o.missed_ms is None]
        return bool(taken) and min(taken, key=_beginning) is leg

    def _firsts(self, leg: Leg, queue_id: str | None) -> tuple[bool, bool]:
        """Whether this is the contact's first handled leg in its queue, and of its agent."""
        end_ms = self._handled_ms(leg)
        if end_ms is None:
            return True, True
        earlier = [
            other for other in self.record.legs
            if other is not leg and not other.consult and (other_ms := self._handled_ms(other)) is not None
            and (other_ms, other.leg_id) < (end_ms, leg.leg_id)
        ]  # fmt: skip
        return (
            not any(self._queue_of(other) == queue_id for other in earlier),
            not any(other.agent_id == leg.agent_id for other in earlier),
        )

    def _handled_ms(self, leg: Leg) -> int | None:
        """When the leg was over, if it had been answered: its own end, else that of the contact."""
        end_ms = leg.end_ms() if leg.end_ms() is not None else self.record.ended_ms
        if end_ms is None or leg.answered_ms is not None or (leg.missed_ms is None and leg.was_connected):
            return end_ms
        visit = self._visit_of(leg)
        return end_ms if visit is not None and self._claims(leg, visit) else None

    def _visit_of(self, leg: Leg) -> Visit | None:
        """The leg's visit: the one it names, else the one its agent answered, else the only one."""
        visits, visit_id = self.record.visits, leg.visit_id
        if visit_id is not None:
            for visit in visits:
                if visit.visit_id == visit_id:
                    return visit
            return None
        for visit in visits:
            if visit.ending == ANSWERED and visit.agent_id == leg.agent_id:
                return visit
        return visits[0] if len(visits) == 1 else None

    def _queue_of(self, leg: Leg) -> str | None:
        visit = self._visit_of(leg)
        return leg.queue_id or (visit.queue_id if visit else None)


def _beginning(leg: Leg) -> tuple[int, str]:
    """Orders legs by when they began, however they arrived."""
    times = [at_ms for at_ms in (leg.offered_ms, leg.answered_ms, leg.end_ms()) if at_ms is not None]
    return min(times, default=0), leg.leg_id


def leg_id_of(visit_id: str | None, agent_id: str | None) -> str:
    """The id of a leg whose feed gives none: the agent's leg in that visit."""
    return f"{visit_id or ''}/{agent_id or ''}"
