"""Who keeps to the schedule now, and heads that are to be there by queue: kept up to date agent by agent, and by the
clock where a plan changes without an event.
"""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

from service.domain.adherence import AdherenceNow, adherence_now, heads
from service.domain.calendar import Calendars
from service.domain.scopes import AgentScope
from service.domain.settings import Floor
from service.domain.view import Staff, queues_served

_NOBODY: Final[dict[str, AdherenceNow]] = {}


class PlanIndex:
    """The agents that have a schedule."""

    def __init__(self, floor: Floor, calendars: Calendars) -> None:
        self._floor = floor
        self._calendars = calendars
        self._agents: dict[str, tuple[AgentScope, AdherenceNow]] = {}
        self._queues: dict[str, tuple[str, ...]] = {}
        self._by_queue: dict[str, dict[str, AdherenceNow]] = {}
        self._due: list[tuple[int, str]] = []

    def update(self, agent: AgentScope, now_ms: int) -> set[str]:
        """Judge an agent whose record, stretches or plan changed; returns the queues whose heads differ."""
        name = agent.scope
        if not agent.days and name not in self._agents:
            return set()
        plan = agent.plan(self._calendars.of_scope(name), self._floor.adherence)
        found = adherence_now(plan, agent.timeline, now_ms)
        before, queues_before = self._agents.get(name), self._queues.get(name, ())
        queues = queues_served(agent.record)
        self._agents[name], self._queues[name] = (agent, found), queues
        if found.next_ms is not None and (before is None or before[1].next_ms != found.next_ms):
            heappush(self._due, (found.next_ms, name))
        if before is not None and before[1] == found and queues_before == queues:
            return set()
        for queue_id in queues_before:
            self._by_queue[queue_id].pop(name, None)
        for queue_id in queues:
            self._by_queue.setdefault(queue_id, {})[name] = found
        same = before is not None and (before[1].due, before[1].state) == (found.due, found.state)
        return set() if same and queues_before == queues else {*queues_before, *queues}

    def recheck(self, now_ms: int) -> set[str]:
        """Judge the agents anew whose plan, or what excuses them, is another by now; scopes that differ."""
        touched: set[str] = set()
        while self._due and self._due[0][0] <= now_ms:
            due_ms, name = heappop(self._due)
            agent, found = self._agents[name]
            if found.next_ms == due_ms:
                touched.add(name)
                touched |= {"queue:" + queue_id for queue_id in self.update(agent, now_ms)}
        return touched

    def who_serves(self, queue_id: str) -> list[AgentScope]:
        """The agents who serve the queue and have a schedule."""
        return [self._agents[name][0] for name in self._by_queue.get(queue_id, _NOBODY)]

    def of_queues(self, queue_ids: Iterable[str]) -> Staff:
        """`scheduled` and `absent` heads of agents who serve any of the queues; empty while none has a schedule."""
        if not self._by_queue:
            return {}
        found: dict[str, AdherenceNow] = {}
        for queue_id in queue_ids:
            found |= self._by_queue.get(queue_id, _NOBODY)
        return _staff(found.values())

    def of_agents(self, scopes: Iterable[str]) -> Staff:
        """The same of the agent scopes given."""
        return _staff([self._agents[name][1] for name in scopes if name in self._agents])


def _staff(agents: Iterable[AdherenceNow]) -> Staff:
    known = list(agents)
    if not known:
        return {}
    found = heads(known)
    return {"scheduled": found.scheduled, "absent": found.absent}
