"""Prometheus."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.context import Context
from api.metrics import CONTENT_TYPE, FloorMetrics
from api.security import grant_of


def router(context: Context) -> APIRouter:
    """The route /metrics."""
    routes = APIRouter(tags=["metrics"])
    metrics = FloorMetrics(context.views)

    @routes.get("/metrics", summary="Prometheus metrics of queues, sources and the feed")
    async def exposition(request: Request) -> Response:
        agents = context.settings.agent_series and grant_of(request).may("agents")
        return Response(await metrics.exposition(agents), media_type=CONTENT_TYPE)

    return routes
