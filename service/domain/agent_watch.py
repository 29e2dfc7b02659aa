"""What agents' timelines say about ends that were never told: an agent connected twice, ready in mid-call, or stuck in
a state of their own.

Nothing here is stored. What a restart forgets is noticed again when the agent takes the next contact.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from service.domain.agents import AgentTimeline
from service.domain.business_events import AgentMovedOn
from service.domain.events import AgentStateChanged, Event
from service.domain.facts import CONNECTED, AgentInput, LegMoved
from service.domain.forced import GRACE_MS, NEXT_CONTACT, READY, SNAPSHOT
from service.domain.own_side import BUSY, WATCHDOG
from service.domain.scopes import AgentScope
from service.domain.settings import ONE_AT_A_TIME, Floor, Watchdog
from service.domain.steps import ACW, CONNECTED_LEGS, ON_CONTACT, RESERVED
from service.domain.watchdog import synthetic_id

SOURCE: Final = "watchdog"
"""Source of synthetic events about agents, whose own sources are not known here."""


class Suspicion(Struct, gc=False):
    """At `at_ms` the agent moved on although connected; `most` legs may be connected if that proves nothing."""

    at_ms: int
    reason: str
    most: int


class AgentWatch:
    """Agents of one partition who seem to be where they cannot be."""

    def __init__(self, floor: Floor, watchdog: Watchdog) -> None:
        self._floor, self._next_contact = floor, watchdog.next_contact
        call = watchdog.limits("voice")
        self._limits = {RESERVED: call.ringing_ms, ON_CONTACT: call.connected_ms, ACW: call.after_call_ms}
        self._suspicions: dict[tuple[AgentScope, int], Suspicion] = {}
        self._told: dict[AgentScope, int] = {}

    def leg_moved(self, agent: AgentScope, fact: LegMoved) -> None:
        """The agent is connected more than once; note it if this leg allows one contact at a time."""
        began = any(phase == CONNECTED and sign > 0 for _, phase, sign in fact.moves)
        channel = self._floor.queue(fact.queue_id).channel if fact.queue_id is not None else "voice"
        if began and self._next_contact and channel in ONE_AT_A_TIME:
            self._suspect(agent, Suspicion(newest_connection_ms(agent.timeline), NEXT_CONTACT, 1))

    def agent_told(self, agent: AgentScope, fact: AgentInput, before: str) -> None:
        """The agent is connected and tells of a state; `before` is the one told last.

        Ready after a pause is only the pause's end: agents pause and come back while they talk.
        """
        if fact.kind == "snapshot" and fact.state not in BUSY:
            self._suspect(agent, Suspicion(fact.at_ms, SNAPSHOT, 0))
        elif self._next_contact and before != "not_ready" and _is_ready(fact):
            self._suspect(agent, Suspicion(fact.at_ms, READY, 0))

    def _suspect(self, agent: AgentScope, noted: Suspicion) -> None:
        self._suspicions[agent, noted.at_ms] = noted

    def moved_on(self, now_ms: int) -> list[Event]:
        """Whose ends have not come a while later: one event each, for every partition of `cti.events`."""
        made: list[Event] = []
        for (agent, at_ms), noted in list(self._suspicions.items()):
            if now_ms >= at_ms + GRACE_MS:
                del self._suspicions[agent, at_ms]
                if agent.timeline.connected and _connected_at(agent.timeline, noted.at_ms) > noted.most:
                    made.append(_moved_on(agent.agent_id, noted))
        return made

    def stuck(self, agents: Iterable[AgentScope], now_ms: int) -> list[Event]:
        """Agents' own states that no leg explains and that last too long become unknown."""
        made: list[Event] = []
        for agent in agents:
            since_ms, limit_ms = self._own_busy(agent.timeline)
            if limit_ms is None or now_ms < since_ms + limit_ms or self._told.get(agent) == since_ms:
                continue
            self._told[agent] = since_ms
            made.append(
                AgentStateChanged(
                    event_id=synthetic_id(agent.agent_id, since_ms, limit_ms), occurred_at_ms=since_ms + limit_ms,
                    source=SOURCE, synthetic=True, synthetic_reason="state", agent_id=agent.agent_id, state="unknown",
                    reason=WATCHDOG,
                )
            )  # fmt: skip
        return made

    def _own_busy(self, timeline: AgentTimeline) -> tuple[int, int | None]:
        """Since when the agent's own state is a busy one without any leg, and how long it may be; None: it is not."""
        whats = timeline.whats
        if not whats:
            return 0, None
        own, _, _, reserving, connected, wrapping, _ = whats[-1]
        limit_ms = None if reserving or connected or wrapping else self._limits.get(own)
        if limit_ms is None:
            return 0, None
        index = len(whats) - 1
        while index and whats[index - 1][0] == own:
            index -= 1
        return timeline.starts[index], limit_ms


def _is_ready(fact: AgentInput) -> bool:
    return (fact.kind, fact.state, fact.queue_id) == ("state_changed", "ready", None)


def _moved_on(agent_id: str, noted: Suspicion) -> AgentMovedOn:
    return AgentMovedOn(
        event_id=synthetic_id(agent_id, noted.at_ms, noted.reason), occurred_at_ms=noted.at_ms, source=SOURCE,
        synthetic=True, synthetic_reason=noted.reason, agent_id=agent_id,
    )  # fmt: skip


def newest_connection_ms(timeline: AgentTimeline) -> int:
    """When the agent was last connected to one leg more."""
    starts, whats = timeline.starts, timeline.whats
    for index in range(len(whats) - 1, 0, -1):
        if whats[index][CONNECTED_LEGS] > whats[index - 1][CONNECTED_LEGS]:
            return starts[index]
    return starts[0]


def _connected_at(timeline: AgentTimeline, at_ms: int) -> int:
    """How many legs were connected then, as far as it is known now."""
    index = bisect_right(timeline.starts, at_ms) - 1
    return timeline.whats[index][CONNECTED_LEGS] if index >= 0 else 0
