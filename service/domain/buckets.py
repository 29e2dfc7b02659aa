"""Where a fact's totals live: intervals, panes, lifetime; which of them changed, and when old ones expire.

The lowest of three layers; above it are `StateFeed` (state_feed.py) and `AggregateStore` (aggregate.py).
"""

from typing import Any, Final

from msgspec import Struct, field

from service.domain import state_keys as keys
from service.domain.agents import STRETCH_BUCKET_MS
from service.domain.calendar import Calendar, Calendars
from service.domain.facts import SourceSeen
from service.domain.scopes import AgentScope, Interval, QueueScope, Scope, Scopes, Span
from service.domain.settings import Floor
from service.domain.totals import Totals, bump

PANES_KEPT_MS: Final = 7_200_000
EXPIRE_EVERY: Final = 30
"""Panes are looked through for old ones at every so many new ones."""

INTERVALS_KEPT_MS: Final = 48 * 3_600_000
STRETCHES_KEPT_MS: Final = 26 * 3_600_000
SKEW_KEPT_MS: Final = 9 * 86_400_000
"""How far behind the fastest source partition the slowest may be before its facts find their intervals gone."""
NO_SPAN: Final[Span] = (0, 0, None)
HOT_LIMIT: Final = 500
MINUTE_MS: Final = 60_000


