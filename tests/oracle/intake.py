"""Which records of the log count, and with which time: redelivery, lateness and wrong clocks, in order of arrival.

This is the only part that looks at the order of arrival, since lateness means nothing without it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.contacts import Life, Move, live
from tests.oracle.house import House
from tests.oracle.legs import PROOFS
from tests.oracle.stays import ENDINGS, Told
from tests.oracle.watch import is_due

NEVER_CLOSED_MS = 14 * 86_400_000
CLOSED_BY_OTHERS_MS = 86_400_000
"""A contact that others than its source closed is kept for so long: the source may still speak."""

KEPT_MS = 60_000


@dataclass(frozen=True)
class Arrival:
    """One record of `cti.events`: its partition, when the broker got it, and the event."""

    partition: int
    received_ms: int
    event: Mapping[str, Any]


@dataclass
class Known:
    """One life of a contact: from when it is first heard of until it is forgotten."""

    partition: int
    source: str
    horizon_ms: int
    moves: list[Move]
    """Customers' moves that its partition heard of before it was forgotten."""
    told: list[Told] = field(default_factory=list)
    closures: list[Told] = field(default_factory=list)
    """What the watchdog closed."""
    seen: set[str] = field(default_factory=set)
    last_ms: int = 0


@dataclass
class Own:
    """What an agent's own events were; those of `kept` may still be reordered, none before `base_ms` is accepted."""

    told: list[Told] = field(default_factory=list)
    kept: list[Told] = field(default_factory=list)
    base_ms: int = 0


