"""A month of a multi-skill centre, day by day, against counts made by a separate script."""

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.data.recorded import needs_data
from tests.data.reports import EXAMPLES, days_of, recording, report_of, sum_of, totals_of

pytestmark = needs_data
CONFIG = EXAMPLES / "vanad.yaml"
FILES = "call-records/vanad-2014-01/[0-9]*.csv"

Row = dict[str, str]


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return report_of(*recording(FILES), "--format", "call-records", "--config", str(CONFIG), "--interval", "24h")


@pytest.fixture(scope="module")
def expected() -> dict[str, Row]:
    with Path(recording("expected/vanad_2014_01_daily.csv")[0]).open(newline="") as lines:
        return {row["date"]: row for row in csv.DictReader(lines)}


@pytest.fixture(scope="module")
def after_transfer_seconds() -> dict[str, float]:
    """Day -> how long customers stayed connected after the agent had transferred them."""
    seconds: dict[str, float] = {}
    for path in recording(FILES):
        with Path(path).open(newline="") as lines:
            for row in csv.DictReader(lines):
                if "NULL" in (row["answered"], row["transfer"]):
                    continue
                longer = datetime.fromisoformat(row["hangup"]) - datetime.fromisoformat(row["transfer"])
                day = row["date_received"][:10]
                seconds[day] = seconds.get(day, 0) + longer.total_seconds()
    return seconds


def test_every_line_of_the_month_is_read(report: dict[str, Any], expected: dict[str, Row]) -> None:
    quality = report["quality"]
    assert (quality["rejected"], quality["unmatched"], quality["late"], quality["duplicates"]) == ({}, 0, 0, 0)
    assert sorted(days_of(report["queues"])) == sorted(expected)


COLUMNS = {
    "offered": "offered",
    "answered": "answered",
    "abandoned": "abandoned",
    "answered_le20s": "answered_in_threshold",
    "sum_wait_answered_s": "wait_seconds",
    "sum_abandon_wait_s": "abandon_wait_seconds",
    "transfer": "transferred_out",
}
"""Column of the expectation -> the KPI whose sum over the queues it is."""


@pytest.mark.parametrize("column", COLUMNS)
def test_a_day_has_the_expected_sum(report: dict[str, Any], expected: dict[str, Row], column: str) -> None:
    days = days_of(report["queues"])
    found = {day: sum_of(days[day], COLUMNS[column]) for day in expected}
    assert found == {day: float(row[column]) for day, row in expected.items()}


def test_ratios_and_means_of_a_day_follow_from_its_sums(report: dict[str, Any], expected: dict[str, Row]) -> None:
    days = days_of(report["queues"])
    for day, row in expected.items():
        answered = sum_of(days[day], "answered")
        in_threshold = sum_of(days[day], "answered_in_threshold")
        assert in_threshold / sum_of(days[day], "offered") == pytest.approx(float(row["sl20_of_offered"]), abs=1e-6)
        assert sum_of(days[day], "wait_seconds") / answered == pytest.approx(float(row["asa_s"]), abs=1e-4)
        assert max(queue["max_wait_seconds"] or 0 for queue in days[day]) == float(row["max_wait_s"])


def test_every_queue_and_every_agent_of_a_day_is_there(report: dict[str, Any], expected: dict[str, Row]) -> None:
    queues, agents = days_of(report["queues"]), days_of(report["agents"])
    assert {day: len(queues[day]) for day in expected} == {day: int(row["queues"]) for day, row in expected.items()}
    assert {day: len(agents[day]) for day in expected} == {day: int(row["agents"]) for day, row in expected.items()}


def test_talk_is_the_customers_connected_time_less_what_follows_a_transfer(
    report: dict[str, Any], expected: dict[str, Row], after_transfer_seconds: dict[str, float]
) -> None:
    # The expectation runs to the hang-up; the agent is free at the transfer.
    days = days_of(report["queues"])
    found = {day: sum_of(days[day], "talk_seconds") + after_transfer_seconds.get(day, 0) for day in expected}
    assert found == {day: float(row["sum_talk_s"]) for day, row in expected.items()}


def test_agents_and_queues_talked_the_same(report: dict[str, Any]) -> None:
    for name in ("answered", "handled", "talk_seconds", "transferred_out"):
        assert sum_of(totals_of(report, "agents"), name) == sum_of(totals_of(report), name)


def test_no_agent_was_in_two_calls_at_once(report: dict[str, Any]) -> None:
    # To the transfer, no two calls of one agent overlap: the union of their calls is their sum.
    for agent_id, agent in report["agents"].items():
        assert agent["total"]["on_contact_seconds"] == agent["total"]["talk_seconds"], agent_id


def test_with_the_hang_up_as_the_agents_end_talk_is_the_connected_time(
    expected: dict[str, Row], tmp_path: Path
) -> None:
    config = tmp_path / "hangup.yaml"
    config.write_text(
        CONFIG.read_text().replace("      hangup: hangup\n", "      hangup: hangup\n      agent_end: [hangup]\n")
    )
    assert "agent_end: [hangup]" in config.read_text()
    first_day = recording("call-records/vanad-2014-01/1.csv")
    report = report_of(*first_day, "--format", "call-records", "--config", str(config), "--interval", "24h")
    row = expected["2014-01-02"]
    talk = sum_of(totals_of(report), "talk_seconds")
    assert talk == float(row["sum_talk_s"])
    assert talk / sum_of(totals_of(report), "handled") == pytest.approx(float(row["mean_talk_s"]), abs=1e-4)
