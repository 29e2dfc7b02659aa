"""Simulated days for the tests, each made once, and the figures a supervisor would ask for."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache

from service.domain.codec import TYPE_OF
from service.domain.events import Event, VisitAbandoned, VisitAnswered, VisitQueued
from service.simulate.centre import simulate
from service.simulate.options import HOUR_MS, SimulationOptions
from service.simulate.plan import build_plan

OPENING_MS = 8 * HOUR_MS


@cache
def day(options: SimulationOptions) -> tuple[Event, ...]:
    """All events of these options."""
    return tuple(simulate(options))


@dataclass
class Figures:
    """What happened in [from_ms, to_ms) on some queues."""

    counts: Counter[str] = field(default_factory=Counter)
    in_threshold: int = 0
    long_abandons: int = 0

    @property
    def service_level(self) -> float:
        """Answered in threshold / (answered + abandoned after five seconds)."""
        return self.in_threshold / (self.counts["visit.answered"] + self.long_abandons)

    @property
    def abandon_share(self) -> float:
        """Abandoned / offered."""
        return self.counts["visit.abandoned"] / self.counts["visit.queued"]


def figures(options: SimulationOptions, from_ms: int = 0, to_ms: int = 2**53, queues: tuple[str, ...] = ()) -> Figures:
    """Figures of a part of the day; no queues means all."""
    threshold_ms = {queue.queue_id: queue.threshold_ms for queue in build_plan(options).queues}
    queued: dict[str, int] = {}
    found = Figures()
    for event in day(options):
        if isinstance(event, VisitQueued):
            queued[event.visit_id] = event.occurred_at_ms
        queue_id = getattr(event, "queue_id", None)
        if not from_ms <= event.occurred_at_ms < to_ms or (queues and queue_id not in queues):
            continue
        found.counts[TYPE_OF[type(event)]] += 1
        if isinstance(event, VisitAnswered) and event.queue_id:
            found.in_threshold += event.occurred_at_ms - queued[event.visit_id] <= threshold_ms[event.queue_id]
        elif isinstance(event, VisitAbandoned):
            found.long_abandons += event.occurred_at_ms - queued[event.visit_id] > 5_000
    return found
