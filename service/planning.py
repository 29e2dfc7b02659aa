"""The plan of a queue's day over the live floor: what is expected of each interval, and what has happened."""

from service.domain.projection import Slot
from service.domain.scopes import QueueScope
from service.domain.totals import Totals
from service.floor_state import FloorState


def day_slots(state: FloorState, queue: QueueScope, now_ms: int) -> list[Slot]:
    """The intervals of the business day that holds `now_ms`, with what is expected of each and what has happened.

    Nobody's schedule is known of a queue yet, so that `agents` is None.
    """
    calendar = state.calendars.of_scope(queue.scope)
    start_ms, day_end_ms = calendar.day_bounds_ms(now_ms)
    past = {old.start_ms: old.interval.outcome for old in state.history.between(queue.scope, start_ms, day_end_ms)}
    slots = []
    while start_ms < day_end_ms:
        end_ms = calendar.interval_end_ms(start_ms)
        interval = queue.intervals.get(start_ms)
        actual = past.get(start_ms) if interval is None else interval.outcome
        if actual is None and start_ms <= now_ms:
            actual = Totals()
        expected = state.expectations.of(queue.queue_id, start_ms, queue.forecasts)
        slots.append(Slot(start_ms, end_ms, expected, actual))
        start_ms = end_ms
    return slots
