"""One ASGI middleware: ids in paths may hold anything, and only health is served before the state is complete."""

from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, quote, unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem_response

COLLECTIONS: Final = {
    ("v1", "queues"): ("", "intervals", "reconciliation", "visits"),
    ("v1", "forecasts"): ("",),
    ("v1", "agents"): ("", "intervals", "timeline"),
}
"""Paths with an id, and what may follow it; `?id=` stands in for the id."""

_ALWAYS: Final = ("/v1/kpis",)


def unescaped(segment: str) -> str:
    """The id that a path segment stands for."""
    return unquote(segment)


class Paths:
    """Routes by the path as sent, so that `%2F` within an id is no separator; 503 while `why_not` has a reason."""

    def __init__(self, app: ASGIApp, why_not: Callable[[], str | None]) -> None:
        self._app = app
        self._why_not = why_not

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith("/v1/"):
                raw: bytes = scope.get("raw_path") or quote(path).encode()
                path = scope["path"] = _with_id(raw.decode("ascii", "replace"), scope["query_string"])
            if (path.startswith("/v1/") and path not in _ALWAYS) or path == "/metrics":
                reason = self._why_not()
                if reason is not None:
                    response = problem_response(503, f"not ready: {reason}", {"Retry-After": "1"})
                    await response(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _with_id(path: str, query: bytes) -> str:
    """The path with the id of `?id=` put in, where the path has room for one."""
    if b"id=" not in query:
        return path
    ids = [value for name, value in parse_qsl(query.decode("ascii", "replace")) if name == "id"]
    segments = path.strip("/").split("/")
    if not ids:
        return path
    name = quote(ids[0], safe="")
    if segments[:2] == ["v1", "scopes"] and len(segments) == 3:
        return f"{path.rstrip('/')}/{name}"
    rest = COLLECTIONS.get((segments[0], segments[1] if len(segments) > 1 else ""))
    last = "/".join(segments[2:])
    if rest is None or last not in rest:
        return path
    return "/".join(["", *segments[:2], name, *segments[2:]])
