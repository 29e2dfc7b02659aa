"""The day of a moment, asked of a calendar that has to learn its days first."""

from datetime import UTC, date, datetime

from service.domain.calendar import Calendar, Calendars
from service.domain.settings import Agent, Floor, Queue, Site

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


def test_queues_and_agents_follow_the_calendar_of_their_own_site() -> None:
    zones = {"rome": "Europe/Rome", "lima": "America/Lima"}
    floor = Floor(
        sites={site: Site(site, zone) for site, zone in zones.items()},
        queues={"1": Queue("1", site="rome")},
        agents={"1": Agent("1", site="lima")},
    )
    calendars = Calendars(floor)
    found = {scope: calendars.of_scope(scope).site.timezone for scope in ("queue:1", "agent:1", "queue:2", "agent:2")}
    assert found == {"queue:1": "Europe/Rome", "agent:1": "America/Lima", "queue:2": "UTC", "agent:2": "UTC"}


def test_the_last_interval_of_a_day_ends_with_the_day() -> None:
    calendar = Calendar(Site("s", "UTC", 0), 7 * HOUR_MS)
    midnight = at_ms(2026, 3, 1) - 12 * HOUR_MS
    starts = [midnight + n * 7 * HOUR_MS for n in range(4)]
    assert [calendar.interval_end_ms(start) - start for start in starts] == [7 * HOUR_MS] * 3 + [3 * HOUR_MS]


def test_moments_of_neighbouring_days_find_their_own_day() -> None:
    calendar = Calendar(Site("s", "Australia/Lord_Howe", 0), HOUR_MS)
    for day in range(1, 61):  # more days than a calendar learns at once
        moment = at_ms(2026, 3, 1) + (day - 1) * 24 * HOUR_MS
        start_ms, end_ms = calendar.day_bounds_ms(moment)
        for at in (start_ms, end_ms - 1):
            assert calendar.day_bounds_ms(at) == (start_ms, end_ms)
            assert calendar.day_start_ms(calendar.day_of(at)) == start_ms
        assert calendar.day_bounds_ms(end_ms)[0] == end_ms
