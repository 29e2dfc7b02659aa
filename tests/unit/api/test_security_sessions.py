"""Sessions of the page, and live streams: they last no longer than what they were let in with."""

from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from fastapi import FastAPI

from api.security import COOKIE, SESSION_SECONDS
from api.settings import ApiSettings
from tests.unit.api.floors import Centre
from tests.unit.api.keys import Keys, ask
from tests.unit.api.push import Client, connected

pytestmark = pytest.mark.usefixtures("quick_stream")


@pytest.fixture
def keys(centre: Centre, tmp_path: Path) -> Keys:
    return Keys(tmp_path / "tokens.yaml", centre)


async def log_in(app: FastAPI, token: str, base_url: str = "http://api") -> SimpleCookie:
    """The cookie that the token buys."""
    answer = await ask(app, "/session", token, "POST", base_url=base_url)
    assert answer.status_code == 204
    return SimpleCookie(answer.headers["set-cookie"])


def sent(cookie: SimpleCookie, **more: str) -> dict[str, str]:
    """The headers a browser would send."""
    return {"Cookie": f"theme=dark; {COOKIE}={cookie[COOKIE].value}", **more}


async def test_a_token_buys_a_cookie_that_scripts_and_other_sites_cannot_use(centre: Centre, keys: Keys):
    token = keys.give("viewer")
    app = centre.app(tokens=keys.tokens())
    morsel = (await log_in(app, token))[COOKIE]
    assert morsel["httponly"] and morsel["samesite"] == "strict" and morsel["path"] == "/"
    assert int(morsel["max-age"]) == SESSION_SECONDS
    assert not morsel["secure"], "a browser would not send it over plain http"
    assert (await log_in(app, token, "https://api"))[COOKIE]["secure"]
    assert token.partition(".")[2] not in morsel.value


async def test_the_cookie_shows_what_the_token_shows(centre: Centre, keys: Keys):
    app = centre.app(tokens=keys.tokens())
    headers = sent(await log_in(app, keys.give("agent", agent="1001")))
    whose = (await ask(app, "/session", headers=headers)).json()
    assert (whose["role"], whose["agent"], whose["teams"]) == ("agent", "1001", [])
    assert (await ask(app, "/v1/agents/1001", headers=headers)).status_code == 200
    assert (await ask(app, "/v1/agents/bob", headers=headers)).status_code == 403


async def test_a_session_ends_after_an_hour_unless_it_is_renewed(centre: Centre, keys: Keys):
    app = centre.app(tokens=keys.tokens())
    headers = sent(await log_in(app, keys.give("viewer")))
    centre.now_ms += (SESSION_SECONDS - 1) * 1000
    answer = await ask(app, "/session", method="POST", headers=headers)
    renewed = sent(SimpleCookie(answer.headers["set-cookie"]))
    centre.now_ms += 1_000
    assert (await ask(app, "/v1/queues", headers=headers)).status_code == 401
    assert (await ask(app, "/v1/queues", headers=renewed)).status_code == 200


async def test_a_session_ends_with_its_token(centre: Centre, keys: Keys):
    app = centre.app(tokens=keys.tokens())
    minute = keys.give("viewer", name="minute", expires_ms=centre.now_ms + 60_000)
    cookie = await log_in(app, minute)
    assert int(cookie[COOKIE]["max-age"]) < 60
    centre.now_ms += 60_000
    assert (await ask(app, "/v1/queues", headers=sent(cookie))).status_code == 401


@pytest.mark.parametrize("change", ["taken", "replaced"])
async def test_a_session_ends_when_its_token_is_taken_or_made_anew(centre: Centre, keys: Keys, change: str):
    app = centre.app(tokens=keys.tokens())
    headers = sent(await log_in(app, keys.give("viewer")))
    keys.take("viewer")
    if change == "replaced":
        keys.give("viewer")
    assert (await ask(app, "/v1/queues", headers=headers)).status_code == 401


@pytest.mark.parametrize("forge", [
    lambda v: v.replace("viewer", "admin"),
    lambda v: v[:-1] + ("0" if v[-1] != "0" else "1"),
    lambda v: v.rpartition(".")[0],
    lambda v: "..",
    lambda v: "viewer.9999999999.",
    lambda v: v.split(".")[0] + ".99999999999999999999." + v.split(".")[2],
    lambda v: v.split(".")[0] + ".²." + v.split(".")[2],
    lambda v: "",
])  # fmt: skip
async def test_a_forged_cookie_is_none(centre: Centre, keys: Keys, forge):
    app = centre.app(tokens=keys.tokens())
    keys.give("admin")
    value = (await log_in(app, keys.give("viewer")))[COOKIE].value
    headers = {"Cookie": f"{COOKIE}={forge(value)}".encode("latin-1")}
    answer = await ask(app, "/v1/queues", headers=headers)
    assert answer.status_code == 401


