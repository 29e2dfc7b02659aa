"""What every adapter is: bytes of one record in, canonical events out, and one shape for what could not be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from service.adapters.mapping import CallRecordsMapping
from service.domain.codec import MAX_EVENT_BYTES
from service.domain.errors import EARLIEST_MS, FAR_FUTURE_MS, InvalidEvent, check_time
from service.domain.events import Event

LONGEST_NATIVE_ID: Final = 80
"""Native ids are joined to visit and leg ids, which may have 256 characters."""

LONGEST_DURATION_MS: Final = 366 * 86_400_000


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """What a source's configuration tells its adapter.

    `timezone` (IANA name) is the zone of times without one; None: such a time is a UsageError. `agent_pattern` is a
    regular expression; where it matches a native agent, its first group (else the whole match) becomes the agent's id.
    """

    source: str = ""
    timezone: str | None = None
    agent_pattern: str | None = None
    mapping: CallRecordsMapping | None = None


@dataclass(slots=True)
class Parsed:
    """A record that could be read. `at_ms` is when it happened: recordings are put in this order before `to_events`.

    `to_events(key)` returns the record's events, with ids made of `key`; call it once, it may move the adapter's state.
    Raises InvalidEvent.
    """

    at_ms: int
    to_events: Callable[[str], list[Event]]


class Adapter(Protocol):
    """One vendor format. Keeps what it must know of earlier records: one object for one recording or native topic."""

    name: str
    """The format's name, as in ADAPTERS."""
    keyed: bool
    """True if event ids come from the record's bytes; False if the records carry their own."""
    json_array: bool
    """True if a file may also be one JSON array of records."""

    def begin(self, first_line: bytes) -> bool:
        """Begin a new file. Returns True if its first line is a heading. Raises UsageError if it cannot fit."""
        ...

    def parse(self, raw: bytes) -> Parsed:
        """Read one record. Raises InvalidEvent, or UsageError for a local time without a time zone."""
        ...


@dataclass(frozen=True, slots=True)
class Rejected:
    """One record that did not become events. `line_no` counts from 1, in an array by element; None outside of files."""

    line_no: int | None
    raw: bytes
    reason: str
    detail: str
    path: str = ""


class Envelope:
    """Makes the fields that every event of one record shares; ids are `key-1`, `key-2` ..."""

    __slots__ = ("count", "key", "source")

    def __init__(self, key: str, source: str) -> None:
        self.key = key
        self.source = source
        self.count = 0

    def __call__(self, at_ms: int) -> dict[str, Any]:
        """Fields of the next event."""
        self.count += 1
        return {"event_id": f"{self.key}-{self.count}", "occurred_at_ms": at_ms, "source": self.source}


def parse_record(adapter: Adapter, raw: bytes) -> Parsed:
    """Read one record of any format. Raises InvalidEvent."""
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidEvent("too_large", f"{len(raw)} bytes, the limit is {MAX_EVENT_BYTES}")
    return adapter.parse(raw)


def events_of(parsed: Parsed, key: str, now_ms: int) -> list[Event]:
    """The record's events, each with a believable time. Raises InvalidEvent; then none of them counts."""
    check_time(parsed.at_ms, now_ms)
    events = parsed.to_events(key)
    latest_ms = now_ms + FAR_FUTURE_MS
    for event in events:
        if not EARLIEST_MS <= event.occurred_at_ms <= latest_ms:
            check_time(event.occurred_at_ms, now_ms)
    return events


def utf8(raw: bytes) -> str:
    """The record as text. Raises InvalidEvent("bad_encoding")."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidEvent("bad_encoding", f"not UTF-8 at byte {error.start}") from None


def native_id(text: str, field: str) -> str:
    """A native id, checked. Raises InvalidEvent for an empty or an overlong one."""
    if not text:
        raise InvalidEvent("missing_field", field)
    if len(text) > LONGEST_NATIVE_ID:
        raise InvalidEvent("bad_field", f"{field} has {len(text)} characters, the limit is {LONGEST_NATIVE_ID}")
    return text
