"""The small view that a routing system asks for before each decision."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.context import Context
from api.params import split_list
from api.problems import Problem
from api.respond import conditional_json

MOST_IDS: Final = 500
PARAMETERS: Final = [
    {"name": "ids", "in": "query", "schema": {"type": "string"}, "description": "queue ids, separated by commas"},
    {"name": "id", "in": "query", "schema": {"type": "array", "items": {"type": "string"}},
     "description": "one queue id, which may hold commas; repeatable"},
]  # fmt: skip
"""Described here and read by hand: this is asked before every call, and declared parameters cost a third more."""


def router(context: Context) -> APIRouter:
    """The routes under /v1/routing."""
    routes = APIRouter(prefix="/v1/routing", tags=["routing"])
    state, views = context.state, context.views

    @routes.get(
        "/queues",
        summary="Live state of some queues, or of all; service level is that of the last 15 minutes",
        openapi_extra={"parameters": PARAMETERS},
    )
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

    return routes
