"""A client of the live stream that asks for everything and then does nothing."""

from __future__ import annotations

import socket

from service.embedded import HOST


def who_never_reads(port: int) -> socket.socket:
    """Connected, with as small a buffer of its own as the system allows."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((HOST, port))
    client.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: floor\r\n\r\n")
    return client
