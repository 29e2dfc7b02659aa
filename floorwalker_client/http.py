"""Asking an API of Floorwalker over kept connections, each request in bounded time; standard library only."""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

MOST_BYTES: Final = 64 * 1024 * 1024
_KEPT_CONNECTIONS: Final = 16


class NoAnswer(Exception):
    """Nobody answered in time, or what came was no whole answer; the text says why, without the token."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said. `headers` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """GET requests to one API, also from several threads at a time: each takes a kept connection that is idle."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """`url` as `https://floor.example:8080`, with a path where a proxy has put one before the API's own.

        Raises ValueError for what is no such address, and for a token that no header can hold.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no address of an API: it has to look like http://127.0.0.1:8080")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the address holds a user or a password: pass a token instead")
        if token is not None and not re.fullmatch(r"[!-~]+", token):
            raise ValueError("the token is empty or holds spaces or other characters that tokens have not")
        self.host, self._tls = parts.hostname, ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self._tls else 80)
        self._base = parts.path.rstrip("/")
        self._headers = {"User-Agent": "floorwalker-client", "Accept": "application/json"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._idle: deque[_Connection] = deque(maxlen=_KEPT_CONNECTIONS)

    def get(self, path: str, timeout_seconds: float, headers: Mapping[str, str] | None = None) -> Answer:
        """One answer of any status, within the time; only looking up the host's name may take longer.

        A kept connection that the other side has closed meanwhile is replaced once. Raises NoAnswer.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            kept = self._idle.pop()
        except IndexError:
            return self._ask(_Connection(self.host, self.port, self._tls), path, headers, deadline)
        try:
            return self._ask(kept, path, headers, deadline)
        except _GoneMeanwhile:
            return self._ask(_Connection(self.host, self.port, self._tls), path, headers, deadline)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _ask(self, connection: _Connection, path: str, headers: Mapping[str, str] | None, deadline: float) -> Answer:
        try:
            answer = connection.get(self._base + path, {**self._headers, **(headers or {})}, deadline)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
                raise _GoneMeanwhile(_words(error)) from None
            raise NoAnswer(_words(error)) from None
        if connection.reusable:
            if len(self._idle) == _KEPT_CONNECTIONS:
                connection.close()
            else:
                self._idle.append(connection)
        return answer


class _GoneMeanwhile(NoAnswer):
    """The other side closed the connection before it said anything, as servers do with idle ones."""


class _Connection:
    """One connection, made with its first request."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._http = http.client.HTTPConnection(host, port)
        self._wire: _Wire | None = None
        self.reusable = False

    def get(self, path: str, headers: Mapping[str, str], deadline: float) -> Answer:
        """One answer. Raises OSError (as TimeoutError) or HTTPException; the connection is to be closed then."""
        if self._wire is None:
            self._wire = _Wire(_connected(self._host, self._port, self._tls, deadline))
            self._http.sock = cast(socket.socket, self._wire)
        self._wire.deadline = deadline
        self._http.request("GET", path, headers=dict(headers))
        with self._http.getresponse() as response:
            body = response.read(MOST_BYTES + 1)
            if len(body) > MOST_BYTES:
                raise http.client.HTTPException(f"the answer is longer than {MOST_BYTES} bytes")
            self.reusable = not response.will_close
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, body)

    def close(self) -> None:
        """Close it."""
        self._http.close()


class _Wire:
    """A socket as http.client uses one, with a deadline for everything together.

    A socket's own timeout is for each receiving anew: a server that sends a byte now and then would hold us for hours.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.deadline = 0.0

    def sendall(self, data: bytes) -> None:
        """Send it all."""
        self.sock.settimeout(_left(self.deadline))
        self.sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """The answer to read; the socket stays open until it is closed."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close it when the last reader is closed."""
        self.sock.close()


class _Reader(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire, self._raw = wire, wire.sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int | None:
        self._wire.sock.settimeout(_left(self._wire.deadline))
        return self._raw.readinto(memoryview(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


def _connected(host: str, port: int, tls: ssl.SSLContext | None, deadline: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one. Raises OSError."""
    failure: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(deadline))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(_left(deadline))
            return sock if tls is None else tls.wrap_socket(sock, server_hostname=host)
        except OSError as error:
            sock.close()
            failure = error
    raise failure or OSError(f"{host} has no address")


def _left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _words(error: Exception) -> str:
    """What went wrong, in a few words."""
    match error:
        case TimeoutError():
            return "no answer in time"
        case http.client.IncompleteRead():
            return "the answer broke off"
        case http.client.RemoteDisconnected():
            return "the connection was closed without an answer"
        case OSError(strerror=str(reason)):
            return reason
    return f"not understood: {error or type(error).__name__}"
