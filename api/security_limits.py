"""How much one client may ask for. All limits answer with a problem: 413, 414 or 429."""

from collections.abc import Callable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from api.problems import Problem

MOST_URL_BYTES: Final = 32_768
"""Room for 500 ids of 64 bytes."""

MOST_BODY_BYTES: Final = 65_536
BURST_SECONDS: Final = 2.0
_TOO_LARGE: Final = f"the request's body is larger than {MOST_BODY_BYTES} bytes"
_MOST_CLIENTS: Final = 10_000


class Rates:
    """Requests a second of each client, averaged over a burst of two seconds."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        """`clock` is in seconds and never goes back."""
        self._spacing = 1 / per_second
        self._clock = clock
        self._due: dict[str, float] = {}

    def count(self, who: str) -> None:
        """Count one request. Raises Problem(429) when there were too many."""
        now = self._clock()
        due = max(self._due.get(who, now), now)
        early = due - now - BURST_SECONDS
        if early > 0:
            seconds = str(int(early) + 1)
            raise Problem(429, f"too many requests: go on in {seconds} s, more slowly", {"Retry-After": seconds})
        self._due[who] = due + self._spacing
        if len(self._due) > _MOST_CLIENTS:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop clients whose burst is over; a flood of addresses is worse than one client's second burst: drop all."""
        self._due = {who: due for who, due in self._due.items() if due > now}
        if len(self._due) > _MOST_CLIENTS // 2:
            self._due.clear()


def check_size(scope: Scope, length: bytes | None) -> None:
    """Raise Problem(413) or Problem(414) for a request that says it is too large."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MOST_URL_BYTES:
        raise Problem(414, f"the address is longer than {MOST_URL_BYTES} bytes: ask for less at a time")
    if length is not None and length.isdigit() and int(length) > MOST_BODY_BYTES:
        raise Problem(413, _TOO_LARGE, {"Connection": "close"})


def limited(receive: Receive) -> Receive:
    """The same body, for as long as it is no larger than allowed. Raises HTTPException(413) then.

    FastAPI, which reads bodies, passes that one on and takes every other exception for a body that cannot be parsed.
    """
    taken = 0

    async def receive_counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE, {"Connection": "close"})
        return message

    return receive_counted


def client_of(scope: Scope) -> str:
    """The client's address; of IPv6 the network, since one client has all of it. "" where nobody knows."""
    host: str = (scope.get("client") or ("", 0))[0]
    return ":".join(host.split(":")[:4]) if ":" in host and "." not in host else host
