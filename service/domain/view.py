"""Reading the floor's state: what a queue, an agent or a roll-up looks like at one moment. Everything that moves with
the clock is here.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from service.domain.adherence import AdherenceNow, add_adherence, adherence_now
from service.domain.agents import AgentRecord
from service.domain.aggregate import STATE_FIELDS
from service.domain.business_hours import BusinessHours
from service.domain.calendar import Calendars
from service.domain.capacity import free_capacity
from service.domain.kpis import Reading
from service.domain.schedule import Plan
from service.domain.scopes import AGENT_PANE_MS, QUEUE_PANE_MS, AgentScope, Interval, QueueScope
from service.domain.settings import Floor, ServiceLevel
from service.domain.steps import IMPLIED_LOGINS, ON_CONTACT, RESERVING_LEGS
from service.domain.totals import UNSTATED, Totals, bump, total_of

ROLLING_MS: Final = {"5m": 300_000, "15m": 900_000, "30m": 1_800_000, "60m": 3_600_000}
WINDOWS: Final = (*ROLLING_MS, "interval", "day")
STAFF_NAME: Final = {"ready": "available"}
TIME_FIELDS: Final = frozenset((*STATE_FIELDS.values(), "not_ready_by_reason", "login_ms"))
"""Fields of `Totals` that time in state adds to."""

LEG_STATES: Final = ("reserved", "on_contact", "acw")
TAKING: Final = ("ready", "reserved", "on_contact")
"""States in which an agent with room for several contacts may be given one more."""

WITH_ROOM: Final = "with_room"
MORE_SLOTS: Final = "more_slots"
"""Contacts of a queue that agents who serve it can have at once, beyond one each."""

SERVING: Final = ("available", *LEG_STATES)
DEAD_AFTER_MS: Final = 10_000
"""An agent who is on a contact by their own state alone is `dead` after this long."""

Staff = dict[str, int]


def queues_served(record: AgentRecord) -> tuple[str, ...]:
    """The queues an agent serves: the memberships told, else those whose contacts were offered to the agent."""
    return record.own.queues or tuple(record.seen)


def state_of(agent: AgentScope, now_ms: int) -> tuple[str, str | None, int]:
    """(state, reason, since) of an agent at `now_ms`."""
    record = agent.record
    if record.since_ms <= now_ms:
        return record.state, record.reason, record.since_ms
    return agent.timeline.state_at(now_ms)


def sub_state_of(agent: AgentScope, now_ms: int) -> str | None:
    """`dead`: the source says that the agent is on a contact, and no leg has been open for a while; None otherwise."""
    starts, whats = agent.timeline.starts, agent.timeline.whats
    index = bisect_right(starts, now_ms) - 1
    since_ms = None
    while index >= 0 and whats[index][0] == ON_CONTACT and not any(whats[index][RESERVING_LEGS:IMPLIED_LOGINS]):
        since_ms = starts[index]
        index -= 1
    return "dead" if since_ms is not None and now_ms - since_ms >= DEAD_AFTER_MS else None


def staff_by_queue(agents: Iterable[AgentScope], now_ms: int) -> dict[str, Staff]:
    """Agents by state for every queue. An agent counts once in each queue served; a per-queue pause counts in that
    queue only.
    """
    staff: dict[str, Staff] = {}
    for agent in agents:
        record, state = agent.record, state_of(agent, now_ms)[0]
        on_leg, own = state in LEG_STATES, record.own
        for queue_id in queues_served(record):
            here = state if on_leg else own.state_in(queue_id)[0]
            if here in STATE_FIELDS:
                counts = staff.setdefault(queue_id, {})
                name = STAFF_NAME.get(here, here)
                counts[name] = counts.get(name, 0) + 1
    return staff


def free_by_channel(floor: Floor, agent: AgentScope, now_ms: int) -> dict[str, int] | None:
    """How many contacts more an agent can take now, by channel served; None for one who takes one at a time."""
    capacity = floor.agent(agent.agent_id).capacity
    if not capacity:
        return None
    record = agent.record
    free = dict.fromkeys(capacity, 0)
    for queue_id in queues_served(record):
        channel = floor.queue(queue_id).channel
        willing = state_of(agent, now_ms)[0] in TAKING and record.own.state_in(queue_id)[0] in TAKING
        most = free_capacity(channel, capacity, record.contacts) if willing else 0
        free[channel] = max(most, free.get(channel, 0))
    return free


def staff_of_agent(floor: Floor, agent: AgentScope, now_ms: int) -> dict[str, Staff]:
    """`staff_by_queue` of one agent, and `with_room` where the agent is busy and can take one more contact of a queue
    nevertheless, and `more_slots` where the agent serves it with room for several.
    """
    staff = staff_by_queue((agent,), now_ms)
    capacity = floor.agent(agent.agent_id).capacity
    if capacity:
        record, free = agent.record, free_by_channel(floor, agent, now_ms) or {}
        for queue_id, counts in staff.items():
            channel = floor.queue(queue_id).channel
            willing = record.own.state_in(queue_id)[0] in TAKING
            if willing and "available" not in counts and free[channel]:
                counts[WITH_ROOM] = 1
            if capacity.get(channel, 1) > 1 and not counts.keys().isdisjoint(SERVING):
                counts[MORE_SLOTS] = capacity[channel] - 1
    return staff


def distinct_staff(agents: Iterable[AgentScope], now_ms: int) -> Staff:
    """Agents by state, each once however many queues are served: for groups, sites and teams."""
    counts: Staff = {}
    for agent in agents:
        state = state_of(agent, now_ms)[0]
        if state in STATE_FIELDS:
            name = STAFF_NAME.get(state, state)
            counts[name] = counts.get(name, 0) + 1
    return counts


def can_take(staff: Staff) -> int:
    """Agents who could be given a contact now: those available, and busy ones with room for one more."""
    return staff.get("available", 0) + staff.get(WITH_ROOM, 0)


def expected_wait_ms(oldest_ms: int | None, staff: Staff | None, last_hour: Totals) -> float | None:
    """How long a visit that came now would wait: as long as the one that is next has waited (`oldest_ms`, None: nobody
    waits), and until the next agent is free, which is mean handle time / contacts that the agents serving can have.

    0 while one can take a contact and nobody waits; None without staff or handle time. docs/routing.md has its errors.
    """
    slots = sum(staff.get(state, 0) for state in (*SERVING, MORE_SLOTS)) if staff else 0
    if not staff or not slots:
        return None
    if oldest_ms is None and can_take(staff):
        return 0.0
    if not last_hour.handled:
        return None
    aht_ms = (last_hour.talk_ms + last_hour.hold_ms + last_hour.acw_ms) / last_hour.handled
    return (oldest_ms or 0) + aht_ms / slots


class WaitingNow:
    """Who waits in some queues at one moment, each on its queue's own clock."""

    def __init__(self, floor: Floor, queues: Iterable[QueueScope], now_ms: int) -> None:
        self.count = self.over = 0
        self.oldest_ms: int | None = None
        for queue in queues:
            settings = floor.queue(queue.queue_id)
            hours = settings.service_level.hours
            for visit in queue.waiting.values():
                if visit.net <= 0:
                    continue
                queued_ms = visit.queued_ms
                if settings.later_levels:
                    hours = settings.level_at(queued_ms).hours
                wait_ms = max(0, now_ms - queued_ms) if hours is None else hours.open_ms(queued_ms, now_ms)
                self.count += 1
                self.over += visit.threshold_ms is not None and wait_ms > visit.threshold_ms
                self.oldest_ms = wait_ms if self.oldest_ms is None else max(self.oldest_ms, wait_ms)


