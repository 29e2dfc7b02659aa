"""How workers stop, the same on every broker; the broker's own test files call these."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aiokafka import AIOKafkaProducer

from service.processes import Child
from tests.support import failing_worker
from tests.support.mornings import Event, record, recording
from tests.support.stream_run import EVENTS, Record, StreamRun

STOP_LIMIT_S = 10.0
"""A promise: container platforms kill after it."""

STEP_S = 0.05
AT_ONCE = 1000


class Load:
    """Sends events at a rate in the background; `worst_s` is the longest that one waited to be taken, while watched."""

    def __init__(self, run: StreamRun, events: list[Event], *, per_second: float) -> None:
        self._run = run
        self._records: list[Record] = [record(event) for event in events]
        self._step = max(1, round(per_second * STEP_S))
        self._pause_s = self._step / per_second
        self._sent: deque[tuple[int, float]] = deque()
        self.hurry = asyncio.Event()
        self.worst_s = 0.0

    async def send(self) -> None:
        """Send everything; from `hurry` on, at once."""
        bootstrap, idempotent = self._run.bootstrap, not self._run.embedded
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=idempotent, acks="all") as producer:
            base = 0
            while base < len(self._records):
                part = self._records[base : base + (AT_ONCE if self.hurry.is_set() else self._step)]
                base += len(part)
                self._sent.append((base, time.monotonic()))
                self._run.sent += len(part)
                await asyncio.gather(*[await producer.send(EVENTS, value, key) for key, value in part])
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.hurry.wait(), self._pause_s)

    async def watch(self) -> None:
        """Read the feed until `hurry`, and keep the worst age."""
        while not self.hurry.is_set():
            await self._run.feed.read()
            taken = self._run.feed.taken
            while self._sent and self._sent[0][0] <= taken:
                self._sent.popleft()
            if self._sent:
                self.worst_s = max(self.worst_s, time.monotonic() - self._sent[0][1])


async def stop(run: StreamRun, worker: Child) -> int | None:
    """SIGTERM; the worker must end by itself in time. Returns its exit code."""
    worker.terminate()
    return await run.until_ended(worker, STOP_LIMIT_S)


async def restart_one_after_the_other(run: StreamRun, events: list[Event], folder: Path, *, per_second: float) -> float:
    """Two workers are stopped and started again in turn under load; returns how old the oldest waiting event got."""
    workers = [run.start_worker(), run.start_worker()]
    await run.until_ready(workers)
    load = Load(run, events, per_second=per_second)
    sending, watching = asyncio.create_task(load.send()), asyncio.create_task(load.watch())
    for number in (0, 1):
        assert await stop(run, workers[number]) == 0, run.logs()
        workers[number] = run.start_worker()
        await run.until_ready(workers)
    assert not sending.done(), "the load has to outlast the restarts"
    load.hurry.set()
    await watching
    await sending
    await run.settle()
    for attribution in ("outcome", "arrival"):
        wrong = await run.differences(recording(events, folder), attribution)
        assert wrong == [], "\n".join(wrong)
    return load.worst_s


async def stop_without_a_broker(
    run: StreamRun, events: list[Event], folder: Path, freeze: Callable[[], None], thaw: Callable[[], None]
) -> None:
    """The broker falls silent under load; the worker ends in time and says what is not written, and nothing is lost."""
    os.environ[failing_worker.SLOW] = "1"  # so that there is always something to flush
    worker = run.start_worker(module="tests.support.failing_worker")
    del os.environ[failing_worker.SLOW]
    await run.until_ready([worker])
    load = Load(run, events, per_second=500)
    sending = asyncio.create_task(load.send())
    await run.until_taken(len(events) // 10)
    freeze()
    try:
        assert await stop(run, worker) == 1, worker.log_text()[-3000:]
    finally:
        thaw()
    load.hurry.set()
    await sending
    assert "its events will be read again" in worker.log_text()
    run.start_worker()
    await run.settle()
    for attribution in ("outcome", "arrival"):
        wrong = await run.differences(recording(events, folder), attribution)
        assert wrong == [], "\n".join(wrong)
