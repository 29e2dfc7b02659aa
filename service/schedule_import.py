"""Schedules from a CSV file: rows to `schedule.published` events.

Columns: `agent_id`, `start`, `end`, `activity`, and optionally `productive`, `paid`, `counts_for_adherence`. Times are
ISO 8601; one without an offset is local. Everything is read before anything is sent, so that a bad line sends nothing.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from service.adapters.clock import Clock
from service.domain.business_events import Activity, SchedulePublished
from service.domain.errors import InvalidEvent
from service.domain.schedule import SHIFT_GAP_MS
from service.errors import UsageError

SOURCE: Final = "schedule-import"
REQUIRED: Final = ("agent_id", "start", "end", "activity")
OPTIONAL: Final = ("productive", "paid", "counts_for_adherence")
UNPRODUCTIVE: Final = frozenset(
    ("break", "lunch", "meal", "meeting", "training", "coaching", "study", "vacation", "leave", "sick", "absence")
)
"""Activities that are not productive where the file does not say whether they are."""

MOST_ACTIVITIES: Final = 1000
"""So many activities go into one event, at most a day's shifts more."""

_WORDS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


class BadLine(Exception):
    """A line that cannot be a planned activity; the text says why."""


def read_schedule(lines: Iterable[str], timezone: str | None) -> tuple[dict[str, list[Activity]], list[str]]:
    """The activities by agent, and a sentence for each line that is none. Raises UsageError for a wrong heading, or a
    time without an offset where `timezone` is None.
    """
    rows = csv.DictReader(lines)
    heading = [name.strip() for name in rows.fieldnames or ()]
    missing = [name for name in REQUIRED if name not in heading]
    if missing:
        raise UsageError(f"the first line must name the columns {', '.join(REQUIRED)}: {', '.join(missing)} is missing")
    rows.fieldnames = heading
    clock = Clock("the schedule", timezone)
    found: dict[str, list[Activity]] = {}
    problems: list[str] = []
    for row in rows:
        try:
            agent_id, activity = _activity(row, clock)
            found.setdefault(agent_id, []).append(activity)
        except (BadLine, InvalidEvent, ValueError) as error:
            text = error.detail if isinstance(error, InvalidEvent) else str(error)
            problems.append(f"line {rows.line_num}: {text}")
    return found, problems


def _activity(row: dict[str, str | None], clock: Clock) -> tuple[str, Activity]:
    told = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    for name in REQUIRED:
        if not told[name]:
            raise BadLine(f"{name} is empty")
    if len(told["agent_id"]) > 256:
        raise BadLine("agent_id has more than 256 characters")
    name = told["activity"]
    flags = {flag: _flag(flag, told.get(flag, "")) for flag in OPTIONAL}
    start_ms, end_ms = clock.text_ms(told["start"]), clock.text_ms(told["end"])
    values = {
        "start_ms": start_ms, "end_ms": end_ms, "activity": name, "productive": name.lower() not in UNPRODUCTIVE,
        **{flag: value for flag, value in flags.items() if value is not None},
    }  # fmt: skip
    if start_ms >= end_ms:
        raise BadLine(f"it ends at {told['end']}, which is not after its start at {told['start']}")
    try:
        return told["agent_id"], msgspec.convert(values, type=Activity)
    except msgspec.ValidationError as error:
        raise BadLine(str(error)) from None


def _flag(name: str, text: str) -> bool | None:
    if not text:
        return None
    if text.lower() not in _WORDS:
        raise BadLine(f"{name} is {text!r}: use yes or no")
    return _WORDS[text.lower()]


def published(
    plans: dict[str, list[Activity]], timezone: str | None, version: int, now_ms: int
) -> Iterator[SchedulePublished]:
    """The events that publish these plans now. The same plan has the same event ids whenever it is sent."""
    for agent_id, activities in plans.items():
        for part in _parts(sorted(activities, key=lambda a: (a.start_ms, a.end_ms)), timezone):
            told = msgspec.json.encode((agent_id, version, part))
            event_id = f"schedule-{hashlib.sha256(told).hexdigest()[:32]}"
            yield SchedulePublished(
                event_id=event_id, occurred_at_ms=now_ms, source=SOURCE, agent_id=agent_id, intervals=part,
                version=version,
            )  # fmt: skip


def _parts(activities: list[Activity], timezone: str | None) -> Iterator[list[Activity]]:
    """The activities in portions that never part the shifts of one day: an event is the whole plan of its days."""
    zone = ZoneInfo(timezone or "UTC")
    part: list[Activity] = []
    day, end_ms = None, 0
    for activity in activities:
        if activity.start_ms > end_ms + SHIFT_GAP_MS:
            begins = datetime.fromtimestamp(activity.start_ms / 1000, zone).date()
            if begins != day and len(part) >= MOST_ACTIVITIES:
                yield part
                part = []
            day = begins
        part.append(activity)
        end_ms = max(end_ms, activity.end_ms)
    if part:
        yield part