def next_due_ms(queue: QueueScope, hours: BusinessHours, now_ms: int) -> int | None:
    """The instant at which the next visit will have waited as long as its threshold; None if none is still within."""
    due = [
        hours.after_ms(visit.queued_ms, visit.threshold_ms)
        for visit in queue.waiting.values()
        if visit.net > 0 and visit.threshold_ms is not None
    ]
    return min((due_ms for due_ms in due if due_ms >= now_ms), default=None)


def rolling_total(panes: dict[int, Totals], pane_ms: int, span_ms: int, now_ms: int) -> Totals:
    """Merge of the newest span / pane panes, the one still filling included."""
    newest = now_ms // pane_ms
    oldest = newest - span_ms // pane_ms + 1
    return total_of([totals for number, totals in panes.items() if oldest <= number <= newest])


def interval_total(intervals: dict[int, Interval], since_ms: int, until_ms: int) -> Totals:
    """Merge by outcome of the intervals that begin in [since_ms, until_ms)."""
    return total_of([i.outcome for start_ms, i in intervals.items() if since_ms <= start_ms < until_ms])


def add_state(totals: Totals, state: str, reason: str | None, logged_in: bool, duration_ms: int) -> None:
    """Add time in one agent state."""
    name = STATE_FIELDS.get(state)
    if name is not None:
        setattr(totals, name, getattr(totals, name) + duration_ms)
    if name == "not_ready_ms":
        bump(totals.not_ready_by_reason, reason or UNSTATED, duration_ms)
    if logged_in:
        totals.login_ms += duration_ms


