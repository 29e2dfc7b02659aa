"""Clients of the live stream over real sockets: those that never read are dropped, and nobody else notices."""

from __future__ import annotations

import select
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import orjson
import pytest

from service.embedded import EmbeddedBroker
from service.topics import create_topics
from tests.integration.api_process import ApiProcess
from tests.integration.test_api import PARTITIONS, a_centre, publish
from tests.support.slow_client import who_never_reads
from tests.support.worker_processes import resident_mib

QUEUES = 400
SLOW_CLIENTS = 8
DROPPED_WITHIN_S = 90
MEMORY_LIMIT_MIB = 40
"""What is buffered for all slow clients together may come to; each is sent about a megabyte a second."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiProcess]:
    """Over a floor on which somebody waits in every queue, so that each is sent every second."""
    with EmbeddedBroker() as broker:
        create_topics(broker.bootstrap, PARTITIONS, 1)
        centre = a_centre()
        for number in range(QUEUES):
            centre.queued(f"w{number}", f"q{number}", ago_ms=5_000)
        centre.flush()
        publish(broker, centre)
        with ApiProcess(broker.bootstrap, tmp_path / "api.log") as started:
            started.until("/readyz")
            yield started


class Reader(threading.Thread):
    """Reads a stream as it comes; `waits` are the oldest waits that it was told of one queue."""

    def __init__(self, api: ApiProcess) -> None:
        super().__init__(daemon=True)
        self._api = api
        self.waits: list[float] = []
        self.more = threading.Condition()

    def run(self) -> None:
        # the stream ends with the API
        with suppress(httpx.TransportError), self._api.client.stream("GET", "/v1/stream?scopes=queue:q7") as answer:
            for line in answer.iter_lines():
                if line.startswith("data: ") and (now := orjson.loads(line[6:]).get("now")):
                    with self.more:
                        self.waits.append(now["oldest_wait_seconds"])
                        self.more.notify_all()

    def until(self, events: int) -> None:
        """Return when so many have come."""
        with self.more:
            assert self.more.wait_for(lambda: len(self.waits) >= events, DROPPED_WITHIN_S), self.waits


def test_clients_that_never_read_are_dropped_while_another_is_told_everything(api: ApiProcess) -> None:
    reader = Reader(api)
    reader.start()
    reader.until(3)
    pid = api.process.pid
    before = most = resident_mib(pid)
    slow = [who_never_reads(api.port) for _ in range(SLOW_CLIENTS)]
    try:
        connected, poll = set(slow), select.poll()
        of_fd = {client.fileno(): client for client in slow}
        for client in slow:
            poll.register(client, 0)  # tells only of a connection that is gone
        told = 0
        while connected:
            reader.until(told := told + 1)  # once a second, whatever becomes of the others
            connected -= {of_fd[fd] for fd, _ in poll.poll(0)}
            most = max(most, resident_mib(pid))
            assert told < DROPPED_WITHIN_S, f"{len(connected)} clients are still connected"
    finally:
        for client in slow:
            client.close()
    print(f"{SLOW_CLIENTS} clients dropped after {told} s; memory {before:.0f} MiB before, {most:.0f} MiB at most")
    reader.until(told + 2)
    assert reader.waits == sorted(reader.waits)
    assert max(b - a for a, b in zip(reader.waits, reader.waits[1:], strict=False)) < 10, "no event for seconds"
    assert most - before < MEMORY_LIMIT_MIB
