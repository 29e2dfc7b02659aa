"""The whole way of an event for tests: topics, worker and API by the real command, and the state feed read back."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaProducer

from service.config import load_config
from service.embedded import free_port
from service.main import main
from service.processes import Child, Processes
from service.topics import create_topics
from tests.support.feed_tail import FeedTail
from tests.support.same_numbers import api_differences, differences, feed_rows, report_rows

ROOT = Path(__file__).parents[2]
EVENTS = "cti.events"
LARGEST_RECORD_BYTES = 4 << 20
API_TIMEOUT_S = 10.0
WITH_PARTITIONS = 2
"""Processes of a worker that have partitions to load: CORRELATE and AGGREGATE."""

Record = tuple[bytes | None, bytes | None]
Placed = tuple[bytes | None, bytes | None, int | None]
"""A record and the partition it is to be in."""

Place = tuple[int, int]
"""Partition and offset of a record."""

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A recording as the commands take it: files, their format, and the configuration they are read with."""

    files: Sequence[Path]
    format: str
    config: Path

    @property
    def arguments(self) -> list[str]:
        """What `ingest` and `report` are told."""
        return [*map(str, self.files), "--format", self.format, "--config", str(self.config)]


def run_report(source: Source, attribution: str = "outcome") -> Report:
    """What `floorwalker report` says of the recording; in this process, which has imported everything already."""
    out, errors = io.BytesIO(), io.StringIO()
    with redirect_stdout(io.TextIOWrapper(out)), redirect_stderr(errors):
        code = main(["report", *source.arguments, "--json", "--attribution", attribution])
        assert code == 0 and not errors.getvalue(), errors.getvalue()
        report: Report = json.loads(out.getvalue())
    return report


def is_ready(worker: Child) -> bool:
    """Whether each process of a worker has loaded its partitions once."""
    return worker.log_text().count("Worker ready") >= WITH_PARTITIONS


