"""Sessions of the page: a browser's EventSource cannot send a token, but it sends cookies."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.context import Context
from api.respond import json_response
from api.security import COOKIE, grant_of
from service.timetext import format_moment


def router(context: Context) -> APIRouter:
    """The route /session."""
    routes = APIRouter(prefix="/session", tags=["session"])
    keeper = context.keeper

    @routes.get("", summary="Whose token or session this is, and until when; 401 without one")
    async def whose(request: Request) -> Response:
        grant = grant_of(request)
        until = None if grant.expires_ms is None else format_moment(grant.expires_ms)
        bound = {"teams": sorted(grant.teams), "agent": grant.agent_id}
        return json_response({"id": grant.id, "role": grant.role, **bound, "expires_at": until})

    @routes.post("", status_code=204, summary="A session of an hour, for a token or for the session that there is")
    async def begin(request: Request) -> Response:
        grant = grant_of(request)
        answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
        if not keeper.open:
            value, seconds = keeper.new_session(grant)
            secure = request.url.scheme == "https"
            answer.set_cookie(COOKIE, value, max_age=seconds, httponly=True, samesite="strict", secure=secure)
        return answer

    @routes.delete("", status_code=204, summary="End the session in this browser")
    async def end() -> Response:
        answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    return routes
