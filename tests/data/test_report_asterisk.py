"""Asterisk queue logs: counted lines of one, and the stated agent statistics of Wazo's 17 scenarios.

Wazo counts a call in the hour it entered, so attribution `arrival`; it shows the hours of a range, so `--interval 1h`
with `--from` and `--to`, up to which an open login or pause counts; and it shows whole seconds, cut off. Where an agent
did nothing in an hour Wazo shows 0, our report leaves the hour (or the agent) out.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.data.recorded import FOLDER, needs_data
from tests.data.reports import recording, report_of, sum_of, totals_of

pytestmark = needs_data
SCENARIOS = FOLDER / "asterisk" / "statcenter_agent_scenarios.json"
LOG = "asterisk/logvisualiser_queue_log.txt"
KPI_OF = {
    "Answered": "answered",
    "Conversation": "talk_seconds",
    "Login": "login_seconds",
    "Pause": "not_ready_seconds",
    "Wrapup": "acw_seconds",
}
"""Wazo's column -> our KPI."""
LAST_HOUR = "Generate stats twice"
LIVE = "Agent login time in queue_log"
"""A scenario without rows of its own: an agent logs in and out one second later."""

Step = dict[str, Any]


def steps_of(name: str) -> list[Step]:
    scenarios = json.loads(SCENARIOS.read_text())
    return next(scenario["steps"] for scenario in scenarios if scenario["scenario"] == name)


def queue_log_of(steps: list[Step]) -> list[dict[str, str]]:
    return next(step["rows"] for step in steps if "queue_log entries" in step["step"])


def expected_tables(steps: list[Step]) -> list[tuple[str, str, list[dict[str, str]]]]:
    """(agent, date, rows) of every table of statistics that a scenario states."""
    tables = []
    for step in steps:
        found = re.search(r'statistics on agent "(\d+)" on "([\d-]+)"', step["step"])
        if found:
            tables.append((f"Agent/{found[1]}", found[2], step["rows"]))
    return tables


def scenario_names() -> list[str]:
    if not SCENARIOS.exists():
        return []
    return [scenario["scenario"] for scenario in json.loads(SCENARIOS.read_text())]


def report_on(log: list[dict[str, str]], folder: Path, from_: str, to: str) -> dict[str, Any]:
    path = folder / "queue_log.json"
    path.write_text(json.dumps(log))
    return report_of(
        str(path), "--format", "asterisk-queue-log", "--timezone", "UTC", "--interval", "1h",
        "--attribution", "arrival", "--from", from_, "--to", to,
    )  # fmt: skip


def stated(text: str) -> int:
    """A count, or hh:mm:ss in seconds."""
    seconds = 0
    for part in text.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def shown(block: dict[str, Any], column: str) -> int:
    """Our value as Wazo shows it: seconds cut off, 0 for nothing."""
    return int(block.get(KPI_OF[column]) or 0)


def test_all_17_scenarios_are_there() -> None:
    assert len(scenario_names()) == 17


@pytest.mark.parametrize("name", [name for name in scenario_names() if name not in (LAST_HOUR, LIVE)])
def test_a_scenario_gives_the_stated_figures_of_every_hour_and_in_total(name: str, tmp_path: Path) -> None:
    steps = steps_of(name)
    tables = expected_tables(steps)
    assert tables
    for agent_id, day, rows in tables:
        hours = [re.fullmatch(r"(\d+)h-(\d+)h", row[""]) for row in rows if row[""] != "Total"]
        first, last = int(hours[0][1]), int(hours[-1][2])  # type: ignore[index]
        from_, to = f"{day}T{first:02}:00:00Z", f"{day}T{last:02}:00:00Z"
        report = report_on(queue_log_of(steps), tmp_path, from_, to)
        agent = report["agents"].get(agent_id, {"total": {}, "intervals": []})
        blocks = {f"{int(block['start'][11:13])}h": block for block in agent["intervals"]} | {"Total": agent["total"]}
        found = [
            {column: shown(blocks.get(row[""].split("-")[0], {}), column) for column in row if column} for row in rows
        ]
        assert found == [{column: stated(text) for column, text in row.items() if column} for row in rows]
        assert report["quality"]["rejected"] == {}


def test_the_same_log_reported_twice_gives_the_same_login(tmp_path: Path) -> None:
    log = [{**row, "time": f"2012-01-01 09:{row['time']}"} for row in queue_log_of(steps_of(LAST_HOUR))]
    reports = [report_on(log, tmp_path, "2012-01-01T09:00:00Z", "2012-01-01T10:00:00Z") for _ in range(2)]
    assert reports[0] == reports[1]
    assert shown(reports[0]["agents"]["Agent/8"]["total"], "Login") == stated("00:15:00")


def test_an_agent_logged_in_for_a_second_has_one_second_of_login(tmp_path: Path) -> None:
    assert any("has been logged for 1 seconds" in step["step"] for step in steps_of(LIVE))
    login = {"time": "2012-01-01 09:00:00", "callid": "1", "queuename": "NONE", "agent": "Agent/1003",
             "event": "AGENTCALLBACKLOGIN", "data1": "1003@statscenter"}  # fmt: skip
    logoff = login | {"time": "2012-01-01 09:00:01", "event": "AGENTCALLBACKLOGOFF", "data2": "1"}
    report = report_on([login, logoff], tmp_path, "2012-01-01T09:00:00Z", "2012-01-01T10:00:00Z")
    assert report["agents"]["Agent/1003"]["total"]["login_seconds"] == 1


@pytest.fixture(scope="module")
def log_lines() -> list[list[str]]:
    return [line.split("|") for line in Path(recording(LOG)[0]).read_text().splitlines() if line]


@pytest.fixture(scope="module")
def log_report() -> dict[str, Any]:
    return report_of(*recording(LOG), "--format", "asterisk-queue-log", "--timezone", "UTC", "--interval", "1h")


def test_the_log_of_278_lines_gives_the_known_counts(log_report: dict[str, Any]) -> None:
    queue = log_report["queues"]["9000"]["total"]
    found = {name: queue[name] for name in ("offered", "abandoned", "answered", "missed")}
    assert found == {"offered": 21, "abandoned": 12, "answered": 8, "missed": 221}
    assert log_report["quality"]["rejected"] == {}


def test_whoever_neither_left_nor_was_answered_still_waits(log_report: dict[str, Any]) -> None:
    queue = log_report["queues"]["9000"]["total"]
    assert queue["waiting"] == queue["offered"] - queue["answered"] - queue["abandoned"] == 1


def test_stated_durations_of_the_log_add_up(log_report: dict[str, Any], log_lines: list[list[str]]) -> None:
    queue = log_report["queues"]["9000"]["total"]
    seconds: Counter[str] = Counter()
    for _, _, _, _, event, *data in log_lines:
        if event == "CONNECT":
            seconds["wait_seconds"] += int(data[0])
        elif event == "ABANDON":
            seconds["abandon_wait_seconds"] += int(data[2])
        elif event.startswith("COMPLETE"):
            seconds["talk_seconds"] += int(data[1])
    assert {name: queue[name] for name in seconds} == seconds


def test_every_ring_without_answer_is_its_agents(log_report: dict[str, Any], log_lines: list[list[str]]) -> None:
    rings = Counter(agent for _, _, _, agent, event, *_ in log_lines if event == "RINGNOANSWER")
    missed = {agent_id: agent["total"]["missed"] for agent_id, agent in log_report["agents"].items()}
    assert Counter(missed) == rings
    assert sum_of(totals_of(log_report, "agents"), "missed") == 221
