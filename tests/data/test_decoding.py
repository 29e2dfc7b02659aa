"""Counts that the real recordings are known to hold, found again in the events."""

import csv
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.adapters import AdapterSettings
from service.domain import events as ev
from service.domain.codec import TYPE_OF
from service.recordings import Recording
from tests.data.recorded import FOLDER, call_records, needs_data, read

pytestmark = needs_data
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
VANAD = ("vanad", "vanad-2014-01/*.csv")


def counts(recording: Recording) -> Counter[str]:
    return Counter(TYPE_OF[type(event)] for event in recording.events)


def vanad_days() -> dict[str, Counter[str]]:
    """Offered, answered, abandoned and their waits of each day, from the events."""
    queued: dict[str, int] = {}
    days: dict[str, Counter[str]] = defaultdict(Counter)
    for event in call_records(*VANAD).events:
        if not isinstance(event, ev.VisitEvent):
            continue
        if isinstance(event, ev.VisitQueued):
            queued[event.visit_id] = event.occurred_at_ms
        arrived_ms = queued[event.visit_id]
        day = days[datetime.fromtimestamp(arrived_ms / 1000, AMSTERDAM).date().isoformat()]
        wait_s = (event.occurred_at_ms - arrived_ms) // 1000
        if isinstance(event, ev.VisitQueued):
            day["offered"] += 1
        elif isinstance(event, ev.VisitAnswered):
            day.update({"answered": 1, "sum_wait_answered_s": wait_s, "answered_le20s": wait_s <= 20})
        else:
            day.update({"abandoned": 1, "sum_abandon_wait_s": wait_s})
    return days


def test_every_day_of_the_multi_skill_centre_has_its_counts_and_waits() -> None:
    with (FOLDER / "expected" / "vanad_2014_01_daily.csv").open() as file:
        rows = list(csv.DictReader(file))
    days = vanad_days()
    names = ("offered", "answered", "abandoned", "answered_le20s", "sum_wait_answered_s", "sum_abandon_wait_s")
    expected = {row["date"]: {name: int(row[name]) for name in names} for row in rows}
    assert {day: {name: found[name] for name in names} for day, found in days.items()} == expected


def test_no_agent_of_the_multi_skill_centre_is_in_two_calls_at_once() -> None:
    recording = call_records(*VANAD)
    assert (recording.rejected, recording.skipped) == ([], 0)
    answered, spans = {}, defaultdict(list)
    for event in recording.events:
        if isinstance(event, ev.VisitAnswered):
            answered[event.visit_id] = event.occurred_at_ms
        elif isinstance(event, ev.LegEnded | ev.LegTransferred):
            spans[event.agent_id].append((answered[event.visit_id or ""], event.occurred_at_ms))
    assert sum(len(calls) for calls in spans.values()) == 121_219
    overlaps = [pair for calls in spans.values() for pair in pairwise(sorted(calls)) if pair[0][1] > pair[1][0]]
    assert overlaps == []


def test_identical_rows_of_the_multi_skill_centre_stay_different_events() -> None:
    ids = [event.event_id for event in call_records(*VANAD).events]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("month", ["january", "february"])
def test_the_banks_months_have_their_outcomes(month: str) -> None:
    lines = (FOLDER / "expected" / "anonymous_bank_january_february.txt").read_text().splitlines()
    expected = json.loads(next(line for line in lines if line.startswith(month)).removeprefix(month))
    recording = call_records("anonymous-bank", f"anonymous-bank/{month}.txt")
    found = counts(recording)
    hung_up, phantoms = expected["outcome"]["HANG"], expected["outcome"]["PHANTOM"]
    assert Counter(bad.reason for bad in recording.rejected) == {"phantom": phantoms}
    assert recording.skipped == hung_up - expected["queued_hang"]
    assert found["visit.abandoned"] == expected["queued_hang"]
    assert found["visit.answered"] == expected["outcome"]["AGENT"]
    assert found["leg.ended"] == expected["outcome"]["AGENT"]
    assert found["visit.queued"] == found["visit.answered"] + found["visit.abandoned"]


