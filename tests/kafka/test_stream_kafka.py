"""The whole way on Apache Kafka, as in production: workers that die and join change no number, and a month is exact."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.domain.codec import decode_event, record_key
from tests.data.recorded import FOLDER
from tests.support.apache_kafka import KafkaProcess
from tests.support.stream_run import ROOT, Record, Source, StreamRun

CANONICAL = ROOT / "tests" / "golden" / "reports" / "canonical.yaml"
VANAD = ROOT / "deploy" / "examples" / "vanad.yaml"
KILLS = 3
SLOW = os.environ.get("FLOORWALKER_SLOW") == "1"


@pytest.fixture
def day(tmp_path: Path) -> Source:
    """Half a simulated day, as canonical events."""
    file = tmp_path / "day.jsonl"
    command = [sys.executable, "-m", "service.main", "simulate", "--queues", "4", "--agents", "40", "--rate", "400"]
    command += ["--seed", "3", "--start", "2025-11-17T08:00", "--duration", "4h"]
    with file.open("wb") as output:
        subprocess.run(command, cwd=ROOT, stdout=output, check=True, timeout=120)
    return Source([file], "canonical", CANONICAL)


def records_of(source: Source) -> list[Record]:
    lines = source.files[0].read_bytes().splitlines()
    return [(record_key(decode_event(line)).encode(), json.dumps(json.loads(line)).encode()) for line in lines]


async def test_workers_killed_in_mid_stream_and_joining_change_nothing(
    broker: KafkaProcess, day: Source, tmp_path: Path
) -> None:
    records = records_of(day)
    part = len(records) // (KILLS + 1)
    async with StreamRun(broker.bootstrap, CANONICAL, tmp_path, embedded=False) as run:
        worker = run.start_worker()
        for number in range(KILLS):
            sending = asyncio.create_task(run.send(records[number * part : (number + 1) * part]))
            await run.until_taken(number * part + part // 4)
            run.kill(worker)
            await sending
            worker = run.start_worker()
        await run.until_taken(KILLS * part)
        run.start_worker()
        await run.send(records[KILLS * part :])
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(day, attribution) == []


@pytest.mark.data
@pytest.mark.skipif(not SLOW, reason="takes minutes: set FLOORWALKER_SLOW=1")
@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER} (FLOORWALKER_DATA names another folder)")
async def test_a_month_of_a_multi_skill_centre(broker: KafkaProcess, tmp_path: Path) -> None:
    files = sorted((FOLDER / "call-records" / "vanad-2014-01").glob("[0-9]*.csv"))
    source = Source(files, "call-records", VANAD)
    async with StreamRun(broker.bootstrap, VANAD, tmp_path, embedded=False) as run:
        run.start_api()
        run.start_worker()
        await run.ingest(source)
        await run.settle(timeout_s=180)
        for attribution in ("outcome", "arrival"):
            assert await run.differences(source, attribution) == []
