"""The live floor as the evaluator asks for it: scopes that changed, their labels, and their values at one moment."""

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final

from service.alert_measures import AgentValues, QueueValues, SourceValues, TeamValues
from service.alert_outlook import AlertOutlook
from service.domain.alert_record import Alert, CausePart
from service.domain.business_hours import BusinessHours
from service.domain.rules import ALL, NOTHING, Measured, Own, Values, kind_of
from service.domain.state_keys import parts_of
from service.floor_state import FloorState
from service.rollups import class_parts, common_level, member_agents, member_queues

GAP: Final = "source.gap"
FORGOTTEN_MS: Final = 24 * 3_600_000
"""A source that has said nothing for so long is no longer expected to."""

PACE_MS: Final = 600_000
"""Over how long a source's usual pace is taken, in steps of PACE_STEP_MS, from PACE_LEAST_MS on."""

PACE_STEP_MS: Final = 10_000
PACE_LEAST_MS: Final = 60_000
_FLOOR_TYPES: Final = ("visit.", "leg.", "agent.", "contact.")
_PARENTS: Final = ("site", "group", "channel")
log = logging.getLogger(__name__)


class _Unknown:
    """What is known of a scope that is not there: nothing."""

    own = Own()

    def measure(self, kpi: str, window: str | None) -> Measured:
        """Undefined."""
        return NOTHING


