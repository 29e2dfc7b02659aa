"""The client for routing: an answer in bounded time, whatever the other side does, and no old number without a word."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from floorwalker_client import NoAnswer, Refused, RoutingClient

SALES = {
    "id": "sales", "waiting": 3, "oldest_wait_seconds": 12.5, "agents_available": 0, "expected_wait_seconds": 80.0,
    "service_level_ratio": 0.75, "as_of": "2026-11-22T12:00:00Z", "staleness_seconds": 0.4,
}  # fmt: skip
BODY = json.dumps({"as_of": SALES["as_of"], "staleness_seconds": 0.4, "items": [SALES]}).encode()
PATIENT_SECONDS = 10.0
"""For what is answered at once: the machine may be busy."""

BRIEF_SECONDS = 2.0
"""For what is never answered."""

IN_TIME_SECONDS = 15.0
"""Far above the brief timeout, because the machine may be busy, and far below what the servers here would take."""


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


GOOD = reply("200 OK", BODY, 'ETag: W/"1"')


class Server:
    """Answers each request with the next of what it is told: bytes, or a function of the connection."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.answers: list[bytes | Callable[[socket.socket], None]] = []
        self.requests: list[str] = []
        self.connections = 0
        self.over = threading.Event()
        self._asked = threading.Condition()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(10)

    def until_asked(self, times: int) -> None:
        """Wait until so many requests have come."""
        with self._asked:
            assert self._asked.wait_for(lambda: len(self.requests) >= times, 30), self.requests

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(0.05)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while (request := self._request(connection)) is not None:
                with self._asked:
                    self.requests.append(request)
                    self._asked.notify_all()
                answer = self.answers.pop(0)
                if callable(answer):
                    return answer(connection)
                connection.sendall(answer)

    def _request(self, connection: socket.socket) -> str | None:
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            try:
                part = connection.recv(65_536)
            except TimeoutError:
                if self.over.is_set():
                    return None
                continue
            except OSError:
                return None
            if not part:
                return None
            text += part
        return text.decode()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def client(server: Server) -> Iterator[RoutingClient]:
    with RoutingClient(server.url, "fw_router.secret", timeout_seconds=PATIENT_SECONDS) as made:
        yield made


def hang_up(connection: socket.socket) -> None:
    """Say nothing and close."""


def silent(server: Server) -> Callable[[socket.socket], None]:
    return lambda _: server.over.wait(30) and None


def dripping(server: Server) -> Callable[[socket.socket], None]:
    """A byte now and then, so that each receiving goes well and all of them never end."""

    def drip(connection: socket.socket) -> None:
        for byte in GOOD:
            if server.over.wait(0.1):
                return
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                return

    return drip


def test_an_answer_has_every_number_and_is_not_stale(server: Server, client: RoutingClient) -> None:
    server.answers = [GOOD]
    answer = client.queues(["sales"])
    sales = answer.queues["sales"]
    assert (sales.waiting, sales.oldest_wait_seconds, sales.agents_available) == (3, 12.5, 0)
    assert (sales.expected_wait_seconds, sales.service_level_ratio) == (80.0, 0.75)
    assert (answer.stale, answer.problem, answer.staleness_seconds) == (False, None, 0.4)
    assert "Authorization: Bearer fw_router.secret" in server.requests[0]


def test_ids_of_any_letters_are_asked_for_as_they_are(server: Server, client: RoutingClient) -> None:
    server.answers = [GOOD]
    client.queues(["SIP/80 07,客", "sales"])
    assert server.requests[0].startswith("GET /v1/routing/queues?id=SIP%2F80%2007%2C%E5%AE%A2&id=sales ")


def test_what_has_not_changed_is_confirmed_and_of_now(server: Server, client: RoutingClient) -> None:
    fresh = ("Floorwalker-As-Of: 2026-11-22T12:00:05Z", "Floorwalker-Staleness-Seconds: 5.1")
    server.answers = [GOOD, reply("304 Not Modified", b"", 'ETag: W/"1"', *fresh)]
    first, second = client.queues(["sales"]), client.queues(["sales"])
    assert 'If-None-Match: W/"1"' in server.requests[1]
    assert second.queues == first.queues
    assert (second.as_of, second.staleness_seconds, second.stale) == ("2026-11-22T12:00:05Z", 5.1, False)
    assert server.connections == 1


def test_numbers_that_the_api_itself_has_from_long_ago_are_stale(server: Server, client: RoutingClient) -> None:
    server.answers = [GOOD, reply("304 Not Modified", b"", "Floorwalker-Staleness-Seconds: 61")]
    assert not client.queues(["sales"]).stale
    unchanged = client.queues(["sales"])
    assert unchanged.stale
    assert unchanged.problem == "the API has seen no event for too long"


