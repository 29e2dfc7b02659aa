"""Rows 1 to 6 and 30: days, zones, clocks, and calls longer than anybody thought of."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.main import main
from tests.pitfalls.scenes import DAY_MS, HOUR_MS, MINUTE_MS, ask, at_ms, report, restarted, two_sites
from tests.unit.api.floors import Centre
from tests.unit.domain.build import T0, event


async def test_row_01_agents_stay_logged_in_over_midnight() -> None:
    centre = Centre(two_sites())
    centre.now_ms = at_ms("2026-11-21T22:00+01:00")
    centre.event("agent.login", agent_id="1001", queues=["sales"])
    centre.flush()
    centre.now_ms = at_ms("2026-11-22T00:01+01:00")
    for floor in (centre, restarted(centre)):
        agent = await ask(floor, "/v1/agents/1001")
        assert (agent["state"], agent["state_since"]) == ("ready", "2026-11-21T21:00:00Z")
        assert agent["now"]["state_seconds"] == 2 * 3600 + 60
        assert agent["windows"]["day"]["login_seconds"] == 60
        assert agent["windows"]["60m"]["available_seconds"] == 59 * 60
        yesterday = await ask(floor, "/v1/agents/1001/intervals?from=2026-11-21&to=2026-11-22")
        assert yesterday["total"]["login_seconds"] == 2 * 3600
        assert (await ask(floor, "/v1/queues/sales"))["now"]["agents_available"] == 1


async def test_row_02_a_day_without_traffic_begins_at_zero() -> None:
    centre = Centre(two_sites())
    centre.now_ms = at_ms("2026-11-22T03:59:50-05:00")
    centre.call("c1", "ventes", agent="2001", ago_ms=HOUR_MS)
    centre.flush()
    assert (await ask(centre, "/v1/queues/ventes"))["windows"]["day"]["answered"] == 1
    centre.now_ms = at_ms("2026-11-22T04:00:01-05:00")  # nothing happens but the time
    day = (await ask(centre, "/v1/queues/ventes"))["windows"]["day"]
    assert [day[name] for name in ("offered", "answered", "abandoned", "wait_seconds")] == [0, 0, 0, 0]
    agent = (await ask(centre, "/v1/agents/2001"))["windows"]["day"]
    assert (agent["answered"], agent["on_contact_seconds"]) == (0, 1)


@pytest.fixture
def zone_of_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Moves this process, as if it were a viewer's machine, to another zone."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


async def test_row_03_viewers_in_different_zones_see_the_same_site_day(zone_of_process: Any) -> None:
    centre = Centre(two_sites())
    centre.now_ms = at_ms("2026-11-22T05:00+01:00")
    centre.call("c1", agent="1001", ago_ms=6 * HOUR_MS)  # Berlin's yesterday
    centre.call("c2", agent="1001", ago_ms=HOUR_MS)
    centre.call("c3", "ventes", agent="2001", ago_ms=HOUR_MS)  # Montreal's 22 November has not begun yet
    centre.flush()
    seen = []
    for zone, midnight in (
        ("Asia/Shanghai", "2026-11-22T07:00:00%2B08:00"),
        ("America/Los_Angeles", "2026-11-21T15:00:00-08:00"),
    ):  # Berlin's midnight, as each of the two viewers would write it
        zone_of_process(zone)
        seen.append(
            [
                [queue["windows"]["day"] for queue in (await ask(centre, "/v1/queues"))["items"]],
                await ask(centre, "/v1/queues/sales/intervals?from=2026-11-22"),
                await ask(centre, f"/v1/queues/sales/intervals?from={midnight}"),
            ]
        )
    assert seen[0] == seen[1]
    days, by_date, by_moment = seen[0]
    assert [day["answered"] for day in days] == [1, 1]
    assert by_date["total"]["answered"] == by_moment["total"]["answered"] == 1


@pytest.mark.parametrize(
    ("noon", "count"),
    [
        pytest.param("2026-03-29T12:00+02:00", 46, id="spring forward"),
        pytest.param("2026-10-25T12:00+01:00", 50, id="fall back"),
        pytest.param("2026-11-20T12:00+01:00", 48, id="an ordinary day"),
    ],
)
def test_row_04_no_interval_is_lost_or_doubled_when_the_clocks_change(noon: str, count: int) -> None:
    first_s = (at_ms(noon) - 14 * HOUR_MS - T0) // 1000
    every_ten_minutes = [event("visit.queued", first_s + 600 * n, contact_id=f"c{n}") for n in range(28 * 6)]
    found = report(every_ten_minutes, timezone="Europe/Berlin", minutes=30)["queues"]["sales"]
    the_day = [row for row in found["intervals"] if berlin_date(row["start"]) == noon[:10]]
    assert len(the_day) == count
    assert sum(row["offered"] for row in the_day) == found["days"][noon[:10]]["offered"] == 3 * count


def berlin_date(start: str) -> str:
    return datetime.fromisoformat(start).astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()


async def test_row_05_times_are_utc_and_say_so_and_the_sites_zone_stands_beside_them() -> None:
    centre = Centre(two_sites())
    centre.agent_state("1001", "ready", ago_ms=HOUR_MS)
    centre.queued("c1")
    centre.flush()
    paths = ("/v1/queues", "/v1/agents", "/v1/queues/sales/intervals", "/v1/agents/1001/timeline", "/v1/sources")
    times = [text for path in paths for text in moments(await ask(centre, path))]
    assert len(times) > 10
    assert {text for text in times if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", text)} == set()
    assert (await ask(centre, "/v1/agents/1001"))["state_since"] == "2026-11-22T11:00:00Z"
    assert (await ask(centre, "/v1/queues/ventes"))["timezone"] == "America/Montreal"
    assert (await ask(centre, "/v1/agents/1001"))["timezone"] == "Europe/Berlin"


def moments(body: Any) -> Iterator[str]:
    """Everything in the body that looks like a time."""
    if isinstance(body, dict | list):
        for part in body.values() if isinstance(body, dict) else body:
            yield from moments(part)
    elif isinstance(body, str) and re.match(r"\d{4}-\d\d-\d\d[T ]", body):
        yield body


def test_row_05_a_vendors_time_without_a_zone_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text("2026-11-22 10:00:00|c1|sales|NONE|ENTERQUEUE||49301|1\n")
    assert main(["report", str(log), "--format", "asterisk-queue-log"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "zone" in sentence
    assert main(["report", str(log), "--format", "asterisk-queue-log", "--input-timezone", "Europe/Berlin"]) == 0


async def test_row_06_a_time_in_the_future_is_clamped_and_no_state_outlasts_its_window() -> None:
    centre = Centre()
    centre.call("c1", agent="1001")
    leg = {"contact_id": "c1", "visit_id": "c1/1", "leg_id": "c1/1/1", "agent_id": "1001"}
    centre.event("leg.ended", centre.now_ms + DAY_MS, **leg)
    centre.now_ms += MINUTE_MS
    centre.flush()
    queue = (await ask(centre, "/v1/queues/sales"))["windows"]["60m"]
    assert (queue["handled"], queue["talk_seconds"]) == (1, 60)  # as if it had come a minute ahead, no more
    for name, most_s in (("5m", 300), ("15m", 900), ("30m", 1800), ("60m", 3600)):
        agent = (await ask(centre, "/v1/agents/1001"))["windows"][name]
        states = [agent[f"{state}_seconds"] for state in ("available", "on_contact", "acw_state", "not_ready")]
        assert min(states) >= 0 and sum(states) <= most_s
    (source,) = (await ask(centre, "/v1/sources"))["items"]
    assert source["clock_skew"] == 1


async def test_row_30_a_call_of_ten_hours_is_still_live() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready", ago_ms=MINUTE_MS)
    centre.call("long", agent="1001")
    centre.queued("waits")
    for _ in range(60):  # traffic goes by for ten hours
        centre.now_ms += 10 * MINUTE_MS
        centre.call(f"c{centre.now_ms}", agent="1002")
        centre.flush()
    for floor in (centre, restarted(centre)):
        agent = await ask(floor, "/v1/agents/1001")
        assert (agent["state"], agent["now"]["state_seconds"]) == ("on_contact", 36_000)
        assert agent["windows"]["60m"]["on_contact_seconds"] == 3_540  # 59 minutes, and one that just begins
        assert (await ask(floor, "/v1/queues/sales"))["now"]["oldest_wait_seconds"] == 36_000
    leg = {"contact_id": "long", "visit_id": "long/1", "leg_id": "long/1/1", "agent_id": "1001"}
    centre.event("leg.ended", **leg)
    centre.flush()
    assert (await ask(centre, "/v1/queues/sales"))["windows"]["5m"]["talk_seconds"] == 36_000
