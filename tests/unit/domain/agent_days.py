"""An agent's day: events to tell it by, and what came of them."""

from typing import Any

from service.domain.aggregate import AggregateStore
from service.domain.events import Event
from service.domain.scopes import AgentScope
from service.domain.totals import Totals
from service.domain.view import add_states
from tests.unit.domain.build import aggregate, event, ms

AGENT = "agent:1001"
LOGIN = event("agent.login", 0)
PAUSE = event("agent.state_changed", 10, state="not_ready", reason="break")
READY = event("agent.state_changed", 40, state="ready")
LOGOUT = event("agent.logout", 100)
CALL = [
    event("visit.queued", 15),
    event("leg.alerting", 20),
    event("visit.answered", 25, agent_id="1001"),
    event("leg.ended", 60),
    event("leg.wrapup_ended", 75),
    event("contact.ended", 60),
]
Line = list[tuple[float, float, str]]


def agent_of(store: AggregateStore) -> AgentScope:
    """The agent of these days."""
    return store.scopes.agents[AGENT]


def line(events: list[Event], until_s: float = 1_000) -> Line:
    """(since, until, state) in seconds, without what is unknown."""
    segments = agent_of(aggregate(events)).timeline.segments(0, ms(until_s))
    return [
        ((s.since_ms - ms(0)) / 1000, (s.until_ms - ms(0)) / 1000, s.state) for s in segments if s.state != "unknown"
    ]


def seconds(events: list[Event], until_s: float = 1_000) -> dict[str, float]:
    """Seconds in each state up to a moment, without zeros."""
    totals = Totals()
    add_states(totals, agent_of(aggregate(events)), 0, ms(until_s))
    names = ("available_ms", "reserved_ms", "on_contact_ms", "acw_state_ms", "not_ready_ms", "login_ms")
    return {name.removesuffix("_ms"): getattr(totals, name) / 1000 for name in names if getattr(totals, name)}


def in_queue(kind: str, at_s: float, queue: str, **fields: Any) -> Event:
    """An event about one queue."""
    return event(kind, at_s, queue_id=queue, **fields)
