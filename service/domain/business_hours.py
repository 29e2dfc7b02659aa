"""Business hours: how much of a span of time a place was open, on its own clock.

Channels such as e-mail are judged by open time: what comes in on Friday evening waits from Monday morning on. Opening
times are local and whole minutes. An opening begins, and ends, at the first instant at which the local clock shows
that time or a later one: a time that a clock change skips is the instant of the change, and of an hour that comes
twice the first one decides.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

Opening = tuple[int, int]
"""(start, end) in minutes of a local day, 0 <= start < end <= 1440."""

DAY_MINUTES: Final = 1440
DAYS_AHEAD: Final = 40
"""Days laid out beyond what was asked for: a running clock then asks again only after as many."""

_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class BusinessHours:
    """Weekly opening times in one time zone, with days that differ. Two with the same times are equal."""

    def __init__(
        self,
        timezone: str,
        week: Sequence[Sequence[Opening]],
        holidays: Mapping[date, Sequence[Opening]] | None = None,
    ) -> None:
        """`week` has the openings of Monday to Sunday; those of a day in `holidays` replace them, none means closed.

        Raises ValueError for times that overlap or lie outside the day, and for a week that never opens.
        """
        if len(week) != 7 or not any(week):
            raise ValueError("business hours need seven days, at least one of them with an opening")
        self._plan = (
            timezone,
            tuple(_checked(day) for day in week),
            tuple(sorted((day, _checked(openings)) for day, openings in (holidays or {}).items())),
        )
        self._week = self._plan[1]
        self._holidays = dict(self._plan[2])
        self._zone = ZoneInfo(timezone)
        self._first: date | None = None
        self._end: date | None = None
        self._first_ms = self._end_ms = 0
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._passed: list[int] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BusinessHours) and self._plan == other._plan

    def __hash__(self) -> int:
        return hash(self._plan)

    def __repr__(self) -> str:
        return f"BusinessHours{self._plan}"

    def open_ms(self, since_ms: int, until_ms: int) -> int:
        """Open time in [since_ms, until_ms) in milliseconds; 0 if `until_ms` is not the later one."""
        if until_ms <= since_ms:
            return 0
        self._lay_out(since_ms, until_ms)
        return self._passed_ms(until_ms) - self._passed_ms(since_ms)

    def after_ms(self, since_ms: int, open_ms: int) -> int:
        """The first instant at which `open_ms` of open time have passed since `since_ms`; that itself for none."""
        if open_ms <= 0:
            return since_ms
        self._lay_out(since_ms, since_ms)
        wanted_ms = self._passed_ms(since_ms) + open_ms
        while not self._passed or self._passed[-1] < wanted_ms:
            self._lay_out(since_ms, self._end_ms)
            wanted_ms = self._passed_ms(since_ms) + open_ms
        index = bisect_left(self._passed, wanted_ms)
        return self._ends[index] - (self._passed[index] - wanted_ms)

    def is_open(self, at_ms: int) -> bool:
        """True from the start of an opening up to, not including, its end."""
        return self.open_ms(at_ms, at_ms + 1) > 0

    def _passed_ms(self, at_ms: int) -> int:
        """Open time from the first day laid out to `at_ms`."""
        index = bisect_right(self._starts, at_ms) - 1
        return self._passed[index] - max(0, self._ends[index] - at_ms) if index >= 0 else 0

    def _lay_out(self, since_ms: int, until_ms: int) -> None:
        """Have the openings of all days of [since_ms, until_ms] at hand, and those known before."""
        if self._first is not None and self._first_ms <= since_ms and until_ms < self._end_ms:
            return
        first = self._local_day(since_ms) - _DAY
        end = self._local_day(until_ms) + DAYS_AHEAD * _DAY
        self._first = first = min(first, self._first or first)
        self._end = end = max(end, self._end or end)
        self._first_ms, self._end_ms = self._instant_ms(first, 0), self._instant_ms(end, 0)
        self._starts, self._ends, self._passed = [], [], []
        passed_ms = 0
        for start_ms, end_ms in self._openings(first, end):
            passed_ms += end_ms - start_ms
            self._starts.append(start_ms)
            self._ends.append(end_ms)
            self._passed.append(passed_ms)

    def _openings(self, first: date, end: date) -> Iterator[tuple[int, int]]:
        """[start, end) of every opening of the days [first, end), in order."""
        day = first
        while day < end:
            for start, stop in self._holidays.get(day, self._week[day.weekday()]):
                start_ms, stop_ms = self._instant_ms(day, start), self._instant_ms(day, stop)
                if start_ms < stop_ms:  # the clock may skip a whole opening
                    yield start_ms, stop_ms
            day += _DAY

    def _instant_ms(self, day: date, minute: int) -> int:
        """The first instant at which the local clock shows this minute of the day or a later one."""
        local = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 (the zone follows)
        instant = local.replace(tzinfo=self._zone).astimezone(UTC)
        if self._shown(instant) != local:  # skipped: the change lies between the readings with either offset
            before = local.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
            while instant - before > _SECOND:
                middle = before + (instant - before) // _SECOND // 2 * _SECOND
                before, instant = (before, middle) if self._shown(middle) >= local else (middle, instant)
        return (instant - _EPOCH) // timedelta(milliseconds=1)

    def _shown(self, instant: datetime) -> datetime:
        return instant.astimezone(self._zone).replace(tzinfo=None)

    def _local_day(self, at_ms: int) -> date:
        return datetime.fromtimestamp(at_ms / 1000, self._zone).date()


def _checked(openings: Sequence[Opening]) -> tuple[Opening, ...]:
    """The openings of one day in order. Raises ValueError if they overlap or do not fit into a day."""
    ordered = tuple(sorted(openings))
    if any(not 0 <= start < end <= DAY_MINUTES for start, end in ordered):
        raise ValueError("an opening must begin before it ends, from 00:00 to 24:00")
    if any(earlier[1] > later[0] for earlier, later in pairwise(ordered)):
        raise ValueError("openings of one day overlap")
    return ordered
