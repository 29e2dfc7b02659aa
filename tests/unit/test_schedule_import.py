"""Schedules from CSV: what the rows come to, and what is said of bad ones."""

from pathlib import Path

import pytest

from service.domain.business_events import Activity, SchedulePublished
from service.domain.codec import decode_event
from service.errors import UsageError
from service.main import main
from service.schedule_import import MOST_ACTIVITIES, published, read_schedule

HEAD = "agent_id,start,end,activity"
DAY = f"""{HEAD}
1001,2026-11-23 08:00,2026-11-23 12:00,work
1001,2026-11-23 12:00,2026-11-23 12:30,lunch
1002,2026-11-23T09:00:00+02:00,2026-11-23T10:00:00Z,work
"""
EIGHT_MS = 1_795_417_200_000
"""2026-11-23T08:00 in Berlin."""


def plans(text: str, timezone: str | None = "Europe/Berlin") -> tuple[dict[str, list[Activity]], list[str]]:
    return read_schedule(text.splitlines(keepends=True), timezone)


def test_local_times_are_of_the_zone_and_others_of_their_offset() -> None:
    found, problems = plans(DAY)
    assert problems == []
    assert [(a.start_ms - EIGHT_MS, a.end_ms - EIGHT_MS, a.activity) for a in found["1001"]] == [
        (0, 4 * 3_600_000, "work"), (4 * 3_600_000, 4.5 * 3_600_000, "lunch"),
    ]  # fmt: skip
    assert [(a.start_ms - EIGHT_MS, a.end_ms - EIGHT_MS) for a in found["1002"]] == [(0, 3 * 3_600_000)]


@pytest.mark.parametrize(
    ("columns", "values", "flags"),
    [
        ("", "", (True, True, True)),
        (",productive,paid,counts_for_adherence", ",no,NO,false", (False, False, False)),
        (",paid", ",", (True, True, True)),
        (",note,productive", ",anything,1", (True, True, True)),
    ],
)
def test_flags_are_what_the_file_says_else_the_usual(columns: str, values: str, flags: tuple[bool, bool, bool]) -> None:
    found, _ = plans(f"{HEAD}{columns}\n7,2026-11-23 08:00,2026-11-23 09:00,work{values}\n")
    (activity,) = found["7"]
    assert (activity.productive, activity.paid, activity.counts_for_adherence) == flags


def test_breaks_are_not_productive_unless_the_file_says_so() -> None:
    found, _ = plans(f"{HEAD}\n7,2026-11-23 08:00,2026-11-23 09:00,Lunch\n")
    assert not found["7"][0].productive


def test_bad_lines_are_named_with_their_number_and_why() -> None:
    _, problems = plans(
        f"""{HEAD},paid
1001,2026-11-23 08:00,2026-11-23 12:00,work,yes
,2026-11-23 08:00,2026-11-23 12:00,work,yes
1001,yesterday,2026-11-23 12:00,work,yes
1001,2026-11-23 12:00,2026-11-23 12:00,work,yes
1001,2026-11-23 12:00,2026-11-23 13:00,work,perhaps
1001,2026-11-23 12:00
1001,2026-11-01 12:00,2026-11-23 13:00,work,no
1001,1970-01-01 12:00,1970-01-01 13:00,work,no
"""
    )
    assert [problem.partition(":")[0] for problem in problems] == [f"line {number}" for number in range(3, 10)]
    for word, problem in zip(
        ("agent_id is empty", "'yesterday'", "not after its start", "paid is 'perhaps'", "end is empty", "more than",
         "631152000000"), problems, strict=True,
    ):  # fmt: skip
        assert word in problem


@pytest.mark.parametrize(
    ("text", "timezone", "said"),
    [
        ("", "UTC", "agent_id, start, end, activity is missing"),
        ("agent_id,start,end\n", "UTC", "activity is missing"),
        (DAY, None, "without a time zone"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_told(text: str, timezone: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        plans(text, timezone)


def test_a_plan_is_one_event_an_agent_and_has_the_same_id_again() -> None:
    found, _ = plans(DAY)
    once, again = (list(published(found, "Europe/Berlin", 3, now_ms)) for now_ms in (EIGHT_MS, EIGHT_MS + 1))
    assert [(event.agent_id, len(event.intervals), event.version) for event in once] == [("1001", 2, 3), ("1002", 1, 3)]
    assert [event.event_id for event in once] == [event.event_id for event in again]
    assert [event.event_id for event in once] != [e.event_id for e in published(found, "Europe/Berlin", 4, EIGHT_MS)]


def test_a_long_plan_is_parted_between_days_only() -> None:
    hour_ms, day_ms = 3_600_000, 86_400_000

    def work(day: int, start_ms: float, end_ms: float) -> Activity:
        day_at_ms = EIGHT_MS + day * day_ms
        return Activity(start_ms=day_at_ms + round(start_ms), end_ms=day_at_ms + round(end_ms), activity="work")

    many = [work(day, n * hour_ms / 8, (n + 1) * hour_ms / 8) for day in range(30) for n in range(64)]
    many += [work(day, 13 * hour_ms, 14 * hour_ms) for day in range(30)]
    events = list(published({"7": many}, "Europe/Berlin", 1, EIGHT_MS))
    sizes = [len(event.intervals) for event in events]
    assert sum(sizes) == len(many) and len(sizes) == 2 and sizes[0] < MOST_ACTIVITIES + 65
    assert all(size % 65 == 0 for size in sizes)


def run(tmp_path: Path, text: str, *words: str) -> int:
    file = tmp_path / "week.csv"
    file.write_text(text, encoding="utf-8-sig")
    return main(["schedule", "import", str(file), *words])


def test_events_are_printed_for_other_tools(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(tmp_path, DAY, "--timezone", "Europe/Berlin", "--output", "-") == 0
    events = [decode_event(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [event.agent_id for event in events if isinstance(event, SchedulePublished)] == ["1001", "1002"]


@pytest.mark.parametrize(
    ("text", "words", "code", "said"),
    [
        (DAY, (), 2, "give"),
        ("a,b\n", (), 2, "week.csv: the first line must name"),
        (DAY + "1003,x,y,work\n", ("--timezone", "UTC"), 1, "nothing was sent: line 5: cannot read the time 'x'"),
        (DAY, ("--timezone", "Mars/Base"), 2, "is not an IANA time zone"),
    ],
)
def test_trouble_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: tuple[str, ...], code: int, said: str
) -> None:
    assert run(tmp_path, text, *words) == code
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedule", "import", "/nowhere/week.csv"]) == 1
    assert "/nowhere/week.csv" in capsys.readouterr().err
