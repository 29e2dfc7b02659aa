"""Open time, counted minute by minute with an eye on the clock on the wall."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

MINUTE_MS = 60_000
DAY = 1440
"""Minutes of a day."""

BEFORE = 180
"""No clock is put back by more minutes."""

Openings = Sequence[tuple[int, int]]
"""[start, end) in minutes of a local day."""


class Hours:
    """When a place is open: the openings of Monday to Sunday on its own clock, and those of days that differ."""

    def __init__(
        self, name: str, zone: str, week: Sequence[Openings], holidays: Mapping[date, Openings] | None = None
    ) -> None:
        self.name, self.zone, self.week, self.holidays = name, zone, week, holidays or {}
        self._known: dict[int, list[bool]] = {}

    def __repr__(self) -> str:
        return f"Hours({self.name!r}, {self.zone!r})"

    def open_ms(self, since_ms: int, until_ms: int) -> int:
        """Open time in [since, until)."""
        if until_ms <= since_ms:
            return 0
        return sum(
            min(until_ms, (minute + 1) * MINUTE_MS) - max(since_ms, minute * MINUTE_MS)
            for minute in range(since_ms // MINUTE_MS, until_ms // MINUTE_MS + 1)
            if self._day(minute // DAY)[minute % DAY]
        )

    def _day(self, number: int) -> list[bool]:
        """Whether it is open, for each minute of one day of UTC."""
        if number not in self._known:
            self._known[number] = self._walk(number * DAY)
        return self._known[number]

    def _walk(self, first: int) -> list[bool]:
        """What counts is the latest time that the clock has shown so far: an hour that comes twice counts once."""
        zone, latest, found = ZoneInfo(self.zone), datetime.min, []  # noqa: DTZ901 (readings of a clock on the wall)
        for minute in range(first - BEFORE, first + DAY):
            latest = max(latest, datetime.fromtimestamp(minute * 60, zone).replace(tzinfo=None))
            shown = latest.hour * 60 + latest.minute
            today = self.holidays.get(latest.date(), self.week[latest.weekday()])
            found.append(any(start <= shown < end for start, end in today))
        return found[BEFORE:]
