"""What is expected of queues, from the forecasts in the state feed and the history of `cti.intervals`; found out once
and kept until either changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.domain.calendar import Calendars
from service.domain.expectation import Expectation, expect, past_weeks
from service.domain.facts import Forecast
from service.domain.settings import Floor
from service.domain.totals import Totals
from service.interval_history import IntervalHistory


@dataclass(slots=True)
class _Kept:
    """What was found out about one queue since its history last changed."""

    changes: int
    found: dict[int, Expectation | None] = field(default_factory=dict)
    open_days: dict[int, bool] = field(default_factory=dict)
    """Start of a day -> whether the queue has any interval in it."""


class Expectations:
    """Expectations of every queue by interval."""

    def __init__(self, floor: Floor, calendars: Calendars, history: IntervalHistory) -> None:
        self._floor, self._calendars, self._history = floor, calendars, history
        self._kept: dict[str, _Kept] = {}

    def of(self, queue_id: str, at_ms: int, forecasts: Mapping[int, Forecast]) -> Expectation | None:
        """What is expected of the queue in the interval that holds `at_ms`; None where neither forecast nor history
        says anything. `forecasts` are the queue's.
        """
        scope = "queue:" + queue_id
        start_ms, end_ms = self._calendars.of_scope(scope).interval_ms_at(at_ms)
        kept = self._kept.get(scope)
        if kept is None or kept.changes != self._history.changes(scope):
            kept = self._kept[scope] = _Kept(self._history.changes(scope))
        if start_ms not in kept.found:
            level = self._floor.queue(queue_id).level_at(start_ms)
            weeks = self._weeks(scope, start_ms, kept)
            kept.found[start_ms] = expect(start_ms, end_ms, forecasts.values(), weeks, level)
        return kept.found[start_ms]

    def forget(self, scope: str) -> None:
        """The scope's forecasts have changed."""
        self._kept.pop(scope, None)

    def _weeks(self, scope: str, start_ms: int, kept: _Kept) -> list[Totals]:
        calendar, history = self._calendars.of_scope(scope), self._history

        def find(at_ms: int) -> Totals | None:
            closed = history.at(scope, at_ms)
            return None if closed is None else closed.interval.outcome

        def was_open(at_ms: int) -> bool:
            day_ms, end_ms = calendar.day_bounds_ms(at_ms)
            if day_ms not in kept.open_days:
                kept.open_days[day_ms] = history.any_between(scope, day_ms, end_ms)
            return kept.open_days[day_ms]

        return past_weeks(calendar, start_ms, find, was_open)
