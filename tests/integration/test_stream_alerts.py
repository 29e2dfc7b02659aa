"""Alerts in running workers: told within seconds, once, taken in hand, and neither lost nor repeated by a crash."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import TopicPartition

from service.domain.alert_record import Alert, decode_alert
from service.embedded import free_port
from service.topic_reading import reading, until_the_end
from streams.worker import NICENESS
from tests.support.busy_floor import CONFIG, busy_floor, tell
from tests.support.stop_scenarios import stop
from tests.support.stream_run import ROOT, StreamRun

TIMEOUT_S = 60.0


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[StreamRun]:
    async with busy_floor(tmp_path) as started:
        yield started


async def until(ask: Callable[[], Any], what: str, run: StreamRun) -> Any:
    """The first answer that says yes."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := await ask()):
        assert time.monotonic() < deadline, f"{what}: not within {TIMEOUT_S} s\n{run.logs()}"
        await asyncio.sleep(0.05)
    return found


async def told(run: StreamRun) -> list[Alert | None]:
    """Everything that was ever written to `cti.alerts`."""

    def read() -> list[Alert | None]:
        with reading(run.bootstrap, [TopicPartition("cti.alerts", 0)]) as consumer:
            return [record.value and decode_alert(record.value) for record in until_the_end(consumer)]

    return await asyncio.to_thread(read)


async def test_an_alert_fires_is_taken_in_hand_and_ends(run: StreamRun) -> None:
    worker = run.start_worker()
    async with httpx.AsyncClient(base_url=run.start_api(), timeout=10) as api:

        async def alerts(state: str) -> list[dict[str, Any]]:
            try:
                answer = await api.get("/v1/alerts", params={"state": state})
            except httpx.TransportError:
                return []
            return answer.json()["items"] if answer.status_code == 200 else []

        await run.until_ready([worker])
        await tell(run, "visit.queued", "c1")
        await tell(run, "visit.queued", "c2")
        (alert,) = await until(lambda: alerts("firing"), "the alert fires", run)
        assert (alert["rule"], alert["scope"], alert["value"], alert["episode"]) == ("busy", "queue:sales", 2, 1)

        path = f"/v1/alerts/{alert['fingerprint']}"
        answer = await api.post(f"{path}/ack", json={"who": "ann", "note": "on it"})
        assert answer.status_code == 202, answer.text

        async def in_hand() -> Any:
            return (await api.get(path)).json()["acknowledged"]

        by = await until(in_hand, "the alert is in hand", run)
        assert (by["by"], by["note"]) == ("ann", "on it")

        for contact in ("c1", "c2"):
            await tell(run, "visit.answered", contact, agent_id="1001")
        (alert,) = await until(lambda: alerts("resolved"), "the alert ends", run)
        assert alert["acknowledged"]["by"] == "ann"


@pytest.mark.crash
async def test_a_worker_that_dies_takes_no_alert_with_it_and_its_successor_repeats_none(run: StreamRun) -> None:
    first = run.start_worker()
    await run.until_ready([first])
    await tell(run, "visit.queued", "c1")
    await tell(run, "visit.queued", "c2")

    async def states() -> list[str]:
        return [alert.state for alert in await told(run) if alert is not None]

    async def fires() -> bool:
        return "firing" in await states()

    async def ended() -> bool:
        return (await states())[-1:] == ["resolved"]

    await until(fires, "the alert fires", run)
    run.kill(first)
    second = run.start_worker()
    await run.until_ready([second])
    await run.until(lambda: "1 alerts known" in second.log_text(), "the successor knows the alert")
    for contact in ("c1", "c2"):
        await tell(run, "visit.answered", contact, agent_id="1001")
    await until(ended, "the successor ends it", run)
    written = [alert for alert in await told(run) if alert is not None]
    assert {alert.episode for alert in written if alert.state != "pending"} == {1}
    assert len({alert.fired_ms for alert in written if alert.state == "firing"}) == 1


