"""`floorwalker top`: the worst first, whatever the size of the terminal, and stale numbers said to be so."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from service.top.screen import Screen, rows_of
from service.top.snapshot import Snapshot
from service.top.tables import duration, worst_agents, worst_queues
from tests.unit.api.floors import Centre, get

QUEUES = "/v1/queues?windows=15m"
AGENTS = "/v1/agents?windows=15m"
PARTS = ("alerts", "queues", "agents")


async def snapshot_of(centre: Centre) -> Snapshot:
    """What the API says of the centre."""
    app = centre.app()
    bodies = [(await get(app, path)).json() for path in (QUEUES, AGENTS, "/v1/alerts?state=firing")]
    return Snapshot(bodies[0]["as_of"], bodies[0]["staleness_seconds"], *(body["items"] for body in bodies))


def drawn(screen: Screen, width: int = 140, height: int = 40) -> list[str]:
    """The lines on a terminal of that size."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False, markup=False)
    options = console.options.update(height=height)
    return ["".join(part.text for part in line).rstrip() for line in console.render_lines(screen, options, pad=False)]


def screen_of(snapshot: Snapshot, age_seconds: float = 0.0, **more: Any) -> Screen:
    return Screen(PARTS, snapshot, 100.0, lambda: 100.0 + age_seconds, **more)


def a_queue(name: str, over: int = 0, level: float | None = 0.9, oldest: float | None = None) -> dict[str, Any]:
    return {
        "id": name, "now": {"waiting_over_threshold": over, "oldest_wait_seconds": oldest},
        "windows": {"15m": {"service_level_ratio": level}},
        "service_level": {"target_ratio": 0.8, "threshold_seconds": 20.0},
    }  # fmt: skip


def test_queues_stand_worst_first() -> None:
    items = [
        a_queue("fine"), a_queue("unknown", level=None), a_queue("low", level=0.5), a_queue("lower", level=0.2),
        a_queue("many-over", over=4, level=1.0), a_queue("one-over", over=1, level=0.1),
        a_queue("waits", oldest=9.0),
    ]  # fmt: skip
    assert [q["id"] for q in worst_queues(items)] == [
        "many-over", "one-over", "lower", "low", "waits", "fine", "unknown",
    ]  # fmt: skip


def test_agents_stand_by_state_and_then_by_how_long_they_are_in_it() -> None:
    items = [
        {"id": name, "state": state, "now": {"state_seconds": seconds}}
        for name, state, seconds in (
            ("gone", "offline", 9_000), ("free", "ready", 50), ("short", "not_ready", 5), ("long", "not_ready", 900),
            ("talks", "on_contact", 60), ("never", "unknown", None),
        )
    ]  # fmt: skip
    assert [a["id"] for a in worst_agents(items)] == ["never", "long", "short", "talks", "free", "gone"]


async def test_the_numbers_are_those_of_the_api(centre: Centre) -> None:
    snapshot = await snapshot_of(centre)
    text = drawn(screen_of(snapshot))
    sales = next(line for line in text if " sales " in line)
    for shown in ("! 1", "25s", "80%/20s"):
        assert shown in sales
    bob = next(line for line in text if " bob " in line)
    assert "not_ready (break)" in bob
    assert "10:00" in bob
    assert "newest event" in text[0]
    assert "STALE" not in text[0]


