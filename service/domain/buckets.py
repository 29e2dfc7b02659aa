"""Where a fact's totals live: intervals, panes, lifetime; which of them changed, and when old ones expire.

The lowest of three layers; above it are `StateFeed` (state_feed.py) and `AggregateStore` (aggregate.py).
"""

from collections.abc import Callable
from typing import Any, Final

from service.domain import state_keys as keys
from service.domain.admission import Admission
from service.domain.calendar import Calendars
from service.domain.facts import SourceSeen, following_partition
from service.domain.mark import Mark
from service.domain.scopes import AgentScope, Interval, QueueScope, Scope, Scopes
from service.domain.settings import Floor
from service.domain.steps import NOT_NOTED, STRETCH_BUCKET_MS
from service.domain.totals import Totals, bump

PANES_KEPT_MS: Final = 7_200_000
EXPIRE_EVERY: Final = 30
"""Panes are looked through for old ones at every so many new ones."""

INTERVALS_KEPT_MS: Final = 48 * 3_600_000
SLOW_INTERVALS_KEPT_MS: Final = 15 * 86_400_000
"""The same of queues whose visits wait for days: an outcome is counted at the arrival, too."""

PLANS_KEPT_MS: Final = 48 * 3_600_000
STRETCHES_KEPT_MS: Final = 26 * 3_600_000
NEVER_MS: Final = 1 << 60
FOUND_LIMIT: Final = 500
MINUTE_MS: Final = 60_000


class _Known(dict[str, Any]):
    """Scopes by name; one first asked for is learnt."""

    def __init__(self, learn: Callable[[str], Any]) -> None:
        super().__init__()
        self._learn = learn

    def __missing__(self, scope: str) -> Any:
        found = self[scope] = self._learn(scope)
        return found


