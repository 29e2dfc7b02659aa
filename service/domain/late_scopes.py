"""Scopes of a reader who is told far more often than asked.

A worker writes the same keys at every flush, and most values are replaced before anybody looks. So the newest value of
the newest pane, interval, bucket of stretches and live record of each scope is kept as it came, and decoded when it is
read or when the next bucket is told of: one value of each kind waits at most, however long nobody looks. Everything
else is decoded at once.

A value that does not even look like one is refused when it comes (`put` raises). One that cannot be decoded later is
told to `Watcher.refused` then, and what was read before stands; a value that was replaced unread is never judged.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from service.domain.agent_glance import live_read, queues_told
from service.domain.agents import AgentTimeline
from service.domain.scopes import DECODERS, AgentLive, AgentScope, Interval, QueueLive, QueueScope, Scopes
from service.domain.totals import Totals
from service.domain.view import queues_served

ARRAYS: Final = frozenset((*range(0x90, 0xA0), 0xDC, 0xDD))
"""First bytes of what all values are: a msgpack array."""

_SLOT: Final = {b"p": "late_panes", b"i": "late_intervals", b"l": "late_live", b"t": "late_stretches"}
"""The kinds of values that are read late, and where a scope has them."""

_DECODER: Final = {b"p": "pane", b"i": "interval", b"l": "queue", b"t": "stretches"}
"""How they are decoded; an agent's live record is read by `live_read`."""


class Watcher(Protocol):
    """Who is told what comes of decoding late."""

    def refused(self, key: bytes, error: Exception) -> None:
        """The value of this key cannot be decoded."""

    def bucket_read(self, scope: str, bucket: int, is_pane: bool) -> None:
        """A pane or interval differs from what was read of it before, or is gone."""

    def notes(self, scope: str, kind: bytes) -> tuple[set[str], ...]:
        """Where the scope is to be noted whenever a value of the kind comes."""


class Late:
    """The newest value of one kind as it came. `take` is given (bucket, decoded value); None is a tombstone.

    While its key stays the same, whoever has the next value may set `value` and `waits` and make the `notes` itself.
    """

    __slots__ = ("_decode", "_refused", "_take", "key", "notes", "scope", "value", "waits")

    def __init__(self, scope: str, kind: bytes, take: Callable[[int, Any], None], watcher: Watcher) -> None:
        is_live_agent = kind == b"l" and scope.startswith("agent:")
        self._decode = live_read if is_live_agent else DECODERS[_DECODER[kind]].decode
        self._take = take
        self._refused = watcher.refused
        self.scope = scope
        self.notes = watcher.notes(scope, kind)
        self.waits = False
        self.key, self.value = b"", b""

    def put(self, key: bytes, value: bytes | None) -> None:
        """Keep a value; another bucket's that waits is decoded first."""
        if self.waits and key != self.key:
            self.read()
        self.key = key
        if value is None:
            self.waits = False
            self._take(_bucket_of(key), None)
        else:
            self.value = value
            self.waits = True

    def read(self) -> None:
        """Decode what waits."""
        if not self.waits:
            return
        self.waits = False
        try:
            self._take(_bucket_of(self.key), self._decode(self.value))
        except (msgspec.DecodeError, ValueError) as error:
            self._refused(self.key, error)


def _bucket_of(key: bytes) -> int:
    return int(key.split(b"|", 2)[1])


class _LateBuckets:
    """Panes and intervals, read late."""

    __slots__ = tuple[str, ...]()  # those of its heirs, beside their other base's
    scope: str
    late_intervals: Late
    late_panes: Late
    _intervals: dict[int, Interval]
    _panes: dict[int, Totals]
    _watcher: Watcher

    def _begin(self, scope: str, watcher: Watcher) -> None:
        self._watcher = watcher
        self.late_panes = Late(scope, b"p", self._take_pane, watcher)
        self.late_intervals = Late(scope, b"i", self._take_interval, watcher)

    @property
    def panes(self) -> dict[int, Totals]:
        """Totals by number of the pane."""
        if self.late_panes.waits:
            self.late_panes.read()
        return self._panes

    @panes.setter
    def panes(self, panes: dict[int, Totals]) -> None:
        self._panes = panes

    @property
    def intervals(self) -> dict[int, Interval]:
        """Intervals by their start."""
        if self.late_intervals.waits:
            self.late_intervals.read()
        return self._intervals

    @intervals.setter
    def intervals(self, intervals: dict[int, Interval]) -> None:
        self._intervals = intervals

    def _take_pane(self, number: int, pane: Totals | None) -> None:
        _take(self._panes, number, pane)
        self._watcher.bucket_read(self.scope, number, True)

    def _take_interval(self, start_ms: int, interval: Interval | None) -> None:
        _take(self._intervals, start_ms, interval)
        self._watcher.bucket_read(self.scope, start_ms, False)


