"""The routes, one file for each part of the interface; a new one is one more row here."""

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter

from api.context import Context
from api.routes import (
    agents,
    alerts,
    config,
    forecasts,
    health,
    metrics,
    pages,
    queues,
    registry,
    routing,
    scopes,
    session,
    stream,
)

ROUTERS: Final[tuple[Callable[[Context], APIRouter], ...]] = (
    health.router,
    routing.router,
    queues.router,
    agents.router,
    scopes.router,
    forecasts.router,
    alerts.router,
    config.router,
    registry.router,
    stream.router,
    metrics.router,
    session.router,
    pages.router,
)
