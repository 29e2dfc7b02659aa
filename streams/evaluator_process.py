"""The second process of a worker, which evaluates the alert rules: reading and judging the whole floor would otherwise
hold up the stream, whose events share one thread with it.

It is a member of a consumer group of its own, ends with its worker, however that ends, and is started again if it ends
alone: alerts never stop the counting.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from typing import Any, Final, cast

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from service.config import Config
from service.settings import ProcessSettings
from streams.batch_app import FloorwalkerApp
from streams.crash import crash_on_error
from streams.evaluate import run_evaluator
from streams.shutdown import STOP_TIMEOUT_S

WATCH_SECONDS: Final = 1.0
RESTART_SECONDS: Final = 5.0
"""From one start to the next, at least."""

STOP_SECONDS: Final = STOP_TIMEOUT_S - 2
"""Since it was to stop: then it is killed, so that a worker that has flushed everything need not end with an error.
All that it has done is in Kafka.
"""

ANSWER_SECONDS: Final = 2.0
log = logging.getLogger(__name__)


class EvaluatorProcess(Collector):
    """The process, from here to `stop`; `collect` gives its metrics to the worker's registry."""

    def __init__(self, settings: ProcessSettings, config: Config) -> None:
        """Start it: before there are threads, since it begins as a copy of this process where that is safe (Linux)."""
        self._settings = settings
        self._config = config
        self._asking = threading.Lock()
        self._closing_s = 0.0
        self._start(copied=sys.platform == "linux")

    def _start(self, *, copied: bool) -> None:
        context = multiprocessing.get_context("fork") if copied else multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        unused = self._line if copied else None
        self._process = context.Process(
            target=_evaluate, args=(self._settings, self._config, theirs, unused), name="evaluator", daemon=True
        )
        self._started = time.monotonic()
        self._process.start()
        theirs.close()

    def attach(self, app: FloorwalkerApp) -> None:
        """Have the worker's app watch over it, and let it stop when the app does."""
        app.timer(WATCH_SECONDS)(crash_on_error(self._watch))
        app.on_before_shutdown.connect(cast(Any, self._close_with))

    async def _close_with(self, app: Any, **kwargs: Any) -> None:
        self.close()

    async def _watch(self) -> None:
        if self._closing_s or self._process.is_alive() or time.monotonic() - self._started < RESTART_SECONDS:
            return
        log.error("the process that evaluates the alert rules ended with %s: starting it again", self._process.exitcode)
        with self._asking:
            self._line.close()
            self._start(copied=False)

    def close(self) -> None:
        """Let it stop in order, and do not wait."""
        self._closing_s = self._closing_s or time.monotonic()
        with self._asking:
            self._line.close()

    def stop(self) -> None:
        """Let it stop, by force when it is not gone in time."""
        self.close()
        self._process.join(max(0.0, self._closing_s + STOP_SECONDS - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: what it has is asked for at each scrape."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Its metrics; none while it does not answer."""
        with self._asking:
            try:
                while self._line.poll():  # an answer that came too late
                    self._line.recv()
                self._line.send_bytes(b"metrics")
                return list(self._line.recv()) if self._line.poll(ANSWER_SECONDS) else []
            except (EOFError, OSError):
                return []


def _evaluate(settings: ProcessSettings, config: Config, line: Connection, unused: Connection | None) -> None:
    """What runs in the process; `unused` is its copy of the worker's end, which would hide that the worker ended."""
    if unused is not None:
        unused.close()
    registry = CollectorRegistry()
    threading.Thread(target=_answer, args=(line, registry), daemon=True).start()
    run_evaluator(settings, config, registry)


def _answer(line: Connection, registry: CollectorRegistry) -> None:
    """Tell the metrics whenever asked, and end this process when the worker has."""
    try:
        while line.recv_bytes():
            line.send(list(registry.collect()))
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
