"""Contacts in flight of one partition: as objects while they are heard of, as bytes later, and when they are forgotten.

A contact is forgotten once it is closed and its source has moved on by the linger time; one that never closes is closed
by the watchdog. `find` decides that for the contact asked for; what is swept besides only saves memory, now and then.
"""

from collections import defaultdict, deque
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

import msgspec
from msgspec import Struct, field

from service.domain.contact_record import ContactRecord
from service.domain.contacts import Contact

PACK_MS: Final = 60_000
"""A contact that closed so long ago, and was not heard of in the second half of that time, is kept as bytes: it is
seldom heard of again, and objects cost ten times the memory. One of which all was told is so once it is written.
"""

PACK_EVERY_MS: Final = 1_000
AMENDED_LINGER_MS: Final = 86_400_000
"""A contact that was not closed by its source, or was corrected, is kept for so long: the source may still speak."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ContactRecord).decode

Line = deque[tuple[int, str]]
"""Contacts to be looked at again, each with the time since when it waits."""


class SourceState(Struct, array_like=True, gc=False):
    """What one source delivered in this partition: counts by event type and by quality, and how far its event time has
    come.
    """

    counts: dict[str, int] = field(default_factory=dict)
    newest_ms: int = 0
    received_ms: int = 0


class KeptContacts:
    """The contacts by id, and which changed or went since the last `drain`. `sources` says how far time has come."""

    def __init__(self, sources: dict[str, SourceState], linger_ms: int) -> None:
        self.sources = sources
        self._linger_ms = linger_ms
        self.contacts: dict[str, Contact | bytes] = {}
        self.opened: defaultdict[str, Line] = defaultdict(deque)
        """By source: contacts that nobody has looked at since they were opened, for the watchdog."""
        self._closed: defaultdict[str, Line] = defaultdict(deque)
        self._packed: defaultdict[str, deque[tuple[int, str, bytes]]] = defaultdict(deque)
        self.changed: set[str] = set()
        self.gone: set[str] = set()

    def find(self, contact_id: str) -> Contact | None:
        """The contact in flight; None if it is unknown or to be forgotten."""
        contact = self.contacts.get(contact_id)
        if contact is None:
            return None
        if isinstance(contact, bytes):
            contact = self.contacts[contact_id] = Contact(_decode(contact))
            self.opened[contact.record.source].append((contact.record.last_ms, contact_id))
        record = contact.record
        if self.sources[record.source].newest_ms - record.last_ms > self._linger_ms and self._outlived(record):
            self._forget(contact_id)
            return None
        return contact

    def open(self, contact_id: str, name: str, at_ms: int, horizon_ms: int) -> Contact:
        """A new contact of the source of that name, first heard of at that time."""
        contact = self.contacts[contact_id] = Contact(ContactRecord(contact_id, name, at_ms, horizon_ms=horizon_ms))
        self.gone.discard(contact_id)
        self.opened[name].append((at_ms, contact_id))
        return contact

    def _outlived(self, record: ContactRecord) -> bool:
        """Whether a contact is to be forgotten: its own source's event time says so, whoever tells of it."""
        quiet_ms = self.sources[record.source].newest_ms - record.last_ms
        linger_ms = self._linger_ms if record.amends is None else max(self._linger_ms, AMENDED_LINGER_MS)
        return quiet_ms > linger_ms and record.closed

    def line_up(self, contact: Contact) -> None:
        """Have a contact that closed packed and, later, forgotten; do so with those whose time has come."""
        contact.lined_up = True
        record = contact.record
        name = record.source
        newest_ms, closed, packed = self.sources[name].newest_ms, self._closed[name], self._packed[name]
        closed.append((record.last_ms, record.contact_id))
        if closed[0][0] < newest_ms - PACK_MS - PACK_EVERY_MS:
            self._pack(name, newest_ms)
        if packed and packed[0][0] < newest_ms - self._linger_ms:
            self._sweep_packed(name, newest_ms)

    def _pack(self, name: str, newest_ms: int) -> None:
        """Turn contacts that closed a while ago into bytes; those heard of lately line up again."""
        contacts, closed, packed = self.contacts, self._closed[name], self._packed[name]
        before_ms, lately_ms = newest_ms - PACK_MS, newest_ms - PACK_MS // 2
        while closed and closed[0][0] < before_ms:
            _, contact_id = closed.popleft()
            contact = contacts.get(contact_id)
            if not isinstance(contact, Contact):
                continue
            record = contact.record
            if record.last_ms >= lately_ms:
                closed.append((newest_ms, contact_id))
            elif not record.closed:
                contact.lined_up = False
            elif record.amends is None:
                raw = contacts[contact_id] = _encode(record)
                packed.append((record.last_ms, contact_id, raw))
            elif self._outlived(record):
                self._forget(contact_id)
            else:  # not packed, since it is kept for longer than the others
                closed.append((newest_ms, contact_id))

    def _sweep_packed(self, name: str, newest_ms: int) -> None:
        """Forget contacts that closed long ago."""
        packed, before_ms = self._packed[name], newest_ms - self._linger_ms
        while packed and packed[0][0] < before_ms:
            _, contact_id, raw = packed.popleft()
            kept = self.contacts.get(contact_id)
            if kept is raw or (kept is not None and self._outlived(_record(kept))):
                self._forget(contact_id)

    def _forget(self, contact_id: str) -> None:
        del self.contacts[contact_id]
        self.changed.discard(contact_id)
        self.gone.add(contact_id)

    def load(self, contact_id: str, raw: bytes | None) -> None:
        """Keep what was written before (recovery); None: it was forgotten. `line_up_all` must follow."""
        if raw is None:
            self.contacts.pop(contact_id, None)
        else:
            self.contacts[contact_id] = raw

    def line_up_all(self) -> None:
        """After recovery: line the contacts up for forgetting again."""
        self._closed.clear()
        self._packed.clear()
        self.opened.clear()
        packed = {contact_id: _raw(kept) for contact_id, kept in self.contacts.items()}
        self.contacts.update(packed)
        found = [(record.last_ms, record, raw) for raw in packed.values() for record in (_decode(raw),)]
        for last_ms, record, raw in sorted(found, key=itemgetter(0)):
            name, contact_id = record.source, record.contact_id
            if record.closed and record.amends is None:
                self._packed[name].append((last_ms, contact_id, raw))
                continue
            contact = self.contacts[contact_id] = Contact(record)
            self.opened[name].append((last_ms, contact_id))
            if record.closed:
                contact.lined_up = True
                self._closed[name].append((last_ms, contact_id))

    def customers(self) -> Iterator[tuple[str, str]]:
        """Contact and customer of every contact whose customer was told."""
        for contact_id, kept in self.contacts.items():
            customer = _record(kept).customer
            if customer is not None and customer.ref is not None:
                yield contact_id, customer.ref

    def touch(self, contact_id: str) -> None:
        """Have the next `drain` give its present value, or that it is gone."""
        (self.changed if contact_id in self.contacts else self.gone).add(contact_id)

    def drain(self) -> list[tuple[str, bytes | None]]:
        """What changed since the last call, encoded; None for what is gone."""
        contacts = self.contacts
        found: list[tuple[str, bytes | None]] = []
        for name in self.changed:
            kept = contacts[name]
            raw = _raw(kept)
            if isinstance(kept, Contact) and kept.lined_up and _is_over(kept.record):
                contacts[name] = raw
                self._packed[kept.record.source].append((kept.record.last_ms, name, raw))
            found.append((name, raw))
        found += [(name, None) for name in self.gone]
        self.changed.clear()
        self.gone.clear()
        return found


def _is_over(record: ContactRecord) -> bool:
    """Whether a contact that closed is not expected to be heard of again: all that its feed tells has been told."""
    last_ms = record.legs[-1].wrapup_ended_ms if record.legs else record.ended_ms
    return last_ms is not None and record.amends is None and record.closed


def _record(kept: Contact | bytes) -> ContactRecord:
    return _decode(kept) if isinstance(kept, bytes) else kept.record


def _raw(kept: Contact | bytes) -> bytes:
    return kept if isinstance(kept, bytes) else _encode(kept.record)
