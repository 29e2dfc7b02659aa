"""Roll-ups by group, site, channel, customer class and team."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.context import Context
from api.params import pick_fields, pick_windows
from api.paths import unescaped
from api.problems import Problem
from api.respond import conditional_json
from api.rollups import queues_view, team_view
from api.security import forbidden, grant_of
from api.views import NAMES
from service.rollups import class_parts, member_agents, member_queues

Text = Annotated[str | None, Query()]


def router(context: Context) -> APIRouter:
    """The routes under /v1/scopes."""
    routes = APIRouter(prefix="/v1/scopes", tags=["roll-ups"])
    state, views = context.state, context.views

    @routes.get("/{kind}/{id:path}", summary="What several queues or a team's agents come to together")
    async def roll_up(
        request: Request, kind: Literal["group", "site", "channel", "class", "team"], id: str, fields: Text = None,
        windows: Text = None,
    ) -> Response:  # fmt: skip
        name, picked = unescaped(id), pick_windows(windows)
        view = state.view()
        if kind == "team":
            if not grant_of(request).sees_team(name):
                raise forbidden(f"this token does not show the team {name!r}")
            agents = member_agents(state, name)
            _some(kind, name, len(agents))
            wanted = pick_fields(fields, (*NAMES["agent"], *NAMES["queue"]))
            return conditional_json(request, views.head(view), team_view(views, view, name, agents, picked, wanted))
        queues = class_parts(state, name) if kind == "class" else member_queues(state, kind, name)
        _some(kind, name, len(queues))
        wanted = pick_fields(fields, NAMES["queue"])
        return conditional_json(request, views.head(view), queues_view(views, view, kind, name, queues, picked, wanted))

    return routes


def _some(kind: str, name: str, members: int) -> None:
    if not members:
        raise Problem(404, f"there is no {kind} {name!r}: nothing configured or seen belongs to it")
