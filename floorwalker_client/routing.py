"""Live state of queues for a routing system: an answer in bounded time, and never an old number without saying so."""

from __future__ import annotations

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import msgspec

from floorwalker_client.http import Answer, Http, NoAnswer

MOST_IDS: Final = 500
MOST_KEPT: Final = 1_000
"""Different sets of queues whose last answers are kept."""

_FIRST_PAUSE_SECONDS: Final = 0.02
_STALENESS: Final = "floorwalker-staleness-seconds"
_AS_OF: Final = "floorwalker-as-of"


class QueueState(msgspec.Struct, frozen=True):
    """One queue. Undefined is None: no wait without anybody waiting, no expectation without staff, no service level
    (of the last 15 minutes) without contacts.
    """

    id: str
    waiting: int
    oldest_wait_seconds: float | None
    agents_available: int
    expected_wait_seconds: float | None
    service_level_ratio: float | None


@dataclass(frozen=True, slots=True)
class RoutingAnswer:
    """Queues by id, and whether these numbers may be trusted to be of now.

    `stale`: the API could not be asked just now, or what it knows is old itself; `problem` says which, and is None
    otherwise. `age_seconds`: how long ago the API last said or confirmed the numbers. `as_of`: of when they are, as the
    API writes it. `staleness_seconds`: how old the newest event in them was when they were said or confirmed; None
    before the first event.
    """

    queues: Mapping[str, QueueState]
    as_of: str
    staleness_seconds: float | None
    age_seconds: float = 0.0
    stale: bool = False
    problem: str | None = None


class Refused(Exception):
    """The API answered that the question is wrong: an unknown queue, a token that is not valid or does not allow it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{detail} (status {status})")
        self.status = status


class _Body(msgspec.Struct):
    as_of: str
    staleness_seconds: float | None
    items: list[QueueState]


class _Problem(msgspec.Struct):
    detail: str = "no reason given"


@dataclass(frozen=True, slots=True)
class _Kept:
    """The last answer to one question, and when, by the monotonic clock, it was said or confirmed."""

    answer: RoutingAnswer
    at_seconds: float
    etag: str | None


class _Failed(Exception):
    """One try failed in a way that another may not; `wait_seconds` is what the API asks for, None if nothing."""

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class RoutingClient:
    """Asks one API for the state of queues; a context manager, usable from several threads."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        timeout_seconds: float = 0.5,
        retries: int = 1,
        stale_after_seconds: float = 60.0,
    ) -> None:
        """`timeout_seconds` bounds one call of `queues` with all its tries; `retries` are tries after the first.

        From `stale_after_seconds` without any event on, the API's own numbers are called stale: a site that is quiet
        at night needs more, or heartbeats of its feed. Raises ValueError for an address, token or number that is none.
        """
        if timeout_seconds <= 0 or retries < 0 or stale_after_seconds <= 0:
            raise ValueError("timeout_seconds and stale_after_seconds must be above 0, retries 0 or more")
        self._http = Http(url, token)
        self._timeout, self._tries, self._stale_after = timeout_seconds, retries + 1, stale_after_seconds
        self._kept: OrderedDict[tuple[str, ...], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        self._http.close()

    def queues(self, ids: Iterable[str]) -> RoutingAnswer:
        """The queues' state, or the last one known, marked as stale, when the API does not say in time.

        Raises NoAnswer if there is none from before either, Refused if the question is wrong, ValueError for no id or
        more than 500.
        """
        key = tuple(dict.fromkeys(ids))
        if not 0 < len(key) <= MOST_IDS:
            raise ValueError(f"{len(key)} queues: ask for 1 to {MOST_IDS}")
        kept = self._kept.get(key)
        try:
            kept = self._ask_with_retries(key, kept)
        except NoAnswer as error:
            if kept is None:
                raise
            return self._judged(kept, str(error))
        with self._lock:
            self._kept[key] = kept
            self._kept.move_to_end(key)
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return self._judged(kept, None)

    def _ask_with_retries(self, key: tuple[str, ...], kept: _Kept | None) -> _Kept:
        """What the API says in one of the tries, each of which may take its share of the time left. Raises NoAnswer."""
        deadline = time.monotonic() + self._timeout
        path = "/v1/routing/queues?" + "&".join(f"id={quote(name, safe='')}" for name in key)
        for number in range(self._tries):
            try:
                return self._ask(path, kept, (deadline - time.monotonic()) / (self._tries - number))
            except _Failed as error:
                pause = max(error.wait_seconds or 0.0, _FIRST_PAUSE_SECONDS * 2**number * random.uniform(0.5, 1.5))
                if number + 1 == self._tries or time.monotonic() + pause >= deadline:
                    raise NoAnswer(str(error)) from None
                time.sleep(pause)
        raise AssertionError("there is at least one try")

    def _ask(self, path: str, kept: _Kept | None, timeout_seconds: float) -> _Kept:
        """One try. Raises _Failed, Refused."""
        headers = {"If-None-Match": kept.etag} if kept is not None and kept.etag is not None else {}
        asked_at = time.monotonic()  # the numbers are at least as new as this
        try:
            answer = self._http.get(path, timeout_seconds, headers)
        except NoAnswer as error:
            raise _Failed(str(error)) from None
        if answer.status == 304 and kept is not None:
            return _Kept(_confirmed(kept.answer, answer), asked_at, kept.etag)
        if answer.status == 200:
            return _Kept(_understood(answer), asked_at, answer.headers.get("etag"))
        if answer.status in (408, 429) or answer.status >= 500:
            raise _Failed(f"status {answer.status}: {_detail(answer)}", _seconds(answer.headers.get("retry-after")))
        raise Refused(answer.status, _detail(answer))

    def _judged(self, kept: _Kept, problem: str | None) -> RoutingAnswer:
        """The answer with its age, and whether it is stale."""
        said, age = kept.answer, time.monotonic() - kept.at_seconds
        if problem is None and (said.staleness_seconds is None or said.staleness_seconds > self._stale_after):
            problem = "the API has seen no event for too long"
        return RoutingAnswer(said.queues, said.as_of, said.staleness_seconds, age, problem is not None, problem)


def _understood(answer: Answer) -> RoutingAnswer:
    try:
        body = msgspec.json.decode(answer.body, type=_Body)
    except msgspec.DecodeError as error:
        raise _Failed(f"the answer is not what an API of Floorwalker says: {error}") from None
    return RoutingAnswer({item.id: item for item in body.items}, body.as_of, body.staleness_seconds)


def _confirmed(before: RoutingAnswer, answer: Answer) -> RoutingAnswer:
    """The same numbers, of now. An API that does not say how fresh they are is taken at its earlier word."""
    as_of = answer.headers.get(_AS_OF, before.as_of)
    staleness = _seconds(answer.headers.get(_STALENESS)) if _STALENESS in answer.headers else before.staleness_seconds
    return RoutingAnswer(before.queues, as_of, staleness)


def _detail(answer: Answer) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Problem).detail
    except msgspec.DecodeError:
        return "no reason given"


def _seconds(text: str | None) -> float | None:
    """A header's number of seconds; None for none, or for a date."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
