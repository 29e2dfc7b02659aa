"""Sends a recording's events to `cti.events`, at once or in step with the clock, and remembers how far it came."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from service.adapters import Rejected
from service.domain.codec import encode_event, record_key
from service.domain.customer_keys import DROPPED, CustomerKeys, protect
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.event_producer import EventProducer
from service.ingest_state import IngestState, StateFile
from service.rejects import dead_letter
from service.sealing import Sealer
from service.shift import shifted

EVENTS_TOPIC: Final = "cti.events"
DEAD_LETTERS: Final = "cti.dead-letter"
SAVE_EVERY_S: Final = 0.5

Item = Event | Rejected


@dataclass(slots=True)
class Summary:
    """What one run did. `skipped`: records that an earlier, interrupted run had sent already.

    `customers_dropped` counts events that lost a customer's raw number, for want of a key.
    """

    events: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    customers_dropped: int = 0


class Pace:
    """Waits until an event is due. `speed`: event seconds a second; None: everything is due at once."""

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._start: tuple[float, int] | None = None

    def wait_for(self, at_ms: int, before_waiting: Callable[[], None]) -> None:
        """Return when the event is due; `before_waiting` is called if that takes a while."""
        if self._speed is None:
            return
        now_s = time.monotonic()
        if self._start is None:
            self._start = (now_s, at_ms)
        due_s = self._start[0] + (at_ms - self._start[1]) / 1000 / self._speed
        if due_s > now_s:
            before_waiting()
            time.sleep(max(0.0, due_s - time.monotonic()))


@dataclass(slots=True)
class Ingest:
    """One run: items in a fixed order, of which the first `state.acknowledged` were sent by earlier runs."""

    producer: EventProducer
    state: IngestState
    file: StateFile
    source: str
    pace: Pace
    on_progress: Callable[[int], None]
    customer_keys: CustomerKeys | None = None
    sealer: Sealer = field(default_factory=Sealer)
    summary: Summary = field(default_factory=Summary)
    _saved_s: float = 0.0

    def run(self, items: Iterable[Item]) -> None:
        """Send everything and forget the progress; when interrupted or failed, keep it. Raises FailedError."""
        self.summary.skipped = self.state.acknowledged
        try:
            for item in islice(items, self.state.acknowledged, None):
                if isinstance(item, Event):
                    self.pace.wait_for(item.occurred_at_ms, self._save)
                self._send(item)
                if time.monotonic() - self._saved_s >= SAVE_EVERY_S:
                    self._save()
            self.producer.settle(at_most=0)
        except KeyboardInterrupt:
            self.producer.settle(at_most=0)
            raise
        finally:
            self._note()
        self.file.remove()

    def _send(self, item: Item) -> None:
        if isinstance(item, Event):
            item = self._protected(shifted(item, self.state.shift_ms) if self.state.shift_ms else item)
        if isinstance(item, Rejected):
            value, headers = dead_letter(item, self.source, self.sealer)
            self.producer.send(DEAD_LETTERS, None, value, headers)
            self.summary.rejected[item.reason] += 1
            return
        self.producer.send(EVENTS_TOPIC, record_key(item).encode(), encode_event(item))
        self.summary.events += 1

    def _protected(self, event: Event) -> Item:
        """The event without a customer's raw number; a rejected record if nothing would be left of it."""
        try:
            self.summary.customers_dropped += protect(event, self.customer_keys, instead=DROPPED)
        except InvalidEvent as error:
            return Rejected(None, encode_event(event), error.reason, error.detail)
        return event

    def _save(self) -> None:
        self.producer.settle()
        self._note()

    def _note(self) -> None:
        self.state.acknowledged = self.summary.skipped + self.producer.acknowledged
        self.file.save(self.state)
        self.on_progress(self.state.acknowledged)
        self._saved_s = time.monotonic()
