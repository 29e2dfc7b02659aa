"""The plan of a queue's day over the live floor: what is expected of each interval, and what has happened."""

from collections.abc import Sequence

from service.domain.projection import Slot
from service.domain.scopes import QueueScope
from service.domain.totals import Totals
from service.floor_state import FloorState


def day_slots(state: FloorState, queue: QueueScope, now_ms: int) -> list[Slot]:
    """The intervals of the business day that holds `now_ms`, with what is expected of each and what has happened.

    `agents` is None: those who are scheduled serve other queues as well, and Erlang would take them for this one's.
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


def scheduled_agents(state: FloorState, queue: QueueScope, slots: Sequence[Slot]) -> list[float] | None:
    """The mean number of agents scheduled for contacts in each interval who serve the queue, other queues as well; None
    while nobody who serves it has a schedule.
    """
    calendars, settings = state.calendars, state.floor.adherence
    agents = state.staff.with_schedule(queue.queue_id)
    plans = [plan for agent in agents if (plan := agent.plan(calendars.of_scope(agent.scope), settings)) is not None]
    if not plans:
        return None
    return [
        sum(plan.due_ms(slot.start_ms, slot.end_ms) for plan in plans) / (slot.end_ms - slot.start_ms) for slot in slots
    ]
