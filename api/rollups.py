"""Roll-ups: what several queues or agents come to together, merged when read."""

from collections.abc import Iterable
from typing import Any

from api.views import Fields, Views, level_view, read, read_agent
from service.domain.kpi_times import NOW_KPIS, WINDOW_KPIS
from service.domain.kpis import Reading
from service.domain.scopes import AgentScope, QueueScope
from service.domain.service_level import closed
from service.domain.totals import Totals
from service.domain.view import FloorView
from service.rollups import common_level, judged
from service.window_cache import merged


def queues_view(
    views: Views,
    view: FloorView,
    kind: str,
    name: str,
    queues: list[QueueScope],
    windows: Iterable[str],
    fields: Fields,
) -> dict[str, Any]:
    """The roll-up of queues, or of what a class has of them. Agents count once however many of the queues they serve; a
    class has none of its own.
    """
    state = views.state
    ids = [queue.queue_id for queue in queues]
    levels = [state.floor.queue(queue_id).level_at(view.now_ms) for queue_id in ids]
    level, mixed = common_level(levels, state.floor.default_queue.service_level)
    now = view.queue_now(queues, None if kind == "class" else state.staff.of_queues(ids), level)

    def window_values(window: str) -> dict[str, Any]:
        parts = [view.queue_totals(queue, window) for queue in queues]
        left = sum(closed(part) for part, its in zip(parts, levels, strict=True) if its.abandonment)
        timed = judged(parts, levels)
        reading = Reading(
            merged(parts), level, over_threshold=now.over_threshold, closed_with_abandonment=left if mixed else None,
            judged=None if timed is None else merged(timed),
        )  # fmt: skip
        return read(WINDOW_KPIS["queue"], reading, fields)

    return {
        "id": name,
        "kind": kind,
        "members": ids,
        "service_level": level_view(level, mixed),
        "now": read(NOW_KPIS["queue"], now, fields),
        "windows": {window: window_values(window) for window in windows},
    }


def team_view(
    views: Views, view: FloorView, name: str, agents: list[AgentScope], windows: Iterable[str], fields: Fields
) -> dict[str, Any]:
    """The roll-up of a team: its agents' totals, and how many are in which state."""
    staff = views.state.staff.of_agents([agent.scope for agent in agents])
    present = [kpi for kpi in NOW_KPIS["queue"] if kpi.name.startswith("agents_")]
    kinds = views.state.floor.reason_kinds
    login_seen = any(agent.record.own.login_seen for agent in agents)

    def window_values(window: str) -> dict[str, Any]:
        totals = merged([view.agent_totals(agent, window) for agent in agents])
        return read_agent(Reading(totals, login_seen=login_seen, reason_kinds=kinds), fields)

    return {
        "id": name,
        "kind": "team",
        "members": [agent.agent_id for agent in agents],
        "now": read(present, Reading(Totals(), staff=staff), fields),
        "windows": {window: window_values(window) for window in windows},
    }
