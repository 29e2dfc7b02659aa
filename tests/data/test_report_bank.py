"""A bank's call centre, two months: expected figures of each month, and a textbook's arrival rates and staff."""

import csv
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.data.recorded import example, needs_data
from tests.data.reports import EXAMPLES, recording, report_of, sum_of, totals_of

pytestmark = needs_data
BANK = ZoneInfo("Asia/Jerusalem")
MONTHS = ("january", "february")
TYPES = ("PS", "NW", "PE", "NE", "TT", "IN", "AA")

WEDNESDAY = 2
WEDNESDAY_RATES = {0: 6.75, 13: 203.50, 23: 44.25}
"""Calls an hour on Wednesdays of February as the textbook states them."""
WEDNESDAY_STAFF = [1, 1, 1, 0, 1, 1, 1, 4, 8, 9, 10, 9, 8, 16, 10, 10, 6, 7, 8, 8, 6, 6, 5, 4]
"""The textbook's Erlang C staff for each hour: an agent takes 15 calls an hour, at most half of the calls may wait."""

Row = dict[str, str]


def file_of(month: str) -> Path:
    return Path(recording(f"call-records/anonymous-bank/{month}.txt")[0])


def rows_of(month: str) -> list[Row]:
    with file_of(month).open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def config_with(path: Path, mapping: dict[str, Any], threshold_seconds: float = 20) -> str:
    """The ready configuration with parts of its mapping replaced."""
    config = yaml.safe_load((EXAMPLES / "anonymous-bank.yaml").read_text())
    config["sources"]["anonymous-bank"]["mapping"] |= mapping
    config["defaults"]["queue"]["service_level"]["threshold_seconds"] = threshold_seconds
    path.write_text(yaml.safe_dump(config))
    return str(path)


