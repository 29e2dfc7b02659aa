"""Either process of a worker is killed again and again on Apache Kafka: no alert is lost, and none is told anew."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from kafka import TopicPartition

from service.domain.alert_record import Alert, decode_alert
from service.processes import Child
from service.topic_reading import reading, until_the_end
from tests.support.apache_kafka import KafkaProcess
from tests.support.busy_floor import CONFIG, tell
from tests.support.http_receiver import HttpReceiver
from tests.support.stream_run import StreamRun

pytestmark = [pytest.mark.kafka, pytest.mark.crash]

Kill = Callable[[StreamRun, Child], Awaitable[Child]]

ROUNDS = 8
TOLD_WITHIN_S = 60.0
LATEST_KILL_S = 2.5
"""After the events: the rule fires after one second, so a kill hits before, while and after it is told."""

NOTIFY = """
notify:
  webhooks: [{{name: desk, url: {url}, secret_file: {secret}}}]
"""


@pytest.fixture
async def desk() -> AsyncIterator[HttpReceiver]:
    async with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
async def run(broker: KafkaProcess, desk: HttpReceiver, tmp_path: Path) -> AsyncIterator[StreamRun]:
    config, secret = tmp_path / "floor.yaml", tmp_path / "secret"
    secret.write_text("s3cret", "utf-8")
    config.write_text(CONFIG + NOTIFY.format(url=desk.url, secret=secret), "utf-8")
    async with StreamRun(broker.bootstrap, config, tmp_path, embedded=False) as started:
        yield started


async def kill_evaluator(run: StreamRun, worker: Child) -> Child:
    """Kill -9 the process that judges the rules, and nothing else."""
    await run.until(lambda: "evaluator" in worker.helpers(), "the worker has an evaluator")
    os.kill(worker.helpers()["evaluator"], signal.SIGKILL)
    return worker


async def kill_main(run: StreamRun, worker: Child) -> Child:
    """Kill -9 the first process, and nothing else; whoever runs workers starts another one."""
    left = worker.helpers().values()
    os.kill(worker.pid, signal.SIGKILL)
    await run.until_ended(worker)
    successor = run.start_worker()
    await run.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in left), "it follows its worker")
    return successor


def told(desk: HttpReceiver) -> Counter[str]:
    return Counter(f"{heard.json['scope']} {heard.json['state']}" for heard in desk.heard)


async def until_told(desk: HttpReceiver, line: str, run: StreamRun) -> None:
    try:
        await desk.until(lambda: line in told(desk), line, timeout_s=TOLD_WITHIN_S)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{run.logs()}") from None


async def written(run: StreamRun) -> list[Alert]:
    """Everything that was ever written to `cti.alerts`."""

    def read() -> list[Alert]:
        with reading(run.bootstrap, [TopicPartition("cti.alerts", 0)]) as consumer:
            return [decode_alert(record.value) for record in until_the_end(consumer) if record.value]

    return await asyncio.to_thread(read)


@pytest.mark.parametrize("kill", [kill_evaluator, kill_main])
async def test_killing_one_of_a_workers_processes_loses_no_alert_and_repeats_none(
    run: StreamRun, desk: HttpReceiver, kill: Kill
) -> None:
    worker, rng = run.start_worker(), random.Random(kill.__name__)
    await run.until_ready([worker])
    kills = 0
    for number in range(ROUNDS):
        queue = f"q{number}"
        for kind, state in (("visit.queued", "firing"), ("visit.answered", "resolved")):
            for contact in (f"{queue}-1", f"{queue}-2"):
                more = {"agent_id": "1001"} if kind == "visit.answered" else {}
                await tell(run, kind, contact, queue, **more)
            await asyncio.sleep(rng.uniform(0, LATEST_KILL_S))
            worker = await kill(run, worker)
            kills += 1
            await until_told(desk, f"queue:{queue} {state}", run)
    heard = told(desk)
    assert set(heard) == {f"queue:q{n} {state}" for n in range(ROUNDS) for state in ("firing", "resolved")}
    keys = [request.headers["Idempotency-Key"] for request in desk.heard]
    assert len(set(keys)) == len(heard), "what is told again has the key it had, so that a receiver can tell"
    again = len(keys) - len(heard)
    print(f"{kill.__name__}: {kills} kills, {len(heard)} notices, {again} of them told again with the same key")
    assert again <= kills
    alerts = await written(run)
    assert {alert.episode for alert in alerts if alert.state != "pending"} == {1}
    fired = {(alert.fingerprint, alert.fired_ms) for alert in alerts if alert.state == "firing"}
    assert len(fired) == ROUNDS, "an alert fires once"
