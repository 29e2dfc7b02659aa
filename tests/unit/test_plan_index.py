"""Scheduled and absent heads by queue, as events and the clock change them."""

from __future__ import annotations

from typing import Any

import pytest

from service.config import Config
from service.domain import schedule
from service.floor_state import FloorState
from tests.pitfalls.scenes import MINUTE_MS, ask
from tests.unit.api.floors import Centre


def plan(centre: Centre, agent: str, *activities: tuple[int, int, str], version: int = 1) -> None:
    """The agent's plan: (from, to) in minutes from now, and what."""
    intervals = [
        {
            "start_ms": centre.now_ms + start * MINUTE_MS, "end_ms": centre.now_ms + end * MINUTE_MS,
            "activity": name, "productive": name == "work",
        }
        for start, end, name in activities
    ]  # fmt: skip
    centre.event("schedule.published", agent_id=agent, intervals=intervals, version=version)


def heads(centre: Centre, *queues: str) -> tuple[int | None, int | None]:
    """(scheduled, absent) of the queues together, once the clock has been looked at."""
    centre.state.view()
    staff = centre.state.staff.of_queues(queues or ("sales",))
    return staff.get("scheduled"), staff.get("absent")


def two_agents() -> Centre:
    """1001 works, 1002 is away; both are scheduled from ten minutes on for half an hour."""
    centre = Centre()
    centre.agent_state("1001", "ready", queues=("sales", "mail"))
    centre.agent_state("1002", "ready")
    centre.agent_state("1002", "offline")
    for agent in ("1001", "1002"):
        plan(centre, agent, (10, 40, "work"), (40, 50, "break"))
    centre.flush()
    return centre


def test_without_a_schedule_nothing_is_said() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready")
    centre.flush()
    assert heads(centre) == (None, None)


def test_heads_follow_the_clock_without_an_event() -> None:
    centre = two_agents()
    seen = []
    for _ in range(6):
        seen.append(heads(centre))
        centre.now_ms += 10 * MINUTE_MS
    assert seen == [(0, 0), (2, 1), (2, 1), (2, 1), (0, 0), (0, 0)]


def test_heads_follow_events() -> None:
    centre = two_agents()
    centre.now_ms += 20 * MINUTE_MS
    centre.agent_state("1002", "ready")
    centre.agent_state("1001", "not_ready", queues=("sales", "mail"))
    centre.agent_state("1001", "offline", queues=("sales", "mail"))
    centre.flush()
    assert heads(centre) == (2, 1)
    centre.event("activity.exception", agent_id="1001", start_ms=centre.now_ms, end_ms=centre.now_ms + MINUTE_MS,
                 activity="sick")  # fmt: skip
    centre.flush()
    assert heads(centre) == (1, 0)
    centre.now_ms += MINUTE_MS
    assert heads(centre) == (2, 1)


def test_an_agent_counts_once_in_several_queues() -> None:
    centre = two_agents()
    centre.now_ms += 10 * MINUTE_MS
    assert (heads(centre, "mail"), heads(centre, "sales", "mail")) == ((1, 0), (2, 1))


def test_the_end_of_grace_is_a_moment_too() -> None:
    centre = Centre(Config.model_validate({"adherence": {"grace_after_seconds": 120}}).floor())
    centre.agent_state("1001", "ready")
    centre.agent_state("1001", "offline")
    plan(centre, "1001", (0, 60, "work"))
    centre.flush()
    assert heads(centre) == (1, 0)
    centre.now_ms += 2 * MINUTE_MS
    assert heads(centre) == (1, 1)


def test_what_the_clock_changes_is_told_to_followers() -> None:
    centre = two_agents()
    centre.state.view()
    before = centre.state.seq
    centre.now_ms += 10 * MINUTE_MS
    centre.state.view()
    changed = {scope for scope, seq in centre.state.changed.items() if seq > before}
    assert {"agent:1001", "agent:1002", "queue:sales", "queue:mail"} <= changed


def test_at_a_start_each_agents_plan_is_laid_once_and_days_in_order_without_a_look_at_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    centre = two_agents()
    for day in range(1, 29):
        noon = day * 1440
        plan(centre, "1001", (noon, noon + 240, "work"), (noon + 240, noon + 270, "break"), version=day + 1)
    centre.flush()
    laid, cuts = list[int](), list[int]()
    lay, cut = schedule._lay, schedule._cut
    monkeypatch.setattr(schedule, "_lay", lambda days: laid.append(1) or lay(days))
    monkeypatch.setattr(schedule, "_cut", lambda pieces, *span: cuts.append(1) or cut(pieces, *span))
    read = FloorState(centre.floor, wall_ms=lambda: centre.now_ms)
    read.apply(centre.records)
    turns = 1
    while not read.settle(1):
        turns += 1
    assert (len(laid), len(cuts)) == (2, 0)
    assert turns > len(dict(centre.records)), "others have their turns in between"
    centre.now_ms += 20 * MINUTE_MS
    for state in (read, centre.state):
        state.view()
    assert read.staff.of_queues(["sales"]) == centre.state.staff.of_queues(["sales"])
    assert read.staff.of_queues(["sales"])["scheduled"] == 2


async def test_the_api_shows_adherence_and_heads() -> None:
    centre = two_agents()
    centre.now_ms += 16 * MINUTE_MS
    centre.flush()
    agent: dict[str, Any] = await ask(centre, "/v1/agents/1002")
    assert agent["adherence"] == {
        "state": "out", "activity": "work", "since": "2026-11-22T12:10:00Z", "until": "2026-11-22T12:40:00Z",
        "out_since": "2026-11-22T12:10:00Z", "impact_seconds": -360.0,
    }  # fmt: skip
    now = (await ask(centre, "/v1/queues/sales"))["now"]
    assert (now["agents_scheduled"], now["agents_absent"], now["agents_staffed"]) == (2, 1, 1)
    team = await ask(centre, "/v1/scopes/team/blue")
    assert (team["now"]["agents_scheduled"], team["windows"]["15m"]["adherence_ratio"]) == (1, 1)
    rows = (await ask(centre, "/v1/agents/1002/intervals"))["items"]
    assert [(row["start"], row["exception_seconds"]) for row in rows] == [
        ("2026-11-22T12:00:00Z", 300), ("2026-11-22T12:15:00Z", 60),
    ]  # fmt: skip
