"""Live push."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api.context import Context
from api.live import ALERTS, EventStream, Subscription
from api.params import pick_windows, split_list
from api.problems import Problem
from api.security import check_agent, forbidden, grant_of
from service.access import Grant

ALL_QUEUES = "queue:*"
MOST_SCOPES = 500
DEFAULT_WINDOWS = "15m,day"
Text = Annotated[str | None, Query()]


def router(context: Context) -> APIRouter:
    """The route /v1/stream."""
    routes = APIRouter(prefix="/v1", tags=["live"])

    @routes.get("/stream", summary="Server-sent events: the view of each scope when it changes, and heartbeats")
    async def stream(
        request: Request,
        scopes: Annotated[str | None, Query(description="as queue:sales,agent:1001; default: all queues")] = None,
        scope: Annotated[list[str] | None, Query(description="one scope, which may hold commas; repeatable")] = None,
        windows: Text = DEFAULT_WINDOWS,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        asked = [*split_list(scopes), *(scope or [])] or [ALL_QUEUES]
        named = list(dict.fromkeys(name for name in asked if name != ALL_QUEUES))
        if len(named) > MOST_SCOPES:
            raise Problem(400, f"scopes: {len(named)} are too many for one stream, {MOST_SCOPES} at most")
        grant = grant_of(request)
        for name in named:
            _check(context, grant, name)
        subscription = Subscription(named, ALL_QUEUES in asked, pick_windows(windows), grant)
        context.hub.resume(subscription, last_event_id)
        who = None if context.keeper.open else grant.id
        context.hub.enter(who)  # last: from here on only the stream's end counts the client out
        return EventStream(context.hub, subscription, who, lambda: context.keeper.still_valid(grant))

    return routes


def _check(context: Context, grant: Grant, scope: str) -> None:
    """Raise Problem for a scope that the client may not see, or that nothing will ever be sent of."""
    if scope == ALERTS:
        if not grant.may("alerts"):
            raise forbidden(f"the role {grant.role} does not show alerts")
        return
    kind, _, name = scope.partition(":")
    if kind not in ("queue", "agent"):
        raise Problem(400, f"scopes: {scope!r} is none: use queue:ID, agent:ID or alerts")
    if kind == "agent":
        check_agent(grant, name, context.state.floor.agent(name).team)
    if (context.state.queue(name) if kind == "queue" else context.state.agent(name)) is None:
        raise Problem(404, f"there is no {kind} {name!r}: it is neither configured nor seen in the stream")
