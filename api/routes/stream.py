"""Live push."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from api.context import Context
from api.live import EventStream, Subscription
from api.params import pick_windows, split_list
from api.problems import Problem

ALL_QUEUES = "queue:*"
DEFAULT_WINDOWS = "15m,day"
Text = Annotated[str | None, Query()]


def router(context: Context) -> APIRouter:
    """The route /v1/stream."""
    routes = APIRouter(prefix="/v1", tags=["live"])

    @routes.get("/stream", summary="Server-sent events: the view of each scope when it changes, and heartbeats")
    async def stream(
        scopes: Annotated[str | None, Query(description="as queue:sales,agent:1001; default: all queues")] = None,
        scope: Annotated[list[str] | None, Query(description="one scope, which may hold commas; repeatable")] = None,
        windows: Text = DEFAULT_WINDOWS,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        asked = [*split_list(scopes), *(scope or [])] or [ALL_QUEUES]
        named = list(dict.fromkeys(name for name in asked if name != ALL_QUEUES))
        for name in named:
            _check(context, name)
        subscription = Subscription(named, ALL_QUEUES in asked, pick_windows(windows))
        context.hub.enter()
        context.hub.resume(subscription, last_event_id)
        return EventStream(context.hub, subscription)

    return routes


def _check(context: Context, scope: str) -> None:
    """Raise Problem for a scope that nothing will ever be sent of."""
    kind, _, name = scope.partition(":")
    if kind not in ("queue", "agent"):
        raise Problem(400, f"scopes: {scope!r} is none: use queue:ID or agent:ID")
    if (context.state.queue(name) if kind == "queue" else context.state.agent(name)) is None:
        raise Problem(404, f"there is no {kind} {name!r}: it is neither configured nor seen in the stream")
