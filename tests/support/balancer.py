"""What stands before the replicas of the API: one address, and each connection goes to a replica that answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from service.embedded import free_port
from tests.support.detour import Detour, connected


class Balancer:
    """Forwards TCP connections to the first of the ports that takes them, in a thread of its own."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = free_port()
        self._ports = list(ports)
        self._way = _WayToAny(self.port, self._ports)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._way.__aenter__(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._way.__aexit__(kind, error, trace), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def take_out(self, port: int) -> None:
        """Send nobody to this replica any more, even if it comes back."""
        self._ports.remove(port)


class _WayToAny(Detour):
    """Leads to the first of several ports that takes the connection; the list may change."""

    def __init__(self, port: int, ports: Sequence[int]) -> None:
        super().__init__(port, ports[0])
        self._ports = ports

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for port in tuple(self._ports):
            if (there := await connected(port)) is not None:
                return there
        return None
