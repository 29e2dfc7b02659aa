"""More than a worker can do, a large state to load, a client that does not read: on Apache Kafka, with figures."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from kafka import TopicPartition

from service.embedded import free_port
from service.topic_reading import reading, until_the_end
from tests.kafka.test_crash_kafka import broker as broker
from tests.kafka.test_crash_kafka import nodes as nodes
from tests.support import slow_worker
from tests.support.apache_kafka import KafkaProcess
from tests.support.mornings import CONFIG, Event, named, record, recording, simulated
from tests.support.stop_scenarios import Load
from tests.support.stream_run import StreamRun

pytestmark = [pytest.mark.kafka, pytest.mark.crash]

CAPACITY = 200.0
OVERLOAD = 3
OVERLOAD_S = 60
MEMORY_LIMIT_MIB = 200
RECORDS = 1_000_000
LAG = re.compile(r'^floorwalker_consumer_lag_records\{partition="\d+",topic="(\S+)"\} (\S+)$', re.MULTILINE)


@pytest.fixture
async def run(broker: KafkaProcess, tmp_path: Path) -> AsyncIterator[StreamRun]:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=False) as made:
        yield made


class Watched:
    """A worker's memory and lag, by its process and its own metrics."""

    def __init__(self, pid: int, port: int) -> None:
        self._pid, self._url = pid, f"http://127.0.0.1:{port}/metrics"
        self.mib: list[float] = []
        self.lags: list[float] = []

    async def watch(self) -> None:
        """Look every half second, until cancelled."""
        async with httpx.AsyncClient(timeout=10) as client:
            while True:
                pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
                self.mib.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
                found = LAG.findall((await client.get(self._url)).text)
                self.lags.append(sum(float(lag) for topic, lag in found if topic == "cti.events"))
                await asyncio.sleep(0.5)


async def test_three_times_the_capacity_for_a_minute(run: StreamRun, tmp_path: Path) -> None:
    morning = simulated(contacts_per_hour=700)
    events: list[Event] = []
    while len(events) < CAPACITY * OVERLOAD * OVERLOAD_S:
        events += [named(event, f"w{len(events)}") for event in morning]
    port = free_port()
    os.environ[slow_worker.VARIABLE] = str(CAPACITY)
    try:
        worker = run.start_worker("--metrics-port", str(port), module="tests.support.slow_worker")
    finally:
        del os.environ[slow_worker.VARIABLE]
    await run.until_ready([worker])
    seen = Watched(worker.pid, port)
    watching = asyncio.create_task(seen.watch())
    events = events[: int(CAPACITY * OVERLOAD * OVERLOAD_S)]
    started = time.monotonic()
    await Load(run, events, per_second=CAPACITY * OVERLOAD).send()
    sent_s = time.monotonic() - started
    await run.settle(timeout_s=20 * OVERLOAD_S)
    caught_up_s = time.monotonic() - started - sent_s
    await run.until(lambda: seen.lags[-1] == 0, "the lag is 0")
    watching.cancel()
    start_mib, most_mib, most_lag = seen.mib[0], max(seen.mib), max(seen.lags)
    print(
        f"{len(events)} events in {sent_s:.0f} s for a worker of {CAPACITY:.0f}/s: lag up to {most_lag:.0f}, caught up "
        f"{caught_up_s:.0f} s later; memory {start_mib:.0f} MiB at the start, {most_mib:.0f} MiB at most"
    )
    assert most_lag > len(events) / 3
    assert most_mib - start_mib < MEMORY_LIMIT_MIB
    for attribution in ("outcome", "arrival"):
        assert await run.differences(recording(events, tmp_path), attribution) == []


async def write_again(run: StreamRun, topic: str, at_least: int) -> int:
    """Append a topic's records to it, again and again in their order, until there are so many; returns how many.

    What they say in the end is what they said before.
    """
    partitions = [TopicPartition(topic, number) for number in range(run.partitions)]
    with reading(run.bootstrap, partitions) as consumer:
        records = [(record.partition, record.key, record.value) for record in until_the_end(consumer)]
    rounds = at_least // len(records)
    settings = {"linger_ms": 50, "max_batch_size": 1 << 20, "acks": "all"}
    async with AIOKafkaProducer(bootstrap_servers=run.bootstrap, **settings) as producer:
        for _ in range(rounds):
            await asyncio.gather(*[await producer.send(topic, value, key, part) for part, key, value in records])
    return (rounds + 1) * len(records)


async def until_ready(client: httpx.AsyncClient) -> list[str]:
    """Poll /readyz until the state is served; returns what it said meanwhile."""
    said: list[str] = []
    while True:
        try:
            answer = await client.get("/readyz")
        except httpx.ConnectError:
            await asyncio.sleep(0.05)
            continue
        if answer.status_code == 200:
            return said
        said.append(answer.text)
        await asyncio.sleep(0.1)


async def staleness_until(client: httpx.AsyncClient, newest_ms: int) -> list[float]:
    """Poll the queues until they have an event of that time; returns how stale they were meanwhile."""
    stale: list[float] = []
    while True:
        answer = await client.get("/v1/queues")
        assert answer.status_code == 200
        body = answer.json()
        if datetime.fromisoformat(body["as_of"]).timestamp() * 1000 >= newest_ms:
            return stale
        stale.append(body["staleness_seconds"])
        await asyncio.sleep(0.1)


async def test_a_million_changelog_records_are_loaded_while_the_api_goes_on(run: StreamRun, tmp_path: Path) -> None:
    morning = simulated()
    agent = next(event for event in reversed(morning) if event["type"] == "agent.state_changed")
    newest_ms = max(event["occurred_at_ms"] for event in morning) + 1000
    fresh = {**agent, "event_id": "fresh", "occurred_at_ms": newest_ms}
    worker = run.start_worker()
    await run.send([record(event) for event in morning])
    await run.settle()
    worker.terminate()
    assert await run.until_ended(worker) == 0
    records = await write_again(run, "cti.state", RECORDS)
    async with httpx.AsyncClient(base_url=run.start_api(), timeout=30) as client:
        started = time.monotonic()
        said = await until_ready(client)
        api_s = time.monotonic() - started
        worker = run.start_worker()
        await run.until(lambda: "Worker ready" in worker.log_text(), "the worker is ready", 120)
        killed = time.monotonic()
        run.kill(worker)
        successor = run.start_worker()
        await run.send([record(fresh)])
        stale = await staleness_until(client, newest_ms)
        fresh_s = time.monotonic() - killed
    assert "Worker ready" in successor.log_text()
    print(f"{records} records: API ready after {api_s:.1f} s; {fresh_s:.1f} s from kill -9 to a fresh KPI; {said[-1:]}")
    assert any("records to go" in sentence for sentence in said), said
    assert stale == sorted(stale), "while nobody works, what is served only gets older"
    assert len(stale) > 5
    await run.settle()
    assert await run.differences(recording([*morning, fresh], tmp_path)) == []