@dataclass
class Intake:
    """What of a log counts."""

    house: House
    lives: list[Known] = field(default_factory=list)
    agents: dict[str, Own] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    current: dict[str, Known] = field(default_factory=dict)
    newest: dict[tuple[int, str], int] = field(default_factory=dict)
    moves: dict[int, list[Move]] = field(default_factory=dict)
    """By partition: customers' moves to another class, and copies of those that other partitions heard of."""

    def take(self, record: Arrival) -> None:
        """Take in the next record. A time further ahead of its arrival than allowed counts as of that limit."""
        event, source = record.event, (record.partition, record.event.get("source", ""))
        if event.get("synthetic") and event["type"] != "customer.class_changed":
            self._watched(event["occurred_at_ms"], event)
            return
        at_ms = min(event["occurred_at_ms"], record.received_ms + self.house.skew_ms)
        self.counts["clock_skew"] += at_ms < event["occurred_at_ms"]
        self.newest[source] = max(self.newest.get(source, 0), at_ms)
        if event["type"].startswith("agent."):
            self._own(at_ms, event)
        elif event["type"] == "customer.class_changed":
            self._moved(record.partition, at_ms, event)
        elif "contact_id" in event:
            self._contact(record.partition, at_ms, event)

    def _contact(self, partition: int, at_ms: int, event: Mapping[str, Any]) -> None:
        """An event of a contact that is not known, or was forgotten, is late when older than contacts linger: it may
        have been counted before.
        """
        contact_id, source = event["contact_id"], event.get("source", "")
        known = self.current.get(contact_id)
        if known is not None and self._forgotten(known):
            known = None
        horizon_ms = known.horizon_ms if known else self.newest[partition, source] - self.house.linger_ms
        if at_ms < horizon_ms:
            self.counts["late"] += 1
            return
        if known is None:
            known = self.current[contact_id] = Known(partition, source, horizon_ms, [*self.moves.get(partition, [])])
            self.lives.append(known)
        known.last_ms = max(known.last_ms, at_ms)
        if event["event_id"] in known.seen:
            self.counts["duplicates"] += 1
            return
        known.seen.add(event["event_id"])
        self.counts["conflicts"] += conflicting(known.told, at_ms, event)
        overruled = self.life(known).overruled if known.closures else 0
        known.told.append((at_ms, event))
        if known.closures:
            self.counts["conflicts"] += self.life(known).overruled > overruled

    def _watched(self, at_ms: int, event: Mapping[str, Any]) -> None:
        """What the watchdog says: of an agent, or of a contact that is not forgotten. It tells nothing of how far the
        source has come. Of several closures of one thing the earliest counts.
        """
        if event["type"].startswith("agent."):
            if event["type"] != "agent.moved_on":
                self._own(at_ms, event)
            return
        known = self.current.get(event["contact_id"])
        if known is None or self._forgotten(known):
            return
        if at_ms < known.horizon_ms:
            self.counts["late"] += 1
            return
        known.last_ms = max(known.last_ms, at_ms)
        same = [one for one in known.closures if closed_by(one[1]) == closed_by(event)]
        if same and min(same, key=at)[0] <= at_ms:
            self.counts["duplicates"] += 1
            return
        life, watch = self.life(known), self.house.watch
        if watch is not None and event["synthetic_reason"] not in PROOFS:
            self.counts["not due"] += not is_due(life, at_ms, event, watch)
        known.closures = [one for one in known.closures if one not in same] + [(at_ms, event)]
        self.counts["conflicts"] += self.life(known).overruled > life.overruled

    def _forgotten(self, known: Known) -> bool:
        """Whether it is closed, and its source silent about it for as long as contacts linger."""
        quiet_ms = self.newest[known.partition, known.source] - known.last_ms
        linger_ms = CLOSED_BY_OTHERS_MS if known.closures else self.house.linger_ms
        return quiet_ms > linger_ms and (quiet_ms > NEVER_CLOSED_MS or self.life(known).closed)

    def life(self, known: Known) -> Life:
        """What a contact comes to."""
        return live(known.told, self.house, known.moves, known.closures)

    def _moved(self, partition: int, at_ms: int, event: Mapping[str, Any]) -> None:
        """A customer's move, known to contacts that are not forgotten, and to those to come. The copies that other
        partitions get are not told again.
        """
        move, moves = (event["customer_ref"], at_ms, event["customer_class"]), self.moves.setdefault(partition, [])
        if move in moves:
            self.counts["duplicates"] += not event.get("synthetic")
            return
        moves.append(move)
        for known in self.current.values():
            if known.partition == partition and not self._forgotten(known):
                known.moves.append(move)

    def _own(self, at_ms: int, event: Mapping[str, Any]) -> None:
        own = self.agents.setdefault(event["agent_id"], Own())
        if at_ms < own.base_ms:
            self.counts["late"] += 1
        elif (at_ms, event) in own.kept:
            self.counts["duplicates"] += 1
        else:
            own.told.append((at_ms, event))
            kept_minute(own, at_ms)
            own.kept.append((at_ms, event))


def at(one: Told) -> int:
    """When."""
    return one[0]


def closed_by(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a closure closes, and which phase of it."""
    return event["type"], event.get("visit_id"), event.get("agent_id"), event.get("leg_id")


def kept_minute(own: Own, at_ms: int) -> None:
    """An agent's own events are open to reordering for at least a minute of event time. They are settled when one comes
    that is later than all of them, and the oldest open one is more than two minutes older: then all that are more than
    one minute older. Nothing older than that is taken from then on.
    """
    times = [kept_ms for kept_ms, _ in own.kept]
    if times and max(times) < at_ms and min(times) < at_ms - 2 * KEPT_MS:
        own.kept = [kept for kept in own.kept if kept[0] >= at_ms - KEPT_MS]
        own.base_ms = at_ms - KEPT_MS


def conflicting(told: Sequence[Told], at_ms: int, event: Mapping[str, Any]) -> bool:
    """Whether this ending of a visit contradicts the one that stood when it came."""
    if event["type"] not in ENDINGS:
        return False
    endings = [
        (at, ENDINGS.index(other["type"]))
        for at, other in told
        if other["type"] in ENDINGS and other["visit_id"] == event["visit_id"]
    ]
    return bool(endings) and min(endings) != (at_ms, ENDINGS.index(event["type"]))


def take_in(log: Sequence[Arrival], house: House) -> Intake:
    """What of the log counts."""
    intake = Intake(house)
    for record in log:
        intake.take(record)
    return intake
