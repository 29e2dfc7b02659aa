"""The further processes of a worker, each for a stage of its own: Python runs one thread at a time, and the stages of a
busy floor take more than one processor.

Each is a member of a consumer group of its own and ends with its worker, however that ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, cast

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from service.config import Config
from service.processes import HELPER
from service.settings import ProcessSettings
from streams.batch_app import FloorwalkerApp
from streams.crash import crash_on_error, end_process
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

Work = Callable[[ProcessSettings, Config, CollectorRegistry], None]
"""What a process does until SIGTERM or Ctrl-C; its metrics are in the registry."""


class HelperProcess(Collector):
    """One process, from here to `stop`; `collect` gives its metrics.

    `vital`: if it ends alone, so does the worker; any other is started again.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        settings: ProcessSettings,
        config: Config,
        *,
        vital: bool,
        beside: Sequence[HelperProcess] = (),
    ) -> None:
        """Start it: before there are threads, since it begins as a copy of this process where that is safe (Linux).

        `beside` are those started before.
        """
        self.name = name
        self._job = name, work, settings, config
        self._vital = vital
        self._asking = threading.Lock()
        self._closing_s = 0.0
        self._start([helper._line for helper in beside], copied=sys.platform == "linux")

    def _start(self, lines: Sequence[Connection], *, copied: bool) -> None:
        """Start it; `lines` are this process's ends that a copy would have as well."""
        context = multiprocessing.get_context("fork") if copied else multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        unused = [*lines, self._line] if copied else []
        self._process = context.Process(target=_help, args=(*self._job, theirs, unused), name=self.name, daemon=True)
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
        if self._closing_s or self._process.is_alive():
            return
        code = self._process.exitcode
        if self._vital:
            if code == 0:  # in order, after a signal that was meant for the whole worker
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                end_process(f"the worker's process {self.name} ended with {code}")
        elif time.monotonic() - self._started >= RESTART_SECONDS:
            log.error("the worker's process %s ended with %s: starting it again", self.name, code)
            with self._asking:
                self._line.close()
                self._start([], copied=False)

    def close(self) -> None:
        """Let it stop in order, and do not wait."""
        self._closing_s = self._closing_s or time.monotonic()
        with self._asking:
            self._line.close()

    def stop(self) -> bool:
        """Let it stop, by force when it is not gone in time. Returns whether it ended in order."""
        self.close()
        self._process.join(max(0.0, self._closing_s + STOP_SECONDS - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        return self._process.exitcode == 0

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


def _help(
    name: str, work: Work, settings: ProcessSettings, config: Config, line: Connection, unused: Sequence[Connection]
) -> None:
    """What runs in the process; `unused` are its copies of the worker's ends, which would hide that that is gone."""
    for end in unused:
        end.close()
    with suppress(OSError):  # how `ps` and `top` call it, where there is such a file
        Path("/proc/self/comm").write_text(HELPER + name, "utf-8")
    registry = CollectorRegistry()
    threading.Thread(target=_answer, args=(line, registry), daemon=True).start()
    work(settings, config, registry)


def _answer(line: Connection, registry: CollectorRegistry) -> None:
    """Tell the metrics whenever asked, and end this process when the worker has."""
    try:
        while line.recv_bytes():
            line.send(list(registry.collect()))
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