async def test_the_process_that_evaluates_may_die_and_the_worker_counts_on(run: StreamRun) -> None:
    worker = run.start_worker("--metrics-port", str(port := free_port()))
    async with httpx.AsyncClient(base_url=run.start_api(), timeout=10) as api:
        await run.until_ready([worker])
        await run.until(lambda: "evaluating 1 rules" in worker.log_text(), "the rules are evaluated")
        evaluator = worker.helpers()["evaluator"]
        os.kill(evaluator, signal.SIGKILL)
        await tell(run, "visit.queued", "c1")
        await tell(run, "visit.queued", "c2")

        async def counted() -> bool:
            answer = await api.get("/v1/queues/sales")
            return answer.status_code == 200 and answer.json()["now"]["waiting"] == 2

        async def fires() -> bool:
            return [alert.state for alert in await told(run) if alert is not None][-1:] == ["firing"]

        await until(counted, "the worker counts", run)
        await until(fires, "its new process tells", run)
        assert worker.helpers()["evaluator"] != evaluator
        assert "evaluator ended with -9: starting it again" in worker.log_text()
        text = (await api.get(f"http://127.0.0.1:{port}/metrics")).text
        (judged,) = re.findall(r"floorwalker_worker_evaluation_seconds_count (\S+)", text)
        assert float(judged) > 0
        assert 'floorwalker_worker_records_total{topic="cti.events"}' in text


async def test_the_helpers_of_a_worker_end_with_it_however_that_ends(run: StreamRun) -> None:
    workers = [run.start_worker(), run.start_worker()]
    await run.until_ready(workers)
    helpers = [pid for worker in workers for pid in worker.helpers().values()]
    assert len(helpers) == 4
    os.kill(workers[0].pid, signal.SIGKILL)
    assert await stop(run, workers[1]) == 0
    await run.until_ended(workers[0])
    await run.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers), "they have ended, too")


async def test_who_begins_work_makes_room_for_those_who_finish_it(run: StreamRun) -> None:
    worker = run.start_worker()
    await run.until_ready([worker])
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(own + NICENESS, 19)
    assert {os.getpriority(os.PRIO_PROCESS, helper) for helper in worker.helpers().values()} == {own}


async def test_a_worker_without_one_of_its_counting_processes_ends(run: StreamRun) -> None:
    worker = run.start_worker()
    await run.until_ready([worker])
    helpers = worker.helpers()
    os.kill(helpers["aggregate"], signal.SIGKILL)
    assert await run.until_ended(worker) == 1
    assert "the worker's process aggregate ended with -9" in worker.log_text()
    await run.until(lambda: not Path(f"/proc/{helpers['evaluator']}").exists(), "the evaluator has ended, too")


async def test_a_terminals_ctrl_c_reaches_all_processes_of_a_worker_and_ends_it_in_order(run: StreamRun) -> None:
    worker = run.start_worker()
    await run.until_ready([worker])
    helpers = worker.helpers().values()
    os.killpg(worker.pid, signal.SIGINT)
    assert await run.until_ended(worker) == 0, worker.log_text()[-3000:]
    assert not any(Path(f"/proc/{pid}").exists() for pid in helpers)


async def test_a_worker_ends_in_order_when_only_its_aggregate_was_told_to(run: StreamRun) -> None:
    worker = run.start_worker()
    await run.until_ready([worker])
    os.kill(worker.helpers()["aggregate"], signal.SIGTERM)
    assert await run.until_ended(worker) == 0, worker.log_text()[-3000:]


async def test_an_applied_configuration_is_followed_without_a_restart(run: StreamRun, tmp_path: Path) -> None:
    worker = run.start_worker()
    async with httpx.AsyncClient(base_url=run.start_api(), timeout=10) as api:
        await run.until_ready([worker])
        await run.until(lambda: "evaluating 1 rules" in worker.log_text(), "the rules are evaluated")
        await tell(run, "visit.queued", "c1")
        changed = tmp_path / "changed.yaml"
        changed.write_text(
            CONFIG.replace("value: 2", "value: 1").replace("sales: {channel: voice}", "sales: {name: Verkauf}")
        )
        command = [sys.executable, "-m", "service.main", "config", "apply", str(changed), "--who", "ann"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, "--bootstrap", run.bootstrap],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        version = done.stdout.split()[1]

        async def fires() -> list[Alert]:
            return [alert for alert in await told(run) if alert is not None and alert.state == "firing"]

        async def named() -> bool:
            answer = await api.get("/v1/queues/sales")
            return answer.status_code == 200 and answer.json()["name"] == "Verkauf"

        (alert, *_) = await until(fires, "the changed rule fires", run)
        assert alert.config_version == version
        await until(named, "the API shows the new name", run)
        (item,) = (await api.get("/v1/config")).json()["items"]
        assert (item["version"], item["who"], item["in_force"]) == (version, "ann", True)
