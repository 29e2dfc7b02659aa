"""Queues: all of them, one, its intervals, its balance."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import Context
from api.intervals import Attribution, interval_rows, queue_history, to_response
from api.params import pick_fields, pick_range_ms, pick_windows
from api.paths import unescaped
from api.problems import Problem
from api.respond import conditional_json, json_response
from api.views import NAMES
from service.domain.recent import RECENT_KEPT, RecentVisit
from service.domain.scopes import QueueScope
from service.domain.totals import Totals
from service.domain.view import WaitingNow
from service.interval_history import DAY_MS
from service.timetext import format_moment

VIEWS_A_TURN = 10
"""Views built before other requests get their turn."""

Outcome = Literal["answered", "abandoned", "flowed_out", "callback_requested", "cancelled"]
MOST_VISITS = 2 * RECENT_KEPT
OUTCOMES = ("answered", "abandoned", "flowed_out", "callback_requested", "cancelled")
Text = Annotated[str | None, Query()]


def find_queue(context: Context, escaped: str) -> QueueScope:
    """The queue of a path segment. Raises Problem(404)."""
    queue_id = unescaped(escaped)
    found = context.state.queue(queue_id)
    if found is None:
        raise Problem(404, f"there is no queue {queue_id!r}: it is neither configured nor seen in the stream")
    return found


def router(context: Context) -> APIRouter:
    """The routes under /v1/queues."""
    routes = APIRouter(prefix="/v1/queues", tags=["queues"])
    state, views = context.state, context.views

    @routes.get("", summary="All queues; configured ones are always there")
    async def list_queues(
        request: Request, site: Text = None, channel: Text = None, group: Text = None, fields: Text = None,
        windows: Text = None,
    ) -> Response:  # fmt: skip
        picked, wanted = pick_windows(windows), pick_fields(fields, NAMES["queue"])
        view = state.view()
        asked = {"site": site, "channel": channel, "group": group}
        items: list[dict[str, Any]] = []
        for queue_id in state.queue_ids():
            settings = state.floor.queue(queue_id)
            queue = state.queue(queue_id)
            if queue is None or any(value not in (None, getattr(settings, name)) for name, value in asked.items()):
                continue
            items.append(views.queue(view, queue, picked, wanted))
            if len(items) % VIEWS_A_TURN == 0:
                await asyncio.sleep(0)
        return conditional_json(request, views.head(view), items)

    @routes.get("/{id:path}/intervals", summary="Intervals of a queue, the open one included, with their total")
    async def queue_intervals(
        request: Request, id: str, from_: Annotated[str | None, Query(alias="from")] = None, to: Text = None,
        attribution: Attribution = "outcome", format: Literal["json", "csv"] | None = None,
    ) -> Response:  # fmt: skip
        queue = find_queue(context, id)
        view = state.view()
        calendar = state.calendars.of_scope(queue.scope)
        bounds = pick_range_ms(from_, to, calendar, view.now_ms, context.settings.history_days * DAY_MS)
        history = queue_history(context, view, queue, bounds, attribution)
        return to_response(request, format, interval_rows(context, view, history), history, bounds)

    @routes.get("/{id:path}/reconciliation", summary="Whether everything offered is accounted for")
    async def reconciliation(id: str) -> Response:
        queue = find_queue(context, id)
        view = state.view()
        since_ms, until_ms = view.bounds_ms(queue.scope, "day")
        arrivals = [i.arrival for start, i in queue.intervals.items() if since_ms <= start < until_ms]
        today = QueueScope(queue.scope)
        today.waiting = {v: w for v, w in queue.waiting.items() if since_ms <= w.queued_ms < until_ms}
        body = {
            "id": queue.queue_id,
            **views.head(view),
            "lifetime": balance([queue.live.lifetime], WaitingNow(state.floor, [queue], view.now_ms).count),
            "day": balance(arrivals, WaitingNow(state.floor, [today], view.now_ms).count) | {"attribution": "arrival"},
        }
        return json_response(body)

    @routes.get("/{id:path}/visits", summary="The last visits that left a queue, newest first")
    async def queue_visits(
        id: str, outcome: Outcome | None = None, limit: Annotated[int, Query(ge=1, le=MOST_VISITS)] = RECENT_KEPT
    ) -> Response:
        queue = find_queue(context, id)
        items = [visit_view(visit) for visit in queue.recent.newest(outcome, limit)]
        return json_response({"id": queue.queue_id, **views.head(state.view()), "kept": RECENT_KEPT, "items": items})

    @routes.get("/{id:path}", summary="One queue with all its windows")
    async def one_queue(request: Request, id: str, fields: Text = None, windows: Text = None) -> Response:
        queue = find_queue(context, id)
        picked, wanted = pick_windows(windows), pick_fields(fields, NAMES["queue"])
        view = state.view()
        return conditional_json(request, views.head(view), views.queue(view, queue, picked, wanted))

    return routes


def visit_view(visit: RecentVisit) -> dict[str, Any]:
    """One of the last visits. `contact_wait_seconds` began when the contact entered its first queue.

    `callback`: `requested` by the customer, or what became of that; null: nobody promised one.
    """
    asked = "requested" if visit.outcome == "callback_requested" else None
    return {
        "visit_id": visit.visit_id,
        "outcome": visit.outcome,
        "reason": visit.reason,
        "queued_at": format_moment(visit.queued_ms),
        "ended_at": format_moment(visit.ended_ms),
        "wait_seconds": visit.wait_ms / 1000,
        "contact_wait_seconds": (visit.wait_ms + visit.waited_before_ms) / 1000,
        "callback": visit.callback or asked,
    }


def balance(parts: list[Totals], waiting: int) -> dict[str, Any]:
    """Offered against answered + abandoned + flowed out + callback requested + cancelled + waiting."""
    sums = {name: sum(getattr(part, name) for part in parts) for name in ("offered", *OUTCOMES)}
    difference = sums["offered"] - sum(sums[name] for name in OUTCOMES) - waiting
    return {**sums, "waiting": waiting, "difference": difference, "balanced": difference == 0}
