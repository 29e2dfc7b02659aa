"""Customers who come back: which contact follows another of the same customer, kept under the scope `customer:REF`.

A contact has *returned* if the customer's contact before it began at most `return_window_ms` earlier; it was *followed*
if the one after it began at most so much later. Both are functions of the set of the customer's contacts, so the order
in which they are heard of cannot matter: what changes is said to the contacts' queues as a difference.
"""

from bisect import insort
from itertools import pairwise
from typing import Final

import msgspec
from msgspec import Struct, field

from service.domain.facts import Reached, Returned
from service.domain.state_keys import class_scope

CONTACTS_KEPT: Final = 32
"""Of more contacts of one customer the oldest are dropped: nobody's number (a switchboard's) must not grow for ever."""

CORRECTED_MS: Final = 48 * 3_600_000
"""So long after its beginning a contact may still change, as intervals may; then it only is the last one before."""

SWEPT_EVERY: Final = 4096
"""Customers are looked through for those long gone at every so many contacts."""

Begun = tuple[int, str, str, str | None]
"""When a contact of the customer entered its first queue, the contact's id, the queue's, the customer's class there."""


class CustomerRecord(Struct, array_like=True, gc=False):
    """A customer's contacts by their beginning, without those up to `dropped_ms` (0: there were none)."""

    contacts: list[Begun] = field(default_factory=list)
    dropped_ms: int = 0


class CustomerScope:
    """One customer: the contacts, and what each means for its queue."""

    __slots__ = ("record", "scope")

    def __init__(self, scope: str, record: CustomerRecord | None = None) -> None:
        self.scope = scope
        self.record = CustomerRecord() if record is None else record

    @property
    def newest_ms(self) -> int:
        """When the last contact began."""
        contacts = self.record.contacts
        return contacts[-1][0] if contacts else self.record.dropped_ms

    def change(self, fact: Reached, window_ms: int) -> list[Returned]:
        """Take in that a contact began, or take that back; returns what that changes for queues.

        A contact as old as what was dropped comes too late and changes nothing.
        """
        record, begun = self.record, (fact.at_ms, fact.contact_id, fact.queue_id, fact.customer_class)
        known = begun in record.contacts
        if begun[0] <= record.dropped_ms or known == (fact.sign > 0):
            return []
        before = self._standing(window_ms)
        if fact.sign > 0:
            insort(record.contacts, begun, key=_place)
        else:
            record.contacts.remove(begun)
        after = self._standing(window_ms)
        found: list[Returned] = []
        for at, said in before.items():
            if after.get(at) != said:
                found += _returned(at, said, -1)
        for at, said in after.items():
            if before.get(at) != said:
                found += _returned(at, said, 1)
        self._drop(window_ms)
        return found

    def _standing(self, window_ms: int) -> dict[Begun, tuple[bool, bool]]:
        """For each contact whether it has returned, and whether it was followed."""
        contacts, dropped_ms = self.record.contacts, self.record.dropped_ms
        close = [after[0] - before[0] <= window_ms for before, after in pairwise(contacts)]
        first = bool(contacts) and dropped_ms > 0 and contacts[0][0] - dropped_ms <= window_ms
        return dict(zip(contacts, zip([first, *close], [*close, False], strict=True), strict=True)) if contacts else {}

    def _drop(self, window_ms: int) -> None:
        record = self.record
        oldest_ms = self.newest_ms - window_ms - CORRECTED_MS
        while len(record.contacts) > CONTACTS_KEPT or (record.contacts and record.contacts[0][0] < oldest_ms):
            record.dropped_ms = record.contacts.pop(0)[0]


def _place(begun: Begun) -> tuple[int, str]:
    return begun[:2]


def _returned(begun: Begun, standing: tuple[bool, bool], sign: int) -> list[Returned]:
    """What to say to the contact's queue, and to the class in it."""
    at_ms, _, queue_id, customer_class = begun
    return [Returned(scope, at_ms, at_ms, sign, *standing) for scope in told_of(queue_id, customer_class)]


def told_of(queue_id: str, customer_class: str | None) -> list[str]:
    """The scopes that are told what a contact means which entered that queue: it, and the customer's class in it."""
    scopes = [f"queue:{queue_id}"]
    if customer_class is not None:
        scopes.append(class_scope(customer_class, queue_id))
    return scopes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(CustomerRecord).decode


class ReturningCustomers:
    """The customers of one partition; what changed is noted for the next flush."""

    def __init__(self) -> None:
        self.customers: dict[str, CustomerScope] = {}
        self.changed: set[str] = set()
        self._until_sweep = SWEPT_EVERY

    def change(self, fact: Reached, window_ms: int, reached_ms: int) -> list[Returned]:
        """Take in a fact of a customer; `reached_ms` is how far all source partitions have come."""
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._sweep(reached_ms - window_ms - CORRECTED_MS)
        customer = self.customers.get(fact.scope)
        if customer is None:
            customer = self.customers[fact.scope] = CustomerScope(fact.scope)
        self.changed.add(fact.scope)
        return customer.change(fact, window_ms)

    def _sweep(self, before_ms: int) -> None:
        """Forget customers whose contacts are all so old that none can follow them any more."""
        self._until_sweep = SWEPT_EVERY
        for scope in [name for name, customer in self.customers.items() if customer.newest_ms < before_ms]:
            del self.customers[scope]
            self.changed.add(scope)

    def load(self, scope: str, value: bytes | None) -> None:
        """Take over what is stored of one customer; None: nothing any more."""
        if value is None:
            self.customers.pop(scope, None)
        else:
            self.customers[scope] = CustomerScope(scope, _decode(value))

    def drain(self) -> list[tuple[str, bytes | None]]:
        """What is to be stored of the customers that changed since the last call."""
        found = []
        for scope in self.changed:
            customer = self.customers.get(scope)
            found.append((scope, None if customer is None else _encode(customer.record)))
        self.changed.clear()
        return found
