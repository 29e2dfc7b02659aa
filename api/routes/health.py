"""Alive and ready."""

from fastapi import APIRouter
from starlette.responses import Response

from api.context import Context
from api.problems import problem_response
from api.readiness import health, why_not_ready
from api.respond import json_response


def router(context: Context) -> APIRouter:
    """The routes /healthz and /readyz."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="200 while the process answers")
    async def healthz() -> Response:
        return json_response({"status": "alive"})

    @routes.get("/readyz", summary="200 once the state is complete, 503 with the reason before")
    async def readyz() -> Response:
        reason = why_not_ready(context.state)
        if reason is not None:
            return problem_response(503, f"not ready: {reason}", {"Retry-After": "1"})
        return json_response({"status": "ready", **health(context.state)})

    return routes
