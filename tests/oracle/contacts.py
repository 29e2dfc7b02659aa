"""What a contact's events come to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.oracle.house import House
from tests.oracle.legs import Legs, Stint
from tests.oracle.stays import Event, Stay, Told, is_about, stay_of

Move = tuple[str, int, str]
"""(customer, when, the class moved to)"""

CALLBACKS = ("callback.scheduled", "callback.attempted", "callback.connected", "callback.expired")
"""What is told of a promised callback; at the same time what stands last here counts."""


@dataclass
class Life:
    """One contact."""

    stays: list[Stay]
    stints: list[Stint]
    begun: Stay | None
    """The first visit, None if no queue was entered."""
    customer: str | None
    """Whose contact it is; of several told the one that sorts first."""
    ended: bool
    called_back: str | None
    """The latest that was told of a promised callback."""
    overruled: int
    """Ends that the source told and that are taken for somebody else's."""

    @property
    def closed(self) -> bool:
        """Nothing waits, rings, is connected or in after-call work whose end is to come, and no callback is due."""
        if self.called_back in ("callback.scheduled", "callback.attempted"):
            return False
        if self.ended:
            return not any(stint.wrapping for stint in self.stints)
        return not any(stay.told_open for stay in self.stays) and not any(stint.open for stint in self.stints)


def live(told: Iterable[Told], house: House, moves: Iterable[Move] = (), closures: Sequence[Told] = ()) -> Life:
    """What the events come to, in whatever order they were told; `moves` are those of all customers, `closures` what
    the watchdog closed of this contact.
    """
    events = sorted(told, key=lambda one: (one[0], one[1]["event_id"]))
    ends = [one for one in events if one[1]["type"] == "contact.ended"]
    names = dict.fromkeys(event["visit_id"] for _, event in events if event["type"].startswith("visit."))
    stays = [stay_of([one for one in events if is_about(one, name)], ends[:1], house) for name in names]
    for at_ms, event in closures:
        for stay in stays:
            if stay.outcome is None and event.get("visit_id") == stay.visit_id and event["type"] == "visit.cancelled":
                stay.close(at_ms, event["outcome_reason"])
    customer = min((event["customer_ref"] for _, event in events if event.get("customer_ref")), default=None)
    mine = sorted((at_ms, name) for ref, at_ms, name in moves if ref == customer)
    stated = min((e["customer_class"] for _, e in events if is_stated(e)), default=None)
    for stay in stays:
        stay.customer_class = class_in(stay, mine) or stay.customer_class or stated
    legs = Legs(events, stays, ends[0][0] if ends else None)
    overruled = legs.close(closures)
    stints = legs.stints()
    told_queues = [stay for stay in stays if stay.queue_id is not None and stay.outcome != "refused"]
    begun = min(told_queues, key=lambda stay: (stay.arrival_ms, stay.visit_id), default=None)
    for stay in told_queues:
        stay.first, stay.before_ms = stay is begun, stay.arrival_ms - begun.arrival_ms if begun else 0
    callbacks = [(at_ms, CALLBACKS.index(event["type"])) for at_ms, event in events if event["type"] in CALLBACKS]
    called_back = CALLBACKS[max(callbacks)[1]] if callbacks else None
    return Life(stays, stints, begun, customer, bool(ends), called_back, overruled)


def is_stated(event: Event) -> bool:
    """Whether the event states a class for the contact as a whole."""
    return event["type"] == "contact.started" and bool(event.get("customer_class"))


def class_in(stay: Stay, moves: Sequence[tuple[int, str]]) -> str | None:
    """The class that the customer was last moved to while this visit could still be told of; None: to none."""
    until = [name for at_ms, name in moves if stay.outcome is None or at_ms <= stay.end_ms]
    return until[-1] if until else None


def see_returns(lives: Iterable[tuple[str, Life]], window_ms: int) -> None:
    """Find out which contacts, each with its id, follow one of the same customer within the window."""
    begun: dict[str, list[tuple[int, str, Stay]]] = {}
    for contact_id, life in lives:
        if life.customer is not None and life.begun is not None:
            begun.setdefault(life.customer, []).append((life.begun.arrival_ms, contact_id, life.begun))
    for of_customer in begun.values():
        of_customer.sort(key=lambda one: one[:2])
        of_customer[0][2].returned = False
        for (before_ms, _, before), (after_ms, _, after) in pairwise(of_customer):
            after.returned = before.followed = after_ms - before_ms <= window_ms
