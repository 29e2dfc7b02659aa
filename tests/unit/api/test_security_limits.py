"""What one client may ask for, and what every answer tells browsers."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, Body

from api.routes import pages
from api.security_headers import HEADERS
from api.security_limits import BURST_SECONDS, MOST_BODY_BYTES, MOST_URL_BYTES, Rates, client_of
from api.settings import ApiSettings
from tests.unit.api.floors import Centre
from tests.unit.api.keys import Keys, ask

INLINE = re.compile(r"\.innerHTML|\.outerHTML|insertAdjacentHTML|\beval\b|new Function|\.style\b|setAttribute\(.style")


class Clock:
    """Seconds, as far as a test lets them pass."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def accepted(rates: Rates, who: str, requests: int) -> int:
    """How many of the requests, all at once, are let in."""
    done = 0
    for _ in range(requests):
        try:
            rates.count(who)
        except Exception as problem:
            assert getattr(problem, "status", None) == 429
            break
        done += 1
    return done


def test_a_client_may_have_a_burst_and_then_its_rate():
    clock = Clock()
    rates = Rates(8, clock)  # a power of two: no rounding
    burst = accepted(rates, "a", 1_000)
    assert burst == 8 * BURST_SECONDS + 1
    clock.seconds += 1
    assert accepted(rates, "a", 1_000) == 8
    clock.seconds += 3_600
    assert accepted(rates, "a", 1_000) == burst, "a long silence earns no more than a burst"


def test_one_client_does_not_use_up_what_another_has():
    rates = Rates(10, Clock())
    accepted(rates, "a", 1_000)
    assert accepted(rates, "b", 5) == 5


def test_a_flood_of_addresses_is_forgotten():
    clock = Clock()
    rates = Rates(10, clock)
    for number in range(25_000):
        rates.count(str(number))
    assert len(rates._due) <= 10_000
    accepted(rates, "a", 1_000)
    clock.seconds += 1
    for number in range(12_000):
        rates.count(f"later {number}")
        clock.seconds += 0.001
    assert len(rates._due) <= 10_000


@pytest.mark.parametrize(("address", "client"), [
    (("192.0.2.1", 5), "192.0.2.1"), (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2"),
    (("::ffff:192.0.2.1", 5), "::ffff:192.0.2.1"), (None, ""),
])  # fmt: skip
def test_a_client_without_a_token_is_its_address_or_its_ipv6_network(address, client: str):
    assert client_of({"client": address}) == client


async def test_who_asks_too_often_is_told_when_to_come_back(centre: Centre, tmp_path: Path):
    keys = Keys(tmp_path / "tokens.yaml", centre)
    one, two = keys.give("viewer", name="one"), keys.give("viewer", name="two")
    app = centre.app(ApiSettings(requests_per_second=0.1), keys.tokens())
    assert (await ask(app, "/v1/kpis", one)).status_code == 200
    refused = await ask(app, "/v1/kpis", one)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) >= 1
    assert (await ask(app, "/v1/kpis", two)).status_code == 200, "another token of the same address"
    for wanted in (401, 429):
        assert (await ask(app, "/v1/kpis", "fw_one.guess")).status_code == wanted, "guesses count for the address"
    for _ in range(5):
        assert (await ask(app, "/healthz")).status_code == 200, "health is not counted"


async def test_without_tokens_an_address_is_limited(centre: Centre):
    app = centre.app(ApiSettings(requests_per_second=0.1))
    assert [(await ask(app, "/v1/kpis")).status_code for _ in range(2)] == [200, 429]


async def test_an_address_that_is_too_long_is_refused(centre: Centre):
    app = centre.app()
    ids = "x" * (MOST_URL_BYTES - len("/v1/kpis") - len("ids="))
    assert (await ask(app, f"/v1/kpis?ids={ids}")).status_code == 200
    assert (await ask(app, f"/v1/kpis?ids={ids}x")).status_code == 414


@pytest.mark.parametrize("path", ["/v1/routing/queues?ids=", "/v1/stream?scopes="])
async def test_too_many_ids_are_refused(centre: Centre, path: str):
    kind = "queue:" if "stream" in path else ""
    answer = await ask(centre.app(), path + ",".join(f"{kind}q{number}" for number in range(501)))
    assert answer.status_code == 400
    assert "500 at most" in answer.json()["detail"]


async def chunks(size: int):
    """A body that does not say how long it is."""
    for _ in range(size // 1_000):
        yield b" " * 1_000
    yield b" " * (size % 1_000 - 1) + b"1"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("size", "status"), [(MOST_BODY_BYTES, 200), (MOST_BODY_BYTES + 1, 413)])
async def test_a_body_that_is_too_large_is_refused(centre: Centre, chunked: bool, size: int, status: int):
    app = centre.app()
    routes = APIRouter()

    @routes.post("/v1/note")
    async def note(body: int = Body()) -> int:
        return body

    app.include_router(routes)
    content = chunks(size) if chunked else b" " * (size - 1) + b"1"
    headers = {"Content-Type": "application/json"}
    answer = await ask(app, "/v1/note", method="POST", headers=headers, content=content)  # type: ignore[arg-type]
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["content-type"] == "application/problem+json"


async def test_every_answer_has_the_headers(centre: Centre, tmp_path: Path):
    app = centre.app(tokens=Keys(tmp_path / "tokens.yaml", centre).tokens())
    open_app = centre.app()

    @open_app.get("/v1/fault")
    async def fault() -> None:
        raise RuntimeError("a bug")

    answers: list[httpx.Response] = [
        await ask(app, "/v1/queues"), await ask(open_app, "/v1/queues"), await ask(open_app, "/v1/none"),
        await ask(open_app, "/v1/fault"), await ask(open_app, "/v1/queues?windows=x"),
        await ask(open_app, "/v1/kpis?" + "x" * MOST_URL_BYTES),
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [401, 200, 404, 500, 400, 414]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, answer.url


async def test_what_is_somebodys_own_is_not_for_shared_caches(centre: Centre):
    app = centre.app()
    for path in ("/v1/queues", "/v1/agents", "/v1/agents/1001/timeline", "/v1/sources", "/session"):
        assert re.search("private|no-store", (await ask(app, path)).headers["cache-control"]), path


class Inline(HTMLParser):
    """Collects what a strict content security policy forbids in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag in ("style", "base") or (tag == "script" and "src" not in given):
            self.found.append(tag)
        for name in ("src", "href", "action"):
            if not (given.get(name) or "/").startswith("/") or (given.get(name) or "").startswith("//"):
                self.found.append(f"{tag} {name}={given[name]}")


@pytest.mark.parametrize("page", ["/", "/docs"])
async def test_a_page_satisfies_its_own_policy(centre: Centre, page: str):
    answer = await ask(centre.app(), page)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {value for name, value in policy.items() if name.endswith("-src") and name != "default-src"} == {"'self'"}
    parser = Inline()
    parser.feed(answer.text)
    assert not parser.found


def test_the_scripts_of_the_pages_write_no_markup_and_no_styles():
    for script in pages.FOLDER.glob("*.js"):
        assert not INLINE.search(script.read_text("utf-8")), script.name


def test_the_page_cannot_put_a_token_into_an_address():
    text = (pages.FOLDER / "index.html").read_text("utf-8")
    assert re.search(r'<form id="login" method="post"', text)
    field = re.search(r'<input id="token"[^>]*>', text)
    assert field is not None and "name=" not in field.group()
