"""Running toy workers against a broker, hurting them, and comparing their tables with the log."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.support.toy_worker import MARK

ROOT = Path(__file__).parents[2]
STATE = {"cleanup.policy": "compact", "max.message.bytes": str(5 << 20)}
DONE_TIMEOUT_S = 120.0

Counts = dict[bytes, list[int]]


class ToyRun:
    """One topic set, its workers, and what was produced."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, *, partitions: int = 2, idempotent: bool) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.folder = folder
        self.partitions = partitions
        self.idempotent = idempotent
        self.expected: Counts = {}
        self.produced: Counter[int] = Counter()
        self.workers: list[subprocess.Popen[bytes]] = []
        self._started = 0

    async def create_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            plain = [self._topic("events", {}), self._topic("facts", {})]
            await admin.create_topics([*plain, self._topic("split", STATE), self._topic("count", STATE)])
        finally:
            await admin.close()

    def _topic(self, name: str, config: dict[str, str]) -> NewTopic:
        return NewTopic(f"{self.prefix}-{name}", self.partitions, 1, topic_configs=config)

    def start_worker(self, **more: Any) -> subprocess.Popen[bytes]:
        """Start one more worker, `more` are further options; its output goes to a file of its own."""
        self._started += 1
        options = {
            "bootstrap": self.bootstrap,
            "prefix": self.prefix,
            "partitions": self.partitions,
            "idempotent": self.idempotent,
            "data_dir": str(self.folder / f"data-{self._started}"),
            **more,
        }
        with (self.folder / f"worker-{self._started}.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.support.toy_worker", json.dumps(options)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def stop_worker(self, worker: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, wait, and return the exit code."""
        self.workers.remove(worker)
        worker.send_signal(how)
        return worker.wait(30)

    def stop_all(self) -> None:
        """Kill what still runs."""
        for worker in list(self.workers):
            self.stop_worker(worker, signal.SIGKILL)

    def logs(self) -> str:
        """All workers' output, for a failing test to print."""
        return "\n".join(path.read_text(errors="replace")[-6000:] for path in sorted(self.folder.glob("worker-*.log")))

    async def produce(self, total: int, *, per_second: float | None = None, keys: int = 500, seed: int = 1) -> None:
        """Append `total` events; as fast as possible without a rate."""
        rng = random.Random(seed)
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=5, max_batch_size=1 << 18)
        await producer.start()
        try:
            step = max(1, int(per_second / 50)) if per_second else 5000
            started = time.monotonic()
            for base in range(0, total, step):
                sent = [await self._send_one(producer, rng, keys) for _ in range(min(step, total - base))]
                await asyncio.gather(*sent)
                if per_second:
                    await asyncio.sleep(started + (base + step) / per_second - time.monotonic())
        finally:
            await producer.stop()

    async def _send_one(self, producer: AIOKafkaProducer, rng: random.Random, keys: int) -> asyncio.Future[Any]:
        key, number = b"key-%d" % rng.randrange(keys), rng.randrange(1000)
        partition = rng.randrange(self.partitions)
        totals = self.expected.setdefault(key, [0, 0])
        totals[0] += 1
        totals[1] += number
        self.produced[partition] += 1
        sent: asyncio.Future[Any] = await producer.send(
            f"{self.prefix}-events", value=b"%b:%d" % (key, number), partition=partition
        )
        return sent

    async def until_ready(self) -> None:
        """Return when the worker started last has recovered its tables."""
        log = self.folder / f"worker-{self._started}.log"

        async def ready() -> bool:
            await asyncio.sleep(0.05)
            return "Worker ready" in log.read_text(errors="replace")

        assert await wait_for(ready, 30), self.logs()

    async def until_done(self, *, timeout_s: float = DONE_TIMEOUT_S) -> Counts:
        """Return the counts in the changelog once every event is covered by it, or as they are at the timeout."""
        async with Tail(self) as tail:
            await wait_for(tail.is_done, timeout_s)
            return tail.counts


class Tail:
    """The `count` table as a reader of its changelog sees it."""

    def __init__(self, run: ToyRun) -> None:
        self._run = run
        self.counts: Counts = {}
        self.records = 0
        self._consumer = AIOKafkaConsumer(bootstrap_servers=run.bootstrap, fetch_max_wait_ms=50)

    async def __aenter__(self) -> Tail:
        await self._consumer.start()
        topic = f"{self._run.prefix}-count"
        self._consumer.assign([TopicPartition(topic, number) for number in range(self._run.partitions)])
        await self._consumer.seek_to_beginning()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._consumer.stop()

    async def is_done(self) -> bool:
        """Read what is there; true when as many events are counted as were produced."""
        await self._read(timeout_ms=100)
        return sum(count for count, _ in self.counts.values()) >= sum(self._run.produced.values())

    async def catch_up(self) -> None:
        """Read until nothing more comes; for when no worker runs."""
        while await self._read(timeout_ms=500):
            pass

    async def _read(self, timeout_ms: int) -> int:
        before = self.records
        for records in (await self._consumer.getmany(timeout_ms=timeout_ms)).values():
            for record in records:
                self.records += 1
                if record.key != MARK:
                    self.counts[record.key] = msgspec.msgpack.decode(record.value)
        return self.records - before


async def wait_for(condition: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
    """Await the condition until it is true; false when that takes too long. The condition itself waits for news."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if await condition():
            return True
    return False


def differences(expected: Counts, found: Counts) -> list[tuple[bytes, Sequence[int], Sequence[int]]]:
    """The keys whose count or sum is not what the log says, with both values."""
    keys = sorted(expected.keys() | found.keys())
    pairs = [(key, expected.get(key, [0, 0]), found.get(key, [0, 0])) for key in keys]
    return [(key, list(want), list(have)) for key, want, have in pairs if list(want) != list(have)]


def home(key: bytes, partitions: int) -> int:
    """The partition whose table counts this key."""
    return zlib.crc32(key) % partitions
