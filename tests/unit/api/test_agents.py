"""Agents, roll-ups, routing, the registry and sources over HTTP."""

from __future__ import annotations

import pytest

from service.domain.kpis import KPIS
from tests.unit.api.floors import ODD_ID, Centre, get


async def test_an_agent_shows_state_reason_since_and_queues(centre: Centre) -> None:
    app = centre.app()
    bob = (await get(app, "/v1/agents/bob")).json()
    assert (bob["state"], bob["state_reason"], bob["state_since"]) == ("not_ready", "break", "2026-11-22T11:50:00Z")
    assert (bob["queues"], bob["configured"], bob["adherence"]) == (["sales"], False, None)
    assert bob["now"]["state_seconds"] == 600
    assert bob["windows"]["5m"]["not_ready_seconds"] == 240  # five panes of a minute, the one that begins now included
    ann = (await get(app, "/v1/agents?id=1001")).json()
    assert (ann["name"], ann["team"], ann["state"], ann["queues"]) == ("Ann", "blue", "on_contact", ["mail", "sales"])
    assert ann["windows"]["day"]["on_contact_seconds"] == 160
    assert ann["windows"]["day"]["occupancy_ratio"] == pytest.approx(160 / 1800)


async def test_a_configured_agent_nobody_heard_of_is_there() -> None:
    empty = Centre()
    empty.flush()
    ann = (await get(empty.app(), "/v1/agents/1001")).json()
    assert (ann["state"], ann["state_since"], ann["now"]["state_seconds"]) == ("unknown", None, None)
    assert ann["windows"]["day"]["login_seconds"] is None
    assert ann["staleness_seconds"] is None


@pytest.mark.parametrize(
    ("query", "ids"),
    [("", ["1001", "7", "bob"]), ("team=blue", ["1001"]), ("state=not_ready", ["bob"]), ("queue=mail", ["1001"]),
     ("site=rome", [])],
)  # fmt: skip
async def test_agents_are_filtered(centre: Centre, query: str, ids: list[str]) -> None:
    body = (await get(centre.app(), f"/v1/agents?windows=5m&{query}")).json()
    assert [item["id"] for item in body["items"]] == ids


async def test_the_timeline_tells_the_states_of_the_day(centre: Centre) -> None:
    body = (await get(centre.app(), "/v1/agents/1001/timeline")).json()
    assert [(s["state"], s["since"][11:19], s["seconds"]) for s in body["items"]] == [
        ("ready", "11:30:00", 600),
        ("on_contact", "11:40:00", 100),
        ("ready", "11:41:40", 1040),
        ("on_contact", "11:59:00", 60),
    ]
    assert body["items"][-1]["until"] is None
    part = "/v1/agents/1001/timeline?from=2026-11-22T11:41:00Z&to=2026-11-22T11:42:00Z"
    cut = (await get(centre.app(), part)).json()
    assert [s["seconds"] for s in cut["items"]] == [40, 20]


async def test_a_group_merges_its_queues_and_counts_an_agent_once(centre: Centre) -> None:
    body = (await get(centre.app(), "/v1/scopes/group/front")).json()
    assert body["members"] == ["sales", "mail"]
    assert body["windows"]["day"]["offered"] == 4
    assert (body["now"]["agents_staffed"], body["now"]["agents_on_contact"]) == (2, 1)  # Ann serves both
    assert body["service_level"] == {"threshold_seconds": None, "target_ratio": None, "variant": "abandon_ignored"}
    assert body["windows"]["day"]["service_level_ratio"] == pytest.approx(1 / 4)


@pytest.mark.parametrize(("kind", "name", "members"), [
    ("site", "berlin", ["sales", "mail", ODD_ID]), ("channel", "email", ["mail"]), ("team", "blue", ["1001"]),
])  # fmt: skip
async def test_roll_ups_of_every_kind(centre: Centre, kind: str, name: str, members: list[str]) -> None:
    app = centre.app()
    for path in (f"/v1/scopes/{kind}/{name}", f"/v1/scopes/{kind}?id={name}"):
        body = (await get(app, path)).json()
        assert (body["kind"], body["id"], body["members"]) == (kind, name, members)
        assert set(body["windows"]) == {"5m", "15m", "30m", "60m", "interval", "day"}


async def test_a_team_sums_its_agents(centre: Centre) -> None:
    body = (await get(centre.app(), "/v1/scopes/team/blue?windows=day")).json()
    assert body["now"]["agents_on_contact"] == 1
    assert body["windows"]["day"]["on_contact_seconds"] == 160


