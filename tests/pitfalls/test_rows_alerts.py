"""Rows about alerts and adherence: 31 to 33 and 40, and the alert's part of 13, 23 and 35."""

from __future__ import annotations

from typing import Any

import pytest

from service.config import Config
from tests.pitfalls.scenes import HOUR_MS, MINUTE_MS, ask
from tests.unit.api.floors import Centre


async def alerts(centre: Centre, state: str = "firing") -> list[tuple[str, str]]:
    """(rule, scope) of the alerts in a state, once everything has been evaluated up to now."""
    centre.flush()
    centre.evaluate()
    return [(item["rule"], item["scope"]) for item in (await ask(centre, f"/v1/alerts?state={state}"))["items"]]


def scheduled(centre: Centre, *activities: tuple[int, int, str], version: int = 1, agent: str = "1001") -> None:
    """The agent's plan: (from, to) in minutes from now, and what is to be done; breaks are not productive."""
    intervals = [
        {
            "start_ms": centre.now_ms + start * MINUTE_MS, "end_ms": centre.now_ms + end * MINUTE_MS,
            "activity": activity, "productive": activity == "work",
        }
        for start, end, activity in activities
    ]  # fmt: skip
    centre.event("schedule.published", agent_id=agent, version=version, intervals=intervals)


async def day_of(centre: Centre, agent: str = "1001") -> dict[str, Any]:
    centre.flush()
    day: dict[str, Any] = (await ask(centre, f"/v1/agents/{agent}"))["windows"]["day"]
    return day


async def test_row_13_a_stuck_state_is_told() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready")
    centre.event("leg.alerting", contact_id="c1", visit_id="c1/1", leg_id="l1", queue_id="sales", agent_id="1001")
    centre.now_ms += HOUR_MS
    centre.event("agent.heartbeat", agent_id="1001")
    assert ("stuck_state", "agent:1001") in await alerts(centre)


async def test_row_23_silence_is_no_bad_service_level_and_has_a_rule_of_its_own() -> None:
    centre = Centre()
    for number in reversed(range(20)):
        centre.call(f"c{number}", agent="1001", ago_ms=number * 3 * MINUTE_MS)
    centre.flush()
    centre.now_ms += HOUR_MS + MINUTE_MS
    centre.event("agent.heartbeat", agent_id="1001")
    found = await alerts(centre)
    assert ("no_traffic", "queue:sales") in found
    assert not [rule for rule, scope in found if scope == "queue:sales" and rule != "no_traffic"]


async def broken_off_late(policy: dict[str, Any]) -> dict[str, Any]:
    """A break of 15 minutes at noon that begins five minutes late, since a call went on for so long."""
    centre = Centre(Config.model_validate({"agents": {"1001": {}}, "adherence": policy}).floor())
    centre.agent_state("1001", "ready", ago_ms=30 * MINUTE_MS)
    centre.call("c1", agent="1001", ago_ms=10 * MINUTE_MS)
    scheduled(centre, (-30, 0, "work"), (0, 15, "break"), (15, 30, "work"))
    centre.now_ms += 5 * MINUTE_MS
    centre.event("leg.ended", contact_id="c1", visit_id="c1/1", leg_id="c1/1/1", queue_id="sales", agent_id="1001")
    centre.agent_state("1001", "not_ready", reason="break")
    centre.now_ms += 10 * MINUTE_MS
    return await day_of(centre)


async def test_row_31_a_break_after_an_overlong_call_is_excused_only_where_the_policy_says_so() -> None:
    strict = await broken_off_late({})
    assert strict["adherence_ratio"] == strict["adherence_excused_ratio"] == pytest.approx(1 - 5 / 45)
    mild = await broken_off_late({"call_overrun_seconds": 600})
    assert (mild["adherence_ratio"], mild["adherence_excused_ratio"]) == (pytest.approx(1 - 5 / 45), 1)


async def offline_in_break(policy: dict[str, Any]) -> float:
    centre = Centre(Config.model_validate({"agents": {"1001": {}}, "adherence": policy}).floor())
    scheduled(centre, (0, 15, "break"))
    centre.agent_state("1001", "offline")
    centre.now_ms += 10 * MINUTE_MS
    ratio: float = (await day_of(centre))["adherence_ratio"]
    return ratio


async def test_row_32_which_states_fit_an_activity_is_configured() -> None:
    assert await offline_in_break({}) == 1
    assert await offline_in_break({"states": {"break": ["not_ready"]}}) == 0


async def test_row_33_a_late_schedule_recomputes_and_does_not_alert_again() -> None:
    centre = Centre()
    scheduled(centre, (0, 60, "work"))
    centre.agent_state("1001", "not_ready", reason="training")
    centre.now_ms += 20 * MINUTE_MS
    centre.event("agent.heartbeat", agent_id="1001")
    assert ("out_of_adherence", "agent:1001") in await alerts(centre)
    assert (await day_of(centre))["adherence_ratio"] == 0
    centre.now_ms -= 20 * MINUTE_MS  # the plan of that hour, as it is published only now
    scheduled(centre, (0, 60, "training"), version=2)
    centre.now_ms += 20 * MINUTE_MS
    assert (await day_of(centre))["adherence_ratio"] == 1
    assert await alerts(centre) == []
    assert ("out_of_adherence", "agent:1001") in await alerts(centre, "resolved")


async def test_row_35_skipped_records_are_told() -> None:
    centre = Centre()
    centre.event("source.gap", from_ms=centre.now_ms - HOUR_MS, to_ms=centre.now_ms, reason="records skipped")
    assert ("feed_gap", "source:pbx") in await alerts(centre)


async def test_row_40_a_silent_source_is_told_and_keeps_its_queues_from_alerting() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready")
    centre.queued("c1")
    centre.flush()
    centre.now_ms += HOUR_MS  # the caller seems to wait for an hour, but nothing is heard of anybody
    assert await alerts(centre) == [("feed_stale", "source:pbx")]
