"""Limits of connections, below HTTP: how many, how large a request, how long its head may take to come."""

import asyncio
import socket
import struct
from http import HTTPStatus
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.problems import PROBLEM, problem_body
from api.security_limits import MOST_BODY_BYTES, MOST_URL_BYTES

MOST_REQUEST_BYTES: Final = 2 * (MOST_URL_BYTES + MOST_BODY_BYTES)
"""Of head and body together; twice what is answered, so that who sends a little too much is told why."""

HEAD_SECONDS: Final = 20.0
KEEP_ALIVE_SECONDS: Final = 65
"""A little longer than proxies keep idle connections, so that it is they who close them."""

CUT: Final = "floorwalker.cut"
"""The extension of the ASGI scope that ends the connection at once."""

NO_LINGER: Final = struct.pack("ii", 1, 0)


def bounded(most_connections: int) -> type[HttpToolsProtocol]:
    """The protocol for uvicorn, with a limit to the connections of all clients together."""
    return type("Bounded", (BoundedProtocol,), {"most_connections": most_connections})


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which itself takes any number of clients, and heads of any size however slowly they come."""

    most_connections: int
    _taken_bytes = 0
    _in_head = True
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, if there are not too many."""
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, f"there are {self.most_connections} connections, the most allowed"
            )
        else:
            self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, but not without end."""
        self._taken_bytes += len(data)
        super().data_received(data)
        if self._taken_bytes <= MOST_REQUEST_BYTES or self.transport.is_closing():
            return
        if self._in_head:
            detail = f"the head of the request is larger than {MOST_REQUEST_BYTES} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
        else:
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.scope["extensions"] = cast(Any, {CUT: self._cut})
        self._taken_bytes = 0
        if not self._in_head:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """The head has come."""
        self._end_head()
        super().on_headers_complete()

    def _cut(self) -> None:
        """End the connection without sending what the client does not take: an orderly end would wait for that, here
        and then in the system, which keeps what was handed to it.
        """
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    def _begin_head(self) -> None:
        self._in_head = True
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        self._in_head = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer without having read a request, and close."""
        body = problem_body(status, detail)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {PROBLEM}\r\ncontent-length: {len(body)}\r\n"
            "retry-after: 5\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
