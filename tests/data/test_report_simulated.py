"""Half a year of simulated calls, each of which states whether it met the standard of 60 seconds."""

import csv
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.data.recorded import needs_data
from tests.data.reports import EXAMPLES, recording, report_of

pytestmark = needs_data
CONFIG = EXAMPLES / "simulated.yaml"
FILE = "call-records/simulated/simulated_2021_h1.csv"

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    with Path(recording(FILE)[0]).open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def queue() -> dict[str, Any]:
    report = report_of(*recording(FILE), "--format", "call-records", "--config", str(CONFIG), "--interval", "24h")
    assert report["quality"]["rejected"] == {}
    queue: dict[str, Any] = report["queues"]["calls"]
    return queue


def met_by_day(rows: list[Row]) -> Counter[str]:
    days: Counter[str] = Counter()
    for row in rows:
        day = datetime.strptime(row["date"], "%m/%d/%Y").date()  # noqa: DTZ007 - a date without a zone
        days[day.isoformat()] += row["meets_standard"] == "TRUE"
    return days


def test_in_threshold_are_exactly_as_many_as_meet_the_standard(queue: dict[str, Any], rows: list[Row]) -> None:
    assert queue["total"]["offered"] == queue["total"]["answered"] == len(rows) == 20_947
    assert queue["total"]["answered_in_threshold"] == 20_239


def test_every_day_has_as_many_as_meet_the_standard(queue: dict[str, Any], rows: list[Row]) -> None:
    found = {day: block["answered_in_threshold"] for day, block in queue["days"].items()}
    assert found == met_by_day(rows)


def test_waits_and_talks_are_the_stated_ones(queue: dict[str, Any], rows: list[Row]) -> None:
    assert queue["total"]["wait_seconds"] == sum(int(row["wait_length"]) for row in rows)
    assert queue["total"]["max_wait_seconds"] == max(int(row["wait_length"]) for row in rows)
    assert queue["total"]["talk_seconds"] == sum(int(row["service_length"]) for row in rows)


def test_each_call_alone_is_in_threshold_if_and_only_if_it_meets_the_standard(rows: list[Row], tmp_path: Path) -> None:
    # Every call becomes a queue of its own, so that one report tells of each.
    config = tmp_path / "each.yaml"
    config.write_text(CONFIG.read_text().replace("queue_id: calls", "queue: call_id"))
    report = report_of(*recording(FILE), "--format", "call-records", "--config", str(config), "--interval", "24h")
    found = {
        call: (block["total"]["answered_in_threshold"] == 1, block["total"]["wait_seconds"])
        for call, block in report["queues"].items()
        if call != "calls"
    }
    stated = {row["call_id"]: (row["meets_standard"] == "TRUE", int(row["wait_length"])) for row in rows}
    assert found == stated and len(stated) == 20_947
    assert {wait: met for met, wait in stated.values() if 59 <= wait <= 62} == {
        59: True,
        60: True,
        61: False,
        62: False,
    }
