"""One run of the bench: every figure on the same machine, broker and events, one contender after the other."""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.ask import Asker, p50_p99
from service.bench.latency import measure_latency, starting_soon
from service.bench.load import Mix, past_mix, produce
from service.bench.oracle import differences, expect
from service.bench.place import DOCUMENTED_EVENTS, DOCUMENTED_FACTS, Place, prepared
from service.bench.watch import CONTACTS, CORRELATE, Watched, size_of, watch_backlog
from service.collector import tune_collector
from service.compiled import search_path
from service.embedded import free_port
from service.errors import FailedError
from service.processes import Child, Processes

EVENTS_TOPIC: Final = "cti.events"
RATES: Final = (1_000, 5_000)
_CHILD_TIMEOUT_MS: Final = 600_000
_READY_TIMEOUT_MS: Final = 120_000
_SHOWN: Final = 5

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """How much to measure. `documented_events`: how many of the slowest contender, which takes the longest."""

    broker: str
    events: int
    documented_events: int
    queues: int
    agents: int
    partitions: int
    seed: int
    latency_seconds: float
    warm_up_seconds: float


def run_bench(options: BenchOptions, say: Say) -> dict[str, Any]:
    """Measure everything and return the report. `say` is told what is going on."""
    tune_collector()
    with (
        tempfile.TemporaryDirectory(prefix="floorwalker-bench-") as folder,
        prepared(options.broker, options.partitions) as place,
        Processes(Path(folder)) as processes,
    ):
        return _Bench(options, place, processes, Path(folder), say).report()


