"""What is expected of a queue is found out once, and found out anew exactly when what it rests on has changed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from service import expectations
from service.domain.buckets import Interval
from service.domain.calendar import Calendars
from service.domain.settings import Floor
from service.domain.state_feed import ClosedInterval
from service.expectations import Expectations
from service.interval_history import IntervalHistory, interval_key

HALF_HOUR_MS = 1_800_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
MONDAY_NINE_MS = 1_795_424_400_000
"""2026-11-23 09:00 UTC."""

SALES = "queue:sales"


class Past:
    """The history of one queue, and what is expected of it."""

    def __init__(self) -> None:
        floor = Floor()
        self.history = IntervalHistory(kept_days=63)
        self.expectations = Expectations(floor, Calendars(floor), self.history)

    def closes(self, start_ms: int, offered: int) -> None:
        """An interval closes, or changes later."""
        interval = Interval()
        interval.outcome.offered = offered
        closed = ClosedInterval(SALES, start_ms, start_ms + HALF_HOUR_MS, interval)
        self.history.apply([(interval_key(SALES, start_ms), msgspec.msgpack.encode(closed))])

    def expected(self, at_ms: int) -> float | None:
        """The contacts expected in the interval that holds the moment."""
        found = self.expectations.of("sales", at_ms, {})
        return None if found is None else found.offered


@pytest.fixture
def past() -> Past:
    return Past()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The intervals whose expectation was found out."""
    starts: list[int] = []
    expect = expectations.expect

    def noting(start_ms: int, *rest: Any) -> Any:
        starts.append(start_ms)
        return expect(start_ms, *rest)

    monkeypatch.setattr(expectations, "expect", noting)
    return starts


def test_nothing_is_expected_of_a_queue_without_history(past: Past, asked: list[int]) -> None:
    assert past.expected(MONDAY_NINE_MS) is None
    assert not past.expectations.any("sales", {})
    assert asked == []


def test_an_interval_that_closes_now_leaves_what_is_expected_of_today_as_it_was(past: Past, asked: list[int]) -> None:
    past.closes(MONDAY_NINE_MS - WEEK_MS, 10)
    past.closes(MONDAY_NINE_MS - HALF_HOUR_MS, 3)
    assert past.expected(MONDAY_NINE_MS) == 10
    past.closes(MONDAY_NINE_MS, 4)
    assert past.expected(MONDAY_NINE_MS) == 10
    assert asked == [MONDAY_NINE_MS]


def test_a_past_week_that_is_corrected_changes_what_is_expected_of_today(past: Past) -> None:
    past.closes(MONDAY_NINE_MS - WEEK_MS, 10)
    past.closes(MONDAY_NINE_MS - HALF_HOUR_MS, 3)
    assert past.expected(MONDAY_NINE_MS) == 10
    past.closes(MONDAY_NINE_MS - WEEK_MS, 12)
    assert past.expected(MONDAY_NINE_MS) == 12


def test_what_was_asked_of_next_week_follows_what_happens_today(past: Past) -> None:
    past.closes(MONDAY_NINE_MS - WEEK_MS, 10)
    past.closes(MONDAY_NINE_MS - HALF_HOUR_MS, 3)
    next_week_ms = MONDAY_NINE_MS + WEEK_MS
    assert past.expected(next_week_ms) == 5  # today and a week ago: it was open, and nothing has come yet
    past.closes(MONDAY_NINE_MS, 20)
    assert past.expected(next_week_ms) == 15


def test_a_day_counts_as_open_as_soon_as_anything_happened_on_it(past: Past) -> None:
    past.closes(MONDAY_NINE_MS - 2 * WEEK_MS, 10)
    past.closes(MONDAY_NINE_MS - HALF_HOUR_MS, 3)
    assert past.expected(MONDAY_NINE_MS) == 10
    past.closes(MONDAY_NINE_MS - WEEK_MS + 8 * HALF_HOUR_MS, 1)
    assert past.expected(MONDAY_NINE_MS) == 5


def test_a_history_that_is_read_anew_is_looked_at_anew(past: Past) -> None:
    past.closes(MONDAY_NINE_MS - WEEK_MS, 10)
    past.closes(MONDAY_NINE_MS - HALF_HOUR_MS, 3)
    assert past.expected(MONDAY_NINE_MS) == 10
    past.history.clear()
    past.closes(MONDAY_NINE_MS - WEEK_MS, 11)
    past.closes(MONDAY_NINE_MS - HALF_HOUR_MS, 3)
    assert past.expected(MONDAY_NINE_MS) == 11


def test_history_keeps_its_intervals_in_order_and_for_as_long_as_it_says(past: Past) -> None:
    for days in (1, 0, 2, 70):
        past.closes(MONDAY_NINE_MS - days * DAY_MS, days)
    found = [closed.interval.outcome.offered for closed in past.history.between(SALES, 0, MONDAY_NINE_MS + 1)]
    assert found == [2, 1, 0]
    past.closes(MONDAY_NINE_MS + 62 * DAY_MS, 9)
    assert [c.start_ms for c in past.history.between(SALES, 0, MONDAY_NINE_MS + WEEK_MS * 10)] == [
        MONDAY_NINE_MS, MONDAY_NINE_MS + 62 * DAY_MS,
    ]  # fmt: skip
    past.history.apply([(interval_key(SALES, MONDAY_NINE_MS), None)])
    assert not past.history.any_between(SALES, MONDAY_NINE_MS, MONDAY_NINE_MS + DAY_MS)
    assert past.history.newest_ms(SALES) == MONDAY_NINE_MS + 62 * DAY_MS