def add_states(totals: Totals, agent: AgentScope, since_ms: int, until_ms: int, sign: int = 1) -> None:
    """Add (or with sign -1 take off) the agent's time in state during [since_ms, until_ms)."""
    if since_ms < until_ms:
        for (state, reason, logged_in), duration_ms in agent.timeline.times(since_ms, until_ms).items():
            add_state(totals, state, reason, logged_in, sign * duration_ms)


def add_open_state(totals: Totals, agent: AgentScope, since_ms: int, until_ms: int, now_ms: int) -> None:
    """Count the agent's open stretch up to `now_ms`, as far as it lies in [since_ms, until_ms).

    Stated after-call work is laid on the timeline before it is over: what of it is still to come is taken off.
    """
    starts = agent.timeline.starts
    if not starts:
        return
    if starts[-1] <= now_ms:
        add_states(totals, agent, max(since_ms, starts[-1]), min(until_ms, now_ms))
    else:
        add_states(totals, agent, max(since_ms, now_ms), min(until_ms, starts[-1]), -1)


class FloorView:
    """The floor at one moment: readings of queues and agents for every window."""

    def __init__(self, floor: Floor, calendars: Calendars, now_ms: int) -> None:
        self._floor = floor
        self._calendars = calendars
        self.now_ms = now_ms

    def bounds_ms(self, scope: str, window: str) -> tuple[int, int]:
        """[start, end) of a scope's current `interval` or `day`."""
        calendar = self._calendars.of_scope(scope)
        if window == "day":
            return calendar.day_bounds_ms(self.now_ms)
        start_ms = calendar.interval_start_ms(self.now_ms)
        return start_ms, calendar.interval_end_ms(start_ms)

    def queue_totals(self, queue: QueueScope, window: str) -> Totals:
        """A queue's totals of one window."""
        span_ms = ROLLING_MS.get(window)
        if span_ms is not None:
            return rolling_total(queue.panes, QUEUE_PANE_MS, span_ms, self.now_ms)
        return interval_total(queue.intervals, *self.bounds_ms(queue.scope, window))

    def agent_totals(self, agent: AgentScope, window: str) -> Totals:
        """An agent's totals of one window; time in state is cut at the window's edges and counts up to now."""
        totals = self.own_agent_counts(agent, window)
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            self.add_open(totals, agent, *self.bounds_ms(agent.scope, window))
        else:
            totals.add(self.agent_times(agent, span_ms))
            totals.add(self.agent_adherence(agent, span_ms))
        return totals

    def agent_times(self, agent: AgentScope, span_ms: int) -> Totals:
        """An agent's time in state in a rolling window, up to now."""
        totals = Totals()
        add_states(totals, agent, self._first_ms(span_ms), self.now_ms)
        return totals

    def agent_adherence(self, agent: AgentScope, span_ms: int) -> Totals:
        """The same of what adherence is made of."""
        totals = Totals()
        add_adherence(totals, self.plan(agent), agent.timeline, self._first_ms(span_ms), self.now_ms)
        return totals

    def _first_ms(self, span_ms: int) -> int:
        """Where an agent's rolling window begins: with its first pane."""
        return (self.now_ms // AGENT_PANE_MS + 1) * AGENT_PANE_MS - span_ms

    def agent_sums(self, agent: AgentScope, window: str) -> Totals:
        """An agent's totals for who reads few of the fields. Not to be changed."""
        return self.agent_totals(agent, window)

    def queue_sums(self, queue: QueueScope, window: str) -> Totals:
        """The same of a queue."""
        return self.queue_totals(queue, window)

    def queue_panes(self, queue: QueueScope, first: int, end: int) -> Totals:
        """The same of the panes [first, end)."""
        return total_of([totals for number, totals in queue.panes.items() if first <= number < end])

    def agent_counts(self, agent: AgentScope, window: str) -> Totals:
        """The same of contacts alone, without what is measured up to now. Not to be changed."""
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            return interval_total(agent.intervals, *self.bounds_ms(agent.scope, window))
        return rolling_total(agent.panes, AGENT_PANE_MS, span_ms, self.now_ms)

    def own_agent_counts(self, agent: AgentScope, window: str) -> Totals:
        """The same, to be changed."""
        return self.agent_counts(agent, window)

    def add_open(self, totals: Totals, agent: AgentScope, since_ms: int, until_ms: int) -> None:
        """Add what the agent's intervals in [since_ms, until_ms) do not have yet: the open stretch up to now, and the
        adherence of what is not settled.
        """
        add_open_state(totals, agent, since_ms, until_ms, self.now_ms)
        since_ms, until_ms = max(since_ms, agent.live.settled_ms), min(until_ms, self.now_ms)
        add_adherence(totals, self.plan(agent), agent.timeline, since_ms, until_ms)

    def plan(self, agent: AgentScope) -> Plan | None:
        """What the agent is to do; None while no schedule is known."""
        return agent.plan(self._calendars.of_scope(agent.scope), self._floor.adherence) if agent.days else None

    def adherence(self, agent: AgentScope) -> AdherenceNow:
        """Whether the agent does now what is planned."""
        return adherence_now(self.plan(agent), agent.timeline, self.now_ms)

    def queue_now(self, queues: list[QueueScope], staff: Staff | None, level: ServiceLevel) -> Reading:
        """What is true of one or several queues now. `staff` None: nobody serves them in particular (classes)."""
        waiting = WaitingNow(self._floor, queues, self.now_ms)
        last_hour = total_of([self.queue_totals(queue, "60m") for queue in queues])
        return Reading(
            Totals(), level, waiting.count, waiting.over, waiting.oldest_ms, staff,
            expected_wait_ms(waiting.oldest_ms, staff, last_hour),
        )  # fmt: skip

    def agent_now(self, agent: AgentScope, totals: Totals) -> Reading:
        """An agent's reading of one window's totals."""
        record = agent.record
        since_ms = state_of(agent, self.now_ms)[2]
        state_ms = max(0, self.now_ms - since_ms) if record.since_ms else None
        kinds = self._floor.reason_kinds
        return Reading(totals, login_seen=record.own.login_seen, state_ms=state_ms, reason_kinds=kinds)