def test_the_simulated_calls_meet_their_standard_where_they_say_so() -> None:
    path = FOLDER / "call-records" / "simulated" / "simulated_2021_h1.csv"
    with path.open() as file:
        stated = {row["call_id"]: row["meets_standard"] == "TRUE" for row in csv.DictReader(file)}
    recording = call_records("simulated", "simulated/*.csv")
    assert recording.rejected == []
    answered = [event for event in recording.events if isinstance(event, ev.VisitAnswered)]
    assert {event.contact_id: (event.wait_ms or 0) <= 60_000 for event in answered} == stated
    assert sum(stated.values()) == 20_239


def test_the_raw_queue_log_has_its_counts() -> None:
    recording = read([FOLDER / "asterisk" / "logvisualiser_queue_log.txt"], "asterisk-queue-log", AdapterSettings())
    assert recording.rejected == []
    found = counts(recording)
    expected = {"visit.queued": 21, "visit.abandoned": 12, "visit.answered": 8, "leg.missed": 221, "leg.ended": 7}
    assert found == expected | {"source.gap": 9}


def scenarios() -> list[dict[str, Any]]:
    path = FOLDER / "asterisk" / "statcenter_agent_scenarios.json"
    return json.loads(path.read_text()) if path.exists() else []


def rows_of(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    """The scenario's queue_log rows; times within "the last hour" are put into some hour."""
    step: dict[str, Any] = next((step for step in scenario["steps"] if "queue_log entries" in step["step"]), {})
    rows: list[dict[str, Any]] = step.get("rows", [])
    return [row | {"time": "2012-01-01 09:" + row["time"]} if len(row["time"]) < 19 else row for row in rows]


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario["scenario"])
def test_every_row_of_the_agent_scenarios_is_understood(scenario: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "queue_log.json"
    file.write_text(json.dumps(rows_of(scenario)))
    recording = read([file], "asterisk-queue-log", AdapterSettings(timezone="UTC"))
    assert recording.rejected == []
    assert len(recording.events) == len(rows_of(scenario))
    assert answered_and_talk(recording) == stated_answered_and_talk(scenario)


def answered_and_talk(recording: Recording) -> dict[str, list[int]]:
    """Answered calls by agent number, and all stated talk seconds."""
    agents: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for event in recording.events:
        if isinstance(event, ev.VisitAnswered):
            agents[str(event.agent_id).removeprefix("Agent/")][0] += 1
        elif isinstance(event, ev.LegEnded | ev.LegTransferred):
            agents[(event.agent_id or "").removeprefix("Agent/")][1] += (event.talk_ms or 0) // 1000
    return dict(agents)


def stated_answered_and_talk(scenario: dict[str, Any]) -> dict[str, list[int]]:
    """The scenario's own totals; its talk times where it states them, else what is in the rows."""
    found = {}
    for step in scenario["steps"]:
        total: dict[str, str] = next((row for row in step.get("rows", []) if row.get("") == "Total"), {})
        if "Answered" in total:
            agent = step["step"].split('"')[1]
            clock = total.get("Conversation")
            at = datetime.strptime(clock, "%H:%M:%S").replace(tzinfo=UTC) if clock else None
            talk_s = at.hour * 3600 + at.minute * 60 + at.second if at else talk_in_rows(scenario, agent)
            found[agent] = [int(total["Answered"]), talk_s]
    return found


def talk_in_rows(scenario: dict[str, Any], agent: str) -> int:
    fields = {"COMPLETEAGENT": "data2", "COMPLETECALLER": "data2", "TRANSFER": "data4"}
    rows = [row for row in rows_of(scenario) if row["agent"] == f"Agent/{agent}" and row["event"] in fields]
    return sum(int(row[fields[row["event"]]]) for row in rows)
