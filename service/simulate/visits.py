"""A simulated contact and its stay in one queue."""

from dataclasses import dataclass
from typing import Final, Literal

from service.simulate.agents import Seat
from service.simulate.plan import QueuePlan

VIP_EVERY: Final = 20
"""One customer in so many is a VIP."""


@dataclass(slots=True, eq=False)
class Contact:
    """One customer's contact. `attempt` counts redials; `callback_of` is the contact that was promised a callback."""

    contact_id: str
    customer: int
    queue: QueuePlan
    attempt: int = 0
    callback_of: str | None = None
    visits: int = 0

    @property
    def customer_ref(self) -> str:
        """A stable stand-in for the hash a real feed would carry: an odd multiplier keeps customers apart."""
        return f"h:{self.customer * 0x9E3779B97F4A7C15 % 2**48:012x}"

    @property
    def customer_class(self) -> str:
        """`vip` or `standard`."""
        return "vip" if self.is_vip else "standard"

    @property
    def is_vip(self) -> bool:
        """VIP customers go first in every queue."""
        return self.customer % VIP_EVERY == 0


@dataclass(slots=True, eq=False)
class Visit:
    """One stay in one queue; `offers` numbers the legs."""

    contact: Contact
    visit_id: str
    queue: QueuePlan
    queued_ms: int
    phase: Literal["waiting", "ringing", "over"] = "waiting"
    offers: int = 0
    rings_since_ms: int = 0
    seat: Seat | None = None

    @property
    def ids(self) -> dict[str, str]:
        """The ids every event of the visit carries."""
        return {"contact_id": self.contact.contact_id, "visit_id": self.visit_id, "queue_id": self.queue.queue_id}

    @property
    def leg_id(self) -> str:
        """The present offer."""
        return f"{self.visit_id}/{self.offers}"