class Mark(Struct, array_like=True, gc=False):
    """Up to where this partition has come: the next offset of `cti.facts`, and per source partition the last source
    offset
    applied and how far event time has come there.
    """

    schema: int = keys.SCHEMA
    next_offset: int = 0
    applied: dict[int, int] = field(default_factory=dict)
    newest_ms: dict[int, int] = field(default_factory=dict)


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
        self.scopes = Scopes()
        self.calendars = Calendars(floor)
        self.mark = Mark()
        self._partition, self._partitions = partition, partitions
        self._reached_ms = 0
        self._live = live
        self._from_ms, self._to_ms = from_ms, to_ms
        self._dirty: set[tuple[str, int, Scope]] = set()
        self._dirty_sources: set[tuple[str, int]] = set()
        self._gone: set[tuple[str, int, str]] = set()
        self._closed: dict[tuple[Scope, int], Interval] = {}
        self._hot: list[Scope] = []
        self._spans: list[AgentScope] = []

    def _move_on(self, source: int, newest_ms: int) -> None:
        """Event time has come this far in a source partition; what all have passed by long enough may expire.

        Catching up on a backlog, partitions differ by days of event time. One that never speaks must not hold up the
        rest.
        """
        newest = self.mark.newest_ms
        if newest_ms > newest.get(source, 0):
            newest[source] = newest_ms
            slowest_ms = min(newest.values()) if len(newest) == self._partitions else 0
            self._reached_ms = max(slowest_ms, max(newest.values()) - SKEW_KEPT_MS)

    def _horizon_ms(self, scope: Scope, kept_ms: int) -> int:
        """What lies before this is not kept."""
        return min(scope.newest_ms, self._reached_ms) - kept_ms

    def _scope(self, scope: str) -> Scope:
        return self.scopes.agent(scope) if scope[0] == "a" else self.scopes.queue(scope)

    def _buckets(self, scope: Scope, at_ms: int, arrival_ms: int) -> list[Totals]:
        """The totals a fact belongs to: intervals by outcome and by arrival, lifetime, pane; none if the fact is too
        old.

        A pane lies in one interval and intervals begin on whole minutes, so what was found once holds until the next
        flush.
        """
        if at_ms > scope.newest_ms:
            scope.newest_ms = at_ms
        key = (at_ms // scope.pane_ms, arrival_ms // MINUTE_MS)
        found: list[Totals] | None = scope.hot.get(key)
        if found is None:
            found = self._find_buckets(scope, at_ms, arrival_ms)
            if found and self._from_ms % MINUTE_MS == 0:
                self._heat(scope)[key] = found
        return found

    def _heat(self, scope: Scope) -> dict[Any, Any]:
        if not scope.hot:
            self._hot.append(scope)
        elif len(scope.hot) > HOT_LIMIT:
            scope.hot.clear()
        return scope.hot

    def _calendar(self, scope: Scope) -> Calendar:
        scope.calendar = self.calendars.of_scope(scope.scope)
        return scope.calendar

    def _find_buckets(self, scope: Scope, at_ms: int, arrival_ms: int) -> list[Totals]:
        calendar = scope.calendar or self._calendar(scope)
        found: list[Totals] = []
        if at_ms >= self._from_ms:
            interval = self._interval(scope, calendar.interval_start_ms(at_ms))
            if interval is None:
                self._count("", "late")
                return found
            found.append(interval.outcome)
        if arrival_ms >= self._from_ms:
            interval = self._interval(scope, calendar.interval_start_ms(arrival_ms))
            if interval is not None:
                found.append(interval.arrival)
        if self._live:
            if isinstance(scope, QueueScope):
                found.append(scope.live.lifetime)
                self._dirty.add((keys.LIVE, 0, scope))
            if scope.newest_ms - at_ms < PANES_KEPT_MS:
                found.append(self._pane(scope, at_ms // scope.pane_ms))
        return found

    def _pane(self, scope: Scope, number: int) -> Totals:
        pane = scope.panes.get(number)
        if pane is None:
            pane = scope.panes[number] = Totals()
            self._gone.discard((keys.PANE, number, scope.scope))
            if len(scope.panes) % EXPIRE_EVERY == 0:
                newest = scope.newest_ms // scope.pane_ms
                self._expire(scope, scope.panes, keys.PANE, newest - PANES_KEPT_MS // scope.pane_ms)
        self._dirty.add((keys.PANE, number, scope))
        return pane

    def _interval(self, scope: Scope, start_ms: int) -> Interval | None:
        """The scope's interval; None if it is no longer kept. A newer interval closes the one before it."""
        interval = scope.intervals.get(start_ms)
        if interval is None:
            newest_ms = max(scope.intervals, default=start_ms)
            horizon_ms = self._horizon_ms(scope, INTERVALS_KEPT_MS)
            if self._live and start_ms < horizon_ms:
                return None
            if start_ms > newest_ms:
                self._close(scope, newest_ms)
                if self._live:
                    self._expire(scope, scope.intervals, keys.INTERVAL, horizon_ms)
            interval = scope.intervals[start_ms] = Interval()
            self._gone.discard((keys.INTERVAL, start_ms, scope.scope))
            if start_ms < newest_ms:
                self._revise(scope, start_ms)
        elif interval.revision:
            self._revise(scope, start_ms)
        self._dirty.add((keys.INTERVAL, start_ms, scope))
        return interval

    def _close(self, scope: Scope, start_ms: int) -> None:
        self._revise(scope, start_ms)
        self._dirty.add((keys.INTERVAL, start_ms, scope))

    def _revise(self, scope: Scope, start_ms: int) -> None:
        """A closed interval changes: it has its next revision, however much changes before the next flush."""
        if (scope, start_ms) not in self._closed:
            interval = self._closed[scope, start_ms] = scope.intervals[start_ms]
            interval.revision += 1

    def _expire(self, scope: Scope, buckets: dict[int, Any], kind: str, oldest: int) -> None:
        """Forget buckets before `oldest`; they become tombstones in the next flush."""
        for bucket in [b for b in buckets if b < oldest]:
            scope.hot.clear()
            del buckets[bucket]
            self._dirty.discard((kind, bucket, scope))
            self._gone.add((kind, bucket, scope.scope))

    def _span(self, agent: AgentScope, at_ms: int) -> Span:
        """The interval that holds `at_ms`; it stays at hand until the next flush."""
        calendar = agent.calendar or self._calendar(agent)
        start_ms = calendar.interval_start_ms(at_ms)
        interval = self._interval(agent, start_ms)
        totals = interval.outcome if interval is not None else None
        agent.span = (start_ms, calendar.interval_end_ms(start_ms), totals)
        return agent.span

    def _stretches_changed(self, agent: AgentScope, bucket: int) -> None:
        """Mark a bucket of stretches, and let old ones expire."""
        self._dirty.add((keys.STRETCHES, bucket, agent))
        if self._live:
            agent.newest_ms = max(agent.newest_ms, bucket * STRETCH_BUCKET_MS)
            for trimmed in agent.timeline.trim(self._horizon_ms(agent, STRETCHES_KEPT_MS)):
                self._dirty.add((keys.STRETCHES, trimmed, agent))
                self._dirty.add((keys.LIVE, 0, agent))

    def _count(self, source: str, what: str) -> None:
        """Count a finding of this partition's own under its source; negative numbers keep it apart from `cti.events`'
        partitions.
        """
        key = ("source:" + source, -1 - self._partition)
        found = self.scopes.sources.get(key) or SourceSeen(*key, {}, 0, 0)
        bump(found.counts, what, 1)
        self.scopes.sources[key] = found
        self._dirty_sources.add(key)
