"""`floorwalker bench --quick --json`: the shape of the report and exact totals; how fast it was proves nothing here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker
from service.simulate.mix import EVENTS_PER_CONTACT
from service.topics import create_topics

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 300
pytestmark = pytest.mark.usefixtures("embedded_broker")  # skips where there is none


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.main", "bench", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


def test_a_quick_run_reports_every_figure_and_exact_totals() -> None:
    done = bench("--quick", "--json", "--queues", "10", "--agents", "100", "--events", "5000")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["correct"] is True
    assert report["wrong_scopes"] == []
    assert report["events"] == 5000 // EVENTS_PER_CONTACT * EVENTS_PER_CONTACT
    throughput = report["throughput"]
    for contender in ("worker", "documented_faust", "bare_loop"):
        assert throughput[f"{contender}_events_per_second"] > 0
    assert report["broker"] == "embedded"
    assert report["changelog_bytes_per_event"] > 0
    for found in (report["latency_seconds"], *report["latency_seconds_by_rate"].values(), report["scrape_seconds"]):
        assert 0 < found["p50"] <= found["p99"]
    assert report["latency_seconds_by_rate"].keys() == {"1000", "5000"}


def test_a_broker_in_use_is_left_alone() -> None:
    with EmbeddedBroker() as used:
        create_topics(used.bootstrap, 1, 1)
        done = bench("--quick", "--broker", used.bootstrap)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"floorwalker: {used.bootstrap} has cti.events already: bench needs a broker that serves no Floorwalker"
    )


@pytest.mark.parametrize("arguments", [("--events", "0"), ("--queues", "0"), ("--agents", "-1"), ("--partitions", "0")])
def test_sizes_that_make_no_sense_are_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert bench("--quick", *arguments).returncode == 2
