"""More than a worker can do, a large state to load, a client that does not read: on Apache Kafka, with figures."""

from __future__ import annotations

import asyncio
import re
import select
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
from tests.support import slow_worker
from tests.support.apache_kafka import KafkaProcess
from tests.support.http_receiver import HttpReceiver, hangs
from tests.support.mornings import CONFIG, Event, named, record, recording, simulated
from tests.support.slow_client import who_never_reads
from tests.support.stop_scenarios import Load
from tests.support.stream_run import StreamRun, is_ready
from tests.support.worker_processes import resident_mib

pytestmark = [pytest.mark.kafka, pytest.mark.load]

CAPACITY = 200.0
OVERLOAD = 3
OVERLOAD_S = 60
MEMORY_LIMIT_MIB = 200
SLOWED = 0.8
"""What is left, at least, of the rate without disturbances."""

RECORDS = 1_000_000
BEGINS = re.compile(r"^\[(\S+ \S+)\] .* Restoring state from changelog topics", re.MULTILINE)
ENDS = re.compile(r"^\[(\S+ \S+)\] .* Done reading from changelog topics", re.MULTILINE)
TAKEN = re.compile(r'^floorwalker_worker_records_total\{topic="cti.events"\} (\S+)$', re.MULTILINE)
ALERTS = """
default_rules: false
rules:
  - id: behind
    severity: page
    kind: feed
    scopes: {{kind: source}}
    when: {{kpi: silence_seconds, op: ">", value: 5}}
notify:
  webhooks: [{{name: desk, url: {url}, secret_file: {secret}}}]
"""
LAG = re.compile(r'^floorwalker_consumer_lag_records\{partition="\d+",topic="(\S+)"\} (\S+)$', re.MULTILINE)


@pytest.fixture
async def run(broker: KafkaProcess, tmp_path: Path) -> AsyncIterator[StreamRun]:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=False) as made:
        yield made


class Watched:
    """Memory of a worker's processes and of the API, and the worker's lag and count, by /proc and its metrics."""

    def __init__(self, pids: dict[str, int], port: int) -> None:
        self._pids, self._url = pids, f"http://127.0.0.1:{port}/metrics"
        self.mib: dict[str, list[float]] = {name: [] for name in pids}
        self.lags: list[float] = []
        self.taken: list[tuple[float, float]] = []

    async def watch(self) -> None:
        """Look every half second, until cancelled."""
        async with httpx.AsyncClient(timeout=10) as client:
            while True:
                for name, pid in self._pids.items():
                    self.mib[name].append(resident_mib(pid))
                text = (await client.get(self._url)).text
                self.lags.append(sum(float(lag) for topic, lag in LAG.findall(text) if topic == "cti.events"))
                self.taken.append((time.monotonic(), sum(map(float, TAKEN.findall(text)))))
                await asyncio.sleep(0.5)

    def rate(self, since: float, until: float) -> float:
        """Events worked off a second between two moments."""
        seen = [(at, count) for at, count in self.taken if since <= at <= until]
        return (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0])


async def never_read(port: int, clients: int = 4) -> None:
    """Live streams that nobody reads, others as soon as these are dropped; until cancelled."""
    connected = [who_never_reads(port) for _ in range(clients)]
    try:
        while True:
            gone = select.poll()
            for client in connected:
                gone.register(client, 0)
            dropped = {fd for fd, _ in gone.poll(0)}
            for number, client in enumerate(connected):
                if client.fileno() in dropped:
                    client.close()
                    connected[number] = who_never_reads(port)
            await asyncio.sleep(0.2)
    finally:
        for client in connected:
            client.close()


@pytest.fixture
async def desk() -> AsyncIterator[HttpReceiver]:
    """A webhook that takes every notice and never answers."""
    async with HttpReceiver(hangs) as receiver:
        yield receiver


@pytest.fixture
def overloaded(desk: HttpReceiver, tmp_path: Path) -> Path:
    """A configuration with an alert for a feed that is behind, which is told to that webhook."""
    secret, path = tmp_path / "secret", tmp_path / "floor.yaml"
    secret.write_text("s3cret", "utf-8")
    path.write_text(CONFIG.read_text("utf-8") + ALERTS.format(url=desk.url, secret=secret), "utf-8")
    return path


