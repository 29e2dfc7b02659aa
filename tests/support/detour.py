"""A TCP proxy whose network can stall: connections stay open and nothing passes, until it flows again."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from service.embedded import HOST

CHUNK = 1 << 16


class Detour:
    """Forwards `port` to `target_port` on loopback, as an asynchronous context manager."""

    def __init__(self, port: int, target_port: int) -> None:
        self.port = port
        self._target_port = target_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, HOST, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def bootstrap(self) -> str:
        """The address for Kafka clients."""
        return f"{HOST}:{self.port}"

    def stall(self) -> None:
        """Let nothing pass any more."""
        self._flows.clear()

    def flow(self) -> None:
        """Let everything pass again, first what came in meanwhile."""
        self._flows.set()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to where it leads; None if nobody takes it."""
        return await connected(self._target_port)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self.connect()
        if there is None:
            writer.close()
            return
        for source, target in ((reader, there[1]), (there[0], writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(CHUNK):
                await self._flows.wait()
                target.write(chunk)
                await target.drain()
        except ConnectionError:
            return  # the other side finds out when it is closed
        finally:
            target.close()


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """A connection to a port of loopback; None if nobody takes it."""
    try:
        return await asyncio.open_connection(HOST, port)
    except OSError:
        return None
