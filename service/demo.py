"""`floorwalker demo`: the whole service on this machine, with a simulated contact centre that is at work already."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.ask import Asker
from service.embedded import HOST, EmbeddedBroker
from service.errors import FailedError, UsageError
from service.processes import Interrupted, Processes
from service.simulate.options import SimulationOptions
from service.simulate.sample import sample_yaml
from service.topics import create_topics

PARTITIONS: Final = 4
SESSION_TIMEOUT_SECONDS: Final = 2
"""The shortest a worker accepts: the first one waits about this long for others to join its group."""

WARM_UP: Final = "60m"
"""So much simulated time has passed at the start: every rolling window is full."""

READY_TIMEOUT_MS: Final = 90_000
_WATCH_SECONDS: Final = 0.5
_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`seconds` None: until Ctrl-C."""

    port: int
    seconds: float | None
    simulation: SimulationOptions


@dataclass(frozen=True, slots=True)
class Ready:
    """What is served now, and how long after the first process's start the first KPI was."""

    url: str
    bootstrap: str
    log_dir: Path
    seconds_to_first_kpi: float


def run_demo(options: DemoOptions, show: Callable[[Ready], None]) -> None:
    """Start everything, call `show` once KPIs are served, run until Ctrl-C, SIGTERM or time is up, then stop it all.

    Call it in the main thread. Raises FailedError for a taken port or a process that fails, UsageError on a platform
    or an installation without the embedded broker.
    """
    if sys.platform == "win32":
        raise UsageError("the demo needs Linux or macOS: its worker does not run on Windows")
    check_port_free(options.port)
    stopping = threading.Event()
    with stopped_by_signals(stopping), tempfile.TemporaryDirectory(prefix="floorwalker-demo-") as folder:
        started = time.monotonic()
        with EmbeddedBroker() as broker, Processes(Path(folder), stopping) as processes:
            try:
                _start(processes, broker.bootstrap, options, Path(folder))
                processes.wait_until(lambda: _serves_kpis(options.port), READY_TIMEOUT_MS, "the first KPI")
                took = time.monotonic() - started
                show(Ready(f"http://{HOST}:{options.port}", broker.bootstrap, Path(folder), took))
                _run_until_over(processes, broker, options.seconds)
            except Interrupted:
                return


def check_port_free(port: int) -> None:
    """Raise FailedError if somebody uses the port."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        raise FailedError(
            f"port {port} of {HOST} cannot be used: {os.strerror(error.errno or 0)}; choose another with --port"
        ) from None


@contextmanager
def stopped_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Have the usual signals only set the event: stopping in order takes its time, and nothing is to cut it short."""
    before = {number: signal.signal(number, lambda *_: stopping.set()) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _start(processes: Processes, bootstrap: str, options: DemoOptions, folder: Path) -> None:
    """Start worker, API and simulator at the same time; the order matters only for stopping."""
    create_topics(bootstrap, PARTITIONS, 1)
    config = folder / "centre.yaml"
    config.write_text(sample_yaml(options.simulation), encoding="utf-8")
    common = ("--bootstrap", bootstrap, "--config", str(config))
    processes.start(
        "worker", "worker", *common, "--embedded", "--session-timeout-seconds", str(SESSION_TIMEOUT_SECONDS),
        "--data-dir", str(folder / "worker"),
    )  # fmt: skip
    processes.start(
        "api", "api", *common, "--host", HOST, "--port", str(options.port), "--data-dir", str(folder / "api")
    )
    simulation = options.simulation
    processes.start(
        "simulate", "simulate", "--bootstrap", bootstrap, "--speed", "1", "--warm-up", WARM_UP,
        "--seed", str(simulation.seed), "--scenario", simulation.scenario, "--queues", str(simulation.queues),
        *(("--agents", str(simulation.agents)) if simulation.agents is not None else ()),
    )  # fmt: skip


def _serves_kpis(port: int) -> bool:
    """Whether the API is ready and has a service level of today's or the last hour's contacts."""
    with Asker(port) as asker:
        if asker.json("/readyz") is None:
            return False
        queues = asker.json("/v1/queues?windows=60m")
    return bool(queues) and any(q["windows"]["60m"]["service_level_ratio"] is not None for q in queues["items"])


def _run_until_over(processes: Processes, broker: EmbeddedBroker, seconds: float | None) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        if broker.pid is None:
            raise FailedError(f"the embedded broker ended by itself:\n{broker.log}")
        processes.pause(_WATCH_SECONDS if end is None else max(0.0, min(_WATCH_SECONDS, end - time.monotonic())))
