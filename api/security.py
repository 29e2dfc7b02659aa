"""Who asks, and whether they may: tokens and session cookies, and the part of the interface each path belongs to."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem, problem_response
from api.security_headers import with_headers
from api.security_limits import Rates, check_size, client_of, limited
from service.access import EVERYTHING, Area, Grant
from service.tokens import Tokens

COOKIE: Final = "floorwalker_session"
SESSION_SECONDS: Final = 3_600
OPEN: Final = frozenset(("/", "/docs", "/openapi.json", "/wallboard", "/session", "/healthz", "/readyz"))
"""Served to everybody: they hold no data of the floor, and the page has to be there to be given a token."""

AREAS: Final[dict[str, Area]] = {
    "/metrics": "metrics",
    "/v1/queues": "queues",
    "/v1/stream": "queues",
    "/v1/forecasts": "queues",
    "/v1/routing": "routing",
    "/v1/scopes": "roll-ups",
    "/v1/agents": "agents",
    "/v1/sources": "sources",
    "/v1/kpis": "kpis",
    "/v1/alerts": "alerts",
    "/v1/config": "administration",
}
"""What a path's beginning belongs to. A path without a row is the admin's, so that a new one is not open by oversight.

Routes themselves decide what of an area a token shows: which agents, which teams.
"""

WRITES: Final[dict[str, Area]] = {"/v1/alerts": "acknowledge"}
READING: Final = ("GET", "HEAD")
_UNCOUNTED: Final = ("/healthz", "/readyz")
_GRANT: Final = "floorwalker.grant"
Headers = dict[bytes, bytes]


def grant_of(request: Request) -> Grant:
    """What the client may see. Raises Problem(401) for a client without a valid token."""
    grant: Grant | None = request.scope[_GRANT]
    if grant is None:
        raise unknown()
    return grant


def unknown() -> Problem:
    """The answer to a client that has no valid token."""
    detail = "this needs a token (Authorization: Bearer ...), and there is none, or it is unknown or has expired"
    return Problem(401, detail, {"WWW-Authenticate": 'Bearer realm="floorwalker"'})


def forbidden(detail: str) -> Problem:
    """The answer to a client whose token does not allow it."""
    return Problem(403, detail, {"WWW-Authenticate": 'Bearer realm="floorwalker", error="insufficient_scope"'})


def check_agent(grant: Grant, agent_id: str, team: str | None) -> None:
    """Raise Problem(403) for an agent the token does not show; the same whether or not there is such an agent."""
    if not grant.sees_agent(agent_id, team):
        raise forbidden(f"this token does not show the agent {agent_id!r}")


def head_of(path: str) -> str:
    """The beginning of a path that says which part of the interface it belongs to."""
    first, _, rest = path[1:].partition("/")
    if first == "v1":
        return f"/v1/{rest.partition('/')[0]}"
    return f"/{first}" if first else path


def area_of(method: str, path: str) -> Area | None:
    """What the request needs; None: nothing."""
    head = head_of(path)
    if head in OPEN:
        return None
    table = AREAS if method in READING else WRITES
    return table.get(head, "administration")


class Doorkeeper:
    """Knows clients by their tokens, and by the session cookies made for them."""

    def __init__(self, tokens: Tokens | None, session_key: str | None, wall_ms: Callable[[], int]) -> None:
        """`tokens` None: everybody may do everything. `session_key` None: one of this process's own."""
        self._tokens = tokens
        self._key = session_key.encode() if session_key is not None else secrets.token_bytes(32)
        self._wall_ms = wall_ms

    @property
    def open(self) -> bool:
        """Whether nobody is asked for a token."""
        return self._tokens is None

    def recognise(self, method: str, headers: Headers) -> Grant | None:
        """What the request's token allows, else its cookie's; None without a valid one."""
        if self._tokens is None:
            return EVERYTHING
        given = headers.get(b"authorization")
        if given is not None:
            scheme, _, token = given.decode("latin-1").partition(" ")
            return self._tokens.grant_of(token.strip()) if scheme.lower() == "bearer" else None
        if method not in READING and not _same_origin(headers):
            return None
        return self._of_cookie(headers.get(b"cookie", b"").decode("latin-1"))

    def still_valid(self, grant: Grant) -> bool:
        """Whether the grant of a request that goes on and on would be given again."""
        if self._tokens is None:
            return True
        now = self._tokens.current(grant.id)
        in_time = grant.expires_ms is None or self._wall_ms() < grant.expires_ms
        return now is not None and in_time and replace(now, expires_ms=grant.expires_ms) == grant

    def new_session(self, grant: Grant) -> tuple[str, int]:
        """The value of a session's cookie, and for how many seconds it is valid."""
        current = self._tokens.current(grant.id) if self._tokens is not None else None
        now_s = self._wall_ms() // 1000
        until_s = now_s + SESSION_SECONDS
        if current is not None and current.expires_ms is not None:
            until_s = min(until_s, current.expires_ms // 1000)
        return f"{grant.id}.{until_s}.{self._proof(grant, until_s)}", until_s - now_s

    def _of_cookie(self, cookies: str) -> Grant | None:
        values = [value for name, _, value in (c.strip().partition("=") for c in cookies.split(";")) if name == COOKIE]
        parts = values[0].split(".") if values else []
        if self._tokens is None or len(parts) != 3 or not (parts[1].isascii() and parts[1].isdigit()):
            return None
        grant, until_s = self._tokens.current(parts[0]), int(parts[1][:12])
        if grant is None or not hmac.compare_digest(self._proof(grant, until_s).encode(), parts[2].encode("latin-1")):
            return None
        return replace(grant, expires_ms=until_s * 1000) if self._wall_ms() < until_s * 1000 else None

    def _proof(self, grant: Grant, until_s: int) -> str:
        """What only this service can say of the session. The token's hash is in it: a new token ends old sessions."""
        said = f"{grant.id}.{until_s}.".encode() + grant.sha256
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()


def _same_origin(headers: Headers) -> bool:
    """Whether a browser says that a page of ours asks. SameSite alone lets in pages of this host's other ports."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site == b"same-origin"
    origin = headers.get(b"origin")
    return origin is None or origin.partition(b"://")[2] == headers.get(b"host")


class Door:
    """The outermost middleware: sizes, rates, who asks, and the headers of every answer."""

    def __init__(
        self, app: ASGIApp, keeper: Doorkeeper, per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._keeper = keeper
        self._rates = Rates(per_second, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = with_headers(send)
        headers: Headers = dict(scope["headers"])
        try:
            check_size(scope, headers.get(b"content-length"))
            grant = scope[_GRANT] = self._keeper.recognise(scope["method"], headers)
            if scope["path"] not in _UNCOUNTED:
                known = grant is not None and not self._keeper.open
                self._rates.count(f"token {grant.id}" if grant is not None and known else client_of(scope))
        except Problem as problem:
            await problem_response(problem.status, problem.detail, problem.headers)(scope, receive, send)
            return
        await self._app(scope, receive if scope["method"] in READING else limited(receive), send)


class Guard:
    """Answers 401 and 403 where the client may not use the part of the interface. Comes after the path's rewriting."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it."""
        if scope["type"] == "http":
            grant: Grant | None = scope[_GRANT]
            area = area_of(scope["method"], scope["path"])
            if area is not None and (grant is None or not grant.may(area)):
                denied = forbidden(f"the role {grant.role} does not allow this") if grant is not None else unknown()
                await problem_response(denied.status, denied.detail, denied.headers)(scope, receive, send)
                return
        await self._app(scope, receive, send)
