"""No socket is left behind by a Kafka client that gives up a connection."""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaTCPTransport


class OneStep:
    """What waits for a socket to be writable."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Net:
    def wait_write(self, sock: socket.socket, timeout_at: float | None = None) -> OneStep:
        return OneStep()


def connecting(monkeypatch: pytest.MonkeyPatch, outcome: int) -> tuple[socket.socket, Any]:
    monkeypatch.setattr(KafkaNetSocket, "connect_ex", lambda self, sock, address: outcome)
    sock = socket.socket()
    return sock, KafkaNetSocket().sock_connect(Net(), sock, ("127.0.0.1", 1))


def test_a_connection_given_up_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    sock, connection = connecting(monkeypatch, errno.EINPROGRESS)
    connection.send(None)
    assert sock.fileno() >= 0
    connection.close()
    assert sock.fileno() == -1


def test_a_refused_connection_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    sock, connection = connecting(monkeypatch, errno.ECONNREFUSED)
    with pytest.raises(KafkaConnectionError):
        connection.send(None)
    assert sock.fileno() == -1


def test_a_connection_closed_with_something_to_write_leaves_no_socket() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        transport = KafkaTCPTransport(Net(), ours)
        transport._write_buffer.append(b"a request")
        writing = transport._write_to_sock()
        writing.send(None)
        transport.close()
        assert ours.fileno() >= 0
        writing.close()
        assert ours.fileno() == -1
