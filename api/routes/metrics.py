"""Prometheus."""

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from api.context import Context
from api.metrics import FloorMetrics
from api.security import grant_of


def router(context: Context) -> APIRouter:
    """The route /metrics."""
    routes = APIRouter(tags=["metrics"])
    metrics = FloorMetrics(context.views)

    @routes.get("/metrics", summary="Prometheus metrics of queues, sources and the feed")
    async def exposition(request: Request) -> Response:
        agents = context.settings.agent_series and grant_of(request).may("agents")
        parts, content_type = await metrics.exposition(agents, request.headers.get("accept", ""))
        return StreamingResponse(parts, headers={"Content-Type": content_type, "Vary": "Accept"})

    return routes
