"""Times and durations as people write them."""

from datetime import date

import pytest

from service.timetext import day_start_ms, format_moment, parse_interval_ms, parse_minutes_of_day, parse_moment_ms

NOON_MS = 1_795_262_400_000  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("text", "minutes"), [("5m", 5), ("15m", 15), ("900s", 15), ("1h", 60), ("24h", 1440), ("90m", 90)]
)
def test_an_interval_divides_the_day(text, minutes):
    assert parse_interval_ms(text) == minutes * 60_000


@pytest.mark.parametrize(
    "text", ["", "15", "m", "4m", "7m", "25h", "0m", "-15m", "1.5h", "15 m", "48h", "9" * 30 + "m"]
)
def test_anything_else_is_no_interval(text):
    with pytest.raises(ValueError, match="a divisor of a day from 5m to 24h"):
        parse_interval_ms(text)


@pytest.mark.parametrize("text", ["24:00", "6:00", "06:60", "0600", "٠٦:٠٠"])
def test_a_time_of_day_has_four_digits_and_a_colon(text):
    with pytest.raises(ValueError, match="HH:MM"):
        parse_minutes_of_day(text)


@pytest.mark.parametrize("text", ["2026-11-21T12:00:00Z", "2026-11-21T13:00:00+01:00", "2026-11-21 12:00:00.000Z"])
def test_a_moment_with_its_offset_is_exact(text):
    assert parse_moment_ms(text, "America/Montreal") == NOON_MS


def test_a_date_is_the_start_of_the_business_day_of_its_zone():
    assert format_moment(parse_moment_ms("2026-11-21", "America/Montreal")) == "2026-11-21T05:00:00Z"
    assert format_moment(parse_moment_ms("2026-11-21", "America/Montreal", 360)) == "2026-11-21T11:00:00Z"


@pytest.mark.parametrize("text", ["yesterday", "2026-11-21T12:00:00", "2026-13-01", "20261121", "12:00", ""])
def test_a_moment_without_its_offset_is_refused(text):
    with pytest.raises(ValueError, match="neither a date such as"):
        parse_moment_ms(text, "UTC")


def test_a_midnight_that_the_clock_change_skips_is_moved_forward():
    assert format_moment(day_start_ms(date(2024, 3, 31), "Asia/Beirut")) == "2024-03-30T22:00:00Z"


def test_milliseconds_are_written_only_where_there_are_any():
    assert format_moment(NOON_MS + 5) == "2026-11-21T12:00:00.005Z"
