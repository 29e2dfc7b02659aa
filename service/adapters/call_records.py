"""Call records: CSV, one row one contact with one visit, read by the column mapping of the configuration."""

import csv
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from service.adapters.base import LONGEST_DURATION_MS, AdapterSettings, Envelope, Parsed, native_id, utf8
from service.adapters.clock import Clock, clock_on, read_moment
from service.adapters.columns import Row, Table
from service.adapters.mapping import CallRecordsMapping
from service.domain import events as ev
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.errors import UsageError

_ENDINGS: Final[dict[str, Callable[..., Event]]] = {
    "abandoned": ev.VisitAbandoned,
    "flowed_out": ev.VisitFlowedOut,
    "callback_requested": ev.VisitCallbackRequested,
    "cancelled": ev.VisitCancelled,
    "refused": ev.VisitRefused,
}
"""Outcome word -> the event that ends the visit, for all but answered."""


class CallRecordsAdapter:
    """Turns rows into the life of a contact. A quoted field must not contain a line break."""

    name = "call-records"
    keyed = True
    json_array = False

    def __init__(self, settings: AdapterSettings) -> None:
        if settings.mapping is None:
            raise UsageError(
                "the format call-records needs a column mapping: give --config with a source of this format, "
                "such as deploy/examples/vanad.yaml"
            )
        self._mapping: CallRecordsMapping = settings.mapping
        self._source = settings.source
        self._clock = Clock(settings.source, settings.timezone)
        self._unit_ms = 1000 if self._mapping.duration_unit == "s" else 1
        self._agent_ends = self._mapping.agent_ends()
        header = self._mapping.header
        self._table = Table(self._mapping, header) if header else None

    def begin(self, first_line: bytes) -> bool:
        """Learn the columns from the heading. With `header` in the mapping a heading is optional."""
        try:
            names = [name.strip() for name in self._split(first_line)]
        except InvalidEvent as error:
            if self._mapping.header:
                return False
            raise UsageError(f"the heading line cannot be read: {error}") from None
        if self._mapping.header:
            return names == self._mapping.header
        self._table = Table(self._mapping, names)
        return True

    def parse(self, raw: bytes) -> Parsed:
        """Read one row. Raises InvalidEvent; the reason `skipped` means that the mapping leaves it out."""
        if self._table is None:
            raise UsageError("call-records without a heading line need the column names as `header` in the mapping")
        row = self._table.row(self._split(raw))
        enqueue = self._first(row, self._mapping.enqueue)
        if enqueue is None:
            raise InvalidEvent("missing_field", " or ".join(self._mapping.enqueue))
        return Parsed(enqueue, partial(self._events, row, enqueue))

    def _split(self, raw: bytes) -> list[str]:
        text = utf8(raw)
        if '"' not in text:
            return text.split(self._mapping.delimiter)
        try:
            return next(csv.reader([text], delimiter=self._mapping.delimiter, strict=True))
        except csv.Error as error:
            raise InvalidEvent("bad_line", str(error)) from None

    def _time(self, row: Row, column: str | None) -> int | None:
        """Milliseconds UTC of a time column; None if nothing is there."""
        if column is None:
            return None
        if column not in row.times:
            row.times[column] = self._read_time(row, column)
        return row.times[column]

    def _read_time(self, row: Row, column: str) -> int | None:
        text = row.get(column)
        if text is None:
            return None
        mapping = self._mapping
        if mapping.date is None:
            return self._clock.format_ms(text, mapping.time_format)
        day = row.get(mapping.date.column)
        if day is None:
            raise InvalidEvent("missing_field", mapping.date.column)
        first = row.get(mapping.date.clock)
        clock = read_moment(text, mapping.time_format).time()
        first_clock = read_moment(first, mapping.time_format).time() if first is not None else clock
        moment: datetime = clock_on(read_moment(day, mapping.date.format).date(), clock, first_clock)
        return self._clock.moment_ms(moment)

    def _first(self, row: Row, columns: list[str]) -> int | None:
        for column in columns:
            found = self._time(row, column)
            if found is not None:
                return found
        return None

    def _duration(self, row: Row, column: str | None) -> int | None:
        """Milliseconds of a stated duration; None if the row states none."""
        text = row.get(column) if column else None
        if text is None:
            return None
        try:
            duration_ms = round(float(text) * self._unit_ms)
        except (ValueError, OverflowError):
            duration_ms = -1
        if not 0 <= duration_ms <= LONGEST_DURATION_MS:
            raise InvalidEvent("bad_field", f"{column} {text[:60]!r} is no duration")
        return duration_ms

    def _outcome(self, row: Row, answered_ms: int | None, end_ms: int | None) -> str | None:
        """How the visit ended; None while it waits."""
        if self._mapping.outcome is not None:
            outcome = row.get(self._mapping.outcome)
            if outcome != "answered" and outcome not in _ENDINGS:
                known = ", ".join(["answered", *_ENDINGS])
                raise InvalidEvent("bad_field", f"{self._mapping.outcome} {outcome!r} is not one of {known}")
            return outcome
        if answered_ms is not None:
            return "answered"
        return "abandoned" if end_ms is not None else None

    def _events(self, row: Row, enqueue_ms: int, key: str) -> list[Event]:
        mapping = self._mapping
        envelope = Envelope(key, self._source)
        contact_id = self._contact_id(row, key)
        queue_id = mapping.queue_id or native_id(row.get(mapping.queue or "") or "", mapping.queue or "queue")
        wait_ms = self._duration(row, mapping.wait)
        answered_ms = self._time(row, mapping.answered)
        hangup_ms = self._time(row, mapping.hangup)
        outcome = self._outcome(row, answered_ms, hangup_ms)
        visit = _Visit(envelope, contact_id, queue_id, wait_ms)
        if outcome == "refused":
            return [visit.event(ev.VisitRefused, enqueue_ms)]
        queued = ev.VisitQueued(
            **envelope(enqueue_ms), contact_id=contact_id, visit_id=visit.visit_id, queue_id=queue_id,
            channel=mapping.channel, customer_ref=row.get(mapping.customer_ref or ""),
            customer_class=row.get(mapping.customer_class or ""), priority=self._priority(row),
        )  # fmt: skip
        if outcome is None:
            return [queued]
        if outcome == "answered":
            return [queued, *self._answered(row, visit, enqueue_ms, answered_ms, hangup_ms)]
        left_ms = enqueue_ms + wait_ms if wait_ms is not None else hangup_ms
        if left_ms is None:
            raise InvalidEvent("missing_field", mapping.hangup or "hangup")
        return [queued, visit.event(_ENDINGS[outcome], left_ms), visit.ended(left_ms)]

    def _answered(
        self, row: Row, visit: "_Visit", enqueue_ms: int, answered_ms: int | None, hangup_ms: int | None
    ) -> list[Event]:
        """Answer, the agent's end, the contact's end. With a stated wait no clock puts the answer before the queue."""
        if visit.wait_ms is not None:
            answered_ms = max(answered_ms, enqueue_ms) if answered_ms is not None else enqueue_ms + visit.wait_ms
        if answered_ms is None:
            raise InvalidEvent("missing_field", self._mapping.answered or "answered")
        agent_id = row.get(self._mapping.agent or "")
        if agent_id is not None:
            native_id(agent_id, self._mapping.agent or "agent")
        talk_ms = self._duration(row, self._mapping.talk)
        end_ms = self._first(row, self._agent_ends)
        if end_ms is None and talk_ms is not None:
            end_ms = answered_ms + talk_ms
        elif end_ms is not None and talk_ms is None:
            talk_ms = max(0, end_ms - answered_ms)  # the row is whole: it states the talk by its two times
            if talk_ms > LONGEST_DURATION_MS:
                raise InvalidEvent("bad_field", f"from the answer to the agent's end it is {talk_ms} ms")
        events = [visit.event(ev.VisitAnswered, answered_ms, agent_id=agent_id)]
        if end_ms is not None:
            transferred_ms = self._time(row, self._mapping.transfer)
            kind = ev.LegEnded if transferred_ms is None else ev.LegTransferred
            events.append(visit.leg(kind, end_ms, agent_id, talk_ms))
        over_ms = max(end_ms or answered_ms, hangup_ms or answered_ms)
        if end_ms is not None or hangup_ms is not None:
            events.append(visit.ended(over_ms))
        return events

    def _contact_id(self, row: Row, key: str) -> str:
        columns = self._mapping.contact
        if not columns:
            return key
        return native_id("/".join(native_id(row.get(column) or "", column) for column in columns), "/".join(columns))

    def _priority(self, row: Row) -> int | None:
        text = row.get(self._mapping.priority or "")
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InvalidEvent("bad_field", f"{self._mapping.priority} {text[:60]!r} is no whole number")
        return int(text)


class _Visit:
    """Makes the events of a row's one visit."""

    def __init__(self, envelope: Envelope, contact_id: str, queue_id: str, wait_ms: int | None) -> None:
        self.visit_id = contact_id + "/1"
        self.wait_ms = wait_ms
        self._envelope = envelope
        self._contact_id = contact_id
        self._queue_id = queue_id

    def event(self, make: Callable[..., Event], at_ms: int, **more: str | None) -> Event:
        """An ending of the visit, with the stated wait."""
        return make(
            **self._envelope(at_ms), contact_id=self._contact_id, visit_id=self.visit_id, queue_id=self._queue_id,
            wait_ms=self.wait_ms, **more,
        )  # fmt: skip

    def leg(self, make: Callable[..., Event], at_ms: int, agent_id: str | None, talk_ms: int | None) -> Event:
        """The end of the agent's leg, with the stated talk."""
        return make(
            **self._envelope(at_ms), contact_id=self._contact_id, visit_id=self.visit_id, queue_id=self._queue_id,
            agent_id=agent_id, talk_ms=talk_ms,
        )  # fmt: skip

    def ended(self, at_ms: int) -> Event:
        """The end of the contact."""
        return ev.ContactEnded(**self._envelope(at_ms), contact_id=self._contact_id)
