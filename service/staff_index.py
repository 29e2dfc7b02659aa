"""Agents by state in every queue, kept up to date agent by agent instead of counted anew for each reader."""

from bisect import bisect_right
from collections.abc import Iterable, Set
from typing import Final

from service.domain.aggregate import STATE_FIELDS
from service.domain.calendar import Calendars
from service.domain.scopes import AgentScope
from service.domain.settings import Floor
from service.domain.totals import bump
from service.domain.view import LEG_STATES, STAFF_NAME, Staff, queues_served, staff_of_agent, state_of
from service.plan_index import PlanIndex

_NOBODY: Final[Staff] = {}
_NOWHERE: Final[dict[str, Staff]] = {}
_NONE: Final[Set[str]] = frozenset()
_NEVER_MS: Final = 1 << 62


class StaffIndex:
    """Who is where. An agent's own record says it; the counts of `view.staff_of_agent` add up over all of
    them.
    """

    def __init__(self, floor: Floor, calendars: Calendars) -> None:
        self._floor = floor
        self._plans = PlanIndex(floor, calendars)
        self._by_queue: dict[str, Staff] = {}
        self._serving: dict[str, set[str]] = {}
        self._parts: dict[str, dict[str, Staff]] = {}
        self._state: dict[str, str] = {}
        self._queues: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, set[str]] = {}
        self._later: dict[str, AgentScope] = {}
        self._due_ms = _NEVER_MS

    def update(self, agent: AgentScope, now_ms: int) -> set[str]:
        """Count an agent whose record, stretches or plan changed; returns the queues whose counts differ."""
        return self._plans.update(agent, now_ms) | self._update_state(agent, now_ms)

    def _update_state(self, agent: AgentScope, now_ms: int) -> set[str]:
        name, record = agent.scope, agent.record
        self._update_queues(name, queues_served(record))
        before = self._parts.get(name, _NOWHERE)
        after = staff_of_agent(self._floor, agent, now_ms)
        state = state_of(agent, now_ms)[0]
        self._state[name] = STAFF_NAME.get(state, state) if state in STATE_FIELDS else ""
        self._remember_later(agent, record.since_ms, now_ms)
        if before == after:
            return set()
        self._parts[name] = after
        differ = {queue_id for queue_id in before.keys() | after.keys() if before.get(queue_id) != after.get(queue_id)}
        for queue_id in differ:
            self._count(queue_id, before.get(queue_id, _NOBODY), -1)
            self._count(queue_id, after.get(queue_id, _NOBODY), 1)
            if queue_id in after:
                self._serving.setdefault(queue_id, set()).add(name)
            else:
                self._serving[queue_id].discard(name)
        return differ

    def _update_queues(self, name: str, queues: tuple[str, ...]) -> None:
        before = self._queues.get(name, ())
        if queues != before:
            self._queues[name] = queues
            for queue_id in set(before).difference(queues):
                self._members[queue_id].discard(name)
            for queue_id in set(queues).difference(before):
                self._members.setdefault(queue_id, set()).add(name)

    def queues_of(self, name: str) -> tuple[str, ...]:
        """The queues that the agent scope served when it was last counted."""
        return self._queues.get(name, ())

    def members(self, queue_id: str) -> Set[str]:
        """The agent scopes that served the queue when they were last counted, whatever their state."""
        return self._members.get(queue_id, _NONE)

    def recheck(self, now_ms: int) -> set[str]:
        """Count agents again whose present state begins only now (after-call work of stated length), or whose plan is
        another by now; scopes.
        """
        touched = self._plans.recheck(now_ms)
        if now_ms >= self._due_ms:
            waiting, self._later, self._due_ms = list(self._later.values()), {}, _NEVER_MS
            for agent in waiting:
                touched |= {"queue:" + queue_id for queue_id in self.update(agent, now_ms)}
        return touched

    def anyone(self) -> bool:
        """Whether any agent is in a state that counts as being there."""
        return any(self._state.values())

    def busy(self) -> int:
        """How many agents are being offered a contact, on one or in after-call work: that ends with an event."""
        return sum(state in LEG_STATES for state in self._state.values())

    def of_queue(self, queue_id: str) -> Staff:
        """Agents by state who serve the queue, and those `scheduled` and `absent` where there are schedules."""
        return self._by_queue.get(queue_id, _NOBODY) | self._plans.of_queues((queue_id,))

    def of_queues(self, queue_ids: Iterable[str]) -> Staff:
        """Agents by state who serve any of the queues, each once: available if so in one of them, not ready only if so
        in all. Those `scheduled` and `absent` as in `of_queue`.
        """
        queue_ids = tuple(queue_ids)
        states: dict[str, str] = {}
        several: dict[str, Staff] = {}
        for queue_id in queue_ids:
            for name in self._serving.get(queue_id, ()):
                state, *more = part = self._parts[name][queue_id]
                if state == "available" or states.get(name) in (None, "not_ready"):
                    states[name] = state
                for what in more:
                    most = several.setdefault(name, {})
                    most[what] = max(part[what], most.get(what, 0))
        counts: Staff = {}
        for name, state in states.items():
            bump(counts, state, 1)
            for what, count in several.get(name, {}).items():
                bump(counts, what, count)
        return counts | self._plans.of_queues(queue_ids)

    def with_schedule(self, queue_id: str) -> list[AgentScope]:
        """The agents who serve the queue and have a schedule."""
        return self._plans.who_serves(queue_id)

    def of_agents(self, scopes: Iterable[str]) -> Staff:
        """Agents by state among the agent scopes given, and those `scheduled` and `absent` as in `of_queue`."""
        scopes = tuple(scopes)
        counts: Staff = {}
        for name in scopes:
            state = self._state.get(name, "")
            if state:
                counts[state] = counts.get(state, 0) + 1
        return counts | self._plans.of_agents(scopes)

    def _remember_later(self, agent: AgentScope, since_ms: int, now_ms: int) -> None:
        if since_ms > now_ms:
            starts = agent.timeline.starts
            index = bisect_right(starts, now_ms)
            next_ms = starts[index] if index < len(starts) else since_ms
            self._later[agent.scope] = agent
            self._due_ms = min(self._due_ms, next_ms)
        else:
            self._later.pop(agent.scope, None)

    def _count(self, queue_id: str, staff: Staff, sign: int) -> None:
        counts = self._by_queue.setdefault(queue_id, {})
        for state, count in staff.items():
            bump(counts, state, sign * count)
