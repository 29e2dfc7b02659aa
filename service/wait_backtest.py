"""How good the expected wait would have been: what each visit of a recording would have been told when it came, against
how long it then waited.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Final

from service.domain.aggregate import AggregateStore
from service.domain.events import Event, VisitAnswered, VisitQueued
from service.domain.settings import Floor
from service.floor_state import FloorState
from service.recording_pass import RecordingPass

BANDS: Final = ((0, 0), (1, 1), (2, 2), (3, 5), (6, 10), (11, None))
"""Visits waiting already when one came: from, to (None: without an end)."""


@dataclass(slots=True)
class WaitErrors:
    """Pairs of (expected, actual) wait in milliseconds."""

    waits: list[tuple[float, int]] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """How many visits."""
        return len(self.waits)

    @property
    def expected_ms(self) -> float:
        """Mean of what was expected."""
        return fmean(expected for expected, _ in self.waits)

    @property
    def actual_ms(self) -> float:
        """Mean of what came."""
        return fmean(actual for _, actual in self.waits)

    @property
    def mean_error_ms(self) -> float:
        """Mean absolute error."""
        return fmean(self._errors())

    @property
    def median_error_ms(self) -> float:
        """Median absolute error."""
        return median(self._errors())

    def _errors(self) -> Iterator[float]:
        return (abs(expected - actual) for expected, actual in self.waits)


@dataclass(slots=True)
class WaitBacktest:
    """Errors by band. `unknown`: visits that would have been told nothing; `not_answered`: those that ended otherwise,
    so that nobody knows how long they would have waited.
    """

    bands: dict[tuple[int, int | None], WaitErrors] = field(default_factory=lambda: {b: WaitErrors() for b in BANDS})
    unknown: int = 0
    not_answered: int = 0

    def together(self, at_least: int = 0) -> WaitErrors:
        """The visits that found so many waiting or more."""
        return WaitErrors(
            [pair for (first, _), found in self.bands.items() if first >= at_least for pair in found.waits]
        )


class _LivePass(RecordingPass):
    """A pass over a recording, with the floor as the API would show it at each moment."""

    def __init__(self, floor: Floor) -> None:
        super().__init__(floor)
        self.aggregate = AggregateStore(floor)
        self._now_ms = 0
        self._state = FloorState(floor, wall_ms=lambda: self._now_ms)
        self._state.settle(1)

    def told(self, event: VisitQueued) -> tuple[int, float | None]:
        """How many wait before this visit is there, and what it would be told."""
        self._now_ms = event.occurred_at_ms
        self.aggregate.pass_over(0)
        self.aggregate.drain_closed()
        self._state.apply(self.aggregate.drain())
        queue = self._state.queue(event.queue_id)
        if queue is None:
            return 0, None
        level = self.floor.queue(event.queue_id).level_at(self._now_ms)
        now = self._state.view().queue_now([queue], self._state.staff.of_queue(event.queue_id), level)
        return now.waiting or 0, now.expected_wait_ms


def backtest_waits(events: list[Event], floor: Floor) -> WaitBacktest:
    """Back-test on events in order of time."""
    run, result = _LivePass(floor), WaitBacktest()
    told: dict[str, tuple[int, tuple[int, float | None]]] = {}
    for event in events:
        if isinstance(event, VisitQueued):
            told[event.visit_id] = event.occurred_at_ms, run.told(event)
        elif isinstance(event, VisitAnswered) and event.visit_id in told:
            queued_ms, (waiting, expected_ms) = told.pop(event.visit_id)
            if expected_ms is None:
                result.unknown += 1
            else:
                waited_ms = event.occurred_at_ms - queued_ms if event.wait_ms is None else event.wait_ms
                result.bands[_band(waiting)].waits.append((expected_ms, waited_ms))
        run.apply([event])
    result.not_answered = len(told)
    return result


def _band(waiting: int) -> tuple[int, int | None]:
    return next((first, last) for first, last in BANDS if last is None or waiting <= last)
