"""What a worker has not applied yet is among its metrics. On the embedded broker."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest

from service.embedded import EmbeddedBroker, free_port
from tests.support import slow_worker
from tests.support.mornings import CONFIG, record, simulated
from tests.support.stream_run import StreamRun

TIMEOUT_S = 60.0
LAG = re.compile(r'^floorwalker_consumer_lag_records\{partition="(\d+)",topic="(\S+)"\} (\S+)$', re.MULTILINE)


async def lags(port: int) -> Mapping[tuple[str, int], float]:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    return {(topic, int(partition)): float(lag) for partition, topic, lag in LAG.findall(text)}


def of_events(seen: Mapping[tuple[str, int], float]) -> float:
    return sum(lag for (topic, _), lag in seen.items() if topic == "cti.events")


async def until(run: StreamRun, port: int, condition: Callable[[Mapping[tuple[str, int], float]], bool]) -> None:
    """Read the feed until it holds of the lags."""
    seen: Mapping[tuple[str, int], float] = {}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition(seen := await lags(port)):
                run.check()
                await run.feed.read()
    except TimeoutError:
        raise AssertionError(f"after {TIMEOUT_S} s the lags are {seen}\n{run.logs()}") from None


async def test_a_worker_publishes_its_lag_by_partition(
    embedded_broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(slow_worker.VARIABLE, "100")
    port = free_port()
    with EmbeddedBroker() as broker:  # of the test's own: the topics' names are fixed
        async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
            worker = run.start_worker("--metrics-port", str(port), module="tests.support.slow_worker")
            await run.until_ready([worker])
            await run.send([record(event) for event in simulated()[:600]])
            await until(run, port, lambda seen: of_events(seen) >= 100)
            await run.settle()
            wanted = {(topic, number): 0.0 for topic in ("cti.events", "cti.facts") for number in range(3)}
            await until(run, port, lambda seen: seen == wanted)
