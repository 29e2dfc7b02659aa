"""CORRELATE: turns the events of one source partition into facts, keeping contacts in flight.

Its output depends only on the records and the configuration, never on a clock or on where batches are cut, so a
replay after a crash gives the same facts. A contact is forgotten once it is closed and its source has moved on by the
linger time; an event older than that for an unknown contact is late (it may be a redelivery of one already counted).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec import Struct, field

from service.domain import state_keys as keys
from service.domain.agent_inputs import agent_input
from service.domain.amending import amend
from service.domain.business_events import (
    AgentMovedOn,
    AlertAcknowledged,
    CustomerClassChanged,
    ForecastPublished,
    SourceSnapshot,
)
from service.domain.codec import TYPE_OF, decode_event
from service.domain.contact_record import ContactRecord
from service.domain.contact_watch import ContactWatch
from service.domain.contacts import Contact
from service.domain.contacts_kept import KeptContacts, SourceState
from service.domain.customer_keys import NAMES_CUSTOMER, CustomerKeys, protect
from service.domain.customers import ContactCustomer, Customers
from service.domain.errors import DUPLICATE, LATE, REF_DROPPED, SCOPE_LIMIT, SKEW, SYNTHETIC, InvalidEvent, check_time
from service.domain.events import AgentEvent, ContactEvent, Event
from service.domain.facts import AnyFact, Forecast, SourceSeen
from service.domain.forced import CLOSES
from service.domain.reconcile import Reconciliation, agent_snapshots, forwarded, left_behind
from service.domain.schedule import PLANS, schedule_fact
from service.domain.settings import Floor
from service.domain.totals import bump

LINGER_MS: Final = 900_000
MAX_SKEW_MS: Final = 60_000

MOST_SOURCES: Final = 1_000
"""Sources of one partition that are told apart: they are all in the mark, which every flush writes."""

OTHER_SOURCES: Final = "other"

HERE, EVERYWHERE, BY_KEY, EVALUATOR = "here", "everywhere", "by_key", "evaluator"
"""Where an event made or forwarded goes: to this partition, to all of them, to the one that its key gives, or to
whoever evaluates the alert rules.
"""


class CorrelateMark(Struct, array_like=True, gc=False):
    """Up to where this partition has come, and the state of its sources."""

    schema: int = keys.SCHEMA
    next_offset: int = 0
    sources: dict[str, SourceState] = field(default_factory=dict)


_encode = msgspec.msgpack.Encoder().encode
_decode_mark = msgspec.msgpack.Decoder(CorrelateMark).decode
CUSTOMER: Final = b"k"
"""First byte of the keys under which customers' classes are stored; contacts have `c`."""

MARK_KEY: Final = keys.encode_key(keys.MARK, 0, "")


