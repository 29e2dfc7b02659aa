"""Zones, dates and durations as people write them. Everything here raises ValueError with a sentence for the user."""

import difflib
import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

DAY_MS = 86_400_000
SHORTEST_INTERVAL_MS = 300_000
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}


def parse_zone(name: str) -> str:
    """Return the IANA zone's name, checked."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"did you mean {near[0]}?" if near else "use a name such as Europe/Berlin"
        raise ValueError(f"{name!r} is not an IANA time zone: {hint}") from None
    return name


def parse_interval_ms(text: str) -> int:
    """Return the length of an interval such as `15m`, `1h` or `900s`: a divisor of a day from 5m to 24h."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text)
    length_ms = int(found.group(1)) * _UNITS_MS[found.group(2)] if found else 0
    if not SHORTEST_INTERVAL_MS <= length_ms <= DAY_MS or DAY_MS % length_ms:
        raise ValueError(f"{text!r} is not an interval: use a divisor of a day from 5m to 24h, such as 15m, 30m or 1h")
    return length_ms


def parse_span_ms(text: str) -> int:
    """Return the length of a span such as `12h` or `30d`."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([smhd])", text)
    if not found:
        raise ValueError(f"{text!r} is not a span of time: write 12h or 30d")
    return int(found.group(1)) * _UNITS_MS[found.group(2)]


def parse_minutes_of_day(text: str) -> int:
    """Return the minutes since midnight of `HH:MM`."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError(f'{text!r} is not a time of day: use "HH:MM" from "00:00" to "23:59"')
    return int(text[:2]) * 60 + int(text[3:])


def parse_moment_ms(text: str, zone: str, day_starts_at_minutes: int = 0) -> int:
    """Return the UTC time of an RFC 3339 time, or of the start of the business day for a date such as 2026-11-21."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return day_start_ms(date.fromisoformat(text), zone, day_starts_at_minutes)
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"{text!r} is neither a date such as 2026-11-21 nor a time such as 2026-11-21T08:00:00Z")
    return _to_ms(moment)


def day_start_ms(day: date, zone: str, day_starts_at_minutes: int = 0) -> int:
    """Return when the business day starts; a local time that the clock change skips is moved forward by the change."""
    local = datetime.combine(day, time(*divmod(day_starts_at_minutes, 60)), tzinfo=ZoneInfo(zone))
    return _to_ms(local)


def format_moment(at_ms: int) -> str:
    """Return RFC 3339 in UTC with `Z`; milliseconds only where there are any."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds").replace("+00:00", "Z")


def _to_ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