class Month:
    """One month: its report, its rejected rows, its rows as they stand in the file, and what is expected of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        # Queued calls waited whole seconds here, so that a threshold below one tells the others from them.
        config = config_with(folder / "bank.yaml", {}, threshold_seconds=0.5)
        rejects = folder / "rejects.jsonl"
        self.report = report_of(
            str(file_of(name)), "--format", "call-records", "--config", config, "--rejects", str(rejects),
            "--attribution", "arrival", "--interval", "24h",
        )  # fmt: skip
        self.rejects = [json.loads(line) for line in rejects.read_text().splitlines()]
        self.rows = rows_of(name)
        expected = Path(recording("expected/anonymous_bank_january_february.txt")[0]).read_text().splitlines()
        self.expected: dict[str, Any] = json.loads(next(e for e in expected if e.startswith(name)).split(" ", 1)[1])

    def sum(self, name: str, kind: str = "queues") -> float:
        return sum_of(totals_of(self.report, kind), name)


@pytest.fixture(scope="module", params=MONTHS)
def month(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Month:
    return Month(request.param, tmp_path_factory.mktemp(request.param))


def test_phantom_calls_are_rejected_and_nothing_else(month: Month) -> None:
    assert month.report["quality"]["rejected"] == {"phantom": month.expected["outcome"]["PHANTOM"]}
    assert {reject["reason"] for reject in month.rejects} == {"phantom"}
    assert len(month.rejects) == month.expected["outcome"]["PHANTOM"]


def test_repeated_call_ids_are_different_calls(month: Month) -> None:
    quality = month.report["quality"]
    assert (quality["duplicates"], quality["unmatched"], quality["late"]) == (0, 0, 0)
    assert len({row["call_id"] for row in month.rows}) < len(month.rows)


def test_every_call_that_met_an_agent_is_answered(month: Month) -> None:
    assert month.sum("answered") == month.expected["outcome"]["AGENT"]
    assert month.sum("offered") == month.expected["outcome"]["AGENT"] + month.expected["queued_hang"]


def test_only_calls_with_a_queue_row_can_abandon(month: Month) -> None:
    assert month.sum("abandoned") == month.expected["queued_hang"]


def test_answers_after_a_wait_are_those_with_a_queue_row(month: Month) -> None:
    # A queue entered at midnight sharp reads 0:00:00; the expectation takes that for "none", the stated wait says no.
    midnights = sum(1 for row in month.rows if row["q_start"] == "0:00:00" and row["q_time"] != "0")
    assert midnights == {"january": 0, "february": 1}[month.name]
    queued_agent = month.sum("answered") - month.sum("answered_in_threshold")
    assert queued_agent - midnights == month.expected["queued_agent"]
    phantoms = month.report["quality"]["rejected"]["phantom"]
    assert month.sum("abandoned") + queued_agent - midnights + phantoms == month.expected["entered_queue"]


def test_the_stated_queue_times_add_up(month: Month) -> None:
    heading = file_of("january").read_text().splitlines()[0].split("\t")
    phantom_seconds = sum(int(reject["raw"].split("\t")[heading.index("q_time")]) for reject in month.rejects)
    waited = month.sum("wait_seconds") + month.sum("abandon_wait_seconds")
    assert waited + phantom_seconds == month.expected["sum_q"]


def test_the_stated_service_times_add_up(month: Month) -> None:
    assert month.sum("handled") == month.expected["outcome"]["AGENT"]
    assert month.sum("talk_seconds") == month.expected["sum_ser_agent"]


def test_a_call_without_a_known_server_is_its_queues_only(month: Month) -> None:
    nobodys = [row for row in month.rows if row["outcome"] == "AGENT" and row["server"].strip() == "NO_SERVER"]
    assert len(nobodys) == month.expected["agent_no_server"]
    assert month.sum("handled") - month.sum("handled", "agents") == len(nobodys)
    nobodys_seconds = sum(int(row["ser_time"]) for row in nobodys)
    assert month.sum("talk_seconds") - month.sum("talk_seconds", "agents") == nobodys_seconds


def test_every_server_is_an_agent_but_no_server(month: Month) -> None:
    assert "NO_SERVER" not in month.report["agents"]
    assert len(month.report["agents"]) + 1 == month.expected["servers"]


@pytest.mark.parametrize("call_type", TYPES)
def test_a_type_is_a_queue_with_all_its_calls(month: Month, call_type: str) -> None:
    rows = [row for row in month.rows if row["type"].strip() == call_type]
    assert len(rows) == month.expected["type"].get(call_type, 0)
    outcomes = Counter(row["outcome"] for row in rows)
    hung_up_in_the_voice_unit = sum(1 for row in rows if row["outcome"] == "HANG" and row["q_start"] == "0:00:00")
    offered = len(rows) - outcomes["PHANTOM"] - hung_up_in_the_voice_unit
    queue = month.report["queues"].get(call_type)
    assert (queue["total"]["offered"] if queue else 0) == offered
    assert (queue["total"]["answered"] if queue else 0) == outcomes["AGENT"]


def test_no_day_of_the_month_is_missing(month: Month) -> None:
    days = {day for queue in month.report["queues"].values() for day in queue["days"]}
    assert len(days) == month.expected["days"]
    assert min(days).replace("-", "")[2:] == month.expected["first"]
    assert max(days).replace("-", "")[2:] == month.expected["last"]


@pytest.fixture(scope="module")
def wednesday_rates(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Calls an hour, hour by hour, as the textbook counts them: every caller of the voice unit, when the call came in.

    Calls with a negative time in the voice unit are left out as broken, and so are phantoms.
    """
    folder = tmp_path_factory.mktemp("wednesdays")
    heading, *lines = file_of("february").read_text().splitlines(keepends=True)
    rows = rows_of("february")
    wanted = [line for line, row in zip(lines, rows, strict=True) if weekday(row) == WEDNESDAY]
    (folder / "wednesdays.txt").write_text(heading + "".join(wanted))
    negative = sorted({row["vru_time"] for row in rows if row["vru_time"].startswith("-")})
    columns = example("anonymous-bank")["mapping"]["columns"]
    columns["vru_time"] = {"reject": dict.fromkeys(negative, "negative_time")}
    config = config_with(folder / "calls.yaml", {"enqueue": ["vru_entry"], "skip": [], "columns": columns})
    report = report_of(
        str(folder / "wednesdays.txt"), "--format", "call-records", "--config", config, "--interval", "1h",
    )  # fmt: skip
    hours = [0] * 24
    for queue in report["queues"].values():
        for interval in queue["intervals"]:
            start = datetime.fromisoformat(interval["start"]).astimezone(BANK)
            hours[start.hour] += interval["offered"]
    dates = {row["date"] for row in rows if weekday(row) == WEDNESDAY}
    return [count / len(dates) for count in hours]


def weekday(row: Row) -> int:
    return datetime.strptime(row["date"], "%y%m%d").weekday()  # noqa: DTZ007 - a date of the bank's own calendar


def test_wednesdays_have_the_textbooks_arrival_rates(wednesday_rates: list[float]) -> None:
    assert {hour: wednesday_rates[hour] for hour in WEDNESDAY_RATES} == WEDNESDAY_RATES


def erlang_c(agents: int, load: float) -> float:
    """Probability that a call waits, for a load in Erlangs below the number of agents."""
    blocked = 1.0
    for number in range(1, agents + 1):
        blocked = load * blocked / (number + load * blocked)
    return agents * blocked / (agents - load * (1 - blocked))


def staff(calls_an_hour: float) -> int:
    """Fewest agents so that at most half of the calls wait; none where no call comes."""
    if calls_an_hour == 0:
        return 0
    load = calls_an_hour / 15
    agents = int(load) + 1
    while erlang_c(agents, load) > 0.5:
        agents += 1
    return agents


def test_wednesdays_need_the_textbooks_staff(wednesday_rates: list[float]) -> None:
    assert [staff(rate) for rate in wednesday_rates] == WEDNESDAY_STAFF
