"""Open time between two instants, and the instant by which so much of it has passed."""

from datetime import UTC, date, datetime

import pytest

from service.domain.business_hours import BusinessHours

HOUR_MS = 3_600_000
OFFICE = [[(9 * 60, 17 * 60)]] * 5 + [[], []]
ROUND_THE_CLOCK = [[(0, 1440)]] * 7


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def hours(found_ms: int) -> float:
    return found_ms / HOUR_MS


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param("2026-11-20T10:00", "2026-11-20T12:00", 2, id="within one day"),
        pytest.param("2026-11-20T16:00", "2026-11-23T10:00", 2, id="from Friday afternoon to Monday morning"),
        pytest.param("2026-11-20T17:00", "2026-11-23T09:00", 0, id="from closing to opening"),
        pytest.param("2026-11-21T03:00", "2026-11-22T23:00", 0, id="a weekend"),
        pytest.param("2026-11-16T00:00", "2026-11-23T00:00", 40, id="a week"),
        pytest.param("2026-11-20T12:00", "2026-11-20T10:00", 0, id="backwards"),
    ],
)
def test_only_open_time_counts(since, until, expected):
    assert hours(BusinessHours("UTC", OFFICE).open_ms(ms(since), ms(until))) == expected


def test_a_holiday_is_closed_and_may_have_hours_of_its_own():
    open_hours = BusinessHours("UTC", OFFICE, {date(2026, 12, 24): [(9 * 60, 12 * 60)], date(2026, 12, 25): []})
    assert hours(open_hours.open_ms(ms("2026-12-23T16:00"), ms("2026-12-28T10:00"))) == 1 + 3 + 0 + 1


def test_a_saturday_in_the_holidays_can_open():
    open_hours = BusinessHours("UTC", OFFICE, {date(2026, 11, 21): [(600, 660)]})
    assert hours(open_hours.open_ms(ms("2026-11-21T00:00"), ms("2026-11-22T00:00"))) == 1


def test_the_hours_are_those_of_the_places_own_zone():
    open_hours = BusinessHours("America/Montreal", OFFICE)
    assert open_hours.is_open(ms("2026-11-20T14:00"))  # 9:00 there
    assert not open_hours.is_open(ms("2026-11-20T13:59"))
    assert not open_hours.is_open(ms("2026-11-20T22:00"))


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        pytest.param("Europe/Berlin", "2026-03-29", 23, id="spring forward"),
        pytest.param("Europe/Berlin", "2026-10-25", 25, id="fall back"),
        pytest.param("Australia/Lord_Howe", "2026-10-04", 23.5, id="half an hour forward"),
        pytest.param("Australia/Lord_Howe", "2026-04-05", 24.5, id="half an hour back"),
        pytest.param("America/Sao_Paulo", "2018-11-04", 23, id="a day without midnight"),
        pytest.param("Pacific/Apia", "2011-12-30", 0, id="a day that never was"),
    ],
)
def test_a_day_on_which_the_clocks_change_has_its_own_length(zone, day, expected):
    only = date.fromisoformat(day)
    one_day = BusinessHours(zone, [[(0, 1)]] * 7, {only: [(0, 1440)]})
    without = BusinessHours(zone, [[(0, 1)]] * 7, {only: []})
    since, until = ms(f"{day}T00:00") - 48 * HOUR_MS, ms(f"{day}T00:00") + 72 * HOUR_MS
    assert hours(one_day.open_ms(since, until) - without.open_ms(since, until)) == expected


@pytest.mark.parametrize(
    ("day", "opening", "expected_minutes"),
    [
        pytest.param("2026-03-29", (60, 150), 60, id="it ends in the hour that is skipped: at the change"),
        pytest.param("2026-03-29", (150, 240), 60, id="it begins in the hour that is skipped: at the change"),
        pytest.param("2026-03-29", (130, 170), 0, id="it lies in the hour that is skipped"),
        pytest.param("2026-10-25", (60, 150), 90, id="it ends in the hour that comes twice: the first time"),
        pytest.param("2026-10-25", (150, 240), 150, id="it begins in the hour that comes twice: the first time"),
    ],
)
def test_an_opening_ends_and_begins_when_the_clock_first_shows_its_time(day, opening, expected_minutes):
    night = BusinessHours("Europe/Berlin", [[(720, 721)]] * 7, {date.fromisoformat(day): [opening]})
    assert night.open_ms(ms(f"{day}T00:00") - 6 * HOUR_MS, ms(f"{day}T20:00")) == expected_minutes * 60_000


@pytest.mark.parametrize(
    ("since", "open_hours", "expected"),
    [
        pytest.param("2026-11-20T10:00", 4, "2026-11-20T14:00", id="the same day"),
        pytest.param("2026-11-20T16:00", 4, "2026-11-23T12:00", id="after the weekend"),
        pytest.param("2026-11-20T16:00", 1, "2026-11-20T17:00", id="exactly at closing time"),
        pytest.param("2026-11-21T12:00", 0, "2026-11-21T12:00", id="no time at all"),
        pytest.param("2026-11-21T12:00", 1, "2026-11-23T10:00", id="from a closed day on"),
        pytest.param("2026-11-20T09:00", 40 * 60, "2028-01-13T17:00", id="sixty weeks of work"),
    ],
)
def test_the_instant_by_which_so_much_open_time_has_passed(since, open_hours, expected):
    assert BusinessHours("UTC", OFFICE).after_ms(ms(since), open_hours * HOUR_MS) == ms(expected)


def test_what_was_asked_before_changes_no_answer():
    fresh, used = BusinessHours("Europe/Berlin", OFFICE), BusinessHours("Europe/Berlin", OFFICE)
    for text in ("2030-01-01T00:00", "1999-12-31T12:00", "2026-11-20T10:00"):
        used.open_ms(ms(text), ms(text) + HOUR_MS)
    since, until = ms("2026-03-20T10:00"), ms("2026-04-07T11:30")
    assert used.open_ms(since, until) == fresh.open_ms(since, until)
    assert used.after_ms(since, 99 * HOUR_MS) == fresh.after_ms(since, 99 * HOUR_MS)


def test_hours_with_the_same_times_are_equal():
    assert BusinessHours("UTC", OFFICE) == BusinessHours("UTC", [tuple(day) for day in OFFICE])
    assert len({BusinessHours("UTC", OFFICE), BusinessHours("UTC", OFFICE), BusinessHours("UTC", ROUND_THE_CLOCK)}) == 2
    assert BusinessHours("UTC", OFFICE) != BusinessHours("Europe/Berlin", OFFICE)
    assert repr(BusinessHours("UTC", OFFICE)) == repr(BusinessHours("UTC", OFFICE)), "the configuration's version"


@pytest.mark.parametrize(
    ("week", "sentence"),
    [
        pytest.param([[]] * 7, "at least one", id="never open"),
        pytest.param([[(0, 60)]] * 6, "seven days", id="six days"),
        pytest.param([[(60, 60)]] * 7, "begin before it ends", id="an empty opening"),
        pytest.param([[(60, 1441)]] * 7, "from 00:00 to 24:00", id="past midnight"),
        pytest.param([[(0, 120), (60, 180)]] * 7, "overlap", id="two at once"),
    ],
)
def test_impossible_hours_are_refused(week, sentence):
    with pytest.raises(ValueError, match=sentence):
        BusinessHours("UTC", week)
