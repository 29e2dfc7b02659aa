"""Asks an API at a fixed rate, however long its answers take:
`python -m service.bench.open_loop PORT PER_SECOND SECONDS RESULT PATH...`.

A request's clock starts when it is due, not when it is sent, so that a late answer counts against all that were due
meanwhile. Connections are kept; as many requests as there are connections may be on their way at once.
"""

import asyncio
import itertools
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

CONNECTIONS: Final = 16
FIRST_REQUESTS: Final = 20
"""Of each connection, before the clock starts."""


@dataclass(slots=True)
class Asked:
    """Seconds from when each request was due until its answer was read, and how often each status came."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


class OpenLoop:
    """Requests that are due at a steady rate, shared out among connections."""

    def __init__(self, port: int, per_second: float, seconds: float, paths: list[str]) -> None:
        self._port = port
        self._pause = 1 / per_second
        self._due = iter(range(int(per_second * seconds)))
        self._requests = itertools.cycle([f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for path in paths])
        self.asked = Asked()

    async def run(self) -> Asked:
        """Ask them all, once every connection has had answers: what a first question costs is not what is measured."""
        connections = [await self._connected() for _ in range(CONNECTIONS)]
        self._start = time.perf_counter()
        await asyncio.gather(*(self._ask(*connection) for connection in connections))
        return self.asked

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        for _ in range(FIRST_REQUESTS):
            writer.write(next(self._requests))
            await _answer(reader)
        return reader, writer

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for number in self._due:
                due = self._start + number * self._pause
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                writer.write(next(self._requests))
                status = await _answer(reader)
                self.asked.seconds.append(time.perf_counter() - due)
                self.asked.statuses[status] = self.asked.statuses.get(status, 0) + 1
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status of an answer, whose body is read and thrown away."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


def main(words: list[str]) -> None:
    """Ask, and write what was found to the file RESULT."""
    port, per_second, seconds, result, *paths = words
    asked = asyncio.run(OpenLoop(int(port), float(per_second), float(seconds), paths).run())
    Path(result).write_bytes(msgspec.json.encode(asked))


if __name__ == "__main__":
    main(sys.argv[1:])
