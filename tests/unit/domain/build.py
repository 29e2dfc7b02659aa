"""Short ways to say what happened on the floor, and what came of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from service.domain.aggregate import AggregateStore
from service.domain.codec import EVENT_TYPES, encode_event
from service.domain.contact_record import ContactRecord
from service.domain.contacts import Contact
from service.domain.correlate import CorrelateStore
from service.domain.errors import CONFLICT, DUPLICATE, UNMATCHED, InvalidEvent
from service.domain.events import ContactEvent, Event
from service.domain.facts import (
    CONNECTED,
    RESERVING,
    WRAPPING,
    Additive,
    AnyFact,
    Fact,
    LegMoved,
)
from service.domain.settings import Floor
from service.domain.totals import Totals, total_of

T0 = 1_795_165_200_000
"""Friday, 2026-11-20T09:00:00Z; scenes count seconds from here."""

NEVER_LATE_MS = 1 << 60
PHASES = {RESERVING: "reserved", CONNECTED: "connected", WRAPPING: "wrapping"}


def ms(seconds: float) -> int:
    """Milliseconds UTC of a moment given in seconds after T0."""
    return T0 + round(seconds * 1000)


def event(kind: str, seconds: float, **fields: Any) -> Event:
    """An event at `seconds` after T0: contact c, visit c/1, queue sales and agent 1001 unless said otherwise."""
    cls = EVENT_TYPES[kind]
    known = {"contact_id": "c", "agent_id": "1001"}
    if kind.startswith("visit."):
        known |= {"visit_id": fields.get("contact_id", "c") + "/1", "queue_id": "sales"}
        del known["agent_id"]
    elif kind.startswith("leg."):
        known["visit_id"] = fields.get("contact_id", "c") + "/1"
    elif kind.startswith("agent.queue_"):
        known["queue_id"] = "sales"
    given = {name: value for name, value in known.items() if name in cls.__struct_fields__} | fields
    given.setdefault("event_id", f"{kind}@{seconds}:" + ",".join(f"{k}={v}" for k, v in sorted(given.items())))
    return cls(occurred_at_ms=ms(seconds), **given)


class Applied(NamedTuple):
    """What one event did: the facts to send, and whether it was a duplicate, in conflict, or lacked its beginning."""

    facts: list[AnyFact]
    duplicate: bool
    conflict: bool
    unmatched: bool


class Story:
    """One contact's events applied in the order given, and everything that came of them."""

    def __init__(self, *events: Event, floor: Floor | None = None) -> None:
        self.contact = Contact(ContactRecord("c", ""))
        self.floor = floor or Floor()
        self.facts: list[AnyFact] = []
        self.applied: list[Applied] = []
        for each in events:
            self.tell(each)

    def tell(self, told: Event) -> Applied:
        """Apply one more event."""
        assert isinstance(told, ContactEvent)
        facts: list[AnyFact] = []
        found = self.contact.apply(told, told.occurred_at_ms, self.floor, facts)
        applied = Applied(facts, DUPLICATE in found, CONFLICT in found, UNMATCHED in found)
        self.facts += facts
        self.applied.append(applied)
        return applied

    def net(self) -> Counter[Additive]:
        """The additive facts that stand after all retractions."""
        return net(self.facts)

    def moves(self, agent_id: str = "1001") -> list[tuple[float, str, int]]:
        """(second, phase, legs more or less) of the agent's legs, as they stand in the end."""
        return standing(self.facts)["agent:" + agent_id]

    def totals(self, scope: str = "queue:sales") -> Totals:
        """The totals of a scope over all time."""
        store = AggregateStore(self.floor, live=False)
        for fact in self.facts:
            store.apply(fact)
        return scope_totals(store, scope)


def net(facts: Iterable[AnyFact]) -> Counter[Additive]:
    """Additive facts with their signs summed, without what cancels out."""
    sums: Counter[Additive] = Counter()
    for fact in facts:
        if isinstance(fact, Fact):
            plain: Any = msgspec.structs.replace(fact, sign=1)
            sums[plain] += fact.sign
    return Counter({fact: count for fact, count in sums.items() if count})


def standing(facts: Iterable[AnyFact]) -> dict[str, list[tuple[float, str, int]]]:
    """The legs' moves by agent that stand after everything was taken back that was."""
    found: dict[str, Counter[tuple[float, str]]] = defaultdict(Counter)
    for fact in facts:
        if isinstance(fact, LegMoved):
            for at_ms, phase, count in fact.moves:
                found[fact.scope][(at_ms - T0) / 1000, PHASES[phase]] += count
    left = {scope: sorted((*move, n) for move, n in counts.items() if n) for scope, counts in found.items()}
    return defaultdict(list, {scope: moves for scope, moves in left.items() if moves})


def scope_totals(store: AggregateStore, scope: str, by_arrival: bool = False) -> Totals:
    """Everything a store counted for one scope."""
    scopes = store.scopes
    found = scopes.queue(scope) if scope.startswith("queue:") else scopes.agent(scope)
    return total_of([i.arrival if by_arrival else i.outcome for i in found.intervals.values()])


def aggregate(events: Iterable[Event], floor: Floor | None = None, live: bool = False) -> AggregateStore:
    """The floor's state after the events, in the order given."""
    floor = floor or Floor()
    correlate = CorrelateStore(floor, NEVER_LATE_MS, NEVER_LATE_MS)
    store = AggregateStore(floor, live=live)
    for each in events:
        try:
            facts = correlate.apply(each, NEVER_LATE_MS)
        except InvalidEvent:
            continue
        for fact in facts:
            store.apply(fact)
    for agent in store.scopes.agents.values():
        agent.timeline.show()
    return store


def take(store: CorrelateStore, told: Event, offset: int = 0, received_s: float | None = None) -> list[AnyFact]:
    """Feed one event as the record of `cti.events` it would be; received when it happened unless told otherwise."""
    received_ms = told.occurred_at_ms if received_s is None else ms(received_s)
    return store.take(encode_event(told), received_ms, offset)
