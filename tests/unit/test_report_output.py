"""A report as JSON, CSV and tables."""

import csv
import io
import json

import pytest
from rich.console import Console

from service.report_output import as_csv, as_json, heading, print_tables, shown

TOTAL = {
    "offered": 4,
    "service_level_ratio": None,
    "asa_seconds": 14.2,
    "flowed_out_by_reason": {"timeout": 2, "full": 1},
}
REPORT = {
    "timezone": "UTC",
    "from": "2026-11-21T00:00:00Z",
    "to": "2026-11-22T00:00:00Z",
    "interval_seconds": 900,
    "queues": {
        "sales [b]": {
            "total": TOTAL,
            "days": {"2026-11-21": {"offered": 4, "service_level_ratio": 0.5}},
            "intervals": [{"start": "2026-11-21T13:00:00Z", "offered": 4}],
        }
    },
    "agents": {"1001": {"total": {"handled": 3, "login_seconds": 4408.0}, "days": {}, "intervals": []}},
    "quality": {
        "events": 10,
        "rejected": {"bad_json": 2, "too_large": 1},
        "duplicates": 1,
        "late": 0,
        "unmatched": 2,
        "clock_skew": 0,
    },
}


def tables(report: object, titles: dict[str, str] | None = None) -> str:
    out = io.StringIO()
    print_tables(report, Console(file=out, width=200, markup=False), titles or {})
    return out.getvalue()


def test_json_is_the_report_itself():
    assert json.loads(as_json(REPORT)) == REPORT
    assert as_json(REPORT).endswith(b"}\n")


def test_csv_has_one_row_per_scope_and_bucket():
    rows = list(csv.DictReader(io.StringIO(as_csv(REPORT).decode())))
    assert [(row["scope"], row["id"], row["bucket"], row["start"]) for row in rows] == [
        ("queue", "sales [b]", "total", "2026-11-21T00:00:00Z"),
        ("queue", "sales [b]", "day", "2026-11-21"),
        ("queue", "sales [b]", "interval", "2026-11-21T13:00:00Z"),
        ("agent", "1001", "total", "2026-11-21T00:00:00Z"),
    ]


def test_csv_leaves_empty_what_is_undefined_or_does_not_apply():
    total, day, _, agent = csv.DictReader(io.StringIO(as_csv(REPORT).decode()))
    assert (total["service_level_ratio"], day["service_level_ratio"], agent["offered"]) == ("", "0.5", "")
    assert total["flowed_out_by_reason"] == "timeout=2 full=1"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("offered", 1_234_567, "1234567"),
        ("service_level_ratio", 0.8125, "81.2 %"),
        ("asa_seconds", 14.25, "14.2 s"),
        ("login_seconds", 4408.4, "1:13:28"),
        ("login_seconds", 600, "0:10:00"),
        ("asa_seconds", None, "-"),
        ("contacts_per_hour", 3.25, "3.25"),
    ],
)
def test_a_value_is_shown_with_its_unit(name, value, text):
    assert shown(name, value) == text


def test_a_heading_leaves_out_the_unit_that_its_values_carry():
    assert heading("service_level_ratio") == "service level"


def test_the_tables_show_ids_as_they_are_and_the_quality_below():
    text = tables(REPORT)
    assert "sales [b]" in text
    assert "1:13:28" in text
    assert "10 events, 3 rejected (bad_json 2, too_large 1), 1 duplicates, 0 late, 2 unmatched, 0 clock skew" in text


def test_the_tables_can_have_other_headings():
    assert "呼入量" in tables(REPORT, {"offered": "呼入量"})


def test_a_report_of_a_time_in_which_nothing_happened_says_so():
    assert "days of UTC: nothing happened" in tables({**REPORT, "queues": {}, "agents": {}})


def test_a_report_of_an_empty_recording_says_so_and_names_no_day():
    text = tables({**REPORT, "queues": {}, "agents": {}, "quality": {**REPORT["quality"], "events": 0}})
    assert text.startswith("no event was read")
    assert "days of" not in text
    assert "3 rejected" in text
