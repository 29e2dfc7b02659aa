"""What receivers have in common: they make a request of notices, and the answer says what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from service.domain.alert_record import Alert
from service.notify.outbox import Notice

Verdict = Literal["delivered", "failed", "refused"]
Outcome = Literal["delivered", "repeated", "failed", "refused"]
"""Label `outcome` of `floorwalker_notifications_total`. `failed`: nobody was there, tried again for all. `refused`: not
this one, tried again later. `repeated`: told again to a receiver that forgets.
"""

_LATER = (408, 425, 429)


class NotReady(Exception):
    """A request cannot be made now; the text says why and holds no secret."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP POST. The address may be a secret and is never shown."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `status` None: no answer, and `reason` says why; `retry_after_ms` None: not said."""

    status: int | None
    reason: str = ""
    retry_after_ms: int | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether the receiver has it, was not able to take it, or does not want it."""
        if self.status is None or self.status >= 500 or self.status in _LATER:
            return "failed"
        return "delivered" if 200 <= self.status < 300 else "refused"

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.status or ""), self.reason) if part)


class Receiver(Protocol):
    """Who is told. `name` is its key in `cti.notifications` and its label.

    `batch`: how many notices fit into one request. `repeat_ms`: how often what fires is told again to a receiver that
    forgets, None for one that is told once; `linger_ms`: for how long after confirming it that is done for the end.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def batch(self) -> int: ...  # noqa: D102
    @property
    def repeat_ms(self) -> int | None: ...  # noqa: D102
    @property
    def linger_ms(self) -> int: ...  # noqa: D102

    def wants(self, alert: Alert) -> bool:
        """Whether the receiver is to hear of the alert at all."""
        ...

    def request(self, notices: Sequence[Notice], now_ms: int) -> Request:
        """The request that tells them, made anew for each attempt. Raises NotReady."""
        ...
