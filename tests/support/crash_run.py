"""A run under load in which things are broken on purpose, and the row of figures that comes of it."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from service.processes import Child
from tests.support import dying_worker
from tests.support.mornings import Event, recording
from tests.support.stop_scenarios import Load
from tests.support.stream_run import StreamRun

DIE_WITHIN_S = 90.0
TO_CUT = 60
"""Events that wait when a worker is to die between the parts of a batch, the sixth time at most."""

SETTLE_S = 300.0
SCRAPE_S = 1.0
COUNTER = re.compile(r"^(floorwalker_\w+_total\{[^}]*\}) (\S+)$", re.MULTILINE)


@dataclass
class Row:
    """What one run of the suite came to. `in_flight`: events sent and not yet in the state, at each fault."""

    name: str
    in_flight: list[int] = field(default_factory=list)
    sent: int = 0
    applied: int = 0
    different: int = 0
    scrapes: int = 0
    fallen: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        most = max(self.in_flight, default=0)
        mean = sum(self.in_flight) / max(1, len(self.in_flight))
        return (
            f"{self.name:42} {len(self.in_flight):6} {mean:8.0f} {most:8} {self.sent:8} {self.applied:8} "
            f"{self.different:10} {self.scrapes:8} {len(self.fallen):6}"
        )


HEADING = (
    f"{'run':42} {'faults':>6} {'in flight':>17} {'sent':>8} {'applied':>8} {'difference':>10} {'counters':>15}\n"
    f"{'':49} {'mean':>8} {'most':>8} {'':28} {'scrapes':>8} {'fell':>6}"
)
ROWS: list[Row] = []
"""Of all runs of this process; printed when it ends."""


class CrashRun:
    """Load, an API whose counters are watched, and workers that are started again when they end."""

    def __init__(self, run: StreamRun, events: list[Event], folder: Path, name: str, *, per_second: float) -> None:
        self.run = run
        self.row = Row(name)
        self.workers: list[Child] = []
        self.rng = random.Random(name)
        self._events, self._folder = events, folder
        self._load = Load(run, events, per_second=per_second)
        self._settled = asyncio.Event()

    async def through(self, faults: Callable[[], Awaitable[None]]) -> Row:
        """Start a worker and the load, inject the faults, let everything settle and compare with `report`."""
        address = self.run.start_api()
        self.workers.append(self.run.start_worker())
        await self.run.until_ready(self.workers)
        scraping = asyncio.create_task(self._scrape(address))
        try:
            await self._loaded(faults)
            await self.revive()
            if not self.workers:
                self.workers.append(self.run.start_worker())
            await self.run.settle(SETTLE_S)
            self._settled.set()
            await scraping
        finally:
            scraping.cancel()
        source = recording(self._events, self._folder)
        wrong = [line for way in ("outcome", "arrival") for line in await self.run.differences(source, way)]
        row = self.row
        row.sent, row.applied, row.different = self.run.sent, self.run.feed.taken, len(wrong)
        ROWS.append(row)
        assert wrong == [], "\n".join([*wrong, self.run.logs()])
        assert row.fallen == []
        assert row.scrapes > 0
        assert row.applied >= row.sent == len(self._events)
        return row

    async def _loaded(self, faults: Callable[[], Awaitable[None]]) -> None:
        """Inject the faults under load, and return when all of it is sent."""
        tasks = [asyncio.create_task(job) for job in (self._load.watch(), self._load.send())]
        try:
            await self.moves()
            await faults()
            assert not tasks[-1].done(), "the load has to outlast the faults"
            self._load.hurry.set()
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    def fault(self) -> None:
        """Note that one is injected now."""
        self.row.in_flight.append(self.run.sent - self.run.feed.taken)

    async def moves(self, timeout_s: float = DIE_WITHIN_S) -> None:
        """Return when the workers have taken more events than they have now."""
        before = self.run.feed.taken
        await self.run.until(lambda: self.run.feed.taken > before, "events are taken", timeout_s)

    async def pause(self, shortest_s: float, longest_s: float) -> None:
        """Some time, so that faults hit wherever they may."""
        await asyncio.sleep(self.rng.uniform(shortest_s, longest_s))

    async def revive(self) -> None:
        """What supervises workers starts those again that ended by themselves."""
        for worker in list(self.workers):
            if worker.exit_code is not None:
                await self.run.until_ended(worker)
                self.workers.remove(worker)
                self.workers.append(self.run.start_worker())

    async def kill_at_random(self) -> None:
        """Kill -9 the worker, or one of the processes that count, somewhere, and start the next one."""
        await self.pause(0.2, 2.0)
        worker = self.workers.pop()
        victim = self.rng.choice([None, worker.pid, worker.helpers().get("aggregate")])
        self.fault()
        if victim is None:
            self.run.kill(worker)
        else:
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            ended = await self.run.until_ended(worker)
            # a broker's death may have cost the worker its lease: then it ended by itself just before
            by_itself = ended == 1 and "lease lost" in worker.log_text()
            expected = ended == (-9 if victim == worker.pid else 1)
            assert expected or by_itself, f"it ended with {ended}\n{self.run.logs()}"
        self.workers.append(self.run.start_worker())
        await self.moves()

    async def kill_at(self, point: str) -> None:
        """Have a worker, alone, kill itself at the point, and start the next one."""
        while self.workers:
            self.run.kill(self.workers.pop())
        if point == "cut":  # of arrears: later, batches of this load are too short to be cut
            await self.run.until(lambda: self.run.sent - self.run.feed.taken >= TO_CUT, "arrears")
        os.environ[dying_worker.VARIABLE] = f"{point}:{self.rng.randint(1, 6)}"
        try:
            dying = self.run.start_worker(module="tests.support.dying_worker")
        finally:
            del os.environ[dying_worker.VARIABLE]
        await self.run.until(lambda: dying.exit_code is not None, f"death at {point}", DIE_WITHIN_S)
        self.fault()
        code = await self.run.until_ended(dying)
        by_helper = code == 1 and "aggregate ended with -9" in dying.log_text()
        assert code == -9 or by_helper, dying.log_text()[-3000:]
        self.workers.append(self.run.start_worker())
        await self.moves()

    async def join_and_leave(self) -> None:
        """A second worker joins, then the one that leaves is either of them: partitions move twice."""
        self.workers.append(self.run.start_worker())
        self.fault()
        await self.run.until_ready(self.workers[-1:])
        await self.moves()
        leaving = self.workers.pop(self.rng.randrange(2))
        self.fault()
        leaving.terminate()
        assert await self.run.until_ended(leaving) in (0, 1)
        await self.moves()

    async def _scrape(self, address: str) -> None:
        """Note every exported counter that falls, until everything has settled."""
        highest: dict[str, float] = {}
        async with httpx.AsyncClient(timeout=10) as client:
            while not self._settled.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._settled.wait(), SCRAPE_S)
                with suppress(httpx.TransportError):
                    answer = await client.get(f"{address}/metrics")
                    if answer.status_code == 200:
                        self._compare(answer.text, highest)

    def _compare(self, text: str, highest: dict[str, float]) -> None:
        found = COUNTER.findall(text)
        if not highest and not found:  # nothing has happened yet
            return
        assert found, text[:2000]
        self.row.scrapes += 1
        for series, value in found:
            if float(value) < highest.get(series, 0.0):
                self.row.fallen.append(f"{series}: {value} after {highest[series]}")
            highest[series] = float(value)
