"""The floor as a reader of the state feed sees it: every scope, what changed when, and readings at one moment.

`staleness_seconds` everywhere means: seconds since the newest event contained here reached Kafka. It grows when any
link of the chain stands still (feed, broker, worker, reader) and also on a quiet floor without heartbeats.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from service.alert_board import AlertBoard
from service.domain.calendar import Calendars
from service.domain.kpis import Reading
from service.domain.scopes import AGENT_PANE_MS, QUEUE_PANE_MS, AgentScope, QueueScope, Scopes
from service.domain.settings import Floor, ServiceLevel
from service.domain.state_feed import MARK_KEY
from service.domain.state_keys import SCHEMA, SOURCE, other_schema
from service.domain.totals import Totals
from service.domain.view import (
    ROLLING_MS,
    TIME_FIELDS,
    FloorView,
    Staff,
    WaitingNow,
    expected_wait_ms,
)
from service.expectations import Expectations
from service.feed_status import FeedStatus, Latency
from service.interval_history import IntervalHistory
from service.staff_index import StaffIndex
from service.window_cache import IntervalTotals, PaneTotals, merged, sums_of

Record = tuple[bytes, bytes | None]
DEFAULT_HISTORY_DAYS: Final = 35
_SOURCES: Final = f"{SOURCE}|".encode()
_NOTHING: Final = Totals()
log = logging.getLogger(__name__)


class _Windows:
    """The cached window totals of one scope."""

    __slots__ = ("_sums", "intervals", "panes", "scope")

    def __init__(self, scope: QueueScope | AgentScope) -> None:
        self.scope = scope
        self.panes = PaneTotals(scope.panes)
        self.intervals = IntervalTotals(scope.intervals)
        self._sums: PaneTotals | None = None

    @property
    def sums(self) -> PaneTotals:
        """The same as `panes` for who reads few of the fields."""
        if self._sums is None:
            self._sums = PaneTotals(self.scope.panes, sums_of)
        return self._sums

    def changed(self, number: int, of_panes: bool) -> None:
        """A pane or interval was written or removed."""
        if not of_panes:
            self.intervals.changed(number)
            return
        self.panes.changed(number)
        if self._sums is not None:
            self._sums.changed(number)


class FloorState:
    """Scopes, history, staff and a log of changes, fed by `apply` and read through `view`.

    Until `settle` has returned True once, only the newest value of each key is kept, undecoded: a compacted topic still
    holds many values of one key, and decoding them all would make the start several times as long. `by_settle`: it is
    like that for good, for a reader who looks seldom and calls `settle` before each look.
    """

    def __init__(
        self,
        floor: Floor,
        clock: Literal["wall", "stream"] = "wall",
        history_days: int = DEFAULT_HISTORY_DAYS,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        *,
        by_settle: bool = False,
    ) -> None:
        self.floor = floor
        self._by_settle = by_settle
        self.calendars = Calendars(floor)
        self.history = IntervalHistory(history_days)
        self.expectations = Expectations(floor, self.calendars, self.history)
        self.alerts = AlertBoard()
        self.feed = FeedStatus()
        self.latency = Latency()
        self.wall_ms = wall_ms
        self._stream = clock == "stream"
        self.seq = 0
        """Number of the newest change; it grows for as long as the process lives."""
        self.generation = 0
        """How often the state was thrown away and read anew."""
        self._forget()

    def _forget(self) -> None:
        self.scopes = Scopes()
        self.staff = StaffIndex(self.floor, self.calendars)
        self.changed: dict[str, int] = {}
        self.newest_event_ms = 0
        self.newest_received_ms = 0
        self._windows: dict[str, _Windows] = {}
        self._idle_queues: dict[str, QueueScope] = {}
        self._idle_agents: dict[str, AgentScope] = {}
        self._backlog: dict[bytes, bytes | None] | None = {}
        self._settling: deque[Record] = deque()
        self._sources_aside: set[bytes] = set()
        self._uncounted: set[str] = set()

    # --- the feed in ------------------------------------------------------------------------------------------------

    def apply(self, records: Sequence[Record]) -> None:
        """Take over records of `cti.state`. One that cannot be decoded is logged, counted, and changes nothing."""
        if self._backlog is not None:
            self._backlog.update(records)
            self._sources_aside.update(key for key, _ in records if key.startswith(_SOURCES))
            return
        for key, value in records:
            self._put(key, value)

    def settle(self, limit: int) -> bool:
        """Decode up to `limit` records of what was put aside; True once nothing is left.

        Agents are counted afterwards, each once: every record of a plan would have the whole plan made anew.
        """
        backlog = self._backlog
        if backlog is None:
            return True
        for _ in range(limit):
            if not self._settling and backlog:  # in the order they came, since an agent's stretches build on each other
                self._settling.extend(backlog.items())
                backlog.clear()
            if self._settling:
                self._put(*self._settling.popleft())
            elif self._uncounted:
                self._count(self._uncounted.pop())
            else:
                break
        if self._settling or backlog or self._uncounted:
            return False
        if not self._by_settle:
            self._backlog = None
        return True

    @property
    def put_aside(self) -> int:
        """How many keys wait to be decoded."""
        return len(self._settling) + len(self._backlog or ())

    def settle_sources(self) -> None:
        """Decode of what was put aside how far each source has come."""
        if self._backlog is not None and not self._settling:
            for key in self._sources_aside & self._backlog.keys():
                self._put(key, self._backlog.pop(key))
            self._sources_aside.clear()

    def reset(self) -> None:
        """Forget everything: the feed will be read from its start again."""
        self.generation += 1
        self.seq += 1
        self._forget()
        self.history.clear()
        self.alerts.clear()
        self.feed.caught_up = False
        self.feed.refused = None

    def _put(self, key: bytes, value: bytes | None) -> None:
        try:
            if key == MARK_KEY:
                self._check_schema(value)
            scope = self.scopes.put(key, value)
        except (msgspec.DecodeError, ValueError) as error:  # a record of another version, or of a stranger
            self.feed.unreadable += 1
            log.error("record %r of the state feed cannot be read: %s", key, error)
            return
        if scope is None:
            return
        kind = key[:1]
        if kind in b"pi":
            windows = self._windows.get(scope)
            if windows is not None:
                windows.changed(int(key.split(b"|", 2)[1]), kind == b"p")
        elif kind in b"lts":
            self._live_changed(scope)
        elif kind == b"f":
            self.expectations.forget(scope)
        elif kind == b"o":
            self._source_changed(scope, int(key.split(b"|", 2)[1]))
        self.touch(scope)
        if scope.startswith("class:"):  # the queue shows its classes
            self.touch("queue:" + self.scopes.classes[scope].queue_id)

    def touch(self, scope: str) -> None:
        """Note a change of the scope."""
        self.seq += 1
        self.changed.pop(scope, None)  # so that the newest change stands last
        self.changed[scope] = self.seq

    def _check_schema(self, value: bytes | None) -> None:
        """State of another version must not be served: its fields may mean something else."""
        schema = SCHEMA if value is None else msgspec.msgpack.decode(value, type=list)[0]
        if schema != SCHEMA:
            self.feed.refused = other_schema(schema)

    def _live_changed(self, scope: str) -> None:
        queue = self.scopes.queues.get(scope) or self.scopes.classes.get(scope)
        if queue is not None:
            self.newest_event_ms = max(self.newest_event_ms, queue.live.newest_ms)
            return
        agent = self.scopes.agents[scope]
        if agent.timeline.starts:
            self.newest_event_ms = max(self.newest_event_ms, agent.timeline.starts[-1])
        if self._backlog is None:
            self._count(scope)
        else:
            self._uncounted.add(scope)

    def _count(self, agent: str) -> None:
        for queue_id in self.staff.update(self.scopes.agents[agent], self.now_ms):
            self.touch("queue:" + queue_id)

    def _source_changed(self, scope: str, partition: int) -> None:
        seen = self.scopes.sources[scope, partition]
        self.newest_event_ms = max(self.newest_event_ms, seen.newest_ms)
        if seen.received_ms > self.newest_received_ms:
            self.newest_received_ms = seen.received_ms
            if self.feed.caught_up:
                self.latency.observe(max(0, self.wall_ms() - seen.received_ms) / 1000)

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """The moment of a reading: the wall clock, or the newest event where the clock is `stream`."""
        return self.newest_event_ms if self._stream and self.newest_event_ms else self.wall_ms()

    @property
    def staleness_seconds(self) -> float | None:
        """Age of the newest event contained here, by the time it reached Kafka; None before the first."""
        if not self.newest_received_ms:
            return None
        return max(0, self.wall_ms() - self.newest_received_ms) / 1000

    def view(self) -> FloorView:
        """The floor at this moment. Totals it returns are shared: do not change them."""
        now_ms = self.now_ms
        for scope in self.staff.recheck(now_ms):
            self.touch(scope)
        return _CachedView(self, now_ms)

    def queue_ids(self) -> list[str]:
        """Every queue: the configured ones in their order, then those seen in the stream by name."""
        configured = [queue_id for queue_id, queue in self.floor.queues.items() if queue.configured]
        known = set(configured)
        return configured + sorted(q.queue_id for q in self.scopes.queues.values() if q.queue_id not in known)

    def agent_ids(self) -> list[str]:
        """Every agent: the configured ones in their order, then those seen in the stream by name."""
        configured = [agent_id for agent_id, agent in self.floor.agents.items() if agent.configured]
        known = set(configured)
        return configured + sorted(a.agent_id for a in self.scopes.agents.values() if a.agent_id not in known)

    def queue(self, queue_id: str) -> QueueScope | None:
        """The queue's state, an empty one for a configured queue without events; None for an unknown id."""
        found = self.scopes.queues.get("queue:" + queue_id)
        if found is None and queue_id in self.floor.queues and self.floor.queues[queue_id].configured:
            found = self._idle_queues.setdefault(queue_id, QueueScope("queue:" + queue_id))
        return found

    def agent(self, agent_id: str) -> AgentScope | None:
        """The agent's state, an empty one for a configured agent without events; None for an unknown id."""
        found = self.scopes.agents.get("agent:" + agent_id)
        if found is None and agent_id in self.floor.agents and self.floor.agents[agent_id].configured:
            found = self._idle_agents.setdefault(agent_id, AgentScope("agent:" + agent_id))
        return found

    def windows(self, scope: QueueScope | AgentScope) -> _Windows:
        """The scope's cached totals."""
        found = self._windows.get(scope.scope)
        if found is None or found.scope is not scope:
            found = self._windows[scope.scope] = _Windows(scope)
        return found


