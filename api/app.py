"""The FastAPI application: routes over the floor's state."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from api.context import Context, Send
from api.live import Hub
from api.paths import Paths
from api.problems import add_problem_handlers
from api.readiness import why_not_ready
from api.routes import ROUTERS, routing
from api.security import Door, Doorkeeper, Guard
from api.settings import ApiSettings
from api.views import Views
from service.config_feed import ConfigFeed
from service.config_version import ConfigVersions
from service.domain.settings import Floor
from service.floor_state import FloorState
from service.tokens import Tokens

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
_GZIP_FROM_BYTES: Final = 2_000


def _packed(app: ASGIApp) -> ASGIApp:
    return GZipMiddleware(app, minimum_size=_GZIP_FROM_BYTES, compresslevel=4)


def create_app(
    state: FloorState,
    floor: Floor,
    settings: ApiSettings | None = None,
    lifespan: Lifespan | None = None,
    tokens: Tokens | None = None,
    send: Send | None = None,
    configs: ConfigFeed | None = None,
) -> FastAPI:
    """Return the application. It serves the floor once the state's feed has caught up, and health at once.

    `tokens` None: it serves everything to everybody. `send` sends an event to `cti.events`; None: what needs that is
    refused. `configs` are the configurations that were applied.
    """
    settings = settings or ApiSettings()
    views = Views(state)
    hub = Hub(state, views, settings.stream_clients, settings.stream_clients_per_token)
    session_key = settings.session_key.get_secret_value() if settings.session_key is not None else None
    keeper = Doorkeeper(tokens, session_key, state.wall_ms)
    context = Context(state, floor, settings, views, hub, ConfigVersions(floor), keeper, configs or ConfigFeed(), send)
    app = FastAPI(
        title="Floorwalker",
        description="Live state of a contact centre: queues, agents, roll-ups. Undefined is null; times are UTC. "
        "Where tokens are asked for: Authorization: Bearer TOKEN.",
        docs_url=None,  # the usual page loads its script from another host; ours does not
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.context = context
    add_problem_handlers(app)
    for build in ROUTERS:
        app.include_router(build(context))
    app.add_middleware(_packed)
    app.add_middleware(routing.Direct, context=context, packed=_packed)
    app.add_middleware(Guard)
    app.add_middleware(Paths, why_not=lambda: why_not_ready(state))
    app.add_middleware(Door, keeper=keeper, per_second=settings.requests_per_second)
    return app