class Buckets:
    """The floor's state of one partition, found by scope and time; what changed is noted for the next flush."""

    def __init__(
        self,
        floor: Floor,
        partition: int = 0,
        partitions: int = 1,
        live: bool = True,
        from_ms: int = 0,
        to_ms: int | None = None,
    ) -> None:
        """`live` False (reports): no panes, nothing expires. Totals cover [from_ms, to_ms); state follows every fact.

        `partitions` is how many source partitions there are.
        """
        self._floor = floor
        self.scopes = Scopes()
        self._admission = Admission(floor, self.scopes)
        self.calendars = Calendars(floor)
        self.mark = Mark()
        self._partition, self._partitions = partition, partitions
        self._reached_ms = self._followed_ms = 0
        self._live = live
        self._from_ms, self._to_ms = from_ms, NEVER_MS if to_ms is None else to_ms
        self._known = _Known(self._learn)
        self._dirty_panes: dict[tuple[int, Scope], Totals] = {}
        self._dirty_intervals: dict[tuple[int, Scope], Interval] = {}
        self._dirty_stretches: set[tuple[int, AgentScope]] = set()
        self._dirty_plans: set[tuple[int, AgentScope]] = set()
        self._unsettled: dict[AgentScope, int] = {}
        self._dirty_live: set[Scope] = set()
        self._dirty_forecasts: set[tuple[int, QueueScope]] = set()
        self._dirty_recent: set[tuple[int, QueueScope]] = set()
        self._dirty_sources: set[tuple[str, int]] = set()
        self._gone: set[tuple[str, int, str]] = set()
        self._closed: dict[tuple[Scope, int], Interval] = {}
        self._warm: list[Scope] = []

    def _move_on(self, source: int, newest_ms: int) -> None:
        """Event time has come this far in a source partition, or where facts follow from; what all have passed by long
        enough may expire.
        """
        if source < 0:
            self.mark.expect_following(self._partitions)
            source, told = following_partition(source), self.mark.followed_ms
        else:
            told = self.mark.newest_ms
        if newest_ms > told.get(source, 0):
            told[source] = newest_ms
            self._reach()

    def _reach(self) -> None:
        """Work out what the mark allows to expire."""
        self._reached_ms = self.mark.reached_ms(self._partitions)
        self._followed_ms = self.mark.followed_by_all_ms(self._partitions)

    @property
    def reached_ms(self) -> int:
        """How far event time has come in all source partitions, or in the fastest but for the days kept for others."""
        return self._reached_ms

    def _expect_following(self) -> None:
        """Facts that follow from other partitions' are on their way to queues kept here."""
        if not self.mark.followed_ms:
            self.mark.expect_following(self._partitions)
            self._reach()

    def _horizon_ms(self, scope: Scope, kept_ms: int) -> int:
        """What lies before this is not kept."""
        return min(scope.newest_ms, self._reached_ms if scope.is_agent else self._followed_ms) - kept_ms

    def _learn(self, scope: str) -> Any:
        """The queue, class or agent of that name, with its calendar. Raises ScopeLimitReached."""
        found: Scope
        admitted = self._live and self._admission.admit(scope)
        if scope[0] == "a":
            found = self.scopes.agent(scope)
            if self._floor.agent(found.agent_id).capacity:
                found.channel_of = self._channel_of
        else:
            found = self.scopes.queue(scope)
        found.calendar = self.calendars.of_scope(scope)
        if admitted:
            self._dirty_live.add(found)  # so that it is counted after a restart, whatever becomes of the fact
        return found

    def _channel_of(self, queue_id: str | None) -> str:
        """The channel of a queue; of contacts without one, that of queues first seen in the stream."""
        return (self._floor.default_queue if queue_id is None else self._floor.queue(queue_id)).channel

    def _buckets(self, scope: Scope, at_ms: int, arrival_ms: int) -> list[Totals]:
        """The totals a fact belongs to: the interval, or one by outcome and one by arrival, pane, lifetime; none if
        the fact is too old.

        A pane lies in one interval, so what was found once holds until the next flush for all that arrived in the
        same interval.
        """
        if at_ms > scope.newest_ms:
            scope.newest_ms = at_ms
        found = scope.found.get(at_ms // scope.pane_ms)
        if found is not None and found[0] <= arrival_ms < found[1]:
            return found[2]
        return self._find_buckets(scope, at_ms, arrival_ms)

    def _find_buckets(self, scope: Scope, at_ms: int, arrival_ms: int) -> list[Totals]:
        totals: list[Totals] = []
        same = False
        interval = self._interval_at(scope, at_ms) if at_ms >= self._from_ms else None
        if interval is not None:
            start_ms, end_ms, _ = scope.span
            same = start_ms <= arrival_ms < end_ms
            totals.append(interval.common if same else _outcome_only(interval))
        elif at_ms >= self._from_ms:
            self._count("", "late")
            return totals
        if not same and arrival_ms >= self._from_ms:
            other = self._interval(scope, scope.calendar.interval_start_ms(arrival_ms))
            if other is not None:
                totals.append(_arrival_only(other))
        if self._live:
            self._add_live(scope, at_ms, totals)
        elif len(scope.found) > FOUND_LIMIT:
            scope.found.clear()
        if same and start_ms <= at_ms - at_ms % scope.pane_ms:
            scope.found[at_ms // scope.pane_ms] = (start_ms, end_ms, totals)
        return totals

    def _add_live(self, scope: Scope, at_ms: int, totals: list[Totals]) -> None:
        """Add pane and lifetime to the totals a fact belongs to."""
        if scope.newest_ms - at_ms < PANES_KEPT_MS:
            number = at_ms // scope.pane_ms
            pane = scope.panes.get(number)
            if pane is None:
                pane = self._new_pane(scope, number)
            self._dirty_panes[number, scope] = pane
            totals.append(pane)
        if isinstance(scope, QueueScope):
            totals.append(scope.live.lifetime)
            self._dirty_live.add(scope)

    def _new_pane(self, scope: Scope, number: int) -> Totals:
        pane = scope.panes[number] = Totals()
        self._gone.discard((keys.PANE, number, scope.scope))
        if len(scope.panes) % EXPIRE_EVERY == 0:
            newest = scope.newest_ms // scope.pane_ms
            self._expire(scope, keys.PANE, newest - PANES_KEPT_MS // scope.pane_ms)
        return pane

    def _interval_at(self, scope: Scope, at_ms: int) -> Interval | None:
        """The interval that holds `at_ms`, which is at hand from now on; None if it is no longer kept."""
        start_ms, end_ms, interval = scope.span
        if start_ms <= at_ms < end_ms:
            return interval
        start_ms, end_ms = scope.calendar.interval_ms_at(at_ms)
        found = self._interval(scope, start_ms)
        if found is not None:
            if start_ms < self._from_ms or end_ms > self._to_ms:
                start_ms, end_ms = max(start_ms, self._from_ms), min(end_ms, self._to_ms)
            scope.span = (start_ms, end_ms, found)
            if not scope.warm:
                self._warm_up(scope)
        return found

    def _interval(self, scope: Scope, start_ms: int) -> Interval | None:
        """The scope's interval; None if it is no longer kept. A newer interval closes the one before it."""
        interval = scope.intervals.get(start_ms)
        if interval is None:
            newest_ms = scope.last_interval_ms
            if newest_ms is None:
                newest_ms = max(scope.intervals, default=start_ms)
            horizon_ms = self._horizon_ms(scope, self._intervals_kept_ms(scope))
            if self._live and start_ms < horizon_ms:
                return None
            if start_ms > newest_ms:
                self._close(scope, newest_ms)
                if self._live and horizon_ms > scope.expired_ms:
                    self._expire(scope, keys.INTERVAL, horizon_ms)
                    scope.expired_ms = horizon_ms
            interval = scope.intervals[start_ms] = Interval()
            scope.last_interval_ms = max(newest_ms, start_ms)
            self._gone.discard((keys.INTERVAL, start_ms, scope.scope))
            if start_ms < newest_ms:
                self._revise(scope, start_ms)
        elif interval.revision:
            self._revise(scope, start_ms)
        self._dirty_intervals[start_ms, scope] = interval
        return interval

    def _intervals_kept_ms(self, scope: Scope) -> int:
        if isinstance(scope, QueueScope):
            settings = self._floor.queue(scope.queue_id)
            levels = (settings.service_level, *(level for _, level in settings.later_levels))
            if not all(level.ordinary for level in levels):
                return SLOW_INTERVALS_KEPT_MS
        return INTERVALS_KEPT_MS

    def _close(self, scope: Scope, start_ms: int) -> None:
        self._revise(scope, start_ms)
        self._dirty_intervals[start_ms, scope] = scope.intervals[start_ms]

    def _revise(self, scope: Scope, start_ms: int) -> None:
        """A closed interval changes: it has its next revision, however much changes before the next flush."""
        if (scope, start_ms) not in self._closed:
            interval = self._closed[scope, start_ms] = scope.intervals[start_ms]
            interval.revision += 1

    def _expire(self, scope: Scope, kind: str, oldest: int) -> None:
        """Forget panes or intervals before `oldest`; they become tombstones in the next flush."""
        buckets: dict[int, Any] = scope.panes if kind == keys.PANE else scope.intervals
        dirty: dict[tuple[int, Scope], Any] = self._dirty_panes if kind == keys.PANE else self._dirty_intervals
        if kind == keys.INTERVAL:
            scope.last_interval_ms = None
        for bucket in [b for b in buckets if b < oldest]:
            scope.forget_found()
            del buckets[bucket]
            dirty.pop((bucket, scope), None)
            self._gone.add((kind, bucket, scope.scope))

    def _stretches_changed(self, agent: AgentScope, changed: set[int]) -> None:
        """Mark buckets of stretches, and let old ones expire; nothing is left in `changed`."""
        for bucket in changed:
            self._dirty_stretches.add((bucket, agent))
            if bucket < agent.settled_bucket:
                since_ms = bucket * STRETCH_BUCKET_MS
                self._unsettled[agent] = min(since_ms, self._unsettled.get(agent, since_ms))
            if bucket * STRETCH_BUCKET_MS > agent.newest_ms:
                agent.newest_ms = bucket * STRETCH_BUCKET_MS
        changed.clear()
        timeline = agent.timeline
        timeline.noted = bucket if bucket >= agent.settled_bucket else NOT_NOTED  # the next change is to be told, too
        if not agent.warm:
            self._warm_up(agent)
        if self._reached_ms and timeline.reaches_back(self._reached_ms - STRETCHES_KEPT_MS):
            trimmed = timeline.trim(self._horizon_ms(agent, STRETCHES_KEPT_MS))
            self._dirty_stretches.update((bucket, agent) for bucket in trimmed)
            if trimmed:
                self._dirty_live.add(agent)

    def _warm_up(self, scope: Scope) -> None:
        """Something of the scope is at hand, or noted, until the next flush."""
        scope.warm = True
        self._warm.append(scope)

    def _count(self, source: str, what: str) -> None:
        """Count a finding of this partition's own under its source; negative numbers keep it apart from `cti.events`'
        partitions.
        """
        key = ("source:" + source, -1 - self._partition)
        found = self.scopes.sources.get(key) or SourceSeen(*key, {}, 0, 0)
        bump(found.counts, what, 1)
        self.scopes.sources[key] = found
        self._dirty_sources.add(key)


def _outcome_only(interval: Interval) -> Totals:
    if interval.outcome_only is None:
        interval.outcome_only = Totals()
    return interval.outcome_only


def _arrival_only(interval: Interval) -> Totals:
    if interval.arrival_only is None:
        interval.arrival_only = Totals()
    return interval.arrival_only
