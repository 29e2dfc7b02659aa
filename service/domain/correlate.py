"""CORRELATE: turns the events of one source partition into facts, keeping contacts in flight.

Its output depends only on the records and the configuration, never on a clock or on where batches are cut, so a
replay after a crash gives the same facts. A contact is forgotten once it is closed and its source has moved on by the
linger time; an event older than that for an unknown contact is late (it may be a redelivery of one already counted).
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct, field

from service.domain import state_keys as keys
from service.domain.agents import RANKS
from service.domain.codec import TYPE_OF, decode_event
from service.domain.contact_record import ContactRecord
from service.domain.contacts import Contact
from service.domain.errors import LATE, SKEW, InvalidEvent, check_time
from service.domain.events import AgentEvent, ContactEvent, Event
from service.domain.facts import AgentInput, AnyFact, SourceSeen
from service.domain.settings import Floor

LINGER_MS: Final = 900_000
PACK_MS: Final = 60_000
"""A contact closed for so long is kept as bytes: it is seldom heard of again, and objects cost ten times the memory."""

MAX_SKEW_MS: Final = 60_000
ABANDONED_CONTACT_MS: Final = 14 * 86_400_000
"""A contact that never closed is forgotten after this long without an event."""


class SourceState(Struct, array_like=True, gc=False):
    """What one source delivered in this partition: counts by event type and by quality, and how far its event time has
    come.
    """

    counts: dict[str, int] = field(default_factory=dict)
    newest_ms: int = 0
    received_ms: int = 0


class CorrelateMark(Struct, array_like=True, gc=False):
    """Up to where this partition has come, and the state of its sources."""

    schema: int = keys.SCHEMA
    next_offset: int = 0
    sources: dict[str, SourceState] = field(default_factory=dict)


_encode = msgspec.msgpack.Encoder().encode
_decode_mark = msgspec.msgpack.Decoder(CorrelateMark).decode
_decode_contact = msgspec.msgpack.Decoder(ContactRecord).decode
MARK_KEY: Final = keys.encode_key(keys.MARK, 0, "")


Line = deque[tuple[int, str]]
"""Contacts to be looked at again: each with the time of what was last heard of it then."""


class CorrelateStore:
    """Contacts in flight of one source partition."""

    def __init__(self, floor: Floor, linger_ms: int = LINGER_MS, max_skew_ms: int = MAX_SKEW_MS) -> None:
        self._floor = floor
        self._linger_ms, self._max_skew_ms = linger_ms, max_skew_ms
        self.mark = CorrelateMark()
        self.contacts: dict[str, Contact | bytes] = {}
        self._opened: defaultdict[str, Line] = defaultdict(deque)
        self._closed: defaultdict[str, Line] = defaultdict(deque)
        self._packed: defaultdict[str, Line] = defaultdict(deque)
        self._dirty: set[str] = set()
        self._extra_weight = 0
        self._gone: set[str] = set()
        self._heard: dict[str, SourceState] = {}
        self._marked = False
        self._recovering = False

    def take(self, raw: bytes, received_ms: int, offset: int) -> list[AnyFact]:
        """Decode and apply one record. Raises InvalidEvent, after counting it, for input that cannot be applied."""
        self.mark.next_offset = offset + 1
        self._marked = True
        if self._recovering:
            self._line_up()
        try:
            event = decode_event(raw)
            check_time(event.occurred_at_ms, received_ms)
        except InvalidEvent as error:
            self._count("", "rejected:" + error.reason)
            raise
        return self.apply(event, received_ms)

    def apply(self, event: Event, received_ms: int) -> list[AnyFact]:
        """Apply one event. Raises InvalidEvent("late") for one too old to tell from a redelivery."""
        source = self._heard.get(event.source) or self._hear(event.source)
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
            return _agent_input(event, kind, at_ms)
        return []

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

    def _hear(self, name: str) -> SourceState:
        """The source of that name, which is now among those heard."""
        source = self.mark.sources.get(name)
        if source is None:
            source = self.mark.sources[name] = SourceState()
        self._heard[name] = source
        return source

    def _count(self, name: str, what: str) -> None:
        counts = self._hear(name).counts
        counts[what] = counts.get(what, 0) + 1

    def _contact(self, event: ContactEvent, at_ms: int, source: SourceState) -> list[AnyFact]:
        contact_id = event.contact_id
        contact = self._find(contact_id)
        horizon_ms = source.newest_ms - self._linger_ms if contact is None else contact.record.horizon_ms
        if at_ms < horizon_ms:
            self._count(event.source, LATE)
            raise InvalidEvent("late", f"contact {contact_id}: {source.newest_ms - at_ms} ms behind its source")
        if contact is None:
            contact = self._open(contact_id, event.source, at_ms, horizon_ms)
        facts: list[AnyFact] = []
        for finding in contact.apply(event, at_ms, self._floor, facts):
            self._count(event.source, finding)
        self._dirty.add(contact_id)
        record = contact.record
        if len(record.legs) > 1:
            self._extra_weight += len(record.legs) // 2
        if record.closed:
            home = record.source
            self._closed[home].append((record.last_ms, contact_id))
            self._sweep(home)
        return facts

    def _open(self, contact_id: str, name: str, at_ms: int, horizon_ms: int) -> Contact:
        contact = self.contacts[contact_id] = Contact(ContactRecord(contact_id, name, at_ms, horizon_ms=horizon_ms))
        self._gone.discard(contact_id)
        opened = self._opened[name]
        opened.append((at_ms, contact_id))
        if opened[0][0] < self.mark.sources[name].newest_ms - ABANDONED_CONTACT_MS:
            self._sweep_opened(name)
        return contact

    def _find(self, contact_id: str) -> Contact | None:
        """The contact in flight, if it is not to be forgotten already."""
        found = self.contacts.get(contact_id)
        if found is None:
            return None
        record = _decode_contact(found) if isinstance(found, bytes) else found.record
        if self.mark.sources[record.source].newest_ms - record.last_ms > self._linger_ms and self._outlived(record):
            self._forget(contact_id)
            return None
        if isinstance(found, bytes):
            found = self.contacts[contact_id] = Contact(record)
        return found

    def _outlived(self, record: ContactRecord) -> bool:
        """Whether a contact is to be forgotten: its own source's event time says so, whoever tells of it."""
        quiet_ms = self.mark.sources[record.source].newest_ms - record.last_ms
        return quiet_ms > self._linger_ms and (quiet_ms > ABANDONED_CONTACT_MS or record.closed)

    def _sweep(self, name: str) -> None:
        """Turn contacts of a source that closed a while ago, and were not heard of since, into bytes; forget those that
        closed long ago. When this runs changes no fact: `_find` decides.
        """
        newest_ms = self.mark.sources[name].newest_ms
        closed = self._closed[name]
        before_ms = newest_ms - PACK_MS
        while closed and closed[0][0] < before_ms:
            entry = closed.popleft()
            contact = self.contacts.get(entry[1])
            if isinstance(contact, Contact) and contact.record.last_ms == entry[0] and contact.record.closed:
                self.contacts[entry[1]] = _encode(contact.record)
                self._packed[name].append(entry)
        packed = self._packed[name]
        before_ms = newest_ms - self._linger_ms
        while packed and packed[0][0] < before_ms:
            _, contact_id = packed.popleft()
            record = self._record(contact_id)
            if record is not None and self._outlived(record):
                self._forget(contact_id)

    def _sweep_opened(self, name: str) -> None:
        """Forget contacts that never closed; those that went on are looked at again later."""
        opened = self._opened[name]
        before_ms = self.mark.sources[name].newest_ms - ABANDONED_CONTACT_MS
        while opened and opened[0][0] < before_ms:
            _, contact_id = opened.popleft()
            record = self._record(contact_id)
            if record is None:
                continue
            if self._outlived(record):
                self._forget(contact_id)
            elif not record.closed:
                opened.append((record.last_ms, contact_id))

    def _record(self, contact_id: str) -> ContactRecord | None:
        kept = self.contacts.get(contact_id)
        if kept is None:
            return None
        return _decode_contact(kept) if isinstance(kept, bytes) else kept.record

    def _forget(self, contact_id: str) -> None:
        del self.contacts[contact_id]
        self._dirty.discard(contact_id)
        self._gone.add(contact_id)

    def load(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Apply records of the contacts changelog (recovery). Raises ValueError for another schema version."""
        for key, value in records:
            if key == MARK_KEY:
                if value is not None:
                    self.mark = _decode_mark(value)
                    self._heard = dict(self.mark.sources)
                    if self.mark.schema != keys.SCHEMA:
                        raise ValueError(keys.other_schema(self.mark.schema))
                continue
            self._recovering = True
            contact_id = key[1:].decode()
            if value is None:
                self.contacts.pop(contact_id, None)
            else:
                self.contacts[contact_id] = bytes(value)

    def _line_up(self) -> None:
        """After recovery: line the contacts up for forgetting again."""
        self._recovering = False
        lines: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for contact_id, kept in self.contacts.items():
            record = _decode_contact(kept) if isinstance(kept, bytes) else kept.record
            lines[record.source].append((record.last_ms, contact_id))
        for name, line in lines.items():
            line.sort()
            self._packed[name], self._opened[name] = deque(line), deque(line)

    def pending_keys(self) -> int:
        """About how many records the next `drain` would write; a contact with many legs counts for more."""
        return len(self._dirty) + self._extra_weight + len(self._gone)

    def pass_over(self, next_offset: int) -> None:
        """The batch ends at `next_offset`: move the mark over offsets without a record."""
        self.mark.next_offset = max(self.mark.next_offset, next_offset)
        self._marked = True

    def touch(self, touched: Sequence[bytes]) -> None:
        """Have the next `drain` write the present value of these keys, a tombstone for those that are not kept."""
        for key in touched:
            contact_id = key[1:].decode()
            if key != MARK_KEY:
                (self._dirty if contact_id in self.contacts else self._gone).add(contact_id)
        self._marked = True

    def drain(self, max_bytes: int = 0) -> list[tuple[bytes, bytes | None]]:
        """Everything that changed since the last call, encoded, with the mark; empty when nothing did.

        `max_bytes` is not used: the caller bounds a flush by how much it applies before one.
        """
        if not self._marked:
            return []
        contacts = self.contacts
        records: list[tuple[bytes, bytes | None]] = [
            (b"c" + contact_id.encode(), kept if isinstance(kept, bytes) else _encode(kept.record))
            for contact_id in self._dirty
            for kept in (contacts[contact_id],)
        ]
        records += [(b"c" + contact_id.encode(), None) for contact_id in self._gone]
        records.append((MARK_KEY, _encode(self.mark)))
        self._dirty.clear()
        self._gone.clear()
        self._extra_weight = 0
        self._marked = False
        return records


def _agent_input(event: AgentEvent, kind: str, at_ms: int) -> list[AnyFact]:
    """The fact that carries an agent event to its agent; business events about agents have none yet."""
    group, _, name = kind.partition(".")
    if group != "agent":
        return []
    return [
        AgentInput(
            "agent:" + event.agent_id, at_ms, RANKS[name], event.seq or 0, name, event.source,
            getattr(event, "state", None), getattr(event, "reason", None), getattr(event, "queues", None),
            getattr(event, "queue_id", None), getattr(event, "login_ms", None), event.event_id,
        )
    ]  # fmt: skip