@pytest.mark.parametrize(("width", "height"), [(40, 12), (80, 24), (60, 50), (200, 60), (20, 4)])
async def test_it_fits_a_terminal_of_any_size(centre: Centre, width: int, height: int) -> None:
    for number in range(60):
        centre.agent_state(f"agent-{number}", "ready", queues=("sales", "mail"))
        centre.queued(f"n{number}", f"queue-{number}", ago_ms=number * 1_000)
    centre.flush()
    lines = drawn(screen_of(await snapshot_of(centre)), width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[0].startswith("floorwalker")


async def test_what_does_not_fit_is_counted(centre: Centre) -> None:
    for number in range(60):
        centre.queued(f"n{number}", f"queue-{number}", ago_ms=number * 1_000)
    centre.flush()
    lines = drawn(screen_of(await snapshot_of(centre)))
    shown = sum(" queue-" in line for line in lines)
    title = next(line for line in lines if line.startswith("Queues ("))
    total, hidden = (int(number) for number in re.findall(r"\d+", title))
    assert 0 < shown < 60
    assert total - hidden == shown, "the others, worse or not, are those that do not fit"


@pytest.mark.parametrize("width", [30, 60, 90])
async def test_a_narrow_terminal_costs_columns_and_not_the_names(centre: Centre, width: int) -> None:
    lines = drawn(screen_of(await snapshot_of(centre)), width)
    assert any(" sales " in line for line in lines)
    assert any(" bob " in line for line in lines)


async def test_once_shows_every_row(centre: Centre) -> None:
    for number in range(60):
        centre.queued(f"n{number}", f"queue-{number}", ago_ms=number * 1_000)
    centre.flush()
    console = Console(file=io.StringIO(), width=140, height=20)
    console.print(screen_of(await snapshot_of(centre), whole=True))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(f"queue-{number} " in text for number in range(60))


@pytest.mark.parametrize(
    ("staleness", "age", "problem", "words"),
    [
        pytest.param(2.0, 0.0, None, "newest event 2s ago", id="fresh"),
        pytest.param(9.0, 3.0, None, "STALE, newest event 12s ago", id="the feed stands still"),
        pytest.param(1.0, 70.0, "no answer", "STALE, nothing newer for 1:10: no answer", id="the API is gone"),
        pytest.param(1.0, 11.0, None, "STALE, nothing newer for 11s", id="an answer takes long"),
        pytest.param(None, 0.0, None, "no event yet", id="before the first event"),
    ],
)
def test_the_heading_says_how_old_the_numbers_are(
    staleness: float | None, age: float, problem: str | None, words: str
) -> None:
    snapshot = Snapshot("2026-11-22T12:00:00Z", staleness, [], [], [])
    assert words in drawn(screen_of(snapshot, age, problem=problem))[0]


def test_newer_numbers_end_the_trouble() -> None:
    snapshot = Snapshot("2026-11-22T12:00:00Z", 1.0, [], [], [])
    screen = screen_of(snapshot, 60.0, problem="no answer")
    screen.show(snapshot)
    assert "STALE" not in drawn(screen)[0]


def test_what_the_token_does_not_show_is_said_and_not_an_empty_table() -> None:
    lines = drawn(screen_of(Snapshot("2026-11-22T12:00:00Z", 1.0, [], None, None)))
    assert "agents: this token does not show them" in lines
    assert "alerts: this token does not show them" in lines


def test_an_id_cannot_steer_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    alert = {
        "severity": "page", "scope": "queue:\x1b[2J\x07", "fired_at": "x", "since": "x", "acknowledged": None,
        "message": "[bold]a\nb\x9b1m", "rule": "r",
    }  # fmt: skip
    console.print(screen_of(Snapshot("2026-11-22T12:00:00Z", 1.0, [], [], [alert]), whole=True))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "queue:?[2J" in written
    assert "[bold]a?b?1m" in written
    assert "\x1b[2J" not in written
    assert "\x9b" not in written


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0s"), (59.9, "59s"), (60, "1:00"), (3_599, "59:59"), (3_600, "1:00:00"), (90_061, "25:01:01")],
)
def test_times_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_rows_that_one_table_does_not_need_go_to_the_others() -> None:
    assert rows_of({"alerts": 0, "queues": 100, "agents": 2}, 40) == {"alerts": 0, "queues": 21, "agents": 2}
    assert rows_of({"alerts": 3, "queues": 4, "agents": 5}, None) == {"alerts": 3, "queues": 4, "agents": 5}
