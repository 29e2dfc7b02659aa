"""The floor as a reader of the state feed sees it: every scope, what changed when, and readings at one moment.

`staleness_seconds` everywhere means: seconds since the newest event contained here reached Kafka. It grows when any
link of the chain stands still (feed, broker, worker, reader) and also on a quiet floor without heartbeats.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec

from service.alert_board import AlertBoard
from service.cached_view import CachedView, Windows
from service.domain.calendar import Calendars
from service.domain.late_scopes import ARRAYS, LateScopes
from service.domain.scopes import AgentScope, QueueScope
from service.domain.settings import Floor
from service.domain.state_feed import MARK_KEY
from service.domain.state_keys import RECENT, SCHEMA, SOURCE, other_schema
from service.domain.view import FloorView, Staff
from service.expectations import Expectations
from service.feed_status import FeedStatus, Latency
from service.interval_history import IntervalHistory
from service.staff_index import StaffIndex

Record = tuple[bytes, bytes | None]
DEFAULT_HISTORY_DAYS: Final = 35
_SOURCES: Final = f"{SOURCE}|".encode()
_RECENT: Final = f"{RECENT}|".encode()
log = logging.getLogger(__name__)


class FloorState:
    """Scopes, history, staff and a log of changes, fed by `apply` and read through `view`.

    Until `settle` has returned True once, only the newest value of each key is kept, undecoded: a compacted topic still
    holds many values of one key, and decoding them all would make the start several times as long. `by_settle`: it is
    like that for good, for a reader who looks seldom, calls `settle` before each look, and asks for no recent visits.

    Afterwards, too, most values are decoded only when they are read (`LateScopes`), and agents are counted when
    somebody asks for staff or for what changed: each once, however many records came.
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
        self._seq = 0
        self.generation = 0
        """How often the state was thrown away and read anew."""
        self._forget()

    def _forget(self) -> None:
        self._staff = StaffIndex(self.floor, self.calendars)
        self._changed: dict[str, int] = {}
        self._newest_event_ms = 0
        self.newest_received_ms = 0
        self._windows: dict[str, Windows] = {}
        self._idle_queues: dict[str, QueueScope] = {}
        self._idle_agents: dict[str, AgentScope] = {}
        self._backlog: dict[bytes, bytes | None] | None = {}
        self._settling: deque[Record] = deque()
        self._sources_aside: set[bytes] = set()
        # what was told of a scope and not looked at yet: changes without a number, agents to be counted, those of them
        # who may serve other queues now, and scopes that may know of a newer event
        self._touched: set[str] = set()
        self._uncounted: set[str] = set()
        self._perhaps_moved: set[str] = set()
        self._unheard: set[str] = set()
        self.scopes = LateScopes(self)

    # --- the feed in ------------------------------------------------------------------------------------------------

    def apply(self, records: Sequence[Record]) -> None:
        """Take over records of `cti.state`. One that cannot be decoded is logged, counted, and changes nothing; of
        those that are read late (`LateScopes`) this shows when they are read.
        """
        if self._backlog is not None:
            self._backlog.update(records)
            self._sources_aside.update(key for key, _ in records if key.startswith(_SOURCES))
            return
        self._take_over(records)

    def _take_over(self, records: Iterable[Record]) -> None:
        latest, touched = self.scopes.latest, self._touched
        for key, value in records:
            late = latest.get(key)
            if late is None or not value or value[0] not in ARRAYS:
                self._put(key, value)
                continue
            # what `_put` comes to for one more value of a key, without its calls: that is most of all there is
            late.value, late.waits, scope = value, True, late.scope
            touched.add(scope)
            for note in late.notes:
                note.add(scope)

    def settle(self, limit: int) -> bool:
        """Decode up to `limit` records of what was put aside; True once nothing is left.

        Agents are counted afterwards, each once: every record of a plan would have the whole plan made anew.
        """
        backlog = self._backlog
        if backlog is None:
            return True
        if not self._settling and backlog:  # in the order they came, since an agent's stretches build on each other
            self._settling.extend(backlog.items())
            backlog.clear()
        if self._settling:
            self._take_over([self._settling.popleft() for _ in range(min(limit, len(self._settling)))])
        else:
            self.count(limit)
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
        self._seq += 1
        self._forget()
        self.history.clear()
        self.alerts.clear()
        self.feed.caught_up = False
        self.feed.refused = None

    def _put(self, key: bytes, value: bytes | None) -> None:
        scope: str | None
        try:
            if key == MARK_KEY:
                self._check_schema(value)
            if self._by_settle and key.startswith(_RECENT):  # who left a queue last is told by the API alone
                _, _, name = key.split(b"|", 2)
                scope = self.scopes.queue(name.decode()).scope
            else:
                scope = self.scopes.put(key, value)
        except (msgspec.DecodeError, ValueError) as error:  # a record of another version, or of a stranger
            self.refused(key, error)
            return
        if scope is None:
            return
        kind = key[:1]
        for note in self.notes(scope, kind):
            note.add(scope)
        if kind == b"f":
            self.expectations.forget(scope)
        elif kind == b"o":
            self._source_changed(scope, int(key.split(b"|", 2)[1]))
        self.touch(scope)
        if scope.startswith("class:"):  # the queue shows its classes
            self.touch("queue:" + self.scopes.classes[scope].queue_id)

    def refused(self, key: bytes, error: Exception) -> None:
        """Count a value that cannot be decoded."""
        self.feed.unreadable += 1
        log.error("record %r of the state feed cannot be read: %s", key, error)

    def bucket_read(self, scope: str, bucket: int, is_pane: bool) -> None:
        """A pane or interval differs from what was read of it before: what was made of it is no longer right."""
        windows = self._windows.get(scope)
        if windows is not None:
            windows.changed(bucket, is_pane)

    def touch(self, scope: str) -> None:
        """Note a change of the scope."""
        self._touched.add(scope)

    def _number(self) -> None:
        """Number what changed since this was done last."""
        self._count_all()
        for scope in self._touched:
            self._seq += 1
            self._changed.pop(scope, None)  # so that the newest change stands last
            self._changed[scope] = self._seq
        self._touched.clear()

    def _check_schema(self, value: bytes | None) -> None:
        """State of another version must not be served: its fields may mean something else."""
        schema = SCHEMA if value is None else msgspec.msgpack.decode(value, type=list)[0]
        if schema != SCHEMA:
            self.feed.refused = other_schema(schema)

    def notes(self, scope: str, kind: bytes) -> tuple[set[str], ...]:
        """What is to be done with the scope of a record of this kind when somebody asks."""
        if kind not in (b"l", b"t", b"s"):
            return ()
        if not scope.startswith("agent:"):
            return (self._unheard,)
        both = (self._unheard, self._uncounted)
        return (*both, self._perhaps_moved) if kind == b"l" else both

    def _count(self, agent: str) -> None:
        self._uncounted.discard(agent)
        self._perhaps_moved.discard(agent)
        for queue_id in self._staff.update(self.scopes.agents[agent], self.now_ms):
            self.touch("queue:" + queue_id)

    def count(self, limit: int) -> bool:
        """Count up to `limit` of the agents of whom something was told; True once none is left.

        For who has other things to do meanwhile: whatever needs them counts all that are left, in one go.
        """
        for _ in range(min(limit, len(self._uncounted))):
            self._count(self._uncounted.pop())
        return not self._uncounted

    def _count_all(self) -> None:
        self.count(len(self._uncounted))

    def _hear(self) -> None:
        """See how new the events are of which lately told records tell."""
        while self._unheard:
            scope = self._unheard.pop()
            agent = self.scopes.agents.get(scope)
            if agent is None:
                newest_ms = self.scopes.queue(scope).live.newest_ms
            else:
                newest_ms = agent.timeline.starts[-1] if agent.timeline.starts else 0
            self._newest_event_ms = max(self._newest_event_ms, newest_ms)

    def _source_changed(self, scope: str, partition: int) -> None:
        seen = self.scopes.sources[scope, partition]
        self._newest_event_ms = max(self._newest_event_ms, seen.newest_ms)
        if seen.received_ms > self.newest_received_ms:
            self.newest_received_ms = seen.received_ms
            if self.feed.caught_up:
                self.latency.observe(max(0, self.wall_ms() - seen.received_ms) / 1000)

    # --- reading ----------------------------------------------------------------------------------------------------

    @property
    def newest_event_ms(self) -> int:
        """The newest event time that the state contains; 0 before the first."""
        if self._unheard:
            self._hear()
        return self._newest_event_ms

    @property
    def seq(self) -> int:
        """Number of the newest change; it grows for as long as the process lives."""
        self._number()
        return self._seq

    @property
    def changed(self) -> dict[str, int]:
        """The number of each scope's newest change, in their order."""
        self._number()
        return self._changed

    @property
    def staff(self) -> StaffIndex:
        """Who is where, with every agent counted."""
        self._count_all()
        return self._staff

    def staff_of(self, queue_id: str) -> Staff:
        """`staff.of_queue` of one queue, for which only those agents are counted who serve it or have come or gone."""
        if self._uncounted:
            while self._perhaps_moved:
                agent = self._perhaps_moved.pop()
                if self.scopes.queues_served(agent) != self._staff.queues_of(agent):
                    self._count(agent)
            for agent in self._uncounted & self._staff.members(queue_id):
                self._count(agent)
        return self._staff.of_queue(queue_id)

    @property
    def now_ms(self) -> int:
        """The moment of a reading: the wall clock, or the newest event where the clock is `stream`."""
        return (self._stream and self.newest_event_ms) or self.wall_ms()

    @property
    def staleness_seconds(self) -> float | None:
        """Age of the newest event contained here, by the time it reached Kafka; None before the first."""
        if not self.newest_received_ms:
            return None
        return max(0, self.wall_ms() - self.newest_received_ms) / 1000

    def view(self) -> FloorView:
        """The floor at this moment. Totals it returns are shared: do not change them."""
        now_ms = self.now_ms
        for scope in self._staff.recheck(now_ms):
            self.touch(scope)
        return CachedView(self.floor, self.calendars, now_ms, self.windows)

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
            found = self._idle_queues.setdefault(queue_id, self.scopes.new_queue("queue:" + queue_id))
        return found

    def agent(self, agent_id: str) -> AgentScope | None:
        """The agent's state, an empty one for a configured agent without events; None for an unknown id."""
        found = self.scopes.agents.get("agent:" + agent_id)
        if found is None and agent_id in self.floor.agents and self.floor.agents[agent_id].configured:
            found = self._idle_agents.setdefault(agent_id, self.scopes.new_agent("agent:" + agent_id))
        return found

    def windows(self, scope: QueueScope | AgentScope) -> Windows:
        """The scope's cached totals."""
        found = self._windows.get(scope.scope)
        if found is None or found.scope is not scope:
            found = self._windows[scope.scope] = Windows(scope)
        return found
