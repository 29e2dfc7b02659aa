"""A receiver of notices on this machine that behaves as badly as a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Heard:
    """One request: what it said, and how it was answered (0: not at all)."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def answers(status: int, text: str = "", headers: dict[str, str] | None = None) -> Behaviour:
    """Always this."""

    async def behave(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers)

    return behave


async def hangs(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def talks_for_ever(request: web.Request) -> web.StreamResponse:
    """An error with a body that does not end."""
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b"blah " * 1000)
    return response


def then(*behaviours: Behaviour) -> Behaviour:
    """One after the other; the last one from then on."""
    left = list(behaviours)

    async def behave(request: web.Request) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(request)

    return behave


class HttpReceiver:
    """A server of this machine; what it was asked is in `heard`. Stopped and started, it keeps its port."""

    def __init__(self, behave: Behaviour | None = None) -> None:
        self.behave = behave or answers(200, "ok")
        self.heard: list[Heard] = []
        self.asked = 0
        self.port = 0
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
        """Wait until it holds; looked at after every request."""
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(condition)
        except TimeoutError:
            told = "\n".join(f"{one.status} {one.path} {one.body[:300]!r}" for one in self.heard)
            raise AssertionError(f"{what}: not within {timeout_s} s; heard:\n{told}") from None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        status = 0
        self.asked += 1
        async with self._changed:
            self._changed.notify_all()
        try:
            response = await self.behave(request)
            status = response.status
        finally:
            self.heard.append(Heard(request.path, dict(request.headers), body, status))
            async with self._changed:
                self._changed.notify_all()
        return response
