"""A client of live push, as a browser would be one, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass
class Event:
    """One event as a browser would see it."""

    name: str
    data: dict[str, Any]
    id: str | None


class Client:
    """Talks to the app as a server would; `accepting` False: it takes nothing."""

    def __init__(self, app: Any, path: str, headers: dict[str, str] | None = None) -> None:
        self._app = app
        route, _, query = path.partition("?")
        self._scope = {
            "type": "http", "method": "GET", "path": route, "raw_path": route.encode(), "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()],
            "http_version": "1.1", "scheme": "http", "server": ("api", 80), "root_path": "",
        }  # fmt: skip
        self.accepting = True
        self.status = 0
        self.events: list[Event] = []
        self.news = asyncio.Event()
        self._gone = asyncio.Event()
        self._asked = False

    async def run(self) -> None:
        """One request, until either side leaves."""
        await self._app(self._scope, self._receive, self._send)

    def leave(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for events until the condition is true."""
        async with asyncio.timeout(10):
            while not condition():
                self.news.clear()
                await self.news.wait()

    def of(self, name: str) -> list[Event]:
        """The events of one name."""
        return [event for event in self.events if event.name == name]

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif not self.accepting:
            await asyncio.Event().wait()
        for block in message.get("body", b"").decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            if "data" in lines:
                self.events.append(Event(lines["event"], orjson.loads(lines["data"]), lines.get("id")))
        self.news.set()


@asynccontextmanager
async def connected(app: Any, path: str, headers: dict[str, str] | None = None) -> AsyncIterator[Client]:
    """A client whose request runs beside the test."""
    client = Client(app, path, headers)
    task = asyncio.create_task(client.run())
    try:
        yield client
        client.leave()
        await asyncio.wait_for(task, 10)
    finally:
        task.cancel()
