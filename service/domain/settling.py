"""Adherence of the past: closed intervals of agents with a schedule get its sums, and get them anew when the schedule,
or what the agent did, turns out to be different.

The third of four layers, between `StateFeed` (state_feed.py) and `AggregateStore` (aggregate.py). An interval is
settled once event time has passed its end in every source partition; before, readers measure it themselves. The sums
are always computed from schedule and stretches as a whole, never added to, so they cannot depend on what came when.
"""

from typing import Final

from service.domain import state_keys as keys
from service.domain.adherence import measure
from service.domain.buckets import INTERVALS_KEPT_MS, NEVER_MS, PLANS_KEPT_MS
from service.domain.errors import DUPLICATE, LATE
from service.domain.facts import Excepted, Planned
from service.domain.schedule import DayPlan, Plan, put_exception, put_unit, units_by_day
from service.domain.scopes import AgentScope
from service.domain.settings import Floor
from service.domain.state_feed import ClosedInterval, StateFeed

SETTLED_AT_ONCE: Final = 50
"""So many agents are settled after one record of facts: they all have the same quarter-hours, and others wait."""


class SettledFeed(StateFeed):
    """The state with the agents' schedules in it."""

    def __init__(
        self,
        floor: Floor,
        partition: int = 0,
        partitions: int = 1,
        live: bool = True,
        from_ms: int = 0,
        to_ms: int | None = None,
    ) -> None:
        super().__init__(floor, partition, partitions, live, from_ms, to_ms)
        self._settling: tuple[AgentScope, ...] = ()
        self._settle_at_ms = 1

    def drain_closed(self) -> list[ClosedInterval]:
        """Closed intervals that changed since the last call, with their adherence; call before `drain`."""
        if self._unsettled:
            for agent, since_ms in self._unsettled.items():
                self._settle(agent, since_ms, agent.live.settled_ms)
            self._unsettled.clear()
        if self._settling or 0 < self._settle_at_ms <= self._reached_ms:
            self._settle_some()
        return super().drain_closed()

    # --- what is told -----------------------------------------------------------------------------------------------

    def _planned(self, fact: Planned) -> None:
        agent: AgentScope = self._known[fact.scope]
        news = late = False
        for day_ms, unit in units_by_day(fact, agent.calendar).items():
            if self._is_over(max(unit.end_ms, agent.calendar.day_bounds_ms(day_ms)[1])):
                late = True
                continue
            day = agent.days.get(day_ms) or DayPlan()
            since_ms = put_unit(day, unit, fact.changed)
            if since_ms is not None:
                news = True
                self._told(agent, day_ms, day, since_ms)
        if late or not news:
            self._count(fact.source, LATE if late else DUPLICATE)

    def _excepted(self, fact: Excepted) -> None:
        agent: AgentScope = self._known[fact.scope]
        day_ms, day_end_ms = agent.calendar.day_bounds_ms(fact.start_ms)
        if self._is_over(max(fact.end_ms, day_end_ms)):
            self._count(fact.source, LATE)
            return
        day = agent.days.get(day_ms) or DayPlan()
        if not put_exception(day, fact):
            self._count(fact.source, DUPLICATE)
            return
        told = [e for known in agent.days.values() for e in known.exceptions if e.event_id == fact.corrects]
        self._told(agent, day_ms, day, min([fact.start_ms] + [exception.start_ms for exception in told]))

    def _is_over(self, end_ms: int) -> bool:
        return self._live and end_ms < self._reached_ms - PLANS_KEPT_MS

    def _told(self, agent: AgentScope, day_ms: int, day: DayPlan, since_ms: int) -> None:
        """Something new is told of a day, about [since_ms, ...): what is settled of it is settled anew."""
        agent.days[day_ms] = day
        agent.plan_changed()
        self._dirty_plans.add((day_ms, agent))
        if self._settle_at_ms == NEVER_MS:
            self._settle_at_ms = 1
        since_ms = min(day_ms, agent.calendar.day_bounds_ms(since_ms)[0])
        if since_ms < agent.live.settled_ms:
            self._settle(agent, since_ms, agent.live.settled_ms)

    # --- settling ---------------------------------------------------------------------------------------------------

    def _settle_some(self) -> None:
        """Settle what event time has passed, of some agents each time."""
        if not self._settling:
            planned = [agent for agent in self.scopes.agents.values() if agent.days]
            self._settling = tuple(planned)
            ends = (self.calendars.of_scope(agent.scope).interval_ms_at(self._reached_ms)[1] for agent in planned)
            self._settle_at_ms = min(ends, default=NEVER_MS)
        now, self._settling = self._settling[:SETTLED_AT_ONCE], self._settling[SETTLED_AT_ONCE:]
        for agent in now:
            self._known[agent.scope]  # one that was loaded has no calendar yet
            self._settle_on(agent)
            self._forget_days(agent)

    def _settle_on(self, agent: AgentScope) -> None:
        """Settle what event time has passed and is not yet settled, if any of it is planned."""
        plan = agent.plan(agent.calendar, self._floor.adherence)
        since_ms, until_ms = agent.live.settled_ms, agent.calendar.interval_start_ms(self._reached_ms)
        if plan is not None and any(plan.days_within(since_ms, until_ms)):
            self._settle(agent, since_ms, until_ms)
            agent.settle(until_ms)
            self._dirty_live.add(agent)
            if self._live:  # of an agent who is away for long, nothing else lets them expire
                self._expire(agent, keys.INTERVAL, self._reached_ms - INTERVALS_KEPT_MS)

    def _settle(self, agent: AgentScope, since_ms: int, until_ms: int) -> None:
        """Write the sums of the intervals in [since_ms, until_ms) that have any or are to have some.

        What lies before the stretches or plans that are kept stays as it was.
        """
        calendar, timeline = agent.calendar, agent.timeline
        plan = agent.plan(calendar, self._floor.adherence)
        kept_ms = max(timeline.record.horizon_ms, self._reached_ms - PLANS_KEPT_MS)
        starts = set()
        if since_ms < agent.live.settled_ms:  # some may have sums that they are not to have any more
            starts = {start_ms for start_ms, kept in agent.intervals.items() if kept.common.adherence_ms}
        if plan is not None:
            starts |= _starts_in(plan, agent, max(since_ms, kept_ms), until_ms)
        for start_ms in sorted(starts):
            if kept_ms <= start_ms < until_ms and since_ms < (end_ms := calendar.interval_end_ms(start_ms)):
                self._write(agent, start_ms, {} if plan is None else measure(plan, timeline, start_ms, end_ms))

    def _write(self, agent: AgentScope, start_ms: int, sums: dict[str, int]) -> None:
        known = agent.intervals.get(start_ms)
        if (known.common.adherence_ms if known is not None else {}) == sums:
            return
        interval = self._interval(agent, start_ms)
        if interval is not None:
            interval.common.adherence_ms = sums

    def _forget_days(self, agent: AgentScope) -> None:
        """Forget days that are over for long enough."""
        for day_ms in list(agent.days):
            if self._is_over(max(agent.days[day_ms].end_ms, agent.calendar.day_bounds_ms(day_ms)[1])):
                del agent.days[day_ms]
                agent.plan_changed()
                self._dirty_plans.add((day_ms, agent))


def _starts_in(plan: Plan, agent: AgentScope, since_ms: int, until_ms: int) -> set[int]:
    """The intervals of planned days that begin in [since_ms, until_ms), or hold its start."""
    starts = set()
    for start_ms, end_ms in plan.days_within(since_ms, until_ms):
        at_ms = start_ms
        while at_ms < end_ms:
            bounds = agent.calendar.interval_ms_at(at_ms)
            starts.add(bounds[0])
            at_ms = bounds[1]
    return starts
