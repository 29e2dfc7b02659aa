"""A contact's life: visits and legs filled by events in any order, and the signed facts each event adds.

The facts of a visit or leg are a function of its record. An event changes the record; what is emitted is the
difference between the facts before and after. So arrival order and redelivery cannot matter, and a late event
corrects what was said before.
"""

from typing import Final
from zlib import crc32

from service.domain.business_events import CallbackEvent
from service.domain.codec import TYPE_OF
from service.domain.contact_record import ContactRecord
from service.domain.customers import Customers, changed, for_class
from service.domain.errors import CONFLICT, DUPLICATE, SKEW, UNMATCHED
from service.domain.events import (
    ContactEnded,
    ContactEvent,
    ContactStarted,
    LegAnswered,
    LegEnded,
    LegEvent,
    LegTransferred,
    LegWrapupEnded,
    LegWrapupStarted,
    VisitEvent,
    VisitQueued,
)
from service.domain.facts import Additive, AnyFact, Reached, say
from service.domain.journey import JourneyFact, call_back, journey, reached
from service.domain.leg_context import LegContext, context_of
from service.domain.leg_events import BEGINNING, END, FILL, NOTHING, learn
from service.domain.leg_facts import LegFacts, leg_facts, say_changed, say_end, say_new
from service.domain.legs import Leg
from service.domain.settings import Floor
from service.domain.visits import REFUSED, Visit

Findings = tuple[str, ...]

SEEN_KEPT: Final = 64
"""How many events a contact remembers, to count duplicates and to find what a correction corrects; applying one twice
changes nothing anyway.
"""

ENDS_OF_TALK: Final = (LegAnswered, LegEnded, LegTransferred)

KINDS: Final = [cls for cls in TYPE_OF if issubclass(cls, ContactEvent)]
KIND_BITS: Final = 0x1F
ID_BITS: Final = 0xFFFF_FFFF ^ KIND_BITS
_KIND_OF: Final = {cls: number for number, cls in enumerate(KINDS)}


def code_of(event_id: str) -> int:
    """What is kept of an event's id: its CRC-32 with zeros where the type's number goes."""
    return crc32(event_id.encode()) & ID_BITS


ENDS: Final = frozenset({LegEnded, LegTransferred, LegWrapupStarted, LegWrapupEnded})
"""Leg events that only follow an answer; one that states the talk tells when that was."""


