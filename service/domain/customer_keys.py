"""Customers' numbers become keyed hashes: the same customer is found again, the number is not.

A `customer_ref` that begins with `h:` is such a hash and stays as it is; anything else is a number. Which key hashes it
depends on the event's own time, so a replay, however late and after whatever rotation, gives the same hash.
"""

import hmac
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from service.domain.business_events import CustomerClassChanged
from service.domain.codec import EVENT_TYPES
from service.domain.errors import InvalidEvent
from service.domain.events import ContactStarted, Event, VisitQueued

PREFIX: Final = "h:"
DROPPED: Final = "dropped"
"""Stands in an event for a number that was dropped before it was sent, so that it is counted where it is applied."""

REF_DIGITS: Final = 32
"""Hexadecimal digits of a hash: 128 bits keep all customers of the world apart."""

NAMES_CUSTOMER: Final = frozenset(cls for cls in EVENT_TYPES.values() if "customer_ref" in cls.__struct_fields__)
"""The event types that have a `customer_ref`."""


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A secret by name, in force from `valid_from_ms` on until the next one is."""

    name: str
    secret: bytes = field(repr=False)
    valid_from_ms: int


class CustomerKeys:
    """The keys of all times. Before the first one is in force it hashes all the same."""

    def __init__(self, keys: Sequence[CustomerKey]) -> None:
        """At least one."""
        self._keys = sorted(keys, key=lambda key: key.valid_from_ms)
        self._since_ms = [key.valid_from_ms for key in self._keys[1:]]

    def reference(self, number: str, at_ms: int) -> str:
        """The `h:KEY:HASH` of a number in an event of that time: HMAC-SHA-256, cut to 128 bits."""
        key = self._keys[bisect_right(self._since_ms, at_ms)]
        return f"{PREFIX}{key.name}:{hmac.digest(key.secret, number.encode(), 'sha256').hex()[:REF_DIGITS]}"


def protect(event: Event, keys: CustomerKeys | None, instead: str | None) -> bool:
    """Hash the customer's number in an event. Without keys it is dropped: `instead` takes its place.

    Returns True if a number was dropped, here or before. Raises InvalidEvent for an event that is about nothing but the
    customer.
    """
    if type(event) not in NAMES_CUSTOMER:
        return False
    told = cast("ContactStarted | VisitQueued", event)
    ref = told.customer_ref
    if ref is None or ref.startswith(PREFIX):
        return False
    if keys is not None and ref not in ("", DROPPED):
        told.customer_ref = keys.reference(ref.strip() or ref, event.occurred_at_ms)
        return False
    if isinstance(event, CustomerClassChanged):
        raise InvalidEvent("no_customer_key", "customer_ref is a raw number, and there is no key to hash it with")
    told.customer_ref = instead if ref else None
    return ref != ""
