"""Business days and intervals, in the site's own time zone and across its clock changes."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from service.domain.calendar import Calendar
from service.domain.settings import Site

MINUTE_MS, HOUR_MS = 60_000, 3_600_000


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def text(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).isoformat(timespec="minutes").removesuffix("+00:00")


def calendar(zone: str, starts_at_minutes: int = 0, interval_minutes: int = 15) -> Calendar:
    return Calendar(Site("s", zone, starts_at_minutes), interval_minutes * MINUTE_MS)


def starts_of_day(found: Calendar, moment_ms: int) -> list[int]:
    """Starts of all intervals of the business day of a moment, walked from one end to the next start."""
    start_ms, until_ms = found.day_bounds_ms(moment_ms)
    starts = [start_ms]
    while (end_ms := found.interval_end_ms(starts[-1])) < until_ms:
        starts.append(end_ms)
    assert end_ms == until_ms
    return starts


@pytest.mark.parametrize(
    ("zone", "noon", "minutes", "count"),
    [
        pytest.param("Europe/Berlin", "2026-11-20T12:00", 15, 96, id="Berlin, an ordinary day"),
        pytest.param("Europe/Berlin", "2026-03-29T12:00", 15, 92, id="Berlin, spring forward"),
        pytest.param("Europe/Berlin", "2026-10-25T12:00", 15, 100, id="Berlin, fall back"),
        pytest.param("Europe/Berlin", "2026-03-29T12:00", 30, 46, id="Berlin, half-hours, spring forward"),
        pytest.param("Europe/Berlin", "2026-10-25T12:00", 30, 50, id="Berlin, half-hours, fall back"),
        pytest.param("America/Montreal", "2026-03-08T17:00", 15, 92, id="Montreal, spring forward"),
        pytest.param("America/Montreal", "2026-11-01T17:00", 15, 100, id="Montreal, fall back"),
        pytest.param("Australia/Lord_Howe", "2026-10-04T01:00", 15, 94, id="Lord Howe, half an hour forward"),
        pytest.param("Australia/Lord_Howe", "2026-04-05T01:00", 15, 98, id="Lord Howe, half an hour back"),
        pytest.param("Australia/Lord_Howe", "2026-10-04T01:00", 60, 24, id="Lord Howe, hours: the last one is cut"),
        pytest.param("Asia/Kathmandu", "2026-11-20T06:00", 60, 24, id="Kathmandu, three quarters off the hour"),
        pytest.param("America/Sao_Paulo", "2018-11-04T15:00", 15, 92, id="Sao Paulo, no midnight"),
    ],
)
def test_a_day_has_as_many_intervals_as_its_clock_says(zone: str, noon: str, minutes: int, count: int) -> None:
    found = calendar(zone, interval_minutes=minutes)
    starts = starts_of_day(found, at_ms(noon))
    assert len(starts) == count
    for start_ms in starts:
        assert found.interval_start_ms(start_ms) == start_ms
        assert found.interval_start_ms(found.interval_end_ms(start_ms) - 1) == start_ms


@pytest.mark.parametrize(
    ("zone", "reset_minutes", "moment", "start", "day"),
    [
        pytest.param(
            "Europe/Berlin", 0, "2026-11-20T23:30", "2026-11-20T23:00", "2026-11-21", id="after local midnight"
        ),
        pytest.param("Europe/Berlin", 0, "2026-11-20T22:59", "2026-11-19T23:00", "2026-11-20", id="before it"),
        pytest.param(
            "America/Montreal", 0, "2026-11-21T04:59", "2026-11-20T05:00", "2026-11-20", id="west of Greenwich"
        ),
        pytest.param(
            "Europe/Berlin", 240, "2026-11-21T02:59", "2026-11-20T03:00", "2026-11-20", id="before a reset at 4"
        ),
        pytest.param(
            "Europe/Berlin", 240, "2026-11-21T03:00", "2026-11-21T03:00", "2026-11-21", id="after a reset at 4"
        ),
        pytest.param("Europe/Berlin", 1380, "2026-11-21T21:00", "2026-11-20T22:00", "2026-11-20", id="a reset at 23"),
        pytest.param(
            "Europe/Berlin", 150, "2026-03-29T06:00", "2026-03-29T01:30", "2026-03-29", id="a reset that is skipped"
        ),
        pytest.param(
            "Europe/Berlin", 150, "2026-10-25T06:00", "2026-10-25T00:30", "2026-10-25", id="a reset that comes twice"
        ),
    ],
)
def test_the_business_day_begins_at_the_sites_reset_time(
    zone: str, reset_minutes: int, moment: str, start: str, day: str
) -> None:
    found = calendar(zone, reset_minutes)
    assert text(found.day_bounds_ms(at_ms(moment))[0]) == start
    assert found.day_of(at_ms(moment)).isoformat() == day


def test_days_follow_each_other_without_gap_for_years() -> None:
    found = calendar("Europe/Berlin", 240)
    moment_ms = at_ms("2025-01-01T12:00")
    bounds = []
    for _ in range(800):
        bounds.append(found.day_bounds_ms(moment_ms))
        moment_ms = bounds[-1][1]
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    assert {end - start for start, end in bounds} == {23 * HOUR_MS, 24 * HOUR_MS, 25 * HOUR_MS}


def test_going_back_in_time_finds_the_same_day_again() -> None:
    found = calendar("Europe/Berlin")
    early = found.day_bounds_ms(at_ms("2020-02-29T12:00"))
    found.day_bounds_ms(at_ms("2026-11-20T12:00"))
    assert found.day_bounds_ms(at_ms("2020-02-29T12:00")) == early
    assert found.day_of(early[0]).isoformat() == "2020-02-29"
