"""The durable form of a contact."""

from typing import Final

from msgspec import Struct, field

from service.domain.amends import Amends
from service.domain.customers import ContactCustomer
from service.domain.legs import Leg
from service.domain.visits import ANSWERED, Visit

CALLBACK_DUE: Final = ("scheduled", "attempted")
"""States of a callback after which more is to come."""


class ContactRecord(Struct, array_like=True, gc=False):
    """What a contact's events filled in. `seen` has the newest events as codes of id and type; `customer` None: nothing
    told.

    `callback` is the state of the callback that was promised, None without one, since `callback_ms`.

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
    customer: ContactCustomer | None = None
    callback: str | None = None
    callback_ms: int = 0
    callback_queue: str | None = None
    amends: Amends | None = None

    @property
    def closed(self) -> bool:
        """True when nothing waits, rings, is connected or wraps up, and no callback is due.

        After-call work outlives the contact's end.
        """
        if self.ended_ms is None:
            for leg in self.legs:
                if (leg.ended_ms is None or leg.wrapup_ms is not None) and leg.open:
                    return False
            for visit in self.visits:
                if visit.end_ms is None:
                    return False
        elif any(leg.wrapping for leg in self.legs):
            return False
        return self.callback is None or self.callback not in CALLBACK_DUE

    def visit_named(self, visit_id: str) -> Visit | None:
        """The visit of that id, None if it was not told of yet."""
        for visit in self.visits:
            if visit.visit_id == visit_id:
                return visit
        return None

    def visit_of(self, leg: Leg) -> Visit | None:
        """The leg's visit: the one it names, else the one its agent answered, else the only one."""
        visit_id = leg.visit_id
        if visit_id is not None:
            for visit in self.visits:
                if visit.visit_id == visit_id:
                    return visit
            return None
        for visit in self.visits:
            if visit.ending == ANSWERED and visit.agent_id == leg.agent_id:
                return visit
        return self.visits[0] if len(self.visits) == 1 else None

    def queue_of(self, leg: Leg) -> str | None:
        """The leg's queue: its own, else that of its visit; None if nobody told."""
        visit = self.visit_of(leg)
        return leg.queue_id or (visit.queue_id if visit else None)

    def meet(self, ref: str | None, stated_class: str | None) -> None:
        """Remember what an event tells of the customer; should events differ, their order must not matter."""
        customer = self.customer
        if customer is None:
            customer = self.customer = ContactCustomer()
        customer.ref = min(filter(None, (customer.ref, ref)), default=None)
        customer.stated_class = min(filter(None, (customer.stated_class, stated_class)), default=None)

    def class_of(self, visit: Visit) -> str | None:
        """The customer's class in a visit; None: nobody told, or moved to none."""
        customer = self.customer
        if customer is None:
            return None
        return customer.moved.get(visit.visit_id, visit.customer_class or customer.stated_class) or None

    def end_of(self, visit: Visit) -> int | None:
        """When a visit was over, by its own end or that of the contact; None while it waits."""
        if visit.end_ms is not None or self.ended_ms is None:
            return visit.end_ms
        return max(self.ended_ms, visit.arrival_ms())
