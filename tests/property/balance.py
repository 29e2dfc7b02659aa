"""What holds at every moment, whatever was told: nobody is lost from a queue, no agent is in two states."""

from itertools import pairwise
from typing import Final

from service.domain.aggregate import AggregateStore
from service.domain.kpis import Reading, read_kpis
from service.domain.scopes import AgentScope, QueueScope
from service.domain.totals import COUNTERS, Totals

LEFT: Final = ("answered", "abandoned", "flowed_out", "callback_requested", "cancelled")
STATES: Final = ("available_ms", "reserved_ms", "on_contact_ms", "acw_state_ms", "not_ready_ms")
FOREVER_MS: Final = 1 << 60


def assert_balanced(store: AggregateStore) -> None:
    """Every queue, customer class and agent of a partition is in balance."""
    for queue in (*store.scopes.queues.values(), *store.scopes.classes.values()):
        assert_queue_balanced(queue)
    for agent in store.scopes.agents.values():
        assert_agent_whole(agent, store.calendars.of_scope(agent.scope).interval_ms)


def assert_queue_balanced(queue: QueueScope) -> None:
    """Offered = answered + abandoned + flowed out + callback + cancelled + waiting: since ever, and of the visits that
    arrived in any one interval.
    """
    assert all(visit.net == 1 for visit in queue.waiting.values())
    assert_sums(queue.live.lifetime, len(queue.waiting))
    for start_ms, interval in queue.intervals.items():
        end_ms = min((other for other in queue.intervals if other > start_ms), default=FOREVER_MS)
        assert_sums(interval.arrival, sum(start_ms <= visit.queued_ms < end_ms for visit in queue.waiting.values()))
        assert_not_negative(interval.outcome)
    for pane in queue.panes.values():
        assert_not_negative(pane)


def assert_sums(totals: Totals, waiting: int) -> None:
    """The visits counted are those that left and those that wait."""
    assert totals.offered == sum(getattr(totals, name) for name in LEFT) + waiting
    assert totals.short_abandoned <= totals.abandoned
    assert totals.handled_contacts <= totals.handled
    assert_not_negative(totals)


def assert_not_negative(totals: Totals) -> None:
    """No count and no duration is below zero."""
    assert all(getattr(totals, name) >= 0 for name in COUNTERS)
    assert min(totals.longest_waits_ms + totals.longest_abandon_waits_ms, default=0) >= 0
    assert all(count > 0 for count in totals.wait_sketch.values())


def assert_agent_whole(agent: AgentScope, interval_ms: int) -> None:
    """States neither overlap nor leave gaps, no interval has more of them than time, nobody is busier than wholly."""
    segments = list(agent.timeline.segments(0, FOREVER_MS))
    assert all(segment.since_ms < segment.until_ms for segment in segments)
    assert all(before.until_ms == after.since_ms for before, after in pairwise(segments))
    assert not segments or segments[-1].until_ms == FOREVER_MS
    for interval in agent.intervals.values():
        totals = interval.outcome
        assert_not_negative(totals)
        assert sum(getattr(totals, name) for name in STATES) <= interval_ms
        assert totals.login_ms <= interval_ms
        figures = read_kpis("agent", Reading(totals))
        assert all(0 <= (figures[name] or 0) <= 1 for name in ("occupancy_ratio", "utilisation_ratio"))
    if segments:  # what is closed is counted, each millisecond once
        closed = agent.timeline.segments(segments[0].since_ms, agent.timeline.starts[-1])
        spent = sum(s.until_ms - s.since_ms for s in closed if s.state not in ("unknown", "offline"))
        assert spent == sum(getattr(i.outcome, name) for i in agent.intervals.values() for name in STATES)
