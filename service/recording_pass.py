"""One pass of the live domain code over a recording, without Kafka."""

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.customer_keys import CustomerKey, CustomerKeys
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.domain.settings import Floor

FOREVER_MS: Final = 1 << 60
ROUND_MS: Final = 60_000
"""The watchdog looks around so often, in event time. What it makes has the time of its cause, not of its round."""


class RecordingPass:
    """The correlated and aggregated state of [from, to); `to_ms` None: without an end."""

    def __init__(self, floor: Floor, from_ms: int = 0, to_ms: int | None = None) -> None:
        self.floor = floor
        self.correlate = CorrelateStore(floor, FOREVER_MS, FOREVER_MS, _own_keys())
        self.aggregate = AggregateStore(floor, live=False, from_ms=from_ms, to_ms=to_ms)
        self._round_ms = 0

    def apply(self, events: Iterable[Event], last_ms: int = 0) -> int:
        """Apply events in order of time; returns the time of the newest, `last_ms` at least."""
        for event in events:
            last_ms = max(last_ms, event.occurred_at_ms)
            if last_ms >= self._round_ms:
                self.make_round(last_ms)
            self._take(event)
        return last_ms

    def make_round(self, now_ms: int) -> None:
        """Do what the workers' watchdog does every few seconds, by event time."""
        self._round_ms = now_ms + ROUND_MS
        if self.floor.watchdog is None:
            return
        correlate, aggregate = self.correlate, self.aggregate
        for event in (*aggregate.moved_on(now_ms), *correlate.stuck(lambda *_: now_ms), *aggregate.stuck(now_ms)):
            self._take(event)

    def _take(self, event: Event) -> None:
        """Apply one event, and what it makes follow. One that is refused is counted with its source, that is all."""
        with suppress(InvalidEvent):
            for fact in self.correlate.apply(event, FOREVER_MS):
                self.aggregate.apply(fact)
        for _, made in self.correlate.take_made():
            self._take(made)


def _own_keys() -> CustomerKeys:
    """Keys for this pass alone: nothing of it is kept, so customers need only be told apart."""
    return CustomerKeys([CustomerKey("report", os.urandom(32), 0)])