class _Bench:
    """The parts of one run and what they share."""

    def __init__(self, options: BenchOptions, place: Place, processes: Processes, folder: Path, say: Say) -> None:
        self._options, self._place, self._processes, self._folder, self._say = options, place, processes, folder, say
        # figures of a busy machine are worth their ratios only
        self._machine: dict[str, float | None] = {
            "cpus": os.cpu_count(),
            "load_average_before": round(os.getloadavg()[0], 1),
        }
        self._machine["nanoseconds_per_python_addition"] = _python_speed()
        if not search_path():
            say("the domain is not compiled here, which `make compiled` does: it runs as Python, slower")
        now_ms = int(time.time() * 1000)
        self._mix = past_mix(options.events, options.queues, options.agents, options.seed, now_ms, place.partitions)

    def report(self) -> dict[str, Any]:
        """Run all contenders. Worker and API stay up from the backlog to the end of the latency measurements."""
        self._say(f"producing {self._mix.events} events")
        asyncio.run(produce(self._place.bootstrap, EVENTS_TOPIC, self._mix))
        bare, bare_cost = self._bare_loop()
        documented, documented_cost = self._documented()
        watched, changelog = self._worker()
        wrong = self._check(watched)
        latency, http = self._over_http()
        return {
            "throughput": {
                "worker_events_per_second": round(watched.events_per_second),
                "documented_faust_events_per_second": round(documented),
                "bare_loop_events_per_second": round(bare),
                "worker_to_documented_faust_ratio": round(watched.events_per_second / documented, 2),
                "worker_to_bare_loop_ratio": round(watched.events_per_second / bare, 3),
            },
            # less shaken by other processes than the rates are
            "cpu_microseconds_per_event": {
                **{f"worker_{name}": _microseconds(cost) for name, cost in watched.cpu_seconds_per_event.items()},
                "documented_faust": _microseconds(documented_cost),
                "bare_loop": _microseconds(bare_cost),
            },
            "latency_seconds": latency[RATES[0]],
            "latency_seconds_by_rate": {str(rate): found for rate, found in latency.items()},
            **http,
            "changelog_bytes_per_event": round(changelog / self._mix.events, 1),
            "changelog_state_records_per_event": round(watched.state_records / self._mix.events, 2),
            "broker": self._options.broker,
            "compiled": bool(search_path()),
            "machine": self._machine,
            "correct": not wrong,
            "wrong_scopes": wrong[:_SHOWN],
            "events": self._mix.events,
            "queues": self._options.queues,
            "agents": self._options.agents,
            "partitions": self._place.partitions,
        }

    def _bare_loop(self) -> tuple[float, float]:
        self._say("the bare loop: consume, decode, update, nothing durable")
        place = self._place
        arguments = (place.bootstrap, EVENTS_TOPIC, str(place.partitions), str(self._mix.events))
        child = self._processes.start_module("bare-loop", "service.bench.bare_loop", *arguments)
        self._processes.finish(child, _CHILD_TIMEOUT_MS)
        return self._figures(child.log_text())

    def _figures(self, text: str) -> tuple[float, float]:
        """Events a second and processor seconds an event, as a contender wrote them."""
        rate, cost = map(float, text.split())
        self._say_rate(rate)
        return rate, cost

    def _say_rate(self, events_per_second: float) -> None:
        self._say(f"  {events_per_second:,.0f} events/s")

    def _documented(self) -> tuple[float, float]:
        mix = self._mix.shortened(self._options.documented_events)
        self._say(f"Faust as its documentation shows it: {mix.events} events one by one")
        asyncio.run(produce(self._place.bootstrap, DOCUMENTED_EVENTS, mix))
        facts = expect(mix, int(time.time() * 1000)).facts
        result = self._folder / "documented-result"
        numbers = (str(number) for number in (mix.partitions, mix.events, facts))
        arguments = (self._place.bootstrap, DOCUMENTED_EVENTS, DOCUMENTED_FACTS, *numbers, str(self._folder / "faust"))
        child = self._processes.start_module("documented-faust", "streams.documented_faust", *arguments, str(result))
        self._processes.wait_until(result.exists, _CHILD_TIMEOUT_MS, "the documented way")
        self._processes.stop(child)
        return self._figures(result.read_text("utf-8"))

    def _worker(self) -> tuple[Watched, int]:
        """What was measured of the worker, and the bytes of both changelogs."""
        self._say("one worker on the backlog, everything durable")
        place = self._place
        data = str(self._folder / "worker")
        worker = self._worker_process = self._processes.start(
            "worker", "worker", *place.worker_arguments, "--data-dir", data, "--log-level", "warning"
        )
        watched = asyncio.run(
            watch_backlog(place.bootstrap, place.partitions, self._mix.events, worker, self._processes)
        )
        self._say_rate(watched.events_per_second)
        contacts = asyncio.run(size_of(place.bootstrap, CONTACTS, place.partitions))
        return watched, watched.state_bytes + contacts

    def _check(self, watched: Watched) -> list[str]:
        self._say("comparing every queue and agent with the same events folded once")
        return differences(expect(self._mix, int(time.time() * 1000)).scopes, watched.scopes)

    def _over_http(self) -> tuple[dict[int, dict[str, float]], dict[str, Any]]:
        """Latency by rate, and how long a scrape and a routing query take on the floor that is there then."""
        port = free_port()
        data = str(self._folder / "api")
        arguments = ("--bootstrap", self._place.bootstrap, "--port", str(port), "--data-dir", data)
        api = self._processes.start("api", "api", *arguments, "--log-level", "warning")
        with Asker(port) as asker:
            self._processes.wait_until(lambda: asker.json("/readyz") is not None, _READY_TIMEOUT_MS, "the API's start")
        latency = {rate: self._latency(rate, port, api) for rate in RATES}
        self._say("scrapes and routing queries")
        ids = ",".join(f"q{number:02d}" for number in range(1, min(10, self._options.queues) + 1))
        with Asker(port) as asker:
            http = {
                "scrape_seconds": p50_p99(asker.seconds("/metrics", 20)),
                "routing_query_seconds": p50_p99(asker.seconds(f"/v1/routing/queues?ids={ids}", 500)),
            }
        return latency, http

    def _latency(self, rate: int, port: int, api: Child) -> dict[str, float]:
        """Quantiles, how many probes they are of, and how much of a processor each process used meanwhile."""
        options = self._options
        self._say(f"from event to API at {rate} events/s for {options.latency_seconds:.0f} s")
        events = int(rate * options.latency_seconds)
        start_ms = starting_soon(events, int(time.time() * 1000))
        mix = Mix(events, options.queues, options.agents, options.seed + rate, start_ms, rate, self._place.partitions)
        started, before = time.monotonic(), _used(self._worker_process, api)
        ages = asyncio.run(
            measure_latency(
                self._place.bootstrap, port, mix, options.latency_seconds, options.warm_up_seconds, str(rate)
            )
        )
        self._processes.check()
        if not ages:
            raise FailedError("no probe was seen after the warm-up: measure for longer")
        found = p50_p99(ages)
        self._say(f"  p50 {found['p50'] * 1000:.0f} ms, p99 {found['p99'] * 1000:.0f} ms")
        shares = {
            f"{name}_cpu_ratio": (used - before.get(name, 0.0)) / (time.monotonic() - started)
            for name, used in _used(self._worker_process, api).items()
        }
        return {name: round(value, 4) for name, value in (found | shares).items()} | {"samples": len(ages)}


def _used(worker: Child, api: Child) -> dict[str, float]:
    """Processor seconds so far of each process, of those for whom they can be told."""
    used = {f"worker_{name}": seconds for name, seconds in worker.cpu_seconds_by_process(CORRELATE).items()}
    return used | api.cpu_seconds_by_process("api")


def _microseconds(seconds: float) -> float:
    return round(seconds * 1e6, 1)


def _python_speed() -> float:
    """Nanoseconds of processor time that one addition in a loop takes: how fast this machine is just now."""
    times, total, started = 2_000_000, 0, time.process_time()
    for number in range(times):
        total += number
    return round((time.process_time() - started) / times * 1e9, 1)