def _take(buckets: dict[int, Any], bucket: int, value: Any) -> None:
    if value is None:
        buckets.pop(bucket, None)
    else:
        buckets[bucket] = value


class LateQueue(_LateBuckets, QueueScope):
    """A queue, or a class in it, of which panes, intervals and lifetime are read late."""

    __slots__ = ("_intervals", "_live", "_panes", "_watcher", "late_intervals", "late_live", "late_panes")

    def __init__(self, scope: str, watcher: Watcher) -> None:
        self._begin(scope, watcher)
        self.late_live = Late(scope, b"l", self._take_live, watcher)
        super().__init__(scope)

    @property
    def live(self) -> QueueLive:
        """What the queue keeps for ever."""
        if self.late_live.waits:
            self.late_live.read()
        return self._live

    @live.setter
    def live(self, live: QueueLive) -> None:
        self._live = live

    def _take_live(self, _: int, live: QueueLive) -> None:
        self._live = live


class LateAgent(_LateBuckets, AgentScope):
    """An agent of whom panes, intervals, the live record and the newest stretches are read late."""

    __slots__ = (
        "_intervals", "_live", "_panes", "_watcher", "late_intervals", "late_live", "late_panes", "late_stretches",
    )  # fmt: skip

    def __init__(self, scope: str, watcher: Watcher) -> None:
        self._begin(scope, watcher)
        self.late_live = Late(scope, b"l", self._take_live, watcher)
        self.late_stretches = Late(scope, b"t", self.take_stretches, watcher)
        super().__init__(scope)

    @property
    def live(self) -> AgentLive:
        """What the agent keeps for ever."""
        if self.late_live.waits:
            self.late_live.read()
        return self._live

    @live.setter
    def live(self, live: AgentLive) -> None:
        self._live = live

    @property
    def timeline(self) -> AgentTimeline:
        """The agent's timeline."""
        if self.late_live.waits:
            self.late_live.read()
        if self.late_stretches.waits:
            self.late_stretches.read()
        found = self._timeline
        return super().timeline if found is None else found

    def _take_live(self, _: int, live: AgentLive) -> None:
        self.set_live(live)


class LateScopes(Scopes):
    """Every scope known to a reader. `latest` has, by key, what waits or waited last of each kind of each scope."""

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self._watcher = watcher
        self._by_name: dict[bytes, LateQueue | LateAgent] = {}
        self.latest: dict[bytes, Late] = {}

    def new_queue(self, scope: str) -> QueueScope:
        """A queue nobody has heard of."""
        return LateQueue(scope, self._watcher)

    def new_agent(self, scope: str) -> AgentScope:
        """The same of an agent."""
        return LateAgent(scope, self._watcher)

    def put(self, key: bytes, value: bytes | None) -> str | None:
        """As `Scopes.put`; a value that is to be read late is only looked at."""
        kind, bucket, name = key.split(b"|", 2)
        if kind not in _SLOT:
            return super().put(key, value)
        int(bucket)
        if value is not None and (not value or value[0] not in ARRAYS):
            raise msgspec.DecodeError("it is no msgpack array")
        holder = self._by_name.get(name) or self._meet(name)
        if kind == b"t" and not isinstance(holder, LateAgent):
            raise ValueError(f"{holder.scope} is no agent, and has no timeline")
        if kind != b"l" or value is not None:
            self._put_late(getattr(holder, _SLOT[kind]), key, value)
        return holder.scope

    def _put_late(self, late: Late, key: bytes, value: bytes | None) -> None:
        self.latest.pop(late.key, None)
        late.put(key, value)
        if value is not None and not late.scope.startswith("class:"):  # with it, its queue is touched
            self.latest[key] = late

    def queues_served(self, agent: str) -> tuple[str, ...]:
        """`view.queues_served` of an agent scope, of whom no more is decoded for it."""
        found = self.agents[agent]
        if isinstance(found, LateAgent) and found.late_live.waits:
            try:
                return queues_told(found.late_live.value)
            except msgspec.DecodeError:
                found.late_live.read()  # which tells of it
        return queues_served(found.live.record)

    def _meet(self, name: bytes) -> LateQueue | LateAgent:
        scope = name.decode()
        holder = self.agent(scope) if name.startswith(b"agent:") else self.queue(scope)
        assert isinstance(holder, LateQueue | LateAgent)
        self._by_name[name] = holder
        return holder
