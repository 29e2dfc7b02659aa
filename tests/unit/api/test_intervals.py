"""History: state and closed intervals together, attribution, CSV."""

from __future__ import annotations

import csv
import io

from service.config_version import ConfigVersions
from tests.unit.api.floors import Centre, get


def starts(body: dict[str, list[dict[str, str]]]) -> list[str]:
    return [item["start"] for item in body["items"]]


async def test_intervals_of_the_day_have_a_total_a_revision_and_the_configuration(centre: Centre) -> None:
    body = (await get(centre.app(), "/v1/queues/sales/intervals")).json()
    assert (body["from"], body["to"]) == ("2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z")
    assert starts(body) == ["2026-11-22T11:30:00Z", "2026-11-22T11:45:00Z"]
    assert [item["answered"] for item in body["items"]] == [1, 1]
    assert body["total"]["offered"] == 4
    assert body["items"][0]["revision"] >= 1
    assert body["items"][1]["revision"] == 0
    assert {item["config_version"] for item in body["items"]} == {ConfigVersions(centre.floor).at(centre.now_ms)}


async def test_only_the_open_interval_counts_who_waits_too_long(centre: Centre) -> None:
    centre.now_ms += 60_000
    centre.call("c9", agent="1001", ago_ms=30_000)
    centre.flush()
    items = (await get(centre.app(), "/v1/queues/sales/intervals")).json()["items"]
    assert [(item["open"], item["service_level_ratio"]) for item in items] == [(False, 1), (False, 0), (True, 0.5)]


async def test_attribution_by_arrival_puts_outcomes_where_the_visit_began() -> None:
    centre = Centre()
    centre.call("c1", wait_ms=60_000, agent="1001", ago_ms=900_000)
    centre.flush()
    app = centre.app()
    by_outcome = (await get(app, "/v1/queues/sales/intervals")).json()["items"]
    assert [(i["start"][11:16], i["offered"], i["answered"]) for i in by_outcome] == [("11:30", 1, 0), ("11:45", 0, 1)]
    by_arrival = (await get(app, "/v1/queues/sales/intervals?attribution=arrival")).json()["items"]
    assert [(i["start"][11:16], i["offered"], i["answered"]) for i in by_arrival] == [("11:30", 1, 1)]


async def test_an_agents_intervals_tell_time_not_ready_by_reason_in_json_and_csv(centre: Centre) -> None:
    app = centre.app()
    body = (await get(app, "/v1/agents/bob/intervals")).json()
    assert [item["not_ready_seconds_by_reason"] for item in body["items"]] == [{"break": 600}]
    assert body["total"]["not_ready_seconds_by_reason"] == {"break": 600}
    assert body["total"]["shrinkage_internal_ratio"] == 1
    [row] = csv.DictReader(io.StringIO((await get(app, "/v1/agents/bob/intervals?format=csv")).text))
    assert row["not_ready_seconds_by_reason"] == "break=600.0"


async def test_a_range_takes_times_and_business_days(centre: Centre) -> None:
    app = centre.app()
    path = "/v1/queues/sales/intervals?from=2026-11-22T12:45:00+01:00&to=2026-11-22T12:00:00Z"
    assert starts((await get(app, path)).json()) == ["2026-11-22T11:45:00Z"]
    day = (await get(app, "/v1/queues/sales/intervals?from=2026-11-21&to=2026-11-22")).json()
    assert (day["from"], day["items"], day["total"]["offered"]) == ("2026-11-20T23:00:00Z", [], 0)


async def test_what_the_state_has_dropped_is_still_in_the_history(centre: Centre) -> None:
    centre.now_ms += 60_000
    centre.call("c9", agent="1001")
    centre.flush()
    state = centre.state
    before = (await get(centre.app(), "/v1/queues/sales/intervals")).json()
    state.apply([(key, None) for key, _ in centre.records if key.startswith(b"i|") and key.endswith(b"queue:sales")])
    assert not state.scopes.queues["queue:sales"].intervals
    after = (await get(centre.app(), "/v1/queues/sales/intervals")).json()
    assert starts(after) == starts(before)[:-1]  # the open one was never closed
    assert after["items"] == [{**item, "open": False} for item in before["items"][:-1]]


async def test_the_history_is_bounded() -> None:
    centre = Centre(history_days=2)
    for _ in range(4):
        centre.call(f"c{centre.now_ms}", agent="1001", ago_ms=60_000)
        centre.flush()
        centre.now_ms += 24 * 3_600_000
    assert sum(key.startswith(b"queue:sales|") for key, _ in centre.closed) == 3  # the newest of four is open
    assert len(centre.state.history.between("queue:sales", 0, 1 << 60)) == 2


async def test_a_tombstone_takes_an_interval_out_of_the_history_and_a_strange_key_does_nothing(centre: Centre) -> None:
    history = centre.state.history
    key = next(key for key, _ in centre.closed if key.startswith(b"queue:sales|"))
    assert len(history.between("queue:sales", 0, 1 << 60)) == 1
    history.apply([(key, None), (b"stranger", b"?")])
    assert history.between("queue:sales", 0, 1 << 60) == []


async def test_csv_has_the_same_rows(centre: Centre) -> None:
    app = centre.app()
    rows = (await get(app, "/v1/queues/sales/intervals")).json()["items"]
    for path, headers in (("?format=csv", {}), ("", {"Accept": "text/csv"})):
        answer = await get(app, f"/v1/queues/sales/intervals{path}", headers)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        table = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["offered"] for row in table] == [str(row["offered"]) for row in rows]
        assert table[0]["csat_mean" if "csat_mean" in rows[0] else "average_hold_seconds"] == ""


async def test_an_agents_open_state_counts_in_every_interval_it_touches(centre: Centre) -> None:
    centre.now_ms += 1_200_000
    centre.agent_state("1001", "ready", queues=("sales",))
    centre.flush()
    body = (await get(centre.app(), "/v1/agents/bob/intervals")).json()
    assert [(i["start"][11:16], i["not_ready_seconds"], i["open"]) for i in body["items"]] == [
        ("11:45", 600, False),
        ("12:00", 900, False),
        ("12:15", 300, True),
    ]
    assert body["total"]["not_ready_seconds"] == 1_800