class Contact:
    """A contact in flight: its record, and the facts emitted so far for each visit and leg (recomputed after a
    restart).
    """

    __slots__ = (
        "_class_facts", "_only", "_said_of_customer", "lined_up", "record", "said_of_journey", "said_of_legs",
        "said_of_visits",
    )  # fmt: skip

    def __init__(self, record: ContactRecord) -> None:
        self.record = record
        self.lined_up = False
        """For the store: whether it has a place in its line of closed contacts."""
        self.said_of_visits: dict[str, tuple[Additive, ...]] = {}
        self.said_of_legs: list[LegFacts] = []
        self._only: LegFacts | None = None
        self._class_facts: list[Additive] = []
        self.said_of_journey: tuple[JourneyFact, ...] = ()
        self._said_of_customer: tuple[Reached, ...] = ()
        if record.visits or record.legs:
            for visit in record.visits:
                self.said_of_visits[visit.visit_id] = self._facts_of_visit(visit)
            self._say_legs([])
            self.said_of_journey = journey(record)
            if record.customer is not None:
                self._class_facts = self._facts_of_classes()
                self._said_of_customer = reached(record)

    def apply(self, event: ContactEvent, at_ms: int, floor: Floor, facts: list[AnyFact]) -> Findings:
        """Fill the event in, add what changes to `facts`, and return what was found odd about the event.

        Events that belong to no visit or leg change nothing but the contact.
        """
        record = self.record
        if at_ms > record.last_ms:
            record.last_ms = at_ms
        if isinstance(event, LegEvent):
            found = self._leg(event, at_ms, facts)
        elif isinstance(event, VisitEvent):
            found = self._visit(event, at_ms, floor, facts)
            if len(record.visits) > 1 or record.callback is not None:
                self._say_journey(facts)
        else:
            found = self._other(event, at_ms, floor, facts)
        code, seen = crc32(event.event_id.encode()) & ID_BITS | _KIND_OF[type(event)], record.seen
        if code in seen:
            return found if facts else (DUPLICATE,)
        seen.append(code)
        if len(seen) > SEEN_KEPT:
            del seen[0]
        return found

    def _other(self, event: ContactEvent, at_ms: int, floor: Floor, facts: list[AnyFact]) -> Findings:
        """An event about the contact as a whole."""
        record = self.record
        if isinstance(event, CallbackEvent):
            call_back(record, event, at_ms)
        elif type(event) is ContactEnded and (record.ended_ms is None or at_ms < record.ended_ms):
            record.ended_ms, record.ended_by = at_ms, event.disconnect_by
            for visit in record.visits:
                if visit.terms is not None:
                    self._measure(visit, floor)
                self._say_visit(visit, facts)
            self._say_legs(facts)
        elif type(event) is ContactStarted and (event.customer_ref or event.customer_class):
            record.meet(event.customer_ref, event.customer_class)
        self._say_journey(facts)
        return ()

    def measure_closed(self, floor: Floor) -> None:
        """Work out how long visits waited that a closure ended."""
        for visit in self.record.visits:
            if visit.terms is not None and visit.terms.open_wait_ms is None:
                self._measure(visit, floor)

    def _measure(self, visit: Visit, floor: Floor) -> None:
        level = floor.queue(visit.queue_id or "").level_at(visit.arrival_ms())
        visit.measure(level, self.record.end_of(visit))

    def _visit(self, event: VisitEvent, at_ms: int, floor: Floor, facts: list[AnyFact]) -> Findings:
        record = self.record
        visit = record.visit_named(event.visit_id) if record.visits else None
        if visit is None:
            visit = Visit(event.visit_id)
            record.visits.append(visit)
        found: Findings = ()
        if isinstance(event, VisitQueued):
            found = self._visit_queued(visit, event, at_ms, floor)
            self._say_visit(visit, facts)
        elif visit.queued_ms is not None and visit.end_ms is None and record.ended_ms is None:
            visit.end(event, at_ms)
            if visit.terms is not None:
                self._measure(visit, floor)
            if at_ms < visit.queued_ms:
                found = (SKEW,)
            if self._say_left(visit, at_ms, facts):
                return found
        else:
            found = self._visit_over(visit, event, at_ms, floor)
            self._say_visit(visit, facts)
        known = visit.agent_id is not None and self._leg_of_answer(visit)
        if record.legs:
            self._say_legs(facts)
            if known and type(event) is not VisitQueued and self._backwards(visit.agent_id):
                found += (SKEW,)
        return found

    def _visit_queued(self, visit: Visit, event: VisitQueued, at_ms: int, floor: Floor) -> Findings:
        visit.queue(event, at_ms, floor.queue(event.queue_id).level_at(at_ms))
        if visit.terms is not None:
            self._measure(visit, floor)
        if event.customer_ref is not None or event.customer_class is not None:
            self.record.meet(event.customer_ref, None)
        return (SKEW,) if visit.end_ms is not None and visit.end_ms < at_ms else ()

    def _visit_over(self, visit: Visit, event: VisitEvent, at_ms: int, floor: Floor) -> Findings:
        found: Findings = () if visit.end(event, at_ms) else (CONFLICT,)
        if visit.queued_ms is None and visit.ending != REFUSED:
            found += (UNMATCHED,)
            if visit.queue_id is not None:
                visit.fix_level(floor.queue(visit.queue_id).level_at(visit.arrival_ms()))
        if visit.terms is not None:
            self._measure(visit, floor)
        return found if visit.queued_ms is None or at_ms >= visit.queued_ms else (*found, SKEW)

    def _say_left(self, visit: Visit, at_ms: int, facts: list[AnyFact]) -> bool:
        """Say that a visit left which waited until now. Returns True if that is all there is to say.

        That it was offered was said, and stands. If its answer begins the contact's first leg, all is known that
        `context_of` would look for. Other cases take the long way.
        """
        if visit.ending == REFUSED:
            self._say_visit(visit, facts)
            return False
        (offered,) = self.said_of_visits[visit.visit_id]
        scope, queued_ms = offered.scope, offered.arrival_ms
        left = visit.departure(scope, queued_ms, at_ms)
        self.said_of_visits[visit.visit_id] = (offered, left)
        facts.append(left)
        legs, agent_id, queue_id = self.record.legs, visit.agent_id, visit.queue_id
        if legs or agent_id is None:
            return False
        leg = Leg(visit.leg_id or leg_id_of(visit.visit_id, agent_id), agent_id, visit.visit_id, visit.leg_id, queue_id)
        legs.append(leg)
        transferred_in = visit.initiation == "transfer"
        said = leg_facts(
            leg, LegContext("agent:" + agent_id, scope, queue_id, queued_ms, at_ms, visit.ring_ms, transferred_in, None)
        )
        self.said_of_legs.append(said)
        self._only = said
        say_new(said, facts)
        return True

    def _leg_of_answer(self, visit: Visit) -> bool:
        """An answer by an agent begins that agent's leg. Returns True if the feed had told of it already."""
        agent_id, visit_id, named = visit.agent_id or "", visit.visit_id, visit.leg_id
        for leg in self.record.legs:
            same = leg.agent_id == agent_id and leg.visit_id in (None, visit_id)
            if same and (named is None or leg.named in (None, named)):
                return True
        self.record.legs.append(Leg(named or leg_id_of(visit_id, agent_id), agent_id, visit_id, named, visit.queue_id))
        return False

    def _leg(self, event: LegEvent, at_ms: int, facts: list[AnyFact]) -> Findings:
        record = self.record
        found: Findings = ()
        leg = self.find_leg(event)
        if leg is None:
            leg = Leg(event.leg_id or leg_id_of(event.visit_id, event.agent_id), event.agent_id, event.visit_id)
            record.legs.append(leg)
            self._only = None
            if type(event) in ENDS and not record.visits and getattr(event, "talk_ms", None) is None:
                found = (UNMATCHED,)
        learned = learn(leg, event)
        reach = FILL[type(event)](leg, event, at_ms)
        said = self._only
        if said is None or said.answered_ms is None or learned or reach == BEGINNING:
            self._say_legs(facts)
            return (*found, SKEW) if type(event) in ENDS_OF_TALK and self._backwards(event.agent_id) else found
        if reach != NOTHING:
            say_end(leg, said, said.answered_ms, reach, facts)
            if reach == END and at_ms < said.answered_ms:
                return (*found, SKEW)
        return found

    def _backwards(self, agent_id: str | None) -> bool:
        """Whether a leg of the agent ended before it was answered, which no single clock can have seen."""
        for leg, said in zip(self.record.legs, self.said_of_legs, strict=True):
            end_ms, answered_ms = leg.end_ms(), said.answered_ms
            if end_ms is not None and answered_ms is not None and end_ms < answered_ms and leg.agent_id == agent_id:
                return True
        return False

    def find_leg(self, event: LegEvent) -> Leg | None:
        """The event's leg: by the feed's id, else the agent's newest leg in that visit; an unnamed leg takes the first
        id told.
        """
        unnamed, agent_id, leg_id = None, event.agent_id, event.leg_id
        for leg in reversed(self.record.legs):
            if leg.agent_id != agent_id:
                continue
            if leg_id is not None and leg.named == leg_id:
                return leg
            same_visit = event.visit_id is None or leg.visit_id is None or leg.visit_id == event.visit_id
            if unnamed is None and same_visit and (leg.named is None or leg_id is None):
                unnamed = leg
        return unnamed

    def say_everything(self, facts: list[AnyFact]) -> None:
        """Say what changed for any visit or leg or for the contact as a whole, whatever it was."""
        for visit in self.record.visits:
            self._say_visit(visit, facts)
        self._say_legs(facts)
        self._say_journey(facts)

    def drop_leg(self, leg: Leg, facts: list[AnyFact]) -> None:
        """Take a leg back that should never have been heard of; it must be empty."""
        self._say_legs(facts)
        number = self.record.legs.index(leg)
        del self.record.legs[number], self.said_of_legs[number]
        self._say_legs(facts)

    def _say_visit(self, visit: Visit, facts: list[AnyFact]) -> None:
        after = visit.facts() if self.record.ended_ms is None else self._facts_of_visit(visit)
        before = self.said_of_visits.get(visit.visit_id)
        if before is None:
            facts += after
        else:
            say(before, after, facts)
            if self.said_of_journey and before[1:] != after[1:]:
                self._take_back_journey(visit, facts)
        self.said_of_visits[visit.visit_id] = after

    def _take_back_journey(self, visit: Visit, facts: list[AnyFact]) -> None:
        """How the visit left is told anew: what was added to that has to be added again, which `_say_journey` does."""
        gone = tuple(fact for fact in self.said_of_journey if fact.visit_id == visit.visit_id)
        say(gone, (), facts)
        self.said_of_journey = tuple(fact for fact in self.said_of_journey if fact not in gone)

    def _say_journey(self, facts: list[AnyFact]) -> None:
        after = journey(self.record)
        say(self.said_of_journey, after, facts)
        self.said_of_journey = after

    def _facts_of_visit(self, visit: Visit) -> tuple[Additive, ...]:
        """A visit still open when its contact ended was abandoned if the customer hung up, else cancelled."""
        ended_ms = self.record.ended_ms
        if ended_ms is None or visit.end_ms is not None:
            return visit.facts()
        kind = "cancelled" if self.record.ended_by in ("agent", "system") else "abandoned"
        visit.end_ms, visit.ending = max(ended_ms, visit.arrival_ms()), kind
        facts = visit.facts()
        visit.end_ms = visit.ending = None
        return facts

    def _say_legs(self, facts: list[AnyFact]) -> None:
        """Say what changed for any leg: they look at the visits and at each other (transfers, first of contact).

        The only leg of a contact that goes on may then be told of from its end on: what changes that part of its record
        changes neither `context_of` nor its beginning, once its answer was told.
        """
        record, said = self.record, self.said_of_legs
        legs, known = record.legs, len(said)
        for number, leg in enumerate(legs):
            now = leg_facts(leg, context_of(record, leg))
            if number >= known:
                said.append(now)
                say_new(now, facts)
            else:
                say_changed(said[number], now, facts)
                said[number] = now
        self._only = said[0] if len(legs) == 1 and record.ended_ms is None else None

    def say_classes(self, customers: Customers, facts: list[AnyFact]) -> None:
        """Say what changed for the contact's customer, of whom something was told, and for the classes."""
        record = self.record
        customer = record.customer
        if customer is None:
            return
        if customer.ref is not None:
            customer.moved = {
                visit.visit_id: name
                for visit in record.visits
                if (name := customers.class_of(customer.ref, visit.arrival_ms(), record.end_of(visit))) is not None
            }
        after = self._facts_of_classes()
        facts += changed(self._class_facts, after)
        self._class_facts = after
        reaching = reached(record)
        if reaching != self._said_of_customer:
            say(self._said_of_customer, reaching, facts)
            self._said_of_customer = reaching

    def _facts_of_classes(self) -> list[Additive]:
        """What is said of visits and legs, once more for the class each has."""
        record = self.record
        found: list[Additive] = []
        for visit in record.visits:
            found += for_class(self.said_of_visits.get(visit.visit_id, ()), record.class_of(visit))
        for leg, said in zip(record.legs, self.said_of_legs, strict=True):
            of_leg = record.visit_of(leg)
            if of_leg is not None:
                found += for_class((*said.rang, *said.handled, *said.after_call), record.class_of(of_leg))
        for fact in self.said_of_journey:
            moved = record.visit_named(fact.visit_id)
            if moved is not None:
                found += for_class((fact,), record.class_of(moved))
        return found


def leg_id_of(visit_id: str | None, agent_id: str | None) -> str:
    """The id of a leg whose feed gives none: the agent's leg in that visit."""
    return f"{visit_id or ''}/{agent_id or ''}"
