"""The small view that a routing system asks for before each decision."""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.context import Context
from api.params import split_list
from api.problems import Problem, problem_response
from api.respond import conditional_json

PATH: Final = "/v1/routing/queues"
MOST_IDS: Final = 500
PARAMETERS: Final = [
    {"name": "ids", "in": "query", "schema": {"type": "string"}, "description": "queue ids, separated by commas"},
    {"name": "id", "in": "query", "schema": {"type": "array", "items": {"type": "string"}},
     "description": "one queue id, which may hold commas; repeatable"},
]  # fmt: skip
"""Described here and read by hand: this is asked before every call, and declared parameters cost a third more."""


def router(context: Context) -> APIRouter:
    """The routes under /v1/routing, for the description of the interface: `Direct` is what answers."""
    routes = APIRouter(tags=["routing"])
    summary = "Live state of some queues, or of all; service level is that of the last 15 minutes"
    routes.get(PATH, summary=summary, openapi_extra={"parameters": PARAMETERS})(_answer(context))
    return routes


class Direct:
    """A middleware that answers these queries itself: the way through the framework takes as long as the answer.

    `packed` wraps the answer for clients who take it compressed.
    """

    def __init__(self, app: ASGIApp, context: Context, packed: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app = app
        self._answer = _answer(context)
        self._packed = packed(self._plain)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif any(name == b"accept-encoding" for name, _ in scope["headers"]):
            await self._packed(scope, receive, send)
        else:
            await self._plain(scope, receive, send)

    async def _plain(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope))
        except Problem as problem:
            response = problem_response(problem.status, problem.detail, problem.headers)
        await response(scope, receive, send)


def _answer(context: Context) -> Callable[[Request], Awaitable[Response]]:
    state, views = context.state, context.views

    async def routing_queues(request: Request) -> Response:
        query = request.query_params
        asked = [*split_list(query.get("ids")), *query.getlist("id")]
        if len(asked) > MOST_IDS:
            raise Problem(400, f"ids: {len(asked)} queues are too many for one request, {MOST_IDS} at most")
        view = state.view()
        items = []
        for queue_id in asked or state.queue_ids():
            queue = state.queue(queue_id)
            if queue is None:
                raise Problem(404, f"there is no queue {queue_id!r}: it is neither configured nor seen in the stream")
            items.append(views.routing(view, queue))
        return conditional_json(request, views.head(view), items)

    return routing_queues
