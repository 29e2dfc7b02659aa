"""How fast routing queries are answered while events flow:
`python -m service.bench.routing [QUEUES EVENTS_PER_SECOND REQUESTS_PER_SECOND SECONDS]`.

Worker, API, a load of the five-event mix and who asks share this machine. Asked in turn: ten queues, and one. Without
events first, which tells what the query itself takes; at last with a state feed made beforehand and without a worker,
the API on one core and all else on the others where the system lets us choose, which tells what one core does.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from service.ask import Asker, quantile
from service.bench.feed import FLUSH_MS, flushes, send_paced
from service.bench.latency import measure_latency, starting_soon
from service.bench.load import Mix
from service.bench.open_loop import Asked
from service.bench.place import EMBEDDED, Place, prepared
from service.config import load_config
from service.console import print_line
from service.embedded import free_port
from service.processes import Child, Processes

AGENTS: Final = 10_000
"""Two for each queue; 10,000 events/s are a contact of each every five seconds, far more than people take."""

PARTITIONS: Final = 4
WARM_UP_SECONDS: Final = 4.0
AROUND_SECONDS: Final = WARM_UP_SECONDS + 4.0
"""The load begins before the asking, and lasts until it is surely over."""

_START_MS: Final = 60_000
_MAKE_MS_PER_EVENT: Final = 0.2
_CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
"""Those we may use; none where the system does not let us choose."""

T = TypeVar("T")


@contextmanager
def _on(cores: list[int]) -> Iterator[None]:
    """Start processes, and run ourselves, on these cores."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class _Run:
    def __init__(self, place: Place, processes: Processes, folder: Path, queues: int, *, worker: bool = True) -> None:
        self._place, self._processes, self._folder, self._queues = place, processes, folder, queues
        self._port = free_port()
        config = self._config = folder / "floor.yaml"
        names = "\n".join(f"  q{number:02d}: {{channel: voice}}" for number in range(1, queues + 1))
        config.write_text(f"queues:\n{names}\n", "utf-8")
        common = ("--config", str(config), "--log-level", "warning")
        with _on(_CORES if worker else _CORES[:1]):
            self._children = {
                "api": processes.start(
                    "api", "api", "--bootstrap", place.bootstrap, "--port", str(self._port), "--data-dir",
                    str(folder / "api"), *common,
                ),
            }  # fmt: skip
        if worker:
            self._children["worker"] = processes.start(
                "worker", "worker", *place.worker_arguments, "--data-dir", str(folder / "worker"), *common
            )
        with Asker(self._port) as asker:
            processes.wait_until(lambda: asker.json("/readyz") is not None, _START_MS, "the API's start")

    def ask(self, per_second: float, seconds: float) -> tuple[Child, Path]:
        """Start who asks."""
        chosen = random.Random(1)
        paths = []
        for count in (10, 1) * 50:
            ids = ",".join(f"q{chosen.randint(1, self._queues):02d}" for _ in range(count))
            paths.append(f"/v1/routing/queues?ids={ids}")
        result = self._folder / "asked.json"
        words = (str(self._port), str(per_second), str(seconds), str(result), *paths)
        return self._processes.start_module("asker", "service.bench.open_loop", *words), result

    def quiet(self, per_second: float, seconds: float) -> None:
        """Ask while nothing happens."""
        asker, result = self.ask(per_second, seconds)
        self._processes.finish(asker, round(seconds * 1000) + _START_MS)
        self._say("no events", result)

    def under_load(self, events_per_second: int, per_second: float, seconds: float) -> None:
        """Ask while events flow, from WARM_UP_SECONDS on."""
        mix = self._mix(events_per_second, seconds, 0.0)

        async def load() -> list[float]:
            return await measure_latency(
                self._place.bootstrap, self._port, mix, seconds + AROUND_SECONDS, WARM_UP_SECONDS, "routing"
            )

        ages = self._asked_during(load, mix, f"{events_per_second} events/s", per_second, seconds)
        print_line(f"  events to API: p50 {quantile(ages, 0.5):.2f} s, p99 {quantile(ages, 0.99):.2f} s")

    def fed(self, events_per_second: int, per_second: float, seconds: float) -> None:
        """Ask while the state of so many events is read."""
        mix = self._mix(events_per_second, seconds, _MAKE_MS_PER_EVENT)
        feed = list(flushes(mix, load_config(self._config).floor()))
        records = sum(len(flush) for _, flush in feed)
        what = f"the state of {events_per_second} events/s ({records / mix.events:.1f} records each, no worker)"
        late_ms = self._asked_during(lambda: send_paced(self._place.bootstrap, feed), mix, what, per_second, seconds)
        print_line(f"  flushes of {FLUSH_MS} ms, sent {late_ms} ms late at most")

    def _mix(self, events_per_second: int, seconds: float, make_ms: float) -> Mix:
        """So many events a second, beginning when they can have been made."""
        events = int(events_per_second * (seconds + AROUND_SECONDS))
        start_ms = starting_soon(events, time.time_ns() // 1_000_000) + round(events * make_ms)
        return Mix(events, self._queues, AGENTS, 1, start_ms, events_per_second, self._place.partitions)

    def _asked_during(
        self, load: Callable[[], Awaitable[T]], mix: Mix, what: str, per_second: float, seconds: float
    ) -> T:
        """Ask while the load of the mix flows, and print how long answers took; returns what the load does."""

        async def both() -> tuple[T, dict[str, float], tuple[Child, Path]]:
            flowing = asyncio.ensure_future(load())
            await asyncio.sleep(mix.start_ms / 1000 - time.time() + WARM_UP_SECONDS)
            asking, before, started = self.ask(per_second, seconds), self._used(), time.monotonic()
            await asyncio.sleep(seconds)
            shares = {n: (used - before[n]) / (time.monotonic() - started) for n, used in self._used().items()}
            return await flowing, shares, asking

        found, shares, (asker, result) = asyncio.run(both())
        self._processes.finish(asker, _START_MS)
        self._say(what, result)
        print_line("  processor: " + ", ".join(f"{name} {share:.2f}" for name, share in shares.items()))
        return found

    def _used(self) -> dict[str, float]:
        return {name: child.cpu_seconds() or 0.0 for name, child in self._children.items()}

    def _say(self, what: str, result: Path) -> None:
        asked = msgspec.json.decode(result.read_bytes(), type=Asked)
        quantiles = ", ".join(f"p{q * 100:g} {quantile(asked.seconds, q) * 1000:.1f} ms" for q in (0.5, 0.99, 0.999))
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(asked.statuses.items()))
        print_line(f"{self._queues} queues, {what}: {len(asked.seconds)} requests, {quantiles}; {statuses}")


def main(words: list[str]) -> None:
    """Measure and print."""
    queues, events, requests, seconds = (int(word) for word in words) if words else (5_000, 10_000, 1_000, 10)
    with _running(queues, PARTITIONS) as run:
        run.quiet(requests, seconds)
        run.under_load(events, requests, seconds)
    with _on(_CORES[1:] or _CORES), _running(queues, 1, worker=False) as run:
        print_line(f"the API on one core, all else on {len(_CORES[1:])} others" if _CORES[1:] else "all on any core")
        run.fed(events, requests, seconds)


@contextmanager
def _running(queues: int, partitions: int, *, worker: bool = True) -> Iterator[_Run]:
    with (
        tempfile.TemporaryDirectory() as folder,
        prepared(EMBEDDED, partitions) as place,
        Processes(Path(folder)) as processes,
    ):
        yield _Run(place, processes, Path(folder), queues, worker=worker)


if __name__ == "__main__":
    main(sys.argv[1:])
