"""Roll-ups are merged totals: the ratio of the sums, never a mean of ratios, by every kind and in every window."""

from __future__ import annotations

import pytest

from service.alert_floor import LiveFloor
from service.domain.settings import Agent, Floor, Queue, ServiceLevel, Site
from service.domain.view import WINDOWS
from tests.unit.api.floors import Centre, get

BIG, SMALL = 9, 1
"""Calls in the queue `big`, all answered late, and in `small`, answered at once."""


def floor() -> Floor:
    level = ServiceLevel(20_000, variant="abandon_negative")
    queues = {name: Queue(name, name, "berlin", "chat", "front", level, True) for name in ("big", "small")}
    agents = {name: Agent(name, name, "blue", "berlin", True) for name in ("busy", "idle")}
    return Floor(sites={"berlin": Site("berlin", "Europe/Berlin")}, queues=queues, agents=agents)


@pytest.fixture
def centre() -> Centre:
    """In one interval `busy` takes nine long calls of `big` after 30 s, `idle` a short one of `small` after 2 s."""
    made = Centre(floor())
    made.now_ms += 800_000
    made.agent_state("busy", "ready", ago_ms=200_000, queues=("big",))
    made.agent_state("idle", "ready", ago_ms=200_000, queues=("small",))
    for number in range(BIG):
        handled(made, f"b{number}", "big", "busy", wait_ms=30_000, ago_ms=190_000 - 20_000 * number, talk_ms=18_000)
    handled(made, "s", "small", "idle", wait_ms=2_000, ago_ms=100_000, talk_ms=6_000)
    made.flush()
    return made


def handled(centre: Centre, name: str, queue: str, agent: str, *, wait_ms: int, ago_ms: int, talk_ms: int) -> None:
    centre.call(name, queue, wait_ms=wait_ms, agent=agent, ago_ms=ago_ms)
    leg = {"contact_id": name, "visit_id": f"{name}/1", "leg_id": f"{name}/1/1", "queue_id": queue, "agent_id": agent}
    centre.event("leg.ended", centre.now_ms - ago_ms + talk_ms, **leg)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("path", ["group/front", "site/berlin", "channel/chat"])
async def test_queues_come_to_the_ratio_of_their_sums(centre: Centre, path: str, window: str) -> None:
    parts = [(await get(centre.app(), f"/v1/queues/{name}")).json()["windows"][window] for name in ("big", "small")]
    whole = (await get(centre.app(), f"/v1/scopes/{path}")).json()["windows"][window]
    assert [part["service_level_ratio"] for part in parts] == [0, 1]
    assert whole["service_level_ratio"] == SMALL / (BIG + SMALL)
    assert whole["asa_seconds"] == pytest.approx((BIG * 30 + SMALL * 2) / (BIG + SMALL))
    assert whole["aht_seconds"] == pytest.approx((BIG * 18 + SMALL * 6) / (BIG + SMALL))
    for name in ("offered", "answered", "handled", "wait_seconds", "talk_seconds"):
        assert whole[name] == sum(part[name] for part in parts)
    assert whole["max_wait_seconds"] == 30
    assert whole["wait_p50_seconds"] == pytest.approx(30, rel=0.01)


@pytest.mark.parametrize("window", WINDOWS)
async def test_a_teams_occupancy_is_that_of_its_agents_time_together(centre: Centre, window: str) -> None:
    parts = [(await get(centre.app(), f"/v1/agents/{name}")).json()["windows"][window] for name in ("busy", "idle")]
    team = (await get(centre.app(), "/v1/scopes/team/blue")).json()["windows"][window]
    busy_s = sum(part["on_contact_seconds"] for part in parts)
    free_s = sum(part["available_seconds"] for part in parts)
    assert busy_s == BIG * 18 + SMALL * 6
    assert team["occupancy_ratio"] == pytest.approx(busy_s / (busy_s + free_s))
    assert team["handled"] == BIG + SMALL
    assert team["aht_seconds"] == pytest.approx((BIG * 18 + SMALL * 6) / (BIG + SMALL))


async def test_a_day_is_the_sum_of_its_intervals_and_its_ratio_theirs(centre: Centre) -> None:
    centre.now_ms += 900_000
    handled(centre, "n", "big", "busy", wait_ms=1_000, ago_ms=30_000, talk_ms=1_000)
    centre.flush()
    body = (await get(centre.app(), "/v1/queues/big/intervals")).json()
    day = (await get(centre.app(), "/v1/queues/big")).json()["windows"]["day"]
    assert [item["service_level_ratio"] for item in body["items"]] == [0, 1]
    assert body["total"]["service_level_ratio"] == day["service_level_ratio"] == 1 / (BIG + 1)
    for name in ("offered", "answered", "handled", "talk_seconds", "wait_seconds"):
        assert sum(item[name] for item in body["items"]) == day[name] == body["total"][name]


async def test_somebody_who_waits_too_long_counts_once_in_a_roll_up(centre: Centre) -> None:
    centre.queued("w", "small", ago_ms=20_001)
    centre.flush()
    group = (await get(centre.app(), "/v1/scopes/group/front")).json()
    assert (group["now"]["waiting_over_threshold"], group["now"]["oldest_wait_seconds"]) == (1, 20.001)
    assert {group["windows"][window]["service_level_ratio"] for window in WINDOWS} == {SMALL / (BIG + SMALL + 1)}


@pytest.mark.parametrize("silent", ["aside", "zero"])
async def test_a_queue_without_a_threshold_has_no_say_in_a_service_level(silent: str) -> None:
    level = ServiceLevel(20_000, variant="abandon_negative")
    queues = {
        "big": Queue("big", "big", "berlin", "chat", "front", level, True),
        silent: Queue(silent, silent, "berlin", "chat", "front", ServiceLevel(None), True),
    }
    made = Centre(Floor(sites={"berlin": Site("berlin", "Europe/Berlin")}, queues=queues))
    made.now_ms += 800_000
    for number, wait_ms in enumerate((2_000, 2_000, 2_000, 30_000)):
        made.call(f"b{number}", "big", wait_ms=wait_ms, agent="busy", ago_ms=190_000)
        made.call(f"s{number}", silent, wait_ms=wait_ms, agent="idle", ago_ms=190_000)
    made.flush()
    body = (await get(made.app(), "/v1/scopes/group/front")).json()
    day = body["windows"]["day"]
    assert (day["answered"], day["service_level_ratio"]) == (8, 0.75)
    assert day["service_level_answered_only_ratio"] == 0.75
    found = LiveFloor(made.state, {}, {})
    found.begin()
    told = found.values("group:front").measure("service_level_ratio", "15m")
    assert (told.value, told.sample) == (0.75, 4)