async def test_replicas_with_a_common_key_know_each_others_sessions_and_others_do_not(centre: Centre, keys: Keys):
    token = keys.give("viewer")
    common, other = ApiSettings(session_key="k" * 32), ApiSettings(session_key="q" * 32)
    headers = sent(await log_in(centre.app(common, keys.tokens()), token))
    assert (await ask(centre.app(common, keys.tokens()), "/v1/queues", headers=headers)).status_code == 200
    for settings in (other, None):
        assert (await ask(centre.app(settings, keys.tokens()), "/v1/queues", headers=headers)).status_code == 401


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 204), ({"Origin": "http://api"}, 204),
    ({"Sec-Fetch-Site": "same-origin", "Origin": "https://public.name"}, 204),
    ({"Origin": "http://api:3000"}, 401), ({"Origin": "null"}, 401), ({"Sec-Fetch-Site": "same-site"}, 401),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "http://api"}, 401),
])  # fmt: skip
async def test_a_page_from_elsewhere_can_do_nothing_with_the_cookie(centre: Centre, keys: Keys, headers, status: int):
    app = centre.app(tokens=keys.tokens())
    cookie = await log_in(app, keys.give("admin"))
    assert (await ask(app, "/session", method="POST", headers=sent(cookie, **headers))).status_code == status


async def test_a_token_in_the_header_counts_more_than_a_cookie(centre: Centre, keys: Keys):
    app = centre.app(tokens=keys.tokens())
    headers = sent(await log_in(app, keys.give("viewer")))
    assert (await ask(app, "/v1/queues", "fw_viewer.wrong", headers=headers)).status_code == 401
    assert (await ask(app, "/v1/queues", headers=headers | {"Authorization": "Basic dmlld2VyOng="})).status_code == 401


async def test_a_session_can_be_ended_and_needs_a_token_to_begin(centre: Centre, keys: Keys):
    app = centre.app(tokens=keys.tokens())
    assert (await ask(app, "/session", method="POST")).status_code == 401
    assert (await ask(app, "/session")).status_code == 401
    ended = SimpleCookie((await ask(app, "/session", method="DELETE")).headers["set-cookie"])[COOKIE]
    assert (ended.value, ended["max-age"]) == ("", "0")


async def test_where_no_tokens_are_asked_for_the_page_needs_no_cookie(centre: Centre):
    answer = await ask(centre.app(), "/session", method="POST")
    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers


async def test_a_token_in_the_address_is_not_read(centre: Centre, keys: Keys):
    token = keys.give("admin")
    app = centre.app(tokens=keys.tokens())
    for name in ("token", "access_token", "authorization", COOKIE):
        assert (await ask(app, f"/v1/queues?{name}={token}")).status_code == 401


async def test_a_supervisor_follows_their_own_people_live(centre: Centre, keys: Keys):
    token = keys.give("supervisor", teams=("blue",))
    app = centre.app(tokens=keys.tokens())
    headers = {"Authorization": f"Bearer {token}"}
    async with connected(app, "/v1/stream?scopes=agent:1001", headers) as client:
        await client.until(lambda: len(client.of("agent")) == 1)


@pytest.mark.parametrize("how", ["taken", "expired", "of another team", "session over"])
async def test_a_live_stream_ends_with_what_it_was_let_in_with(centre: Centre, keys: Keys, how: str):
    expires_ms = centre.now_ms + 600_000 if how == "expired" else None
    token = keys.give("supervisor", teams=("blue",), expires_ms=expires_ms)
    keys.give("viewer")
    app = centre.app(tokens=keys.tokens())
    headers = {"Authorization": f"Bearer {token}"} if how != "session over" else sent(await log_in(app, token))
    client = Client(app, "/v1/stream?scopes=agent:1001", headers)
    task = asyncio.create_task(client.run())
    await client.until(lambda: len(client.of("heartbeat")) > 2)
    if how == "taken":
        keys.take("supervisor")
    elif how == "of another team":
        keys.write("\n".join(keys.lines.values()).replace("blue", "red"))
    else:
        centre.now_ms += SESSION_SECONDS * 1000
    await asyncio.wait_for(task, 10)
    assert app.state.context.hub.clients == 0


async def test_a_stream_goes_on_when_only_other_tokens_change(centre: Centre, keys: Keys):
    token = keys.give("viewer")
    app = centre.app(tokens=keys.tokens())
    async with connected(app, "/v1/stream", {"Authorization": f"Bearer {token}"}) as client:
        await client.until(lambda: len(client.of("heartbeat")) > 1)
        keys.give("router")
        count = len(client.of("heartbeat"))
        await client.until(lambda: len(client.of("heartbeat")) > count + 2)


async def test_one_token_has_so_many_streams_and_another_its_own(centre: Centre, keys: Keys):
    tokens = {name: keys.give("viewer", name=name) for name in ("one", "two")}
    app = centre.app(ApiSettings(stream_clients_per_token=1), keys.tokens())
    headers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
    async with connected(app, "/v1/stream", headers["one"]) as first:
        await first.until(lambda: len(first.events) > 0)
        refused = await ask(app, "/v1/stream", tokens["one"])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        async with connected(app, "/v1/stream", headers["two"]) as second:
            await second.until(lambda: len(second.events) > 0)
    async with connected(app, "/v1/stream", headers["one"]) as again:
        await again.until(lambda: len(again.events) > 0)