class _CachedView(FloorView):
    """The same readings as FloorView, from totals that are merged once."""

    def __init__(self, state: FloorState, now_ms: int) -> None:
        super().__init__(state.floor, state.calendars, now_ms)
        self._state = state

    def queue_totals(self, queue: QueueScope, window: str) -> Totals:
        """A queue's totals of one window."""
        windows = self._state.windows(queue)
        span_ms = ROLLING_MS.get(window)
        if span_ms is not None:
            return windows.panes.rolling(span_ms // QUEUE_PANE_MS, self.now_ms // QUEUE_PANE_MS)
        return windows.intervals.total(*self.bounds_ms(queue.scope, window))

    def queue_sums(self, queue: QueueScope, window: str) -> Totals:
        """The same for who reads few of the fields."""
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            return self._state.windows(queue).intervals.sums(*self.bounds_ms(queue.scope, window))
        return self._state.windows(queue).sums.rolling(span_ms // QUEUE_PANE_MS, self.now_ms // QUEUE_PANE_MS)

    def queue_now(self, queues: list[QueueScope], staff: Staff | None, level: ServiceLevel) -> Reading:
        """What is true of one or several queues now."""
        waiting = WaitingNow(self._floor, queues, self.now_ms)
        hours = [self.queue_sums(queue, "60m") for queue in queues]
        last_hour = hours[0] if len(hours) == 1 else sums_of(hours)
        wait_ms = expected_wait_ms(waiting.oldest_ms, staff, last_hour)
        return Reading(_NOTHING, level, waiting.count, waiting.over, waiting.oldest_ms, staff, wait_ms)

    def agent_counts(self, agent: AgentScope, window: str) -> Totals:
        """What contacts come to in a window of an agent's; shared, not to be changed."""
        windows = self._state.windows(agent)
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            return windows.intervals.total(*self.bounds_ms(agent.scope, window))
        return windows.panes.rolling(span_ms // AGENT_PANE_MS, self.now_ms // AGENT_PANE_MS)

    def queue_panes(self, queue: QueueScope, first: int, end: int) -> Totals:
        """The same of the panes [first, end)."""
        return self._state.windows(queue).sums.between(first, end)

    def own_agent_counts(self, agent: AgentScope, window: str) -> Totals:
        """A copy of it."""
        return merged((self.agent_counts(agent, window),))

    def agent_sums(self, agent: AgentScope, window: str) -> Totals:
        """An agent's totals for who reads few of the fields: time in state, or in adherence, is measured if asked
        for.
        """
        span_ms = ROLLING_MS.get(window)
        if span_ms is None:
            return self.agent_totals(agent, window)
        counts = self._state.windows(agent).sums.rolling(span_ms // AGENT_PANE_MS, self.now_ms // AGENT_PANE_MS)
        times: Totals | None = None

        def measured(name: str) -> Totals | None:
            nonlocal times
            if name in TIME_FIELDS:
                times = times or self.agent_times(agent, span_ms)
                return times
            return self.agent_adherence(agent, span_ms) if name == "adherence_ms" else None

        return sums_of((counts,), measured)
