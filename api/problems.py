"""Errors as `application/problem+json` (RFC 9457)."""

import logging
from http import HTTPStatus
from typing import Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.security_headers import HEADERS

log = logging.getLogger(__name__)
PROBLEM: Final = "application/problem+json"


class Problem(Exception):
    """A request that cannot be answered: the HTTP status and one sentence for whoever asked."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def problem_body(status: int, detail: str) -> bytes:
    """The body of a problem."""
    title = HTTPStatus(status).phrase
    return orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})


def problem_response(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """The response of a problem."""
    return Response(problem_body(status, detail), status, headers, PROBLEM)


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(error.status, error.detail, error.headers)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        detail = f"there is nothing at {request.url.path}" if error.status_code == 404 else str(error.detail)
        return problem_response(error.status_code, detail, dict(error.headers or {}))

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return problem_response(400, f"{first['loc'][-1]}: {first['msg'][0].lower()}{first['msg'][1:]}")

    async def on_bug(request: Request, error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        # the framework answers this one outside of all middlewares, hence the headers
        return problem_response(500, "this request failed by a fault of the service; its log says more", HEADERS)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_bug)