def test_before_the_first_event_nothing_is_fresh(server: Server, client: RoutingClient) -> None:
    server.answers = [reply("200 OK", BODY.replace(b"0.4", b"null"))]
    assert client.queues(["sales"]).stale


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(hang_up, id="it closes without a word"),
        pytest.param(reply("503 Service Unavailable", b'{"detail": "catching up"}'), id="it is not ready"),
        pytest.param(reply("500 Internal Server Error", b"<html>"), id="it has a fault"),
        pytest.param(reply("429 Too Many Requests", b"", "Retry-After: 0"), id="it is asked too often"),
        pytest.param(reply("200 OK", b"<html>hello</html>"), id="something else answers"),
        pytest.param(reply("200 OK", b'{"items": [{"id": 5}]}'), id="the answer has another form"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\nConnection: close\r\n\r\n{", id="it answers by half"),
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", id="it speaks another protocol"),
    ],
)
def test_one_failure_is_tried_again(
    server: Server, client: RoutingClient, failure: bytes | Callable[[socket.socket], None]
) -> None:
    ends = isinstance(failure, bytes) and b"Connection: close" in failure
    server.answers = [(lambda c: c.sendall(failure)) if ends else failure, GOOD]  # type: ignore[arg-type]
    answer = client.queues(["sales"])
    assert (answer.stale, answer.queues["sales"].waiting) == (False, 3)


@pytest.mark.parametrize("misbehaviour", [silent, dripping])
def test_whatever_takes_too_long_ends_in_time_with_the_last_answer_marked(
    server: Server, misbehaviour: Callable[[Server], Callable[[socket.socket], None]]
) -> None:
    server.answers = [GOOD, *[misbehaviour(server)] * 2]
    with RoutingClient(server.url, timeout_seconds=BRIEF_SECONDS) as client:
        client.queues(["sales"])
        started = time.monotonic()
        answer = client.queues(["sales"])
        assert time.monotonic() - started < IN_TIME_SECONDS
    assert (answer.stale, answer.problem, answer.queues["sales"].waiting) == (True, "no answer in time", 3)
    assert answer.age_seconds >= BRIEF_SECONDS, "all of the time was used"
    server.until_asked(3)  # each try had its share of the time


def test_the_age_grows_while_nobody_answers(server: Server, client: RoutingClient) -> None:
    unready = reply("503 Service Unavailable")
    server.answers = [GOOD, *[unready] * 4]
    client.queues(["sales"])
    first, second = client.queues(["sales"]), client.queues(["sales"])
    assert first.stale
    assert second.age_seconds > first.age_seconds > 0


def test_without_any_answer_so_far_there_is_no_number(server: Server, client: RoutingClient) -> None:
    server.answers = [hang_up, hang_up]
    with pytest.raises(NoAnswer, match="closed without an answer"):
        client.queues(["sales"])


def test_the_last_answer_to_another_question_is_not_taken(server: Server, client: RoutingClient) -> None:
    server.answers = [GOOD, hang_up, hang_up, hang_up]
    client.queues(["sales"])
    with pytest.raises(NoAnswer):
        client.queues(["sales", "mail"])


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found"])
def test_a_wrong_question_is_neither_repeated_nor_hidden(server: Server, client: RoutingClient, status: str) -> None:
    server.answers = [GOOD, reply(status, b'{"detail": "there is no queue"}')]
    client.queues(["sales"])
    with pytest.raises(Refused, match="there is no queue"):
        client.queues(["sales"])
    assert len(server.requests) == 2


def test_a_wait_longer_than_the_timeout_is_not_waited_for(server: Server, client: RoutingClient) -> None:
    server.answers = [GOOD, reply("503 Service Unavailable", b"", "Retry-After: 30")]
    client.queues(["sales"])
    started = time.monotonic()
    assert client.queues(["sales"]).stale
    assert time.monotonic() - started < IN_TIME_SECONDS


def test_a_kept_connection_that_was_closed_costs_no_try(server: Server) -> None:
    def once(connection: socket.socket) -> None:
        connection.sendall(GOOD)

    server.answers = [once, GOOD]
    with RoutingClient(server.url, timeout_seconds=PATIENT_SECONDS, retries=0) as client:
        assert not client.queues(["sales"]).stale
        assert not client.queues(["sales"]).stale
    assert server.connections == 2


def test_several_threads_ask_at_a_time(server: Server, client: RoutingClient) -> None:
    server.answers = [GOOD] * 40
    stale: list[bool] = []
    threads = [
        threading.Thread(target=lambda: stale.extend(client.queues(["sales"]).stale for _ in range(10)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert stale == [False] * 40


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://floor", "http://", "http://floor?x=1", "http://me:pw@floor"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        RoutingClient(url)


@pytest.mark.parametrize("token", ["", "a b", "a\nInjected: header", " fw_x.y"])
def test_a_token_that_no_header_can_hold_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        RoutingClient("http://127.0.0.1:8080", token)


@pytest.mark.parametrize("count", [0, 501])
def test_the_number_of_queues_is_that_of_the_api(server: Server, client: RoutingClient, count: int) -> None:
    with pytest.raises(ValueError, match="ask for 1 to 500"):
        client.queues(f"q{number}" for number in range(count))
