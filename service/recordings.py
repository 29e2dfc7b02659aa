"""Recordings: whole files of one format as events in the order of event time, and growing ones line by line."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from service.adapters import Adapter, Parsed, Rejected, events_of, parse_record
from service.domain import events as ev
from service.domain.business_events import SourceGap, SourceSnapshot
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.errors import FailedError, UsageError

STDIN: Final = "-"
"""The name of standard input among paths."""

KEY_BYTES: Final = 10
"""Length of a record's hash: 80 bits keep a billion records apart."""

_REMEMBERED_LINES: Final = 100_000

_ORDER: Final[tuple[tuple[type[Event], ...], ...]] = (
    (SourceGap, SourceSnapshot),
    (ev.AgentEvent,),
    (ev.ContactStarted,),
    (ev.VisitQueued, ev.VisitRefused),
    (ev.LegOffered, ev.LegAlerting),
    (ev.VisitAnswered, ev.LegAnswered),
    (ev.LegEvent,),
    (ev.VisitEvent,),
    (ev.ContactEvent,),
)


class _Ranks(dict[type[Event], int]):
    """Rank of a type among events of the same time: causes first; types of one rank keep the order of the file."""

    def __missing__(self, cls: type[Event]) -> int:
        rank = next((n for n, group in enumerate(_ORDER) if issubclass(cls, group)), len(_ORDER))
        self[cls] = rank
        return rank


_ranks = _Ranks()


@dataclass(slots=True)
class Recording:
    """What was in the files. `skipped` counts rows that the column mapping leaves out; they are not rejected."""

    events: list[Event] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    path: str
    line_no: int
    raw: bytes


def read_recording(paths: Sequence[Path | str], adapter: Adapter, now_ms: int) -> Recording:
    """Decode files (`-` is standard input) into events sorted by time; lines that cannot be read are rejected.

    `now_ms` is the clock against which far future times are judged. Events of the same time stand in the order of their
    types, then of the files and their lines; a file written newest first is read backwards. Raises FailedError for a
    file that cannot be read and UsageError for one that is not there or does not fit the format.
    """
    recording = Recording()
    records: list[tuple[Parsed, str, _Line]] = []
    for path in paths:
        found = list(_parse_file(str(path), read_bytes(path), adapter, recording))
        if _newest_first(found):
            found.reverse()
        records += found
    records.sort(key=lambda record: record[0].at_ms)
    for parsed, key, line in records:
        try:
            recording.events += events_of(parsed, key, now_ms)
        except InvalidEvent as error:
            _leave_out(recording, line, error)
    recording.events.sort(key=lambda event: (event.occurred_at_ms, _ranks[type(event)]))
    places = {str(path): place for place, path in enumerate(paths)}
    recording.rejected.sort(key=lambda bad: (places[bad.path], bad.line_no or 0))
    return recording


def decode_lines(lines: Iterable[bytes], adapter: Adapter, clock_ms: Callable[[], int]) -> Iterator[Event | Rejected]:
    """Decode a growing recording as it comes, unsorted. `lines` may wait for more; each is one whole line."""
    keys = Keys(adapter.name, remembered=_REMEMBERED_LINES)
    for line_no, line in enumerate(lines, 1):
        raw = _bare(line, line_no)
        if not raw.strip() or (line_no == 1 and adapter.begin(raw)):
            continue
        yield from decode_line(adapter, raw, keys, clock_ms(), line_no)


def decode_line(
    adapter: Adapter, raw: bytes, keys: "Keys", now_ms: int, line_no: int | None = None
) -> list[Event] | list[Rejected]:
    """Decode one record at once, such as one of a native topic: its events, or why there are none."""
    try:
        return events_of(parse_record(adapter, raw), keys.of(raw), now_ms)
    except InvalidEvent as error:
        if error.reason == "skipped":
            return []
        return [Rejected(line_no, raw, error.reason, error.detail)]


class Keys:
    """Stable keys of records: a hash of the line and of how many identical ones came before it.

    Native systems log real calls as identical lines, so the content alone would lose some. `remembered`: how many lines
    at least to count over; None: all. 0 is for native topics, where an identical record is a redelivery.
    """

    def __init__(self, format_name: str, remembered: int | None = None) -> None:
        self._prefix = format_name.encode() + b"\0"
        self._remembered = remembered
        self._counts: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def of(self, raw: bytes) -> str:
        """The key of the next record."""
        k = 0
        if self._remembered != 0:
            k = self._counts.get(raw, self._older.get(raw, -1)) + 1
            self._counts[raw] = k
            if self._remembered is not None and len(self._counts) >= self._remembered:
                self._counts, self._older = {}, self._counts
        return blake2b(b"%b%b\0%d" % (self._prefix, raw, k), digest_size=KEY_BYTES).hexdigest()


def read_bytes(path: Path | str) -> bytes:
    """The file's bytes. Raises UsageError if there is no such file, FailedError if it cannot be read."""
    if str(path) == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such recording") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory; name the recordings in it") from None
    except OSError as error:
        raise FailedError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise UsageError(f"{str(path)!r}: is not the name of a file") from None


def _parse_file(path: str, data: bytes, adapter: Adapter, recording: Recording) -> Iterator[tuple[Parsed, str, _Line]]:
    keys = Keys(adapter.name)
    for line_no, raw in _records(path, data, adapter):
        line = _Line(path, line_no, raw)
        try:
            parsed = parse_record(adapter, raw)
        except InvalidEvent as error:
            _leave_out(recording, line, error)
            continue
        yield parsed, keys.of(raw) if adapter.keyed else "", line


def _records(path: str, data: bytes, adapter: Adapter) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every record: the elements of one JSON array, else lines that are not blank."""
    if adapter.json_array and data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        try:
            elements = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw])
            yield from ((number, bytes(element)) for number, element in enumerate(elements, 1))
            return
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A truncated array: what stands on lines of their own can still be saved.
            data = data.replace(b"[", b"", 1)
    first = True
    for line_no, line in enumerate(data.split(b"\n"), 1):
        raw = _bare(line, line_no)
        if not raw.strip() or (adapter.json_array and raw.strip() == b"]"):
            continue
        if first:
            first = False
            if _begins(path, raw, adapter):
                continue
        yield line_no, raw


def _begins(path: str, first_line: bytes, adapter: Adapter) -> bool:
    try:
        return adapter.begin(first_line)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _bare(line: bytes, line_no: int) -> bytes:
    """The line without its ending and without a byte order mark."""
    raw = line.rstrip(b"\r\n")
    return raw.removeprefix(b"\xef\xbb\xbf") if line_no == 1 else raw


def _newest_first(records: Sequence[tuple[Parsed, str, _Line]]) -> bool:
    """True for a file that runs backwards in time, as some databases list their rows."""
    times = [record[0].at_ms for record in records]
    return times[:1] > times[-1:] and all(later <= earlier for earlier, later in pairwise(times))


def _leave_out(recording: Recording, line: _Line, error: InvalidEvent) -> None:
    if error.reason == "skipped":
        recording.skipped += 1
    else:
        recording.rejected.append(Rejected(line.line_no, line.raw, error.reason, error.detail, line.path))
