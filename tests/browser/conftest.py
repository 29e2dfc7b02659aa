"""A real Chromium looking at a real API; the floor behind it is written to the topics as the worker would."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from service.embedded import EmbeddedBroker, free_port
from service.topics import create_topics
from tests.integration.api_process import ApiProcess
from tests.integration.test_api import PARTITIONS, publish
from tests.unit.api.floors import Centre

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CONFIG = """
sites: {berlin: {timezone: Europe/Berlin}, wien: {timezone: Europe/Vienna}}
queues:
  sales: {name: Sales, site: berlin, group: front, service_level: {threshold_seconds: 20, target_ratio: 0.8}}
  service: {name: "客服", site: wien, group: front}
  mail: {site: berlin, channel: email, group: back}
agents: {"1001": {team: blue}, "1002": {team: red}}
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of its own; an error in a script or a refused resource fails the test."""
    context = browser.new_context(locale="en-GB", viewport={"width": 1400, "height": 900})
    found = context.new_page()
    errors: list[str] = []
    found.on("pageerror", lambda error: errors.append(str(error)))
    found.on("console", lambda said: errors.append(said.text) if "Content Security" in said.text else None)
    yield found
    context.close()
    assert errors == []


@dataclass
class Floor:
    """A broker with a floor's state, and the API over it, which may be stopped and started again."""

    broker: EmbeddedBroker
    folder: Path
    config: str = CONFIG
    centre: Centre = field(default_factory=Centre)
    port: int = field(default_factory=free_port)
    api: ApiProcess | None = None

    def __post_init__(self) -> None:
        create_topics(self.broker.bootstrap, PARTITIONS, 1)
        self.now()

    def now(self) -> Self:
        """The centre's clock is the wall's."""
        self.centre.now_ms = time.time_ns() // 1_000_000
        return self

    def publish(self) -> None:
        """What happened in the centre gets to the API. In a thread: Playwright's own event loop runs in this one."""
        self.centre.flush()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(publish, self.broker, self.centre).result()

    def start(self) -> Self:
        """Start the API, and wait until it is ready."""
        config = self.folder / "floor.yaml"
        config.write_text(self.config, "utf-8")
        self.api = ApiProcess(self.broker.bootstrap, self.folder / "api.log", config, self.port)
        self.api.until("/readyz")
        return self

    def stop(self) -> None:
        """The API is gone at once."""
        if self.api is not None:
            self.api.__exit__(None, None, None)
            self.api = None

    def ask(self, path: str) -> Any:
        """What the API says."""
        assert self.api is not None
        return self.api.client.get(path).json()

    @property
    def url(self) -> str:
        """Where the wallboard is."""
        return f"http://127.0.0.1:{self.port}/"


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    """Some calls of the last quarter of an hour, one caller who waits, two agents."""
    with EmbeddedBroker() as broker:
        made = Floor(broker, tmp_path)
        centre = made.centre
        centre.agent_state("1001", "ready", ago_ms=1_800_000)
        centre.agent_state("1002", "not_ready", ago_ms=600_000, reason="break")
        for number in range(8):
            agent = "1001" if number % 4 else None
            centre.call(f"c{number}", wait_ms=4_000 * number, agent=agent, ago_ms=60_000 * number + 5_000)
        centre.queued("w", ago_ms=10_000)
        made.publish()
        try:
            yield made.start()
        finally:
            made.stop()
