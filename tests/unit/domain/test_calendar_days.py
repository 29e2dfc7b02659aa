"""The day of a moment, asked of a calendar that has to learn its days first."""

from datetime import UTC, date, datetime

from service.domain.calendar import Calendar
from service.domain.settings import Site

HOUR_MS = 3_600_000


def at_ms(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 12, tzinfo=UTC).timestamp()) * 1000


def test_a_fresh_calendar_knows_the_day_of_its_first_moment() -> None:
    assert Calendar(Site("s", "UTC", 0), HOUR_MS).day_of(at_ms(2012, 1, 1)) == date(2012, 1, 1)


def test_a_calendar_asked_for_another_year_gives_that_years_day() -> None:
    calendar = Calendar(Site("s", "UTC", 0), HOUR_MS)
    calendar.day_of(at_ms(2012, 1, 1))
    assert calendar.day_of(at_ms(2014, 6, 30)) == date(2014, 6, 30)
    assert calendar.day_of(at_ms(2012, 1, 1)) == date(2012, 1, 1)
