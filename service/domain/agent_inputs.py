"""The fact that carries an agent event to its agent."""

from collections.abc import Callable
from typing import Any, Final

from service.domain import events as ev
from service.domain.agents import RANKS
from service.domain.codec import TYPE_OF
from service.domain.facts import AgentInput

Told = tuple[str | None, str | None, list[str] | None, str | None, int | None]
"""State, its reason, all queues, the one queue, length of the login: what an event tells of the agent."""

_TOLD: Final[dict[type[ev.AgentEvent], Callable[[Any], Told]]] = {
    ev.AgentLogin: lambda event: (None, None, event.queues, None, None),
    ev.AgentLogout: lambda event: (None, None, None, None, event.login_ms),
    ev.AgentStateChanged: lambda event: (event.state, event.reason, event.queues, event.queue_id, None),
    ev.AgentQueueJoined: lambda event: (None, None, None, event.queue_id, None),
    ev.AgentQueueLeft: lambda event: (None, None, None, event.queue_id, None),
    ev.AgentSnapshot: lambda event: (event.state, event.reason, event.queues, None, None),
    ev.AgentHeartbeat: lambda event: (None, None, None, None, None),
}
_KIND: Final = {cls: TYPE_OF[cls].removeprefix("agent.") for cls in _TOLD}
_READ: Final = {cls: (_KIND[cls], RANKS[_KIND[cls]], told) for cls, told in _TOLD.items()}


def agent_input(event: ev.AgentEvent, at_ms: int) -> AgentInput | None:
    """The event as a fact; None for a business event about an agent, which has none yet."""
    found = _READ.get(type(event))
    if found is None:
        return None
    kind, rank, told = found
    state, reason, queues, queue_id, login_ms = told(event)
    return AgentInput(
        "agent:" + event.agent_id, at_ms, rank, event.seq or 0, kind, event.source,
        state, reason, queues, queue_id, login_ms, event.event_id, event.corrects,
    )  # fmt: skip
