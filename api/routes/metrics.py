"""Prometheus."""

from fastapi import APIRouter
from starlette.responses import Response

from api.context import Context
from api.metrics import CONTENT_TYPE, FloorMetrics


def router(context: Context) -> APIRouter:
    """The route /metrics."""
    routes = APIRouter(tags=["metrics"])
    metrics = FloorMetrics(context.views, context.settings.agent_series)

    @routes.get("/metrics", summary="Prometheus metrics of queues, sources and the feed")
    async def exposition() -> Response:
        return Response(await metrics.exposition(), media_type=CONTENT_TYPE)

    return routes