class StreamRun:
    """One broker's topics and the processes over them, as an asynchronous context manager.

    `embedded` says which kind of broker `bootstrap` is: it has no producer ids, and its topics are gone with it. The
    topics have fixed names, so a broker serves one run at a time.
    """

    def __init__(self, bootstrap: str, config: Path, folder: Path, *, embedded: bool, partitions: int = 3) -> None:
        self.bootstrap = bootstrap
        self.config = config
        self.folder = folder
        self.embedded = embedded
        self.replication = 1
        self.worker_bootstrap: str | None = None  # where workers find the broker, if not where all others do
        self.partitions = partitions
        self.sent = 0
        self.feed = FeedTail(bootstrap)
        self.api: Child | None = None  # its process, once it was started
        self._api: str | None = None
        self._processes = Processes(folder)
        self._children: list[Child] = []
        self._started = 0

    async def __aenter__(self) -> Self:
        create_topics(self.bootstrap, self.partitions, self.replication)
        await self.feed.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.feed.stop()
        for child in self._children:
            if child.exit_code is None:  # to stop tidily takes two seconds, and has tests of its own
                os.killpg(child.pid, signal.SIGKILL)
        self._processes.__exit__(kind, error, trace)

    # --- processes --------------------------------------------------------------------------------------------------

    def start_worker(self, *more: str, module: str = "service.main") -> Child:
        """Start one more worker with a data directory of its own; its output is in a file beside it.

        `more` are further options; `module` is run in the command's place.
        """
        self._started += 1
        name = f"worker-{self._started}"
        arguments = ["--bootstrap", self.worker_bootstrap or self.bootstrap, "--config", str(self.config)]
        arguments += ["--data-dir", str(self.folder / name), "--session-timeout-seconds", "2"]
        if self.embedded:
            arguments.append("--embedded")
        return self._keep(self._processes.start_module(name, module, "worker", *arguments, *more))

    def start_api(self) -> str:
        """Start an API whose clock is the newest event; returns its address."""
        port = free_port()
        arguments = ["--bootstrap", self.bootstrap, "--config", str(self.config), "--clock", "stream"]
        arguments += ["--port", str(port), "--data-dir", str(self.folder / "api")]
        self.api = self._keep(self._processes.start("api", "api", *arguments))
        self._api = f"http://127.0.0.1:{port}"
        return self._api

    def _keep(self, child: Child) -> Child:
        self._children.append(child)
        return child

    def kill(self, child: Child) -> None:
        """Kill -9 all processes of a worker at once."""
        os.killpg(child.pid, signal.SIGKILL)
        self._processes.stop(child)

    async def until_ready(self, workers: Sequence[Child]) -> None:
        """Return when all of them have loaded their partitions once."""
        await self.until(lambda: all(is_ready(worker) for worker in workers), "workers are ready")

    async def until_ended(self, child: Child, timeout_s: float = 30.0) -> int:
        """Wait for a worker that ends by itself; returns its exit code."""
        await self.until(lambda: child.exit_code is not None, f"{child.name} ends", timeout_s)
        self._processes.stop(child)
        return child.exit_code or 0

    async def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s\n{self.logs()}"
            await asyncio.sleep(0.02)

    def check(self) -> None:
        """Raise ChildDied if a process ended by itself."""
        self._processes.check()

    # --- events in --------------------------------------------------------------------------------------------------

    async def ingest(self, source: Source, *more: str) -> int:
        """Send a recording with the real command; returns how many events it sent."""
        self._started += 1
        state, keys = self.folder / f"ingest-{self._started}.state", self.folder / "customers.key"
        keys.write_text(f"k1: {'A' * 43}=\n", "utf-8")  # without one, customers' numbers would be dropped
        command = [sys.executable, "-m", "service.main", "ingest", *source.arguments, "--state", str(state), *more]
        process = await asyncio.create_subprocess_exec(
            *command,
            "--bootstrap",
            self.bootstrap,
            "--customer-key-file",
            str(keys),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        sent = int(out.split()[0])
        self.sent += sent
        return sent

    async def send(self, records: Sequence[Record], topic: str = EVENTS) -> list[Place]:
        """Append records as they are, in their order within a key; returns where each of them is."""
        return await self.send_to([(key, value, None) for key, value in records], topic)

    async def send_to(self, records: Sequence[Placed], topic: str = EVENTS) -> list[Place]:
        """Append records to the partitions they name; None: the key's."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", linger_ms=20, max_batch_size=1 << 20,
            max_request_size=2 * LARGEST_RECORD_BYTES, enable_idempotence=not self.embedded,
        )  # fmt: skip
        await producer.start()
        try:
            written = await asyncio.gather(
                *[await producer.send(topic, value, key, partition) for key, value, partition in records]
            )
        finally:
            await producer.stop()
        if topic == EVENTS:
            self.sent += len(records)
        return [(place.partition, place.offset) for place in written]

    async def read_anew(self) -> None:
        """Forget what the feed said and read it from its beginning: its topics are others now."""
        await self.feed.stop()
        self.feed = FeedTail(self.bootstrap)
        await self.feed.start()

    # --- state out --------------------------------------------------------------------------------------------------

    async def settle(self, timeout_s: float = 60.0) -> None:
        """Return when everything that was sent is in the state feed and the feed has been read to its end."""
        try:
            await self.feed.until_applied(self.sent, self.check, timeout_s)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None

    async def differences(self, source: Source, attribution: str = "outcome") -> list[str]:
        """Where the state feed, or else the API if one was started, does not say what `report` says; after `settle`.

        The API reads the feed by itself, so it is asked again for a while before a difference counts.
        """
        report = await asyncio.to_thread(run_report, source, attribution)
        floor = load_config(self.config).floor()
        wrong = differences(report_rows(report), feed_rows(self.feed, floor, attribution, report["cut_off"]))
        if wrong or self._api is None:
            return ["state feed:", *wrong] if wrong else []
        async with httpx.AsyncClient(base_url=self._api, timeout=10) as client:
            deadline = time.monotonic() + API_TIMEOUT_S
            while wrong := await api_differences(client, report, attribution):
                if time.monotonic() > deadline:
                    return ["API:", *wrong]
                await self.feed.read()  # a moment, and no more than that
        return []

    async def until_taken(self, events: int, timeout_s: float = 60.0) -> None:
        """Return when so many records of `cti.events` have been worked off and written down."""
        deadline = time.monotonic() + timeout_s
        while self.feed.taken < events:
            assert time.monotonic() < deadline, f"{self.feed.taken} of {events} events taken\n{self.logs()}"
            await self.feed.read()

    def logs(self) -> str:
        """The end of every process's output."""
        return "\n".join(f"--- {p.name}\n{p.read_text(errors='replace')[-3000:]}" for p in self.folder.glob("*.log"))
