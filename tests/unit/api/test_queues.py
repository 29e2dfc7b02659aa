"""Queues over HTTP: what is always there, what is null, filters, odd ids, conditional requests."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.unit.api.floors import NOON_MS, ODD_ID, Centre, get

HOUR_MS = 3_600_000


async def test_a_queue_shows_what_is_true_now_and_in_every_window(centre: Centre) -> None:
    queue = (await get(centre.app(), "/v1/queues/sales")).json()
    assert queue["as_of"] == "2026-11-22T12:00:00Z"
    assert queue["service_level"] == {"threshold_seconds": 20, "target_ratio": 0.8, "variant": "abandon_ignored"}
    now = queue["now"]
    assert (now["waiting"], now["waiting_over_threshold"], now["oldest_wait_seconds"]) == (1, 1, 25)
    assert (now["agents_staffed"], now["agents_on_contact"], now["agents_not_ready"]) == (2, 1, 1)
    assert list(queue["windows"]) == ["5m", "15m", "30m", "60m", "interval", "day"]
    assert [queue["windows"][w]["answered"] for w in queue["windows"]] == [1, 1, 2, 2, 0, 2]
    day = queue["windows"]["day"]
    assert (day["offered"], day["abandoned"], day["asa_seconds"]) == (4, 1, 20)
    assert day["service_level_ratio"] == pytest.approx(1 / 4)  # 2 answered, 1 abandoned late, 1 waiting too long


async def test_a_configured_queue_without_events_is_there_with_zeros_and_nulls(centre: Centre) -> None:
    mail = (await get(centre.app(), "/v1/queues/mail")).json()
    assert (mail["name"], mail["configured"], mail["now"]["waiting"]) == ("Mail", True, 0)
    assert mail["windows"]["day"]["offered"] == 0
    assert mail["windows"]["day"]["service_level_ratio"] is None
    assert mail["now"]["oldest_wait_seconds"] is None


async def test_all_queues_are_listed_configured_ones_first(centre: Centre) -> None:
    body = (await get(centre.app(), "/v1/queues")).json()
    assert [(item["id"], item["configured"]) for item in body["items"]] == [
        ("sales", True),
        ("mail", True),
        (ODD_ID, False),
    ]
    assert all(item["as_of"] == body["as_of"] for item in body["items"])
    assert body["staleness_seconds"] == 0


@pytest.mark.parametrize(
    ("query", "ids"),
    [("group=front", ["sales", "mail"]), ("channel=email", ["mail"]), ("site=berlin&channel=voice", ["sales", ODD_ID]),
     ("site=rome", [])],
)  # fmt: skip
async def test_filters_narrow_the_list(centre: Centre, query: str, ids: list[str]) -> None:
    body = (await get(centre.app(), f"/v1/queues?{query}")).json()
    assert [item["id"] for item in body["items"]] == ids


async def test_fields_and_windows_narrow_what_is_shown(centre: Centre) -> None:
    queue = (await get(centre.app(), "/v1/queues/sales?fields=offered,waiting&windows=day,5m")).json()
    assert queue["now"] == {"waiting": 1}
    assert queue["windows"] == {"5m": {"offered": 2}, "day": {"offered": 4}}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("/v1/queues/nobody", 404, "there is no queue 'nobody'"), ("/v1/nothing", 404, "there is nothing at"),
     ("/v1/queues?windows=7m", 400, "windows: '7m' is unknown"),
     ("/v1/queues/sales?fields=smiles", 400, "fields: 'smiles' is unknown"),
     ("/v1/queues/sales/intervals?from=yesterday", 400, "from: 'yesterday'"),
     ("/v1/queues/sales/intervals?from=2026-11-22&to=2026-11-21", 400, "must be before"),
     ("/v1/queues/sales/intervals?from=2025-01-01", 400, "days apart"),
     ("/v1/queues/sales/intervals?attribution=guess", 400, "attribution: "),
     ("/v1/scopes/group/none", 404, "there is no group 'none'"),
     ("/v1/scopes/planet/mars", 400, "kind: "), ("/v1/agents/9", 404, "there is no agent '9'"),
     ("/v1/routing/queues?ids=sales,x", 404, "there is no queue 'x'"),
     ("/v1/stream?scopes=team:blue", 400, "'team:blue'"),
     ("/v1/stream?scopes=queue:x", 404, "there is no queue 'x'"), ("/wallboard/secret", 404, "no file")],
)  # fmt: skip
async def test_every_error_is_a_problem_that_names_what_is_wrong(
    centre: Centre, path: str, status: int, words: str
) -> None:
    answer = await get(centre.app(), path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert words in problem["detail"]


@pytest.mark.parametrize("suffix", ["", "/intervals", "/reconciliation"])
async def test_an_id_may_hold_anything_encoded_or_as_a_parameter(centre: Centre, suffix: str) -> None:
    app = centre.app()
    for path in (
        f"/v1/queues/{quote(ODD_ID, safe='')}{suffix}",
        f"/v1/queues/{quote(ODD_ID, safe='/')}{suffix}",
        f"/v1/queues{suffix}?id={quote(ODD_ID, safe='')}",
    ):
        answer = await get(app, path)
        assert (answer.status_code, answer.json()["id"]) == (200, ODD_ID), path


async def test_a_queue_named_like_a_sub_path_is_found(centre: Centre) -> None:
    centre.queued("x1", "a/intervals")
    centre.queued("x2", "intervals")
    centre.flush()
    app = centre.app()
    assert (await get(app, "/v1/queues/a%2Fintervals")).json()["id"] == "a/intervals"
    assert (await get(app, "/v1/queues/intervals")).json()["id"] == "intervals"


async def test_asking_for_unknown_queues_leaves_no_trace(centre: Centre) -> None:
    app = centre.app()
    before = len(centre.floor.queues)
    for number in range(20):
        await get(app, f"/v1/queues/guess-{number}")
    assert len(centre.floor.queues) == before


async def test_an_unchanged_answer_is_not_sent_again(centre: Centre) -> None:
    app = centre.app()
    first = await get(app, "/v1/queues/mail")
    centre.now_ms += 2_000  # as_of and staleness move on, the content does not
    again = await get(app, "/v1/queues/mail", {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    centre.queued("m1", "mail")
    centre.flush()
    changed = await get(app, "/v1/queues/mail", {"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["now"]["waiting"] == 1


async def test_a_large_answer_is_compressed_for_who_takes_it(centre: Centre) -> None:
    app = centre.app()
    assert (await get(app, "/v1/queues", {"Accept-Encoding": "gzip"})).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in (await get(app, "/v1/queues", {"Accept-Encoding": "identity"})).headers


async def test_a_routing_answer_is_the_same_compressed_or_not(centre: Centre) -> None:
    app, path = centre.app(), "/v1/routing/queues?ids=" + ",".join(["sales", "mail"] * 20)
    packed = await get(app, path, {"Accept-Encoding": "gzip"})
    plain = await get(app, path, {"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], packed.json()) == ("gzip", plain.json())
    assert "content-encoding" not in plain.headers
    assert len(plain.json()["items"]) == 40


async def test_offered_is_accounted_for(centre: Centre) -> None:
    body = (await get(centre.app(), "/v1/queues/sales/reconciliation")).json()
    for part in (body["lifetime"], body["day"]):
        assert (part["offered"], part["answered"], part["abandoned"], part["waiting"]) == (4, 2, 1, 1)
        assert (part["difference"], part["balanced"]) == (0, True)


async def test_a_visit_over_midnight_does_not_unbalance_the_new_day(centre: Centre) -> None:
    centre.now_ms = NOON_MS + 11 * HOUR_MS + 60_000  # one minute past midnight in Berlin
    centre.call("late", wait_ms=120_000, agent="1001")
    centre.flush()
    day = (await get(centre.app(), "/v1/queues/sales/reconciliation")).json()["day"]
    assert (day["offered"], day["answered"], day["waiting"], day["balanced"]) == (0, 0, 0, True)


async def test_windows_slide_and_waits_grow_without_events(centre: Centre) -> None:
    app = centre.app()
    centre.now_ms += 5 * 60_000
    queue = (await get(app, "/v1/queues/sales?fields=answered,oldest_wait_seconds&windows=5m,15m")).json()
    assert queue["now"]["oldest_wait_seconds"] == 325
    assert queue["windows"] == {"5m": {"answered": 0}, "15m": {"answered": 1}}
    assert queue["staleness_seconds"] == 300


async def test_the_clock_of_a_replay_is_its_newest_event() -> None:
    replay = Centre(clock="stream")
    replay.now_ms -= 30 * 24 * HOUR_MS
    replay.queued("c1", ago_ms=60_000)
    replay.agent_state("1001", "ready", ago_ms=0)
    replay.flush()
    replay.now_ms = NOON_MS
    queue = (await get(replay.app(), "/v1/queues/sales")).json()
    assert (queue["as_of"], queue["now"]["oldest_wait_seconds"]) == ("2026-10-23T12:00:00Z", 60)
