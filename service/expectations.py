"""What is expected of queues, from the forecasts in the state feed and the history of `cti.intervals`; found out once
and kept until either changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.domain.calendar import Calendars
from service.domain.expectation import Expectation, expect, past_weeks
from service.domain.facts import Forecast
from service.domain.settings import Floor
from service.domain.totals import Totals
from service.interval_history import DAY_MS, IntervalHistory

KEPT_AHEAD_MS: Final = 4 * DAY_MS
"""Up to so long after the newest of its intervals a queue's expectations are kept. They rest on days that are more than
a day older than that one, so that an interval which closes now changes none of them.
"""


@dataclass(slots=True)
class _Kept:
    """What was found out about one queue since its history last changed but at its end."""

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
        newest_ms = self._history.newest_ms(scope)
        if newest_ms is None and not forecasts:
            return None
        changes = self._history.late_changes(scope)
        kept = self._kept.get(scope)
        if newest_ms is None or start_ms >= newest_ms + KEPT_AHEAD_MS:
            kept = _Kept(changes)
        elif kept is None or kept.changes != changes:
            kept = self._kept[scope] = _Kept(changes)
        if start_ms not in kept.found:
            level = self._floor.queue(queue_id).level_at(start_ms)
            weeks = [] if newest_ms is None else self._weeks(scope, start_ms, kept)
            kept.found[start_ms] = expect(start_ms, end_ms, forecasts.values(), weeks, level)
        return kept.found[start_ms]

    def any(self, queue_id: str, forecasts: Mapping[int, Forecast]) -> bool:
        """Whether anything can be expected of the queue at all."""
        return bool(forecasts) or self._history.newest_ms("queue:" + queue_id) is not None

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
