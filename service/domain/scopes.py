"""The floor's state: per queue and agent the totals by pane and interval, who waits, and what agents do.

AGGREGATE writes it, the API and the evaluator rebuild the same objects from the state feed.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, ClassVar, Final

import msgspec
from msgspec import Struct, field

from service.domain.agents import AgentRecord, AgentTimeline
from service.domain.calendar import Calendar
from service.domain.capacity import SharedTimeline
from service.domain.facts import Forecast, SourceSeen
from service.domain.recent import RecentVisit, RecentVisits
from service.domain.schedule import DayPlan, Plan
from service.domain.settings import Adherence
from service.domain.state_keys import (
    FORECAST,
    INTERVAL,
    LIVE,
    PANE,
    PLAN,
    RECENT,
    SOURCE,
    STRETCHES,
    WAITING,
    decode_key,
    parts_of,
)
from service.domain.steps import NOT_NOTED, STRETCH_BUCKET_MS, Stretches
from service.domain.totals import Totals, bump, total_of

QUEUE_PANE_MS: Final = 10_000
AGENT_PANE_MS: Final = 60_000
HISTOGRAM_EDGES_MS: Final = tuple(
    1000 * s for s in (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 3600, 7200)
)
"""Upper edges of the lifetime histograms of waiting and handling, equal for every queue; a longer duration has no edge.
"""
_EDGES: Final = (*HISTOGRAM_EDGES_MS, -1)


class Interval(Struct, array_like=True, gc=False):
    """One interval's totals under both attributions. `revision` is 0 while it is the scope's newest; each later
    change adds one.

    Most contacts arrive in the interval of their outcome: they, and the time in state, are in `common`. What counts
    here under one attribution alone is in one of the other two; None: there is no such thing.
    """

    common: Totals = field(default_factory=Totals)
    outcome_only: Totals | None = None
    arrival_only: Totals | None = None
    revision: int = 0

    @property
    def outcome(self) -> Totals:
        """What happened in the interval; not to be changed."""
        return self.common if self.outcome_only is None else total_of([self.common, self.outcome_only])

    @property
    def arrival(self) -> Totals:
        """What became of those who arrived in the interval, and its time in state; not to be changed."""
        return self.common if self.arrival_only is None else total_of([self.common, self.arrival_only])

    @property
    def is_measured_alone(self) -> bool:
        """Whether all that it has is adherence: no fact fell into it."""
        sums = self.common.adherence_ms
        alone = bool(sums) and self.outcome_only is None and self.arrival_only is None
        return alone and self.common == Totals(adherence_ms=sums)

    def totals(self, attribution: str) -> Totals:
        """The totals under `outcome` or `arrival`."""
        return self.outcome if attribution == "outcome" else self.arrival


class Waiting(Struct, array_like=True, gc=False):
    """A visit in the queue. `net` is 1; a correction under way may take it through 0 or 2."""

    queued_ms: int
    threshold_ms: int | None
    net: int = 0


class QueueLive(Struct, array_like=True, gc=False):
    """What a queue keeps for ever: lifetime totals and histograms (edge in ms -> count; -1 above all edges)."""

    lifetime: Totals = field(default_factory=Totals)
    newest_ms: int = 0
    wait_histogram: dict[int, int] = field(default_factory=dict)
    handle_histogram: dict[int, int] = field(default_factory=dict)


class AgentLive(Struct, array_like=True, gc=False):
    """What an agent keeps for ever: the timeline's present end. Stored when the own side changes, not for every leg.

    `settled_ms`: the intervals before it have the sums of adherence, for an agent with a schedule.
    """

    record: AgentRecord = field(default_factory=AgentRecord)
    settled_ms: int = 0


Span = tuple[int, int, Interval]
"""(start, end, interval): what lies in [start, end) belongs to the interval."""

Found = tuple[int, int, list[Totals]]
"""(start, end, totals): where facts of one pane go whose contact arrived in [start, end)."""

NO_SPAN: Final[Span] = (0, 0, Interval())
"""Nothing lies in it."""


class _Scope:
    """What queues and agents have in common.

    `calendar`, `found`, `span` and `warm` are AGGREGATE's: the site's calendar, and buckets at hand until the next
    flush. So are `last_interval_ms`, where the newest of `intervals` begins (None: to be looked for), and `expired_ms`,
    before which there are none.
    """

    __slots__ = (
        "calendar", "expired_ms", "found", "intervals", "key", "last_interval_ms", "newest_ms", "panes", "scope",
        "span", "warm",
    )  # fmt: skip
    pane_ms: ClassVar[int]
    is_agent: ClassVar[bool]
    calendar: Calendar

    def __init__(self, scope: str) -> None:
        self.scope = scope
        self.key = scope.encode()
        self.panes: dict[int, Totals] = {}
        self.intervals: dict[int, Interval] = {}
        self.last_interval_ms: int | None = None
        self.expired_ms = 0
        self.newest_ms = 0
        """The newest event time of a fact."""
        self.found: dict[int, Found] = {}
        self.span = NO_SPAN
        self.warm = False

    def forget_found(self) -> None:
        """Have every pane and interval looked up, and noted as changed, again."""
        self.found.clear()
        self.span = NO_SPAN

    def cool(self) -> None:
        """What changed is stored: nothing is at hand or noted any more."""
        self.forget_found()
        self.warm = False


class QueueScope(_Scope):
    """The state of one queue, or of one customer class in it (`customer_class` None: of all together)."""

    __slots__ = ("customer_class", "forecasts", "live", "queue_id", "recent", "waiting")
    pane_ms = QUEUE_PANE_MS
    is_agent = False

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.customer_class, self.queue_id = parts_of(scope)
        self.waiting: dict[str, Waiting] = {}
        self.recent = RecentVisits()
        self.forecasts: dict[int, Forecast] = {}
        """By their start."""
        self.live = QueueLive()


class AgentScope(_Scope):
    """One agent's state. Stretches read from the state feed are put together to the timeline when it is asked for."""

    __slots__ = ("_plan", "_read", "_timeline", "agent_id", "channel_of", "days", "live", "settled_bucket")
    pane_ms = AGENT_PANE_MS
    is_agent = True

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.agent_id = scope.partition(":")[2]
        self.live = AgentLive()
        self._read: dict[int, Stretches] = {}
        self._timeline: AgentTimeline | None = None
        self.channel_of: Callable[[str | None], str] | None = None
        """AGGREGATE's: the channel of a queue, for an agent with room for several contacts; None for others."""
        self.days: dict[int, DayPlan] = {}
        """What was told of the agent's schedule, by the start of the business day."""
        self._plan: Plan | None = None
        self.settled_bucket = 0
        """A change of stretches that begin in an earlier bucket changes intervals that are settled."""

    def cool(self) -> None:
        """What changed is stored: nothing is at hand or noted any more."""
        super().cool()
        if self._timeline is not None:
            self._timeline.noted = NOT_NOTED

    @property
    def record(self) -> AgentRecord:
        """What the agent does now."""
        timeline = self.timeline
        if timeline.stale:
            timeline.show()
        return self.live.record

    @property
    def timeline(self) -> AgentTimeline:
        """The agent's timeline."""
        if self._timeline is None:
            record, channel_of = self.live.record, self.channel_of
            self._timeline = AgentTimeline(record) if channel_of is None else SharedTimeline(record, channel_of)
            for bucket in sorted(self._read):
                self._timeline.put(bucket, self._read[bucket])
        return self._timeline

    def plan(self, calendar: Calendar, settings: Adherence) -> Plan | None:
        """What the agent is to do; None while no schedule is known. `calendar` is the one of the agent's site."""
        if not self.days:
            return None
        if self._plan is None or self._plan.settings is not settings:
            self._plan = Plan(self.days.values(), calendar, settings)
        return self._plan

    def plan_changed(self) -> None:
        """`days` differ."""
        self._plan = None

    def set_day(self, day_ms: int, value: bytes | None) -> None:
        """Take over what was told of one day, read from the state feed; None: it is gone."""
        _put(self.days, day_ms, value, "plan")
        self._plan = None

    def see_bucket(self, bucket: int, is_pane: bool) -> None:
        """A pane or interval was read from the state feed: as a rule, a fact was as new as that."""
        interval = None if is_pane else self.intervals.get(bucket)
        if interval is None or not interval.is_measured_alone:
            self.newest_ms = max(self.newest_ms, bucket * AGENT_PANE_MS if is_pane else bucket)

    def settle(self, settled_ms: int) -> None:
        """The intervals before `settled_ms` have the sums of adherence."""
        self.live.settled_ms = settled_ms
        self.settled_bucket = -(-settled_ms // STRETCH_BUCKET_MS)

    def set_live(self, live: AgentLive) -> None:
        """Take over what was read from the state feed."""
        self.live = live
        self.settle(live.settled_ms)
        if self._timeline is not None:
            self._timeline.record = live.record
            self._timeline.stale = True

    def set_stretches(self, bucket: int, value: bytes | None) -> None:
        """Take over one bucket of stretches read from the state feed; None: it is gone."""
        self.take_stretches(bucket, None if value is None else DECODERS["stretches"].decode(value))

    def take_stretches(self, bucket: int, stretches: Stretches | None) -> None:
        """The same, decoded."""
        if stretches is None:
            self._read.pop(bucket, None)
            self._timeline = None
            return
        if len(stretches.after_ms) != len(stretches.whats):
            raise ValueError(
                f"{self.scope} has {len(stretches.after_ms)} stretches, and {len(stretches.whats)} are told"
            )
        self._read[bucket] = stretches
        if self._timeline is not None and not self._timeline.put(bucket, stretches):
            self._timeline = None


Scope = QueueScope | AgentScope

DECODERS: Final[dict[str, msgspec.msgpack.Decoder[Any]]] = {
    "pane": msgspec.msgpack.Decoder(Totals),
    "interval": msgspec.msgpack.Decoder(Interval),
    "queue": msgspec.msgpack.Decoder(QueueLive),
    "agent": msgspec.msgpack.Decoder(AgentLive),
    "waiting": msgspec.msgpack.Decoder(Waiting),
    "recent": msgspec.msgpack.Decoder(RecentVisit),
    "stretches": msgspec.msgpack.Decoder(Stretches),
    "plan": msgspec.msgpack.Decoder(DayPlan),
    "source": msgspec.msgpack.Decoder(SourceSeen),
    "forecast": msgspec.msgpack.Decoder(Forecast),
}


class Scopes:
    """Every scope known here, by kind and id."""

    def __init__(self) -> None:
        self.queues: dict[str, QueueScope] = {}
        self.classes: dict[str, QueueScope] = {}
        self.classes_of: dict[str, dict[str, QueueScope]] = {}
        """The parts of queues that customer classes have: by scope, and by queue and class."""
        self.agents: dict[str, AgentScope] = {}
        self.sources: dict[tuple[str, int], SourceSeen] = {}

    def names(self) -> Iterable[str]:
        """All queues, classes and agents."""
        return chain(self.queues, self.classes, self.agents)

    def find(self, scope: str) -> Scope | None:
        """The scope of that name; None: never heard of."""
        return self.queues.get(scope) or self.classes.get(scope) or self.agents.get(scope)

    def queue(self, scope: str) -> QueueScope:
        """The queue scope `queue:ID`, or that of a class in a queue, made when first heard of."""
        found = self.queues.get(scope) or self.classes.get(scope)
        if found is None:
            found = self.new_queue(scope)
            if found.customer_class is None:
                self.queues[scope] = found
            else:
                self.classes[scope] = found
                self.classes_of.setdefault(found.queue_id, {})[found.customer_class] = found
        return found

    def agent(self, scope: str) -> AgentScope:
        """The agent scope `agent:ID`, made when first heard of."""
        found = self.agents.get(scope)
        if found is None:
            found = self.agents[scope] = self.new_agent(scope)
        return found

    def new_queue(self, scope: str) -> QueueScope:
        """A queue nobody has heard of."""
        return QueueScope(scope)

    def new_agent(self, scope: str) -> AgentScope:
        """The same of an agent."""
        return AgentScope(scope)

    def put(self, key: bytes, value: bytes | None) -> str | None:
        """Apply one record of the state feed; None is a tombstone. Returns the scope touched, None for a mark.

        Raises msgspec.DecodeError, ValueError for what is no such record.
        """
        kind, bucket, scope = decode_key(key)
        if kind == WAITING:
            return self._put_waiting(bucket_scope(bucket, scope), value)
        if kind == SOURCE:
            if value is None:  # nobody forgets a source
                return None
            self.sources[scope, int(bucket)] = DECODERS["source"].decode(value)
            return scope
        if kind == RECENT:
            self.queue(scope).recent.put(int(bucket), None if value is None else DECODERS["recent"].decode(value))
            return scope
        if kind == FORECAST:
            _put(self.queue(scope).forecasts, int(bucket), value, "forecast")
            return scope
        if kind not in (PANE, INTERVAL, LIVE, STRETCHES, PLAN):
            return None
        holder: Any = self.agent(scope) if scope.startswith("agent:") else self.queue(scope)
        if kind == LIVE:
            self._put_live(holder, value)
        elif kind in (STRETCHES, PLAN):
            _put_time(holder, kind, int(bucket), value)
        else:
            _put(holder.panes if kind == PANE else holder.intervals, int(bucket), value, _TYPE[kind])
            holder.last_interval_ms, holder.expired_ms = None, 0
            if isinstance(holder, AgentScope):  # an agent's newest time is not stored by itself
                holder.see_bucket(int(bucket), kind == PANE)
        return scope

    def _put_live(self, holder: Scope, value: bytes | None) -> None:
        if value is None:
            return
        if isinstance(holder, QueueScope):
            holder.live = DECODERS["queue"].decode(value)
            holder.newest_ms = holder.live.newest_ms
        else:
            holder.set_live(DECODERS["agent"].decode(value))

    def _put_waiting(self, where: tuple[str, str], value: bytes | None) -> str:
        scope, visit_id = where
        waiting = self.queue(scope).waiting
        if value is None:
            waiting.pop(visit_id, None)
        else:
            waiting[visit_id] = DECODERS["waiting"].decode(value)
        return scope


_TYPE = {PANE: "pane", INTERVAL: "interval"}


def _put_time(holder: Scope, kind: str, bucket: int, value: bytes | None) -> None:
    if not isinstance(holder, AgentScope):
        raise ValueError(f"{holder.scope} is no agent, and has neither a timeline nor a schedule")
    (holder.set_stretches if kind == STRETCHES else holder.set_day)(bucket, value)


def _put(buckets: dict[int, Any], bucket: int, value: bytes | None, decoder: str) -> None:
    if value is None:
        buckets.pop(bucket, None)
    else:
        buckets[bucket] = DECODERS[decoder].decode(value)


def waiting_bucket(scope: str, visit_id: str) -> tuple[int, str]:
    """(bucket, scope part) of a waiting visit's key: the length of the scope tells where the visit id begins."""
    return len(scope), scope + visit_id


def bucket_scope(bucket: str, joined: str) -> tuple[str, str]:
    """The scope and visit id that `waiting_bucket` joined."""
    length = int(bucket)
    return joined[:length], joined[length:]


def count_in_histogram(histogram: dict[int, int], value_ms: int, sign: int) -> None:
    """Count a duration at the first edge that is not below it; -1 stands for longer than all edges."""
    bump(histogram, _EDGES[bisect_left(HISTOGRAM_EDGES_MS, value_ms)], sign)