async def test_three_times_the_capacity_for_a_minute(
    broker: KafkaProcess, desk: HttpReceiver, overloaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(slow_worker.VARIABLE, str(CAPACITY))
    port = free_port()
    events: list[Event] = []
    while len(events) < CAPACITY * OVERLOAD * OVERLOAD_S:
        events += [named(event, f"w{len(events)}") for event in simulated(contacts_per_hour=700)]
    events = events[: int(CAPACITY * OVERLOAD * OVERLOAD_S)]
    async with StreamRun(broker.bootstrap, overloaded, tmp_path, embedded=False) as run:
        address = run.start_api()
        worker = run.start_worker("--metrics-port", str(port), module="tests.support.slow_worker")
        await run.until_ready([worker])
        await run.until(lambda: "rules, " in worker.log_text(), "the rules are evaluated")
        assert run.api is not None
        seen = Watched({"correlate": worker.pid, **worker.helpers(), "API": run.api.pid}, port)
        watching = asyncio.create_task(seen.watch())
        started = time.monotonic()
        sending = asyncio.create_task(Load(run, events, per_second=CAPACITY * OVERLOAD).send())
        await asyncio.sleep(OVERLOAD_S / 3)
        calm_until = time.monotonic()
        unread = asyncio.create_task(never_read(int(address.rpartition(":")[2])))
        await desk.until(lambda: desk.asked > 0, "an alert is told", OVERLOAD_S)
        hindered_from = time.monotonic()
        await sending
        sent_at = time.monotonic()
        await run.settle(timeout_s=20 * OVERLOAD_S)
        caught_up = time.monotonic()
        await run.until(lambda: seen.lags[-1] == 0, "the lag is 0")
        for task in (watching, unread):
            task.cancel()
        calm, hindered = seen.rate(started + 2, calm_until), seen.rate(hindered_from, caught_up)
        print(
            f"{len(events)} events sent at {len(events) / (sent_at - started):.0f}/s: lag up to {max(seen.lags):.0f}, "
            f"caught up {caught_up - sent_at:.0f} s later; {calm:.0f}/s worked off, {hindered:.0f}/s with a dead "
            f"webhook ({desk.asked} attempts) and clients that never read; MiB at the start, at most: "
            + ", ".join(f"{what} {mib[0]:.0f}, {max(mib):.0f}" for what, mib in seen.mib.items())
        )
        assert max(seen.lags) > len(events) / 3
        assert hindered > calm * SLOWED
        for what, mib in seen.mib.items():
            assert max(mib) - mib[0] < MEMORY_LIMIT_MIB, what
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


def reading_s(log: str) -> float:
    """How long a worker read its changelogs, by the lines of its log."""
    times = [line.search(log) for line in (BEGINS, ENDS)]
    begun, ended = (datetime.fromisoformat(found[1]) for found in times if found is not None)
    return (ended - begun).total_seconds()


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
        await run.until(lambda: is_ready(worker), "the worker is ready", 120)
        killed = time.monotonic()
        run.kill(worker)
        successor = run.start_worker()
        await run.send([record(fresh)])
        staleness = asyncio.create_task(staleness_until(client, newest_ms))
        await run.until(lambda: is_ready(successor), "its successor is ready", 120)
        ready_s = time.monotonic() - killed
        stale = await staleness
        fresh_s = time.monotonic() - killed
    read_s = reading_s(successor.log_text())
    print(
        f"{records} records: read in {read_s:.1f} s ({records / read_s:,.0f}/s); from kill -9 {ready_s:.1f} s to ready "
        f"and {fresh_s:.1f} s to a fresh KPI, served meanwhile up to {stale[-1]:.1f} s old; an API is ready after "
        f"{api_s:.1f} s and says until then: {said[-1:]}"
    )
    assert any("records to go" in sentence for sentence in said), said
    assert stale == sorted(stale), "while nobody works, what is served only gets older"
    assert len(stale) > 5
    await run.settle()
    assert await run.differences(recording([*morning, fresh], tmp_path)) == []
