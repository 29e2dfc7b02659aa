"""Seven simulated days through both stages and the API's floor, in one process: what is kept does not grow."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from service.config import load_config
from tests.support.mornings import CONFIG
from tests.support.one_floor import OneFloor
from tests.support.stream_run import ROOT

DAYS = 7
FLUSH = 200
DAY_MS = 86_400_000
GROWTH = 1.15
"""Two days are not like the two before: intervals are kept for 48 hours, and customers are forgotten in lots."""


@pytest.mark.load
def test_seven_days_keep_no_more_than_five(tmp_path: Path) -> None:
    file = tmp_path / "week.jsonl"
    command = [sys.executable, "-m", "service.main", "simulate", "--queues", "3", "--agents", "10", "--rate", "180"]
    command += ["--seed", "7", "--start", "2025-11-17T00:00", "--duration", f"{DAYS * 24}h"]
    with file.open("wb") as output:
        subprocess.run(command, cwd=ROOT, stdout=output, check=True, timeout=600)
    floor, taken = OneFloor(load_config(CONFIG).floor()), 0
    keys: list[int] = []
    mib: list[float] = []
    tracemalloc.start()
    with file.open("rb") as source:
        while lines := list(islice(source, FLUSH)):
            before = floor.now_ms // DAY_MS
            floor.take(lines, [json.loads(line)["occurred_at_ms"] for line in lines])  # what happens arrives at once
            taken += len(lines)
            if before and floor.now_ms // DAY_MS > before:
                gc.collect()
                keys.append(len(floor.contacts) + len(floor.state))
                mib.append(tracemalloc.get_traced_memory()[0] / 2**20)
    tracemalloc.stop()
    print(f"{taken} events in {DAYS} days; at each midnight keys {keys}, MiB {[round(each, 1) for each in mib]}")
    assert floor.rejected == 0
    assert len(keys) >= DAYS - 1
    for figures in (keys, mib):
        assert max(figures[-2:]) <= max(figures[-4:-2]) * GROWTH