async def test_time_not_ready_is_told_by_reason_and_counts_as_shrinkage(centre: Centre) -> None:
    centre.floor.reason_kinds["vacation"] = "external"
    leg = {"contact_id": "c3", "visit_id": "c3/1", "leg_id": "c3/1/1", "queue_id": "sales", "agent_id": "1001"}
    centre.event("leg.ended", centre.now_ms - 20_000, **leg)
    centre.agent_state("1001", "not_ready", ago_ms=18_000, reason="vacation")
    centre.flush()
    app = centre.app()
    bob = (await get(app, "/v1/agents/bob?windows=day&fields=not_ready_seconds_by_reason,shrinkage_ratio")).json()
    assert bob["windows"] == {"day": {"shrinkage_ratio": 1, "not_ready_seconds_by_reason": {"break": 600}}}
    assert bob["now"] == {}
    team = (await get(app, "/v1/scopes/team/blue?windows=day")).json()["windows"]["day"]
    assert team["not_ready_seconds_by_reason"] == {"vacation": 18}
    assert [team[f"shrinkage_{part}ratio"] for part in ("", "internal_", "external_")] == [0.01, 0, 0.01]


async def test_routing_gets_a_small_view_of_the_queues_it_names(centre: Centre) -> None:
    app = centre.app()
    answer = await get(app, "/v1/routing/queues?ids=mail,sales")
    body = answer.json()
    assert [item["id"] for item in body["items"]] == ["mail", "sales"]
    sales = body["items"][1]
    assert sales == {
        "id": "sales", "as_of": body["as_of"], "staleness_seconds": 0, "waiting": 1, "oldest_wait_seconds": 25,
        "agents_available": 0, "expected_wait_seconds": 125, "service_level_ratio": 0,
    }  # fmt: skip
    assert body["items"][0]["expected_wait_seconds"] is None  # Ann serves it, but it has no handle time yet
    assert (await get(app, "/v1/routing/queues?ids=mail")).headers["etag"]
    assert len((await get(app, "/v1/routing/queues")).json()["items"]) == 3


async def test_staff_follow_every_change_of_an_agent(centre: Centre) -> None:
    app = centre.app()

    async def staff(queue: str) -> tuple[int, int]:
        now = (await get(app, f"/v1/queues/{queue}?windows=5m")).json()["now"]
        return now["agents_available"], now["agents_staffed"]

    assert (await staff("sales"), await staff("mail")) == ((0, 2), (0, 1))
    centre.now_ms += 1_000
    centre.agent_state("bob", "ready", queues=("sales", "mail"))
    centre.flush()
    assert (await staff("sales"), await staff("mail")) == ((1, 2), (1, 2))
    centre.now_ms += 1_000
    centre.agent_state("bob", "offline", queues=())
    centre.flush()
    assert (await staff("sales"), await staff("mail")) == ((0, 1), (0, 1))


async def test_the_registry_lists_every_kpi_in_both_languages(centre: Centre) -> None:
    items = (await get(centre.app(), "/v1/kpis")).json()["items"]
    assert [item["name"] for item in items] == [kpi.name for kpi in KPIS]
    assert items[0] == {
        "name": "offered", "name_zh": "呼入量", "unit": "count", "formula": "Visits that entered the queue.",
        "scopes": ["queue"], "better": "neither", "exported": True,
    }  # fmt: skip


async def test_every_kpi_of_the_registry_is_shown_once(centre: Centre) -> None:
    app = centre.app()
    for kind, path in (("queue", "/v1/queues/sales"), ("agent", "/v1/agents/1001")):
        shown = (await get(app, path)).json()
        names = sorted([*shown["now"], *shown["windows"]["day"]])
        by_reason = ["not_ready_seconds_by_reason"] if kind == "agent" else []
        assert names == sorted([kpi.name for kpi in KPIS if kind in kpi.scopes] + by_reason)


async def test_sources_tell_what_was_wrong_with_their_events(centre: Centre) -> None:
    centre.raw(b"not json")
    centre.event("visit.abandoned", contact_id="ghost", visit_id="ghost/1", queue_id="sales")
    centre.flush()
    centre.now_ms += 4_000
    items = (await get(centre.app(), "/v1/sources")).json()["items"]
    pbx = next(item for item in items if item["source"] == "pbx")
    assert (pbx["unmatched"], pbx["by_type"]["visit.queued"], pbx["staleness_seconds"]) == (1, 5, 4)
    assert pbx["events"] == sum(pbx["by_type"].values())
    unknown = next(item for item in items if item["source"] == "unknown")
    assert unknown["rejected"] == {"bad_json": 1}
