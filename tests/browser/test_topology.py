"""`make topology`: all that deploy/compose.yaml describes runs without containers, and the wallboard goes on when parts
of it are killed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import TopicPartition
from playwright.sync_api import Page, expect

from service.config import load_config
from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.view import FloorView
from service.embedded import dying_with_parent
from service.settings import ProcessSettings
from service.topic_reading import reading, until_the_end
from tests.support.balancer import Balancer

ROOT = Path(__file__).parents[2]
FLOOR = load_config(ROOT / "deploy/examples/simulated-centre.yaml").floor()
START_S = 90.0
SLOW_MS = 60_000
QUIET_MS = 240_000
"""Longer than no contact comes or is answered on any day: three a minute come, and each date has others."""

COUNTS = "JSON.stringify([...document.querySelectorAll('.tile .counts')].map(each => each.innerText))"
"""`answered / offered` of every tile."""

COMPARED = ("offered", "answered", "abandoned")


@dataclass
class Running:
    """The command as its user sees it: what it said, and where things are."""

    process: subprocess.Popen[bytes]
    log: Path
    pids: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    def said(self) -> str:
        """All its output."""
        return self.log.read_text("utf-8")

    def until(self, holds: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert self.process.poll() is None and time.monotonic() < deadline, f"{what}:\n{self.said()}"
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.2)

    def read(self) -> None:
        """Learn what the table says."""
        for name, pid, address in re.findall(r"│ (\S+)\s+│ (\d+)\s+│ (\S*)\s*│", self.said()):
            self.pids[name], self.addresses[name] = int(pid), address.removeprefix("http://")

    @property
    def token(self) -> str:
        """What the wallboard asks for."""
        return self.said().partition("asks for a token: ")[2].split()[0]

    @property
    def folder(self) -> Path:
        """Where it keeps everything."""
        return Path(self.said().partition("logs, while it runs: ")[2].split()[0]).parent

    def kill(self, part: str) -> None:
        """Kill -9."""
        os.kill(self.pids[part], signal.SIGKILL)

    def ask(self, part: str, path: str) -> Any:
        """What a part answers."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.get(f"http://{self.addresses[part]}{path}", headers=headers, timeout=10).raise_for_status().json()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    log = tmp_path / "topology.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            dying_with_parent([sys.executable, "-m", "deploy.topology"]), cwd=ROOT, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", "TMPDIR": tempfile.gettempdir()},
        )  # fmt: skip
    made = Running(process, log)
    try:
        made.until(lambda: "Ctrl-C stops everything" in made.said(), "it has started")
        made.read()
        yield made
    finally:
        process.terminate()
        process.wait(60)


def readings(bootstrap: str) -> dict[str, dict[str, int]]:
    """The day of every queue and who waits, folded anew from all events in Kafka, by the domain alone."""
    aggregate = AggregateStore(FLOOR)
    partitions = [TopicPartition("cti.events", number) for number in range(ProcessSettings().partitions)]
    stores = {tp.partition: CorrelateStore(FLOOR) for tp in partitions}
    with reading(bootstrap, partitions) as consumer:
        for record in until_the_end(consumer):
            with suppress(InvalidEvent):
                for fact in stores[record.partition].take(record.value, record.timestamp, record.offset):
                    aggregate.apply(fact)
    view = FloorView(FLOOR, Calendars(FLOOR), time.time_ns() // 1_000_000)
    found = {}
    for queue in aggregate.scopes.queues.values():
        day = view.queue_totals(queue, "day")
        waiting = sum(visit.net > 0 for visit in queue.waiting.values())
        found[queue.queue_id] = {name: getattr(day, name) for name in COMPARED} | {"waiting": waiting}
    return found


def shown(answer: Any) -> dict[str, dict[str, int]]:
    """The same, as the API says it."""
    return {
        queue["id"]: {name: queue["windows"]["day"][name] for name in COMPARED} | {"waiting": queue["now"]["waiting"]}
        for queue in answer["items"]
    }


def goes_on(page: Page) -> None:
    """The connection lives, and what happens on the floor from now on is seen."""
    expect(page.locator("#status")).to_have_class("live", timeout=SLOW_MS)
    page.wait_for_function(f"before => {COUNTS} !== before", arg=page.evaluate(COUNTS), timeout=QUIET_MS)


def test_the_wallboard_goes_on_when_a_replica_of_the_api_and_a_worker_are_killed(page: Page, running: Running) -> None:
    """Behind a load balancer a user has one address, and a browser connects to it again by itself."""
    assert {"worker-1", "worker-2", "api-1", "api-2", "simulate-1"} <= running.pids.keys()
    first, second = (int(running.addresses[name].partition(":")[2]) for name in ("api-1", "api-2"))
    with Balancer([first, second]) as balancer:
        page.goto(f"http://127.0.0.1:{balancer.port}/")
        page.locator("#token").fill(running.token)
        page.locator("#login button").click()
        goes_on(page)

        balancer.take_out(first)
        running.kill("api-1")
        goes_on(page)
        assert page.locator("#login").is_hidden(), "the other replica knows the session"

        running.kill("worker-1")
        goes_on(page)

        for part in ("api-1", "worker-1"):
            running.until(lambda part=part: f"{part} ended with code -9 and was started again" in running.said(), part)
        bootstrap = running.addresses.get("kafka-1") or running.said().partition(", at ")[2].split()[0]
        for replica in ("api-2", "api-1"):
            running.until(
                lambda replica=replica: shown(running.ask(replica, "/v1/queues?windows=day")) == readings(bootstrap),
                f"{replica} says what the events in Kafka say",
            )

    parts = {name: pid for name, pid in running.pids.items() if name not in ("api-1", "worker-1")}
    folder = running.folder
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0, running.said()
    assert "everything is stopped" in running.said()
    assert not folder.exists()
    assert [name for name, pid in parts.items() if Path(f"/proc/{pid}").exists()] == []
    assert [p for p in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in p.read_bytes()] == []
