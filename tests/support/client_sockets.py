"""Closes what kafka-python 3.0.12 leaves to the garbage collector when a client is closed: the socket of a connection
that is refused or still being made (net/inet.py), and of one with something still to write (net/transport.py). Every
unclosed one would fail the test that runs when it is found.
"""

import socket
from typing import Any

from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaTCPTransport

_connect = KafkaNetSocket.sock_connect
_write = KafkaTCPTransport._write_to_sock


async def _connect_or_close(self: Any, net: Any, sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
    try:
        return await _connect(self, net, sock, *args, **kwargs)
    except BaseException:  # also what ends a coroutine that nobody waits for any more
        sock.close()
        raise


async def _write_or_close(self: Any) -> None:
    try:
        await _write(self)
    except GeneratorExit:
        if self._sock is not None:
            self._sock.close()
        raise


def close_sockets_given_up() -> None:
    """Do so from now on, in this process."""
    KafkaNetSocket.sock_connect = _connect_or_close
    KafkaTCPTransport._write_to_sock = _write_or_close