class _Pace:
    """How often a source has lately sent something, and how much was under way then: contacts waiting or served."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int, int]] = deque()

    def seen(self, received_ms: int, count: int, under_way: int) -> None:
        """So many events had come when the newest arrived."""
        if self._seen and received_ms - self._seen[-1][0] < PACE_STEP_MS:
            return
        self._seen.append((received_ms, count, under_way))
        while self._seen[0][0] < received_ms - PACE_MS:
            self._seen.popleft()

    def per_second(self, under_way: int) -> float | None:
        """Events a second to expect of so much; None until a minute is known.

        When the lines close, the last contacts send less than all of them did.
        """
        if not self._seen or self._seen[-1][0] - self._seen[0][0] < PACE_LEAST_MS:
            return None
        (first_ms, before, _), (last_ms, after, _) = self._seen[0], self._seen[-1]
        usual = sum(each for *_, each in self._seen) / len(self._seen)
        part = min(under_way / usual, 1.0) if usual else 1.0
        return part * (after - before) * 1000 / (last_ms - first_ms)


class LiveFloor:
    """The floor's state as rules see it. `begin` starts a moment; everything until the next one is of then.

    `hours`: business hours by `queue:ID` and `site:ID`, of those that have any. `site_of_source`: the sources of which
    the configuration says where they belong. `before`: the one of the same state until now, which knows how often the
    sources usually send.
    """

    def __init__(
        self, state: FloorState, hours: Mapping[str, BusinessHours], site_of_source: Mapping[str, str],
        before: "LiveFloor | None" = None,
    ) -> None:  # fmt: skip
        self._state = state
        self._hours = hours
        self._site_of_source = site_of_source
        self._outlook = AlertOutlook(state)
        self._labels: dict[str, Mapping[str, str]] = {}
        self._generation = -1
        if before is not None and before._generation != state.generation:
            before = None
        self._pace: dict[str, _Pace] = {} if before is None else before._pace
        self._open = False
        self._seq = -1
        self.begin()

    def begin(self) -> int:
        """A new moment; returns it."""
        self._view = self._state.view()
        self._sources: dict[str, tuple[int, int, bool]] | None = None
        self._seen()
        return self._view.now_ms

    def changed(self) -> set[str]:
        """The scopes that changed since this was asked last, roll-ups included; at first all there are."""
        state = self._state
        if state.generation != self._generation:
            self._generation, self._seq = state.generation, -1
            own = {"queue:" + name for name in state.queue_ids()} | {"agent:" + name for name in state.agent_ids()}
            own |= state.changed.keys()
        else:
            newest_first = reversed(state.changed.items())
            own = {scope for scope, _ in takewhile(lambda change: change[1] > self._seq, newest_first)}
        self._seq = state.seq
        before, self._open = self._open, self._something_open()
        if self._open != before:  # silence means something from now on, or nothing any more: of all sources
            own |= {scope for scope, _ in state.scopes.sources}
        return self._with_rollups(own)

    def _with_rollups(self, own: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for scope in own:
            kind = kind_of(scope)
            if kind == "class":
                found.add(f"class:{parts_of(scope)[0]}")
                continue
            found.add(scope)
            labels = self.labels(scope)
            if kind == "queue":
                found.add(ALL)
                found |= {f"{parent}:{labels[parent]}" for parent in _PARENTS if parent in labels}
            elif kind == "agent" and "team" in labels:
                found.add(f"team:{labels['team']}")
        return found

    def labels(self, scope: str) -> Mapping[str, str]:
        """What the scope belongs to, by the configuration."""
        found = self._labels.get(scope)
        if found is None:
            found = self._labels[scope] = self._labels_of(scope)
        return found

    def _labels_of(self, scope: str) -> dict[str, str]:
        kind, _, name = scope.partition(":")
        floor = self._state.floor
        own = {kind: name} if name else {}
        if kind == "queue":
            queue = floor.queue(name)
            more = {"site": queue.site, "channel": queue.channel, "group": queue.group}
        elif kind == "agent":
            agent = floor.agent(name)
            more = {"site": agent.site, "team": agent.team}
        else:
            more = {"site": self._site_of_source.get(name)} if kind == "source" else {}
        return own | {label: value for label, value in more.items() if value is not None}

    def is_open(self, scope: str) -> bool:
        """Whether the scope, else its site, has business hours now; without any, always."""
        hours = self._hours.get(scope) or self._hours.get(f"site:{self.labels(scope).get('site')}")
        return hours is None or hours.is_open(self._view.now_ms)

    def next_over_ms(self, scope: str) -> int | None:
        """When the next of those who wait in the queue goes over the threshold; None if nobody will."""
        queue = self._state.scopes.queues.get(scope)
        if queue is None or not queue.waiting:
            return None
        now_ms, found = self._view.now_ms, None
        hours = self._state.floor.queue(queue.queue_id).level_at(now_ms).hours
        for visit in queue.waiting.values():
            if visit.net > 0 and visit.threshold_ms is not None:
                over_ms = visit.queued_ms + visit.threshold_ms
                if hours is not None:
                    over_ms = hours.after_ms(visit.queued_ms, visit.threshold_ms)
                if over_ms >= now_ms and (found is None or over_ms < found):
                    found = over_ms
        return None if found is None else found + 1

    def values(self, scope: str) -> Values:
        """What is known of the scope now; nothing of one that is not there."""
        kind, _, name = scope.partition(":")
        if kind == "source":
            return self._source(name)
        if kind == "agent":
            agent = self._state.agent(name)
            return _Unknown() if agent is None else AgentValues(self._view, agent)
        if kind == "team":
            agents = member_agents(self._state, name)
            return TeamValues(self._view, agents, self._state.staff.of_agents([agent.scope for agent in agents]))
        if kind == "queue":
            queue = self._state.queue(name)
            queues = [] if queue is None else [queue]
        elif kind == "class":
            queues = class_parts(self._state, name)
        elif kind == ALL:
            queues = [queue for one in self._state.queue_ids() if (queue := self._state.queue(one)) is not None]
        else:
            queues = member_queues(self._state, kind, name)
        if not queues:
            return _Unknown()
        state, ids = self._state, [queue.queue_id for queue in queues]
        levels = [state.floor.queue(one).level_at(self._view.now_ms) for one in ids]
        level, mixed = common_level(levels, state.floor.default_queue.service_level)
        staff = state.staff.of_queue(ids[0]) if kind == "queue" else state.staff.of_queues(ids)
        known = kind != "class" and bool(state.scopes.agents)  # a feed without agents does not say that nobody is there
        return QueueValues(state, self._view, queues, level, mixed, staff if known else None, self._outlook)

    def _seen(self) -> dict[str, tuple[int, int, bool]]:
        """Source -> (newest arrival, gaps told of, whether it tells of the floor)."""
        if self._sources is None:
            self._sources = {}
            counts: dict[str, int] = {}
            for (scope, _), seen in self._state.scopes.sources.items():
                name = scope.partition(":")[2]
                received_ms, gaps, tells = self._sources.get(name, (0, 0, False))
                tells = tells or any(type_.startswith(_FLOOR_TYPES) for type_ in seen.counts)
                gaps += seen.counts.get(GAP, 0)
                self._sources[name] = (max(received_ms, seen.received_ms), gaps, tells)
                counts[name] = counts.get(name, 0) + sum(seen.counts.values())
            under_way = self._under_way()
            for name, count in counts.items():
                self._pace.setdefault(name, _Pace()).seen(self._sources[name][0], count, under_way)
        return self._sources

    def _source(self, name: str) -> Values:
        received_ms, gaps, tells = self._seen().get(name, (0, 0, False))
        silent_ms = max(0, self._state.wall_ms() - received_ms)
        expected = tells and received_ms and silent_ms < FORGOTTEN_MS and self._something_open()
        pace = self._pace.get(name)
        under_way = self._under_way()
        per_second = pace.per_second(under_way) if pace is not None and under_way else None
        return SourceValues(silent_ms if expected else None, per_second, gaps)

    def _something_open(self) -> bool:
        """Whether somebody is signed in or waits: only then is silence strange."""
        return self._state.staff.anyone() or self._someone_waits()

    def _under_way(self) -> int:
        """Contacts waiting or served."""
        return self._state.staff.busy() + sum(len(queue.waiting) for queue in self._state.scopes.queues.values())

    def _someone_waits(self) -> bool:
        return any(queue.waiting for queue in self._state.scopes.queues.values())

    def sources_of(self, scope: str) -> Sequence[str]:
        """The sources that tell of the scope's site, by the configuration; else all that tell of the floor and of no
        other site.
        """
        if kind_of(scope) == "source":
            return ()
        known, now_ms = self._seen(), self._state.wall_ms()
        telling = [name for name, (ms, _, tells) in known.items() if tells and now_ms - ms < FORGOTTEN_MS]
        site = self.labels(scope).get("site")
        named = [name for name in telling if site is not None and self._site_of_source.get(name) == site]
        return named or [name for name in telling if name not in self._site_of_source]

    def cause(self, alert: Alert) -> list[CausePart] | None:
        """What the miss is made of; None where that cannot be said. A fault of the model must not cost the alert."""
        try:
            return self._outlook.cause(alert, self._view)
        except Exception:
            log.exception("splitting the cause of %s about %s failed", alert.rule, alert.scope)
            return None