class CorrelateStore:
    """Contacts in flight of one source partition."""

    def __init__(
        self,
        floor: Floor,
        linger_ms: int = LINGER_MS,
        max_skew_ms: int = MAX_SKEW_MS,
        customer_keys: CustomerKeys | None = None,
    ) -> None:
        """`customer_keys` hash raw customers' numbers; None: they are dropped."""
        self._floor = floor
        self._linger_ms, self._max_skew_ms = linger_ms, max_skew_ms
        self._customer_keys = customer_keys
        self.mark = CorrelateMark()
        self._kept = KeptContacts(self.mark.sources, linger_ms)
        self.contacts = self._kept.contacts
        self._watch = ContactWatch(self._kept, floor)
        self._made: list[tuple[str, Event]] = []
        self.is_home: Callable[[str], bool] = lambda contact_id: True
        """Whether a contact nobody told of would belong to this partition."""
        self._extra_weight = 0
        self._heard: dict[str, SourceState] = {}
        self._marked = False
        self._recovering = False
        self._customers = Customers()
        self._copies: list[CustomerClassChanged] = []

    def take(self, raw: bytes, received_ms: int, offset: int) -> list[AnyFact]:
        """Decode and apply one record. Raises InvalidEvent, after counting it, for input that cannot be applied."""
        self.mark.next_offset = offset + 1
        self._marked = True
        self._recover()
        try:
            event = decode_event(raw)
            check_time(event.occurred_at_ms, received_ms)
        except InvalidEvent as error:
            self._count("", "rejected:" + error.reason)
            raise
        return self.apply(event, received_ms)

    def apply(self, event: Event, received_ms: int) -> list[AnyFact]:
        """Apply one event. Raises InvalidEvent("late") for one too old to tell from a redelivery."""
        if type(event) in NAMES_CUSTOMER:
            self._protect(event)
        if event.synthetic and not isinstance(event, CustomerClassChanged):
            return self._synthetic(event)
        source = self._heard.get(event.source) or self._hear_of(event)
        kind, counts = TYPE_OF[type(event)], source.counts
        counts[kind] = counts.get(kind, 0) + 1
        at_ms = event.occurred_at_ms
        if at_ms > received_ms + self._max_skew_ms:
            at_ms = received_ms + self._max_skew_ms
            self._count(event.source, SKEW)
        if received_ms > source.received_ms:
            source.received_ms = received_ms
        if at_ms > source.newest_ms:
            source.newest_ms = at_ms
        if isinstance(event, ContactEvent):
            return self._contact(event, at_ms, source)
        if isinstance(event, AgentEvent):
            told = agent_input(event, at_ms)
            return [told] if told is not None else [schedule_fact(event, at_ms)] if isinstance(event, PLANS) else []
        return self._business(event, at_ms, source)

    def _business(self, event: Event, at_ms: int, source: SourceState) -> list[AnyFact]:
        """Apply an event about neither one contact nor one agent."""
        if isinstance(event, SourceSnapshot):
            self._made.append((EVERYWHERE, forwarded(event)))
            self._made += [(BY_KEY, agent) for agent in agent_snapshots(event)]
        if isinstance(event, ForecastPublished):
            return [_forecast(event, at_ms)]
        if isinstance(event, AlertAcknowledged):
            self._made.append((EVALUATOR, event))
        return self._class_changed(event, at_ms, source) if isinstance(event, CustomerClassChanged) else []

    def _protect(self, event: Event) -> None:
        """Let no customer's raw number in. Raises InvalidEvent, after counting it."""
        try:
            if protect(event, self._customer_keys, instead=None):
                self._count(event.source, REF_DROPPED)
        except InvalidEvent as error:
            self._count(event.source, "rejected:" + error.reason)
            raise

    def _synthetic(self, event: Event) -> list[AnyFact]:
        """Apply an event that the watchdog or a snapshot made: it says nothing about how far its source has come."""
        if isinstance(event, AgentMovedOn):
            for record in self._watch.open_of(event.agent_id):
                self._made += [(HERE, made) for made in left_behind(record, event, self._floor)]
        elif isinstance(event, SourceSnapshot):
            self._reconcile(event)
        elif isinstance(event, AgentEvent):
            self._count(event.source, SYNTHETIC + (event.synthetic_reason or "other"))
            told = agent_input(event, event.occurred_at_ms)
            return [] if told is None else [told]
        elif isinstance(event, ContactEvent):
            self._count(event.source, SYNTHETIC + (event.synthetic_reason or "other"))
            if type(event) not in CLOSES or self._kept.find(event.contact_id) is not None:
                return self._contact(event, event.occurred_at_ms, self._hear_of(event))
        return []

    def _reconcile(self, snapshot: SourceSnapshot) -> None:
        found = Reconciliation(snapshot, self.is_home)
        for record in self._watch.open_records():
            self._made += [(HERE, made) for made in found.closures(record)]
        self._made += [(HERE, made) for made in found.openings(self._known)]

    def _known(self, contact_id: str) -> ContactRecord | None:
        found = self._kept.find(contact_id)
        return None if found is None else found.record

    def take_made(self) -> list[tuple[str, Event]]:
        """Synthetic events that follow from the records taken since the last call, and where to send each."""
        made, self._made = self._made, []
        return made

    def stuck(self, now_ms: Callable[[str, int], int]) -> list[Event]:
        """Synthetic events that close what has been open for too long.

        `now_ms` gives the present of a source by its name and newest event time. Nothing changes here: what is to
        happen happens when the events are taken.
        """
        self._recover()
        return self._watch.stuck(now_ms)

    def _recover(self) -> None:
        """Find one's way in what was loaded, once."""
        if self._recovering:
            self._recovering = False
            self._kept.line_up_all()
            self._watch.begin_again()
            for contact_id, ref in self._kept.customers():
                self._customers.join(ref, contact_id, self.contacts)

    def newest_ms(self) -> int:
        """How far event time has come in this partition."""
        return max((source.newest_ms for source in self.mark.sources.values()), default=0)

    def source_facts(self) -> list[SourceSeen]:
        """The running counts of the sources heard since the last call; `partition` is filled in by the caller."""
        facts = [
            SourceSeen("source:" + name, 0, dict(source.counts), source.newest_ms, source.received_ms)
            for name, source in sorted(self._heard.items())
        ]
        self._heard.clear()
        return facts

    def _hear_of(self, event: Event) -> SourceState:
        """The event's source; one more than there may be has its events counted with all others of the kind."""
        source = self._hear(event.source)
        if event.source not in self.mark.sources:
            event.source = OTHER_SOURCES
            self._count(OTHER_SOURCES, SCOPE_LIMIT)
        return source

    def _hear(self, name: str) -> SourceState:
        """The source of that name, which is now among those heard."""
        sources = self.mark.sources
        if name not in sources and len(sources) >= MOST_SOURCES:
            name = OTHER_SOURCES
        source = sources.get(name)
        if source is None:
            source = sources[name] = SourceState()
        self._heard[name] = source
        return source

    def _count(self, name: str, what: str) -> None:
        counts = self._hear(name).counts
        counts[what] = counts.get(what, 0) + 1

    def _contact(self, event: ContactEvent, at_ms: int, source: SourceState) -> list[AnyFact]:
        kept, contact_id = self._kept, event.contact_id
        contact = kept.find(contact_id)
        if contact is None:
            horizon_ms = source.newest_ms - self._linger_ms
            if event.synthetic:  # a snapshot lists it: had it been closed and forgotten, it would not
                horizon_ms = min(horizon_ms, at_ms)
            if at_ms < horizon_ms:
                raise self._late(event, at_ms, source)
            contact = kept.open(contact_id, event.source, at_ms, horizon_ms)
        elif at_ms < contact.record.horizon_ms:
            raise self._late(event, at_ms, source)
        record = contact.record
        facts: list[AnyFact] = []
        fill = contact.apply
        if record.amends is not None or event.corrects is not None or event.synthetic:
            fill = partial(amend, contact)
        for finding in fill(event, at_ms, self._floor, facts):
            self._count(event.source, finding)
        kept.changed.add(contact_id)
        if record.customer is not None:
            self._tell_classes(contact, record.customer, facts)
        self._watch.heard(event, record)
        if len(record.legs) > 1:
            self._extra_weight += len(record.legs) // 2
        if not contact.lined_up and record.closed:
            kept.line_up(contact)
        return facts

    def _class_changed(self, event: CustomerClassChanged, at_ms: int, source: SourceState) -> list[AnyFact]:
        """Move a customer, with all contacts in flight. A copy was counted where it was made."""
        if event.synthetic:
            bump(source.counts, TYPE_OF[CustomerClassChanged], -1)
        ref = event.customer_ref
        if not self._customers.move(ref, at_ms, event.customer_class):
            if not event.synthetic:
                self._count(event.source, DUPLICATE)
            return []
        if not event.synthetic:
            self._copies.append(msgspec.structs.replace(event, occurred_at_ms=at_ms, synthetic=True))
        facts: list[AnyFact] = []
        for contact_id in self._customers.contacts(ref):
            contact = self._kept.find(contact_id)
            if contact is not None:
                contact.say_classes(self._customers, facts)
                self._kept.changed.add(contact_id)
        return facts

    def copies(self) -> list[CustomerClassChanged]:
        """Events taken since the last call that are to be sent to every other source partition as well: a customer's
        contacts may be in any.
        """
        found, self._copies = self._copies, []
        return found

    def _tell_classes(self, contact: Contact, customer: ContactCustomer, facts: list[AnyFact]) -> None:
        if customer.ref is not None:
            self._customers.join(customer.ref, contact.record.contact_id, self.contacts)
        contact.say_classes(self._customers, facts)

    def _late(self, event: ContactEvent, at_ms: int, source: SourceState) -> InvalidEvent:
        self._count(event.source, LATE)
        return InvalidEvent("late", f"contact {event.contact_id}: {source.newest_ms - at_ms} ms behind its source")

    def load(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Apply records of the contacts changelog (recovery). Raises ValueError for another schema version."""
        for key, value in records:
            if key == MARK_KEY:
                if value is not None:
                    self.mark = _decode_mark(value)
                    self._kept.sources, self._heard = self.mark.sources, dict(self.mark.sources)
                    if self.mark.schema != keys.SCHEMA:
                        raise ValueError(keys.other_schema(self.mark.schema))
                continue
            self._recovering = True
            keeper = self._customers if key[:1] == CUSTOMER else self._kept
            keeper.load(key[1:].decode(), None if value is None else bytes(value))

    def pending_keys(self) -> int:
        """About how many records the next `drain` would write; a contact with many legs counts for more."""
        return len(self._kept.changed) + self._extra_weight + len(self._kept.gone) + len(self._customers.changed)

    def pass_over(self, next_offset: int) -> None:
        """The batch ends at `next_offset`: move the mark over offsets without a record."""
        self.mark.next_offset = max(self.mark.next_offset, next_offset)
        self._marked = True

    def touch(self, touched: Sequence[bytes]) -> None:
        """Have the next `drain` write the present value of these keys, a tombstone for those that are not kept."""
        for key in touched:
            if key[:1] == CUSTOMER:
                self._customers.changed.add(key[1:].decode())
            elif key != MARK_KEY:
                self._kept.touch(key[1:].decode())
        self._marked = True

    def drain(self, max_bytes: int = 0) -> list[tuple[bytes, bytes | None]]:
        """Everything that changed since the last call, encoded, with the mark; empty when nothing did.

        `max_bytes` is not used: the caller bounds a flush by how much it applies before one.
        """
        if not self._marked:
            return []
        records = [(b"c" + contact_id.encode(), value) for contact_id, value in self._kept.drain()]
        records += [(CUSTOMER + ref.encode(), value) for ref, value in self._customers.drain()]
        records.append((MARK_KEY, _encode(self.mark)))
        self._extra_weight = 0
        self._marked = False
        return records


def _forecast(event: ForecastPublished, at_ms: int) -> Forecast:
    order = (event.version, at_ms, event.event_id)
    return Forecast(
        "queue:" + event.queue_id, event.start_ms, event.end_ms, order, event.volume, event.aht_ms,
        event.required_agents,
    )  # fmt: skip
