"""Agents: all of them, one, its intervals, its day."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import Context
from api.intervals import Attribution, agent_history, interval_rows, to_response
from api.params import pick_fields, pick_range_ms, pick_windows
from api.paths import unescaped
from api.problems import Problem
from api.respond import conditional_json, json_response
from api.security import check_agent, grant_of
from api.views import NAMES
from service.domain.buckets import STRETCHES_KEPT_MS
from service.domain.scopes import AgentScope
from service.interval_history import DAY_MS
from service.timetext import format_moment

VIEWS_A_TURN = 10
Text = Annotated[str | None, Query()]
From = Annotated[str | None, Query(alias="from")]


def find_agent(context: Context, request: Request, escaped: str) -> AgentScope:
    """The agent of a path segment. Raises Problem(403) for one that the client's token does not show, else 404."""
    agent_id = unescaped(escaped)
    check_agent(grant_of(request), agent_id, context.state.floor.agent(agent_id).team)
    found = context.state.agent(agent_id)
    if found is None:
        raise Problem(404, f"there is no agent {agent_id!r}: it is neither configured nor seen in the stream")
    return found


def router(context: Context) -> APIRouter:
    """The routes under /v1/agents."""
    routes = APIRouter(prefix="/v1/agents", tags=["agents"])
    state, views = context.state, context.views

    @routes.get("", summary="All agents that the token shows; configured ones are always there")
    async def list_agents(
        request: Request, site: Text = None, team: Text = None, queue: Text = None,
        status: Annotated[str | None, Query(alias="state")] = None, fields: Text = None, windows: Text = None,
    ) -> Response:  # fmt: skip
        picked, wanted = pick_windows(windows), pick_fields(fields, NAMES["agent"])
        view, grant = state.view(), grant_of(request)
        items: list[dict[str, Any]] = []
        for agent_id in state.agent_ids():
            settings = state.floor.agent(agent_id)
            agent = state.agent(agent_id) if grant.sees_agent(agent_id, settings.team) else None
            if agent is None or (site or settings.site, team or settings.team) != (settings.site, settings.team):
                continue
            item = views.agent(view, agent, (), wanted)
            if (status or item["state"]) != item["state"] or (queue is not None and queue not in item["queues"]):
                continue
            items.append(item | views.agent(view, agent, picked, wanted) if picked else item)
            if len(items) % VIEWS_A_TURN == 0:
                await asyncio.sleep(0)
        return conditional_json(request, views.head(view), items)

    @routes.get("/{id:path}/intervals", summary="Intervals of an agent, the open one included, with their total")
    async def agent_intervals(
        request: Request, id: str, from_: From = None, to: Text = None, attribution: Attribution = "outcome",
        format: Literal["json", "csv"] | None = None,
    ) -> Response:  # fmt: skip
        agent = find_agent(context, request, id)
        view = state.view()
        calendar = state.calendars.of_scope(agent.scope)
        bounds = pick_range_ms(from_, to, calendar, view.now_ms, context.settings.history_days * DAY_MS)
        history = agent_history(context, view, agent, bounds, attribution)
        return to_response(request, format, interval_rows(context, view, history), history, bounds)

    @routes.get("/{id:path}/timeline", summary="The agent's states one after the other")
    async def timeline(request: Request, id: str, from_: From = None, to: Text = None) -> Response:
        agent = find_agent(context, request, id)
        view = state.view()
        calendar = state.calendars.of_scope(agent.scope)
        bounds = pick_range_ms(from_, to, calendar, view.now_ms, context.settings.history_days * DAY_MS)
        body = {
            "id": agent.agent_id,
            **views.head(view),
            "from": format_moment(bounds[0]),
            "to": format_moment(bounds[1]),
            "kept_seconds": STRETCHES_KEPT_MS // 1000,
            "items": states_between(agent, bounds, view.now_ms),
        }
        return json_response(body)

    @routes.get("/{id:path}", summary="One agent with all its windows")
    async def one_agent(request: Request, id: str, fields: Text = None, windows: Text = None) -> Response:
        agent = find_agent(context, request, id)
        picked, wanted = pick_windows(windows), pick_fields(fields, NAMES["agent"])
        view = state.view()
        return conditional_json(request, views.head(view), views.agent(view, agent, picked, wanted))

    return routes


def states_between(agent: AgentScope, bounds_ms: tuple[int, int], now_ms: int) -> list[dict[str, Any]]:
    """The states in the range, cut at its ends; `until` is null for the state the agent is in."""
    since_ms, until_ms = bounds_ms[0], min(bounds_ms[1], now_ms)
    known = [segment for segment in agent.timeline.segments(since_ms, until_ms) if segment.state]
    return [
        {
            "state": segment.state,
            "reason": segment.reason,
            "since": format_moment(segment.since_ms),
            "until": None if segment.until_ms == now_ms else format_moment(segment.until_ms),
            "seconds": (segment.until_ms - segment.since_ms) / 1000,
            "logged_in": segment.logged_in,
        }
        for segment in known
    ]
