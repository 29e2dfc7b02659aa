"""Business days and intervals of sites, each in its own time zone."""

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from service.domain.settings import Floor, Site
from service.domain.state_keys import parts_of

MINUTE_MS = 60_000
DAYS_BACK = 70


class Calendar:
    """Days and intervals of one site, each [start, end) in milliseconds UTC.

    A business day begins at the site's local reset time; intervals are counted from there in elapsed time, so that a
    day on which the clocks change has 92 or 100 quarter-hours, and the last interval is cut at the end of the day.
    """

    def __init__(self, site: Site, interval_ms: int) -> None:
        self.site = site
        self.interval_ms = interval_ms
        self._zone = ZoneInfo(site.timezone)
        self._starts: list[int] = []
        self._days: list[date] = []
        self._interval_of_minute: dict[int, tuple[int, int]] = {}
        self._weeks_before: dict[tuple[int, int], tuple[int, ...]] = {}

    def interval_ms_at(self, at_ms: int) -> tuple[int, int]:
        """[start, end) of the interval that holds `at_ms`."""
        minute = at_ms // MINUTE_MS
        found = self._interval_of_minute.get(minute)
        if found is None:
            if len(self._interval_of_minute) > 100_000:
                self._interval_of_minute.clear()
            day_ms, day_end_ms = self.day_bounds_ms(at_ms)
            start_ms = at_ms - (at_ms - day_ms) % self.interval_ms
            found = self._interval_of_minute[minute] = (start_ms, min(start_ms + self.interval_ms, day_end_ms))
        return found

    def interval_start_ms(self, at_ms: int) -> int:
        """Start of the interval that holds `at_ms`."""
        return self.interval_ms_at(at_ms)[0]

    def interval_end_ms(self, start_ms: int) -> int:
        """End of the interval that begins at `start_ms`."""
        return self.interval_ms_at(start_ms)[1]

    def day_bounds_ms(self, at_ms: int) -> tuple[int, int]:
        """[start, end) of the business day that holds `at_ms`."""
        index = self._index(at_ms)  # may renew the table
        return self._starts[index], self._starts[index + 1]

    def day_of(self, at_ms: int) -> date:
        """The local date on which the business day of `at_ms` begins."""
        index = self._index(at_ms)  # first of all: it may replace the table of days
        return self._days[index]

    def day_start_ms(self, day: date) -> int:
        """When the business day that begins on the local date `day` starts."""
        local = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        local += timedelta(minutes=self.site.day_starts_at_minutes)
        return _to_ms(local.astimezone(UTC))

    def days_before_ms(self, at_ms: int, days: int) -> int:
        """When clocks showed the same local time so many days before; one that was skipped is an hour later."""
        local = datetime.fromtimestamp(at_ms / 1000, self._zone)
        return _to_ms((local - timedelta(days=days)).replace(fold=0).astimezone(UTC))

    def weeks_before_ms(self, start_ms: int, weeks: int) -> tuple[int, ...]:
        """Starts of the intervals at the same local time and weekday, one week before `start_ms` and so on."""
        found = self._weeks_before.get((start_ms, weeks))
        if found is None:
            if len(self._weeks_before) > 10_000:
                self._weeks_before.clear()
            found = self._weeks_before[start_ms, weeks] = tuple(
                self.interval_start_ms(self.days_before_ms(start_ms, 7 * week)) for week in range(1, weeks + 1)
            )
        return found

    def _index(self, at_ms: int) -> int:
        """Position of the day of `at_ms`, after making sure that it and its successor are known."""
        starts = self._starts
        if not starts or not starts[0] <= at_ms < starts[-1]:
            self._learn_days_around(at_ms)
            starts = self._starts
        return bisect_right(starts, at_ms) - 1

    def _learn_days_around(self, at_ms: int) -> None:
        """(Re)build the table of day starts around `at_ms`: back to where past weeks are asked for, and on for a month,
        since the clock moves on.
        """
        first = datetime.fromtimestamp(at_ms / 1000, self._zone).date() - timedelta(days=DAYS_BACK)
        self._days = [first + timedelta(days=n) for n in range(DAYS_BACK + 37)]
        self._starts = [self.day_start_ms(day) for day in self._days]


class Calendars:
    """The calendar of each site, made when first asked for."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._of_site: dict[str, Calendar] = {}

    def of_site(self, site_id: str) -> Calendar:
        """The site's calendar."""
        found = self._of_site.get(site_id)
        if found is None:
            found = self._of_site[site_id] = Calendar(self._floor.site(site_id), self._floor.interval_ms)
        return found

    def of_scope(self, scope: str) -> Calendar:
        """The calendar of the site that a queue, a class in a queue, or an agent belongs to."""
        name = parts_of(scope)[1]
        return self.of_site(self._floor.agent(name).site if scope[0] == "a" else self._floor.queue(name).site)


def _to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
