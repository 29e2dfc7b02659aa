"""Who belongs to a roll-up, and which service level its queues share."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from service.domain.scopes import AgentScope, QueueScope
from service.domain.settings import ServiceLevel
from service.floor_state import FloorState

T = TypeVar("T")


def member_queues(state: FloorState, kind: str, name: str) -> list[QueueScope]:
    """The queues of a group, site or channel."""
    ids = [queue_id for queue_id in state.queue_ids() if getattr(state.floor.queue(queue_id), kind) == name]
    return [queue for queue_id in ids if (queue := state.queue(queue_id)) is not None]


def class_parts(state: FloorState, customer_class: str) -> list[QueueScope]:
    """What belongs to a customer class, queue by queue."""
    parts = state.scopes.classes_of
    return [parts[queue_id][customer_class] for queue_id in sorted(parts) if customer_class in parts[queue_id]]


def member_agents(state: FloorState, team: str) -> list[AgentScope]:
    """The agents of a team."""
    ids = [agent_id for agent_id in state.agent_ids() if state.floor.agent(agent_id).team == team]
    return [agent for agent_id in ids if (agent := state.agent(agent_id)) is not None]


def common_level(levels: list[ServiceLevel], default: ServiceLevel) -> tuple[ServiceLevel, bool]:
    """The service level that queues share, and whether they do not share one.

    Each visit was judged by its own queue's threshold, so counts add up whatever the thresholds; the variant of the
    ratio is then the one they share, else the default's. Queues without a threshold have no say.
    """
    if all(level == levels[0] for level in levels):
        return levels[0], False
    timed = [level for level in levels if level.threshold_ms is not None]
    shared = [level for level in timed if all(level.variant == other.variant for other in timed)]
    level = shared[0] if shared else default
    return replace(level, abandonment=any(level.abandonment for level in levels)), True


def judged(parts: Sequence[T], levels: Sequence[ServiceLevel]) -> list[T] | None:
    """Of what each queue has, that of those with a threshold; None where there are none of the others, or only such."""
    timed = [part for part, level in zip(parts, levels, strict=True) if level.threshold_ms is not None]
    return timed if 0 < len(timed) < len(parts) else None
