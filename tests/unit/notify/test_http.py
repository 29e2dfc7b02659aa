"""Whatever a receiver does, a post gives one answer in bounded time, and tells no secret."""

from __future__ import annotations

import asyncio

import pytest

from service.embedded import free_port
from service.notify.http import HttpPoster
from service.notify.receiver import Answer, Request
from tests.support.http_receiver import Behaviour, HttpReceiver, answers, hangs, hangs_up, talks_for_ever, then

SECRET_PATH = "/services/T0/B0/s3cret"


async def post(behave: Behaviour, timeout_s: float = 10.0) -> tuple[Answer, HttpReceiver]:
    async with HttpReceiver(behave) as receiver, HttpPoster(timeout_s) as poster:
        request = Request(receiver.url + SECRET_PATH, b'{"key": 1}', {"Idempotency-Key": "k"})
        async with asyncio.timeout(20):
            return await poster.post(request), receiver


@pytest.mark.parametrize(
    ("behave", "verdict"),
    [
        pytest.param(answers(200), "delivered", id="200"),
        pytest.param(answers(204), "delivered", id="204"),
        pytest.param(answers(500), "failed", id="500"),
        pytest.param(answers(429), "failed", id="429 says not now"),
        pytest.param(answers(400), "refused", id="400"),
        pytest.param(answers(404), "refused", id="404"),
        pytest.param(hangs_up, "failed", id="a connection that is closed"),
        pytest.param(talks_for_ever, "failed", id="an answer that does not end"),
    ],
)
async def test_every_answer_is_a_verdict(behave: Behaviour, verdict: str):
    answer, _ = await post(behave)
    assert answer.verdict == verdict


async def test_a_receiver_that_hangs_is_left_after_the_time_limit():
    answer, _ = await post(hangs, timeout_s=0.2)
    assert (answer.verdict, answer.reason) == ("failed", "no answer within 0.2 s")


async def test_nobody_listening_is_a_failure_in_words():
    async with HttpPoster() as poster:
        answer = await poster.post(Request(f"http://127.0.0.1:{free_port()}{SECRET_PATH}", b"", {}))
    assert answer.verdict == "failed"
    assert "Connect" in answer.reason and "s3cret" not in str(answer)


async def test_an_address_that_is_none_is_a_failure_that_does_not_tell_it():
    async with HttpPoster() as poster:
        answer = await poster.post(Request("http://s3cret" + "x" * 70 + ".example/", b"", {}))
    assert answer.verdict == "failed" and "s3cret" not in str(answer)


async def test_a_redirection_is_not_followed():
    elsewhere = answers(307, headers={"Location": "/elsewhere"})
    answer, receiver = await post(then(elsewhere, answers(200)))
    assert answer.verdict == "refused"
    assert [one.path for one in receiver.heard] == [SECRET_PATH]


async def test_body_and_headers_arrive_as_they_are():
    _, receiver = await post(answers(200))
    (heard,) = receiver.heard
    assert (heard.body, heard.headers["Idempotency-Key"], heard.headers["User-Agent"]) == (
        b'{"key": 1}',
        "k",
        "floorwalker",
    )


async def test_what_a_refusal_says_is_kept_short_and_printable():
    answer, _ = await post(answers(400, "bad\n\x1b[31mlabel " + "x" * 5_000))
    assert answer.reason.startswith("bad [31mlabel x") and len(answer.reason) <= 200


@pytest.mark.parametrize(
    ("header", "waits_ms"),
    [
        pytest.param("7", 7_000, id="seconds"),
        pytest.param("999999", 300_000, id="no longer than five minutes"),
        pytest.param("Fri, 31 Dec 2027 23:59:59 GMT", None, id="a date is not obeyed"),
    ],
)
async def test_a_receiver_may_ask_to_wait(header: str, waits_ms: int | None):
    answer, _ = await post(answers(503, headers={"Retry-After": header}))
    assert answer.retry_after_ms == waits_ms
