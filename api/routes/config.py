"""The configurations that were applied: the audit trail."""

from fastapi import APIRouter
from starlette.responses import Response

from api.context import Context
from api.respond import json_response
from service.timetext import format_moment


def router(context: Context) -> APIRouter:
    """The route /v1/config."""
    routes = APIRouter(prefix="/v1", tags=["administration"])
    state, configs = context.state, context.configs

    @routes.get("/config", summary="What was applied, by whom, when and from when on; the newest first")
    async def applied() -> Response:
        in_force = configs.at(state.wall_ms())
        items = [
            {
                "version": found.record.version,
                "valid_from": format_moment(found.record.valid_from_ms),
                "applied_at": format_moment(found.record.applied_at_ms),
                "who": found.record.who,
                "note": found.record.note,
                "in_force": found is in_force,
                "config": found.record.config,
            }
            for _, found in sorted(configs.applied.items(), reverse=True)
        ]
        return json_response({**context.views.head(state.view()), "items": items})

    return routes
