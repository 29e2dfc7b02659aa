"""The KPI registry, and what each source delivered."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.context import Context
from api.respond import conditional_json, json_response
from api.sources import source_views
from service.domain.kpis import KPIS


def router(context: Context) -> APIRouter:
    """The routes /v1/kpis and /v1/sources."""
    routes = APIRouter(prefix="/v1", tags=["registry"])

    @routes.get("/kpis", summary="Every KPI: name, Chinese name, unit, formula, scopes")
    async def kpis(request: Request) -> Response:
        items: list[dict[str, Any]] = [
            {
                "name": kpi.name,
                "name_zh": kpi.chinese,
                "unit": kpi.unit,
                "formula": kpi.help,
                "scopes": list(kpi.scopes),
                "better": kpi.better,
                "exported": kpi.exported,
            }
            for kpi in KPIS
        ]
        return conditional_json(request, {"count": len(items)}, {"items": items})

    @routes.get("/sources", summary="Freshness, late, duplicate, unmatched and rejected events of every source")
    async def sources() -> Response:
        view = context.state.view()
        return json_response({**context.views.head(view), "items": source_views(context.state)})

    return routes
