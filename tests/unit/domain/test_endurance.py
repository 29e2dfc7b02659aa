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
from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.facts import AnyFact, FactBatch, following_offset, following_partition
from service.floor_state import FloorState
from tests.support.mornings import CONFIG
from tests.support.stream_run import ROOT

DAYS = 7
FLUSH = 200
DAY_MS = 86_400_000
GROWTH = 1.15
"""Two days are not like the two before: intervals are kept for 48 hours."""

Kept = dict[bytes, bytes]


class Floor:
    """Both stages with one partition, what their compacted changelogs would hold, and a reader of the feed."""

    def __init__(self) -> None:
        floor = load_config(CONFIG).floor()
        self.now_ms = 0
        self.correlate, self.aggregate = CorrelateStore(floor), AggregateStore(floor)
        self.contacts: Kept = {}
        self.state: Kept = {}
        self.reader = FloorState(floor, history_days=1, wall_ms=lambda: self.now_ms)
        self.reader.settle(1)

    def take(self, first: int, lines: list[bytes]) -> None:
        """Work off one batch of events and flush."""
        batch = FactBatch(0, 0, [], [])
        for offset, line in enumerate(lines, first):
            self.now_ms = json.loads(line)["occurred_at_ms"]  # what happens arrives at once
            found: list[AnyFact] = self.correlate.take(line, self.now_ms, offset)
            batch.offsets += [offset] * len(found)
            batch.facts += found
        batch.newest_ms = self.correlate.newest_ms()
        put(self.contacts, self.correlate.drain())
        self.aggregate.apply_batch(batch)
        self._follow(first)
        self.aggregate.drain_closed()
        records = self.aggregate.drain(1 << 22)
        put(self.state, records)
        self.reader.apply(records)

    def _follow(self, first: int) -> None:
        """Apply what follows from the facts of a batch, as if it had come back from `cti.facts`."""
        following = self.aggregate.take_following()
        offsets = [following_offset(first, index) for index, _ in following]
        facts: list[AnyFact] = [fact for _, fact in following]
        self.aggregate.apply_batch(FactBatch(following_partition(0), self.correlate.newest_ms(), offsets, facts))


def put(kept: Kept, records: list[tuple[bytes, bytes | None]]) -> None:
    for key, value in records:
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value


@pytest.mark.crash
def test_seven_days_keep_no_more_than_five(tmp_path: Path) -> None:
    file = tmp_path / "week.jsonl"
    command = [sys.executable, "-m", "service.main", "simulate", "--queues", "3", "--agents", "10", "--rate", "60"]
    command += ["--seed", "7", "--start", "2025-11-17T00:00", "--duration", f"{DAYS * 24}h"]
    with file.open("wb") as output:
        subprocess.run(command, cwd=ROOT, stdout=output, check=True, timeout=600)
    floor, taken = Floor(), 0
    keys: list[int] = []
    mib: list[float] = []
    tracemalloc.start()
    with file.open("rb") as source:
        while lines := list(islice(source, FLUSH)):
            before = floor.now_ms // DAY_MS
            floor.take(taken, lines)
            taken += len(lines)
            if before and floor.now_ms // DAY_MS > before:
                gc.collect()
                keys.append(len(floor.contacts) + len(floor.state))
                mib.append(tracemalloc.get_traced_memory()[0] / 2**20)
    tracemalloc.stop()
    print(f"{taken} events in {DAYS} days; at each midnight keys {keys}, MiB {[round(each, 1) for each in mib]}")
    assert len(keys) >= DAYS - 1
    for figures in (keys, mib):
        assert max(figures[-2:]) <= max(figures[-4:-2]) * GROWTH
