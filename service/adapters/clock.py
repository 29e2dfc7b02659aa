"""Times as feeds write them, to milliseconds UTC.

A local time that the clock change makes ambiguous is taken as the first of the two; one that it skips is moved forward
by the length of the gap. Fractions below a millisecond are cut off, so that 09:59:59.999999 stays in its hour.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from service.domain.errors import InvalidEvent
from service.errors import UsageError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - for differences of local times
_NO_OFFSET: Final = timedelta(0)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH_SECONDS: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{0,12}))?", re.ASCII)


class Clock:
    """Reads the times of one source."""

    def __init__(self, source: str, timezone: str | None) -> None:
        self._source = source
        self._zone = ZoneInfo(timezone) if timezone else None

    def moment_ms(self, moment: datetime) -> int:
        """Milliseconds UTC. Raises UsageError for a time without zone where none is configured."""
        if moment.tzinfo is not None:
            return (moment - _EPOCH) // _MILLISECOND
        if self._zone is None:
            raise UsageError(
                f"{self._source or 'the recording'} has times without a time zone: "
                "give --input-timezone, --timezone, or a timezone for the source in the configuration"
            )
        # Six times as fast as arithmetic with an aware datetime; recordings have millions of times.
        return (moment - _LOCAL_EPOCH - (self._zone.utcoffset(moment) or _NO_OFFSET)) // _MILLISECOND

    def text_ms(self, text: str) -> int:
        """Milliseconds UTC of an ISO 8601 time (`T` or a space), or of seconds since 1970, fraction or not."""
        epoch = _EPOCH_SECONDS.fullmatch(text) if text[4:5] != "-" else None
        if epoch:
            return int(epoch[1]) * 1000 + int((epoch[2] or "0").ljust(3, "0")[:3])
        try:
            return self.moment_ms(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            raise bad_time(text) from None

    def format_ms(self, text: str, pattern: str) -> int:
        """Milliseconds UTC of a time written in the strptime pattern; `iso` means `text_ms`."""
        if pattern == "iso":
            return self.text_ms(text)
        return self.moment_ms(read_moment(text, pattern))


def bad_time(text: str) -> InvalidEvent:
    """The rejection of an unreadable time."""
    return InvalidEvent("bad_timestamp", f"cannot read the time {text[:60]!r}")


@lru_cache(maxsize=200_000)
def read_moment(text: str, pattern: str) -> datetime:
    """A date, a time of day or both, by a strptime pattern. Cached: recordings repeat dates and clock readings."""
    try:
        return datetime.strptime(text, pattern)  # noqa: DTZ007 - the zone is the caller's to add
    except (ValueError, OverflowError):
        raise bad_time(text) from None


def clock_on(day: date, clock: time, first: time) -> datetime:
    """The time of day `clock` in a call that began on `day` at `first`, over midnight if need be.

    Clocks of one call may disagree by minutes, so only one more than an hour before the first belongs to the next day.
    """
    moment = datetime.combine(day, clock)
    if datetime.combine(day, first) - moment > timedelta(hours=1):
        moment += timedelta(days=1)
    return moment
