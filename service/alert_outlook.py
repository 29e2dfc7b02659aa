"""What alerts need of expectations: contacts expected in a span, drift against them, where the service level of the
interval and the day will end, and why one was missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from service.domain.alert_record import Alert, CausePart
from service.domain.causes import Compared, Conditions, Gap, Heads, split_gap
from service.domain.drift import Drift, drift, handle_residuals, level_residuals
from service.domain.expectation import Expectation, aht_ms
from service.domain.projection import Projection, SlotOutlook, outlook, project, remaining
from service.domain.scopes import QueueScope
from service.domain.service_level import Share, service_level_share
from service.domain.totals import Totals
from service.domain.view import ROLLING_MS, FloorView, WaitingNow
from service.floor_state import FloorState
from service.planning import day_slots

WORKING = ("available", "reserved", "on_contact", "acw")
"""States of agents who are at work for a queue."""

Drifts = tuple[Drift | None, Drift | None]
"""(of the service level, of the handle time)."""

_Ahead = tuple[list[SlotOutlook], list[Share]]
"""The current interval, and (contacts in time, contacts) of all later ones together; nothing where none is expected."""


@dataclass(frozen=True, slots=True)
class Volume:
    """Contacts expected, and the variance of that estimate: what a profile of few weeks owes to chance."""

    contacts: float
    variance: float = 0.0


class AlertOutlook:
    """Expectations of the floor's queues, as alerts ask for them."""

    def __init__(self, state: FloorState) -> None:
        self._state = state
        self._drifts: dict[str, tuple[int, Drifts]] = {}
        self._to_come: dict[str, tuple[int, _Ahead]] = {}

    def offered(self, queue_id: str, since_ms: int, until_ms: int) -> Volume | None:
        """The contacts expected in [since, until), as shares of the intervals it touches; None where nobody can say."""
        contacts = variance = 0.0
        for found, share in self._intervals(queue_id, since_ms, until_ms):
            if found is None:
                return None
            contacts += found.offered * share
            if found.basis == "profile":
                variance += found.offered * share / found.weeks
        return Volume(contacts, variance)

    def drifts(self, queue: QueueScope, now_ms: int) -> Drifts:
        """The drift over the whole intervals of the business day, found out once an interval."""
        state = self._state
        calendar = state.calendars.of_scope(queue.scope)
        current_ms = calendar.interval_start_ms(now_ms)
        kept = self._drifts.get(queue.scope)
        if kept is None or kept[0] != current_ms:
            day_ms = calendar.day_bounds_ms(now_ms)[0]
            parts = [
                (expected, queue.intervals[start_ms].outcome)
                for start_ms in sorted(queue.intervals)
                if day_ms <= start_ms < current_ms and (expected := self._expectation(queue.queue_id, start_ms))
            ]
            level = state.floor.queue(queue.queue_id).level_at(now_ms)
            found = drift(level_residuals(parts, level)), drift(handle_residuals(parts))
            kept = self._drifts[queue.scope] = (current_ms, found)
        return kept[1]

    def projection(self, queue: QueueScope, window: str, now_ms: int, totals: Totals, over: int) -> Projection | None:
        """Where the service level of the current `interval` or `day` will end; None where nothing more is expected.

        `totals` are those of the window so far, and `over` visits wait beyond the threshold. What is to come is found
        out once an interval.
        """
        level = self._state.floor.queue(queue.queue_id).level_at(now_ms)
        current, later = self._ahead(queue, now_ms)
        left = remaining(current, now_ms) + (later if window == "day" else [])
        return project(service_level_share(totals, over, level), left, level) if left else None

    def _ahead(self, queue: QueueScope, now_ms: int) -> _Ahead:
        """What is to come in the current interval, and in those of the day after it."""
        if not self._state.expectations.any(queue.queue_id, queue.forecasts):
            return [], []
        current_ms = self._state.calendars.of_scope(queue.scope).interval_start_ms(now_ms)
        kept = self._to_come.get(queue.scope)
        if kept is None or kept[0] != current_ms:
            level = self._state.floor.queue(queue.queue_id).level_at(now_ms)
            found = outlook(day_slots(self._state, queue, now_ms), now_ms, level).slots
            current = [each for each in found if each.slot.start_ms == current_ms]
            later = remaining([each for each in found if each.slot.start_ms > current_ms], now_ms)
            together = [(sum(good for good, _ in later), sum(whole for _, whole in later))] if later else []
            kept = self._to_come[queue.scope] = (current_ms, (current, together))
        return kept[1]

    def cause(self, alert: Alert, view: FloorView) -> list[CausePart] | None:
        """Why the queue's service level falls short in the alert's window; None of other scopes, or without contacts.

        What was to be expected is the service level of past weeks, else the target.
        """
        kind, _, queue_id = alert.scope.partition(":")
        queue = self._state.queue(queue_id) if kind == "queue" else None
        if queue is None or alert.window is None:
            return None
        level = self._state.floor.queue(queue_id).level_at(view.now_ms)
        totals, over = view.queue_sums(queue, alert.window), WaitingNow(self._state.floor, [queue], view.now_ms).over
        hits, whole = service_level_share(totals, over, level)
        since_ms, until_ms = self._span_ms(view, queue, alert.window)
        if level.threshold_ms is None or not whole or since_ms >= until_ms:
            return None
        parts = [(e, share) for e, share in self._intervals(queue_id, since_ms, until_ms) if e is not None]
        usual = _mean([(each.service_level_ratio, share) for each, share in parts])
        gap = Gap(level.target_ratio if usual is None else usual, hits / whole, whole)
        staff = self._state.staff.of_queue(queue_id)
        present = sum(staff.get(state, 0) for state in WORKING) if self._state.scopes.agents else None
        required = _mean([(each.agents_needed(level), share) for each, share in parts])
        expected = self.offered(queue_id, since_ms, until_ms)
        conditions = Conditions(
            span_ms=until_ms - since_ms,
            volume=Compared(None if expected is None else expected.contacts, float(totals.offered)),
            aht_ms=Compared(_mean([(each.aht_ms, share) for each, share in parts]), aht_ms(totals) or None),
            heads=Heads(required, staff.get("scheduled"), present),
            patience_ms=_mean([(each.patience_ms, share) for each, share in parts]),
        )
        return split_gap(gap, conditions, level)

    def _span_ms(self, view: FloorView, queue: QueueScope, window: str) -> tuple[int, int]:
        if window in ROLLING_MS:
            return view.now_ms - ROLLING_MS[window], view.now_ms
        return view.bounds_ms(queue.scope, window)[0], view.now_ms

    def _intervals(self, queue_id: str, since_ms: int, until_ms: int) -> Iterator[tuple[Expectation | None, float]]:
        """The expectations of the intervals that [since, until) touches, each with the share of it that lies within."""
        calendar = self._state.calendars.of_scope("queue:" + queue_id)
        at_ms = since_ms
        while at_ms < until_ms:
            start_ms, end_ms = calendar.interval_ms_at(at_ms)
            share = (min(end_ms, until_ms) - at_ms) / (end_ms - start_ms)
            yield self._expectation(queue_id, start_ms), share
            at_ms = end_ms

    def _expectation(self, queue_id: str, at_ms: int) -> Expectation | None:
        queue = self._state.queue(queue_id)
        return self._state.expectations.of(queue_id, at_ms, {} if queue is None else queue.forecasts)


def _mean(parts: list[tuple[float | None, float]]) -> float | None:
    """The weighted mean of what is known; None if nothing is."""
    known = [(value, share) for value, share in parts if value is not None]
    whole = sum(share for _, share in known)
    return sum(value * share for value, share in known) / whole if whole else None
