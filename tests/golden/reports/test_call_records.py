"""`call_records.csv`: Berlin, the day on which clocks go from 02:00 to 03:00 (01:00 UTC), threshold 30 s, short 10 s.

Expected numbers are counted by hand; rows by their time of enqueueing:

01:59:50 anna 03:00:05, 15 s later, talks 120      02:30:00 does not exist, so 03:30:00: ben 20 s later, talks 60
08:00:00 ben, 5 s, talks 60; the last row of all   09:00:00 anna, 30 s: the boundary, talks 300
09:10:00 twice the same row, two calls: lost at 8  09:20:00 lost at 60     10:05:00 lost at 20, its agent is ignored
09:30:00 callback at 45     09:40:00 flowed out    09:45:00 refused
09:50:00 a fax: rejected    10:20:00 a test: left out
10:00:00 anna, 40 s, talks 120 and transfers; the customer's hang-up 440 s later is not hers
23:59:30 ben at 00:00:10, 40 s, talks 180          next day 08:00:00 somebody, 10 s, talks 60
"""

from pathlib import Path
from typing import Any

import pytest

from tests.golden.reports.run import HERE, by_start, chosen, golden, report_of

TOTAL = {
    "offered": 13,
    "answered": 7,
    "abandoned": 4,
    "short_abandoned": 2,
    "callback_requested": 1,
    "flowed_out": 1,
    "refused": 1,
    "answered_in_threshold": 5,  # 15 20 30 10 5
    "abandoned_in_threshold": 3,  # 8 8 20
    "wait_seconds": 160,  # 15 + 20 + 30 + 40 + 40 + 10 + 5
    "max_wait_seconds": 40,
    "abandon_wait_seconds": 96,  # 8 + 8 + 60 + 20
    "max_abandon_wait_seconds": 60,
    "average_abandon_seconds": 24,
    "handled": 7,
    "talk_seconds": 900,  # 120 + 60 + 300 + 120 + 180 + 60 + 60
    "transferred_out": 1,
    "waiting": 0,
    "service_level_ratio": 5 / 11,  # abandon_negative
    "service_level_answered_only_ratio": 5 / 7,
    "service_level_abandon_ignored_ratio": 5 / 8,
    "service_level_abandon_positive_ratio": 8 / 11,
    "service_level_short_positive_ratio": 7 / 11,
    "service_level_dequeued_ratio": 8 / 13,  # the callback came too late
    "answer_ratio": 7 / 13,
    "abandonment_ratio": 2 / 11,
    "callback_ratio": 1 / 13,
    "transfer_ratio": 1 / 7,
}
AGENTS = {
    "anna": {"answered": 3, "handled": 3, "talk_seconds": 540, "on_contact_seconds": 540, "login_seconds": None},
    "ben": {"answered": 3, "handled": 3, "talk_seconds": 300, "on_contact_seconds": 300, "login_seconds": None},
}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return golden("call_records.csv", "call-records")


@pytest.fixture(scope="module")
def by_arrival() -> dict[str, Any]:
    return golden("call_records.csv", "call-records", "--attribution", "arrival")


def test_the_range_is_a_day_of_23_hours_and_one_of_24(report: dict[str, Any]) -> None:
    assert (report["from"], report["to"]) == ("2026-03-28T23:00:00Z", "2026-03-30T22:00:00Z")


def test_the_total_of_the_queue(report: dict[str, Any]) -> None:
    assert chosen(report["queues"]["support"]["total"], TOTAL) == pytest.approx(TOTAL)


def test_a_fax_is_rejected_and_a_test_call_left_out(report: dict[str, Any]) -> None:
    assert report["quality"]["rejected"] == {"fax": 1}
    assert report["quality"]["duplicates"] == 0


@pytest.mark.parametrize("agent_id", AGENTS)
def test_totals_of_an_agent(report: dict[str, Any], agent_id: str) -> None:
    assert chosen(report["agents"][agent_id]["total"], AGENTS[agent_id]) == AGENTS[agent_id]


def test_hours_by_outcome_across_the_change_of_clocks_and_midnight(report: dict[str, Any]) -> None:
    assert by_start(report["queues"]["support"], "offered", "answered") == {
        "2026-03-29T00:00:00Z": (1, 0),
        "2026-03-29T01:00:00Z": (1, 2),
        "2026-03-29T06:00:00Z": (1, 1),
        "2026-03-29T07:00:00Z": (6, 1),
        "2026-03-29T08:00:00Z": (2, 1),
        "2026-03-29T21:00:00Z": (1, 0),
        "2026-03-29T22:00:00Z": (0, 1),
        "2026-03-30T06:00:00Z": (1, 1),
    }
    days = {day: (b["offered"], b["answered"], b["handled"]) for day, b in report["queues"]["support"]["days"].items()}
    assert days == {"2026-03-29": (12, 5, 5), "2026-03-30": (1, 2, 2)}


def test_hours_by_arrival(by_arrival: dict[str, Any]) -> None:
    assert by_start(by_arrival["queues"]["support"], "offered", "answered") == {
        "2026-03-29T00:00:00Z": (1, 1),
        "2026-03-29T01:00:00Z": (1, 1),
        "2026-03-29T06:00:00Z": (1, 1),
        "2026-03-29T07:00:00Z": (6, 1),
        "2026-03-29T08:00:00Z": (2, 1),
        "2026-03-29T21:00:00Z": (1, 1),
        "2026-03-30T06:00:00Z": (1, 1),
    }
    days = {day: (b["offered"], b["answered"]) for day, b in by_arrival["queues"]["support"]["days"].items()}
    assert days == {"2026-03-29": (12, 6), "2026-03-30": (1, 1)}


def test_the_last_interval_of_a_short_day_ends_with_the_day() -> None:
    # Four hours each from 23:00 UTC on; the sixth has three, 19:00 to 22:00.
    report = golden("call_records.csv", "call-records", "--interval", "4h")
    assert by_start(report["queues"]["support"], "offered", "answered") == {
        "2026-03-28T23:00:00Z": (2, 2),
        "2026-03-29T03:00:00Z": (1, 1),
        "2026-03-29T07:00:00Z": (8, 2),
        "2026-03-29T19:00:00Z": (1, 0),
        "2026-03-29T22:00:00Z": (0, 1),
        "2026-03-30T06:00:00Z": (1, 1),
    }


def test_an_hour_that_comes_twice_is_the_first_and_the_day_has_25_hours(tmp_path: Path) -> None:
    heading = (HERE / "call_records.csv").read_text().splitlines()[0]
    row = "2026-10-25 02:30:00;support;anna;2026-10-25 02:30:10;-;2026-10-25 02:31:10;OK"
    file = tmp_path / "autumn.csv"
    file.write_text(f"{heading}\n{row}\n")
    config = HERE / "call_records.yaml"
    report = report_of(str(file), "--format", "call-records", "--config", str(config), "--interval", "1h")
    assert (report["from"], report["to"]) == ("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")
    assert by_start(report["queues"]["support"], "offered", "wait_seconds") == {"2026-10-25T00:00:00Z": (1, 10)}


def test_from_and_to_as_local_dates_and_times() -> None:
    report = golden("call_records.csv", "call-records", "--from", "2026-03-30", "--to", "2026-03-31")
    expected = {"offered": 1, "answered": 2, "handled": 2}  # answers of both calls, the enqueueing of one
    assert (report["from"], report["to"]) == ("2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z")
    assert chosen(report["queues"]["support"]["total"], expected) == expected
