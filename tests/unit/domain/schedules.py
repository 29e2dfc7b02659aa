"""An agent's day for tests of adherence: a plan and what the agent did, in minutes after T0."""

import hashlib
from typing import Any

from service.domain.adherence import AdherenceNow, adherence_now, measure
from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.codec import decode_event, encode_event
from service.domain.correlate import CorrelateStore
from service.domain.events import Event
from service.domain.facts import FactBatch
from service.domain.schedule import Plan
from service.domain.scopes import AgentScope
from service.domain.settings import Adherence, Floor
from tests.unit.domain.build import event, ms, take

AGENT = "agent:1001"
MINUTE_MS = 60_000


def at(minutes: float) -> int:
    """Milliseconds UTC of a moment in minutes after T0, Friday 09:00 UTC."""
    return ms(60 * minutes)


def activity(start: float, end: float, name: str = "work", **more: Any) -> dict[str, Any]:
    """A planned stretch; everything but work is unproductive unless told otherwise."""
    return {"start_ms": at(start), "end_ms": at(end), "activity": name, "productive": name == "work", **more}


def told(kind: str, minutes: float, **fields: Any) -> Event:
    """An event at so many minutes after T0, told of agent 1001, as it comes from the wire."""
    fields.setdefault("event_id", hashlib.sha256(f"{kind} {minutes} {sorted(fields.items())}".encode()).hexdigest())
    return decode_event(encode_event(event(kind, 60 * minutes, **fields)))


def published(*activities: dict[str, Any], version: int = 1, minutes: float = -60, **more: Any) -> Event:
    """The plan of the day."""
    return told("schedule.published", minutes, intervals=list(activities), version=version, **more)


def changed(*activities: dict[str, Any], version: int = 1, minutes: float = -50, **more: Any) -> Event:
    """A change to the plan."""
    return told("schedule.changed", minutes, intervals=list(activities), version=version, **more)


def excepted(start: float, end: float, name: str = "training", minutes: float = -40, **more: Any) -> Event:
    """An excused departure from the plan."""
    return told("activity.exception", minutes, start_ms=at(start), end_ms=at(end), activity=name, **more)


def state(minutes: float, name: str, **more: Any) -> Event:
    """The agent's own state from then on."""
    return told("agent.state_changed", minutes, state=name, queues=["sales"], **more)


def call(name: str, offered: float, answered: float, ended: float, wrapped: float | None = None) -> list[Event]:
    """A call from being offered to the end of after-call work."""
    ids = {"contact_id": name, "visit_id": f"{name}/1", "leg_id": f"{name}/1/1", "agent_id": "1001"}
    events = [
        told("leg.alerting", offered, queue_id="sales", **ids),
        told("leg.answered", answered, queue_id="sales", **ids),
        told("leg.ended", ended, queue_id="sales", **ids),
    ]
    if wrapped is not None:
        events.append(told("leg.wrapup_started", ended, queue_id="sales", **ids))
        events.append(told("leg.wrapup_ended", wrapped, queue_id="sales", **ids))
    return events


class Shift:
    """Both stages over the events of one agent, flushed after each if asked for."""

    def __init__(self, *events: Event, settings: Adherence | None = None, floor: Floor | None = None) -> None:
        self.floor = floor or Floor()
        if settings is not None:
            self.floor.adherence = settings
        self.correlate = CorrelateStore(self.floor, linger_ms=1 << 60)
        self.aggregate = AggregateStore(self.floor)
        self.records: list[tuple[bytes, bytes | None]] = []
        self.closed: dict[int, tuple[int, dict[str, int]]] = {}
        """Of each closed interval of the agent the last revision and its sums, by minutes after T0."""
        self.offset = 0
        for known in events:
            self.tell(known)

    def tell(self, known: Event) -> None:
        """Take one event, received when it happened."""
        facts = take(self.correlate, known, self.offset)
        batch = FactBatch(0, self.correlate.newest_ms(), [self.offset] * len(facts), facts)
        self.aggregate.apply_batch(batch)
        self.offset += 1

    def flush(self) -> None:
        """Write what changed."""
        for closed in self.aggregate.drain_closed():
            if closed.scope == AGENT:
                sums = dict(closed.interval.common.adherence_ms)
                self.closed[(closed.start_ms - at(0)) // MINUTE_MS] = (closed.interval.revision, sums)
        self.records += self.aggregate.drain()

    def restart(self) -> None:
        """Flush, and go on with what was written alone."""
        self.flush()
        self.aggregate = AggregateStore(self.floor)
        self.aggregate.load(self.records)

    @property
    def agent(self) -> AgentScope:
        """The agent's state."""
        return self.aggregate.scopes.agents[AGENT]

    @property
    def plan(self) -> Plan:
        """What the agent is to do."""
        plan = self.agent.plan(Calendars(self.floor).of_scope(AGENT), self.floor.adherence)
        assert plan is not None
        return plan

    def sums(self, since: float, until: float) -> dict[str, float]:
        """The sums of adherence in minutes."""
        found = measure(self.plan, self.agent.timeline, at(since), at(until))
        return {key: time_ms / MINUTE_MS for key, time_ms in found.items()}

    def now(self, minutes: float) -> AdherenceNow:
        """Whether the agent keeps to the plan at that time."""
        return adherence_now(self.plan, self.agent.timeline, at(minutes))

    def planned(self) -> list[tuple[float, float, str, str | None]]:
        """The plan's pieces: from, to (minutes after T0), activity, and what excuses it."""
        return [
            ((p.start_ms - at(0)) / MINUTE_MS, (p.end_ms - at(0)) / MINUTE_MS, p.activity, p.excused)
            for p in self.plan.pieces
        ]
