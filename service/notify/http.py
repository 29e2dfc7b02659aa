"""Posting a request: one answer in bounded time, whatever the other side does."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar

from service.notify.receiver import Answer, Request

TIMEOUT_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 5.0
_SHOWN_BYTES: Final = 200
_MOST_RETRY_AFTER_MS: Final = 300_000


class HttpPoster:
    """An HTTP client as an asynchronous context manager; `post` never raises for what the other side does."""

    def __init__(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._timeout = ClientTimeout(total=timeout_seconds, connect=min(_CONNECT_SECONDS, timeout_seconds))
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = ClientSession(timeout=self._timeout, cookie_jar=DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, request: Request) -> Answer:
        """Send it. A redirection is not followed: it would take the signed body elsewhere."""
        if self._session is None:
            raise RuntimeError("the poster is used outside its context")
        headers = {"User-Agent": "floorwalker", **request.headers}
        try:
            async with self._session.post(
                request.url, data=request.body, headers=headers, allow_redirects=False
            ) as response:
                return Answer(response.status, await _beginning(response), _retry_after_ms(response))
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout.total:g} s")
        except (ClientError, OSError, ValueError) as error:  # ValueError: a host that cannot be encoded
            return Answer(None, _words(error))


async def _beginning(response: ClientResponse) -> str:
    """The first words of an answer that is no success; the rest is not read."""
    if response.status < 300:
        return ""
    text = (await response.content.read(_SHOWN_BYTES)).decode(errors="replace")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _retry_after_ms(response: ClientResponse) -> int | None:
    """What the header asks for, within reason; None if it says nothing or a date."""
    text = response.headers.get("Retry-After", "")
    return min(int(text) * 1000, _MOST_RETRY_AFTER_MS) if text.isascii() and text.isdecimal() else None


def _words(error: BaseException) -> str:
    """The kind of error, and the system's words for it. Not the error's own: they may hold the address."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return getattr(cause, "strerror", None) or type(error).__name__
