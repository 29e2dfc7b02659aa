"""Forecasts of a queue's day: published ones, past weeks, what is to come, and causes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.floors import ODD_ID, Centre, get

QUARTER_MS = 900_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS


def publish(centre: Centre, start_ms: int, volume: float, queue: str = "sales", **more: Any) -> None:
    """A forecast of the quarter-hour from `start_ms`."""
    fields = {"queue_id": queue, "start_ms": start_ms, "end_ms": start_ms + QUARTER_MS, "volume": volume}
    centre.event("forecast.published", None, **fields, **({"aht_ms": 180_000} | more))


def live_through(centre: Centre, weeks: int) -> None:
    """A call, answered in time, in each of three quarter-hours around noon of the weeks before."""
    now_ms = centre.now_ms
    for week in range(weeks, 0, -1):
        for quarter in (-2, -1, 0):
            centre.now_ms = now_ms - week * WEEK_MS + quarter * QUARTER_MS + 60_000
            centre.call(f"w{week}{quarter}", agent="1001", wait_ms=5_000)
            centre.flush()
    centre.now_ms = now_ms


def by_start(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["start"][11:16]: item for item in body["intervals"]}


async def forecast(centre: Centre, queue: str = "sales") -> dict[str, Any]:
    answer = await get(centre.app(), f"/v1/forecasts/{queue}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_published_forecast_stands_beside_what_came(centre: Centre) -> None:
    for quarter in (-2, -1, 0, 1):
        publish(centre, centre.now_ms + quarter * QUARTER_MS, 2, required_agents=3)
    centre.flush()
    body = await forecast(centre)
    assert (body["id"], body["from"], body["to"]) == ("sales", "2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z")
    assert len(body["intervals"]) == 96
    found = by_start(body)
    past, ahead = found["11:45"], found["12:15"]
    assert (past["basis"], past["weeks"], past["expected_offered"], past["offered"]) == ("forecast", 0, 2, 3)
    assert past["forecast_deviation_ratio"] == 0.5
    assert past["reforecast_offered"] is past["required_agents"] is None
    assert (ahead["offered"], ahead["forecast_agents"], ahead["scheduled_agents"]) == (None, 3, None)
    assert body["reforecast"] == {"factor": 1.0, "completed_intervals": 2}
    assert (ahead["reforecast_offered"], ahead["required_agents"]) == (2, 2)
    assert found["09:00"]["basis"] is None


async def test_without_a_forecast_past_weeks_say_what_to_expect() -> None:
    centre = Centre()
    live_through(centre, 3)
    body = await forecast(centre)
    found = by_start(body)
    noon = found["12:00"]
    assert (noon["basis"], noon["weeks"], noon["expected_offered"]) == ("profile", 3, 1)
    assert noon["expected_service_level_ratio"] == 1
    assert found["09:00"]["expected_offered"] == 0, "open on these days, and nobody called"
    assert body["reforecast"]["factor"] == 0, "two calls were expected by now and none came"


async def test_a_new_forecast_replaces_what_was_expected() -> None:
    centre = Centre()
    publish(centre, centre.now_ms, 5)
    centre.flush()
    assert by_start(await forecast(centre))["12:00"]["expected_offered"] == 5
    publish(centre, centre.now_ms, 8, version=1)
    centre.flush()
    assert by_start(await forecast(centre))["12:00"]["expected_offered"] == 8


async def test_a_newly_closed_interval_changes_what_is_expected() -> None:
    centre = Centre()
    live_through(centre, 1)
    assert by_start(await forecast(centre))["12:00"]["basis"] == "profile"
    last_week = centre.state.history.between("queue:sales", 0, centre.now_ms)
    keys = [f"queue:sales|{each.start_ms}".encode() for each in last_week]
    centre.state.history.apply([(key, None) for key in keys])
    assert by_start(await forecast(centre))["12:00"]["basis"] is None


async def test_the_end_of_the_day_is_projected_and_says_what_it_takes(centre: Centre) -> None:
    for quarter in range(-2, 4):
        publish(centre, centre.now_ms + quarter * QUARTER_MS, 10)
    centre.flush()
    projection = (await forecast(centre))["projection"]
    day = projection["day"]
    assert projection["confidence_ratio"] == 0.9
    assert day["low_ratio"] <= day["service_level_ratio"] <= day["high_ratio"]
    assert day["remaining_contacts"] == pytest.approx(4 * 10 * 4 / 20), "4 came of 20 expected"
    assert day["lost"] == (day["needed_ratio"] > 1)


async def test_without_any_expectation_there_is_only_what_happened(centre: Centre) -> None:
    body = await forecast(centre)
    assert body["reforecast"] == {"factor": None, "completed_intervals": 0}
    assert body["projection"]["interval"]["remaining_contacts"] == 0
    assert body["projection"]["day"]["remaining_contacts"] == 0
    assert body["projection"]["day"]["needed_ratio"] is None


async def test_any_queue_has_a_forecast_under_its_encoded_id_and_no_other(centre: Centre) -> None:
    app = centre.app()
    by_query = await get(app, "/v1/forecasts?id=sales")
    assert by_query.json()["id"] == "sales"
    odd = await get(app, "/v1/forecasts/SIP%2F80%2007%20%E5%AE%A2%E6%9C%8D%2C%2B%252F")
    assert odd.json()["id"] == ODD_ID
    assert (await get(app, "/v1/forecasts/nowhere")).status_code == 404


async def test_agents_scheduled_for_contacts_stand_beside_those_required() -> None:
    centre = Centre()
    for agent, work in (("1001", (0, 2)), ("1002", (1, 3))):
        centre.agent_state(agent, "ready")
        plan = [
            {"start_ms": centre.now_ms + first * QUARTER_MS, "end_ms": centre.now_ms + end * QUARTER_MS,
             "activity": "work"} for first, end in (work,)
        ] + [{"start_ms": centre.now_ms + 4 * QUARTER_MS, "end_ms": centre.now_ms + 5 * QUARTER_MS,
              "activity": "lunch", "productive": False}]  # fmt: skip
        centre.event("schedule.published", agent_id=agent, intervals=plan, version=1)
    half = {"start_ms": centre.now_ms, "end_ms": centre.now_ms + QUARTER_MS // 2, "activity": "sick"}
    centre.event("activity.exception", agent_id="1001", **half)
    centre.flush()
    found = by_start(await forecast(centre))
    times = ("11:45", "12:00", "12:15", "12:30", "13:00")
    assert [found[at]["scheduled_agents"] for at in times] == [0, 0.5, 2, 1, 0]
    assert by_start(await forecast(centre, "mail"))["12:00"]["scheduled_agents"] is None
