"""A server of which every answer breaks off midway, as of one that is killed while it speaks."""

from __future__ import annotations

import threading
from socketserver import StreamRequestHandler, TCPServer
from types import TracebackType
from typing import Self

from service.embedded import HOST


class BrokenOff:
    """Promises JSON of a hundred bytes, says ten and closes; on a free port of loopback, in a thread of its own."""

    def __init__(self) -> None:
        self._server = TCPServer((HOST, 0), _Answer)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Any path of it answers alike."""
        return f"http://{HOST}:{self._server.server_address[1]}/"


class _Answer(StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            continue
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        self.wfile.write(head + b'{"items": ')
