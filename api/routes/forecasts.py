"""Forecasts: what is expected of a queue's day, what came, and where it will end."""

import asyncio

from fastapi import APIRouter
from starlette.responses import Response

from api.context import Context
from api.forecasts import forecast_view
from api.respond import json_response
from api.routes.queues import find_queue
from api.views import level_view
from service.domain.projection import outlook
from service.domain.view import WaitingNow
from service.planning import day_slots, scheduled_agents
from service.timetext import format_moment


def router(context: Context) -> APIRouter:
    """The routes under /v1/forecasts."""
    routes = APIRouter(prefix="/v1/forecasts", tags=["forecasts"])
    state, views = context.state, context.views

    @routes.get("/{id:path}", summary="A queue's day: expected, actual, re-forecast, agents needed, projection")
    async def one_forecast(id: str) -> Response:
        queue = find_queue(context, id)
        view = state.view()
        now_ms = view.now_ms
        level = state.floor.queue(queue.queue_id).level_at(now_ms)
        slots = day_slots(state, queue, now_ms)
        found = outlook(slots, now_ms, level, WaitingNow(state.floor, [queue], now_ms).over)
        heads = scheduled_agents(state, queue, slots)
        head = {
            "id": queue.queue_id,
            **views.head(view),
            "from": format_moment(slots[0].start_ms),
            "to": format_moment(slots[-1].end_ms),
            "service_level": level_view(level),
        }
        # in a thread, since Erlang takes milliseconds that a routing request would wait for; it touches no state
        return json_response(head | await asyncio.to_thread(forecast_view, found, heads, level, now_ms))

    return routes
