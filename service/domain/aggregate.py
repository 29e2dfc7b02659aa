"""AGGREGATE: adds facts up into the floor's state, once each, and hands over what changed for the state feed.

One store per partition of `cti.facts`. The mark says, per source partition, up to which source offset facts are in;
state and mark leave in the same flush, so a replay after a crash is recognised and skipped.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from service.domain import state_keys as keys
from service.domain.agents import STATES, STRETCH_BUCKET_MS, Change, Shown
from service.domain.calendar import Calendar
from service.domain.facts import (
    AfterCall,
    AgentInput,
    Answered,
    FactBatch,
    Handled,
    Left,
    LegMoved,
    Offered,
    Rang,
    Refused,
    SourceSeen,
)
from service.domain.scopes import (
    AgentScope,
    Interval,
    QueueScope,
    Scope,
    Scopes,
    Span,
    Waiting,
    bucket_scope,
    count_in_histogram,
    waiting_bucket,
)
from service.domain.settings import Floor
from service.domain.totals import Totals, bump, keep_longest, sketch_bin

PANES_KEPT_MS: Final = 7_200_000
EXPIRE_EVERY: Final = 30
"""Panes are looked through for old ones at every so many new ones."""

INTERVALS_KEPT_MS: Final = 48 * 3_600_000
STRETCHES_KEPT_MS: Final = 26 * 3_600_000
SKEW_KEPT_MS: Final = 9 * 86_400_000
"""How far behind the fastest source partition the slowest may be before its facts find their intervals gone."""
FIELD_OF_CODE: Final = (
    None, None, "available_ms", "reserved_ms", "on_contact_ms", "acw_state_ms", "not_ready_ms",
)  # fmt: skip
"""The field of Totals that sums the time in a state, by the state's code; unknown and offline are not summed."""

NO_SPAN: Final[Span] = (0, 0, None)
HOT_LIMIT: Final = 500
MINUTE_MS: Final = 60_000

STATE_FIELDS: Final = {STATES[code]: name for code, name in enumerate(FIELD_OF_CODE) if name is not None}
"""Agent state -> the field of Totals that sums its time; offline and unknown are not summed."""


class Mark(Struct, array_like=True, gc=False):
    """Up to where this partition has come: the next offset of `cti.facts`, and per source partition the last source
    offset
    applied and how far event time has come there.
    """

    schema: int = keys.SCHEMA
    next_offset: int = 0
    applied: dict[int, int] = field(default_factory=dict)
    newest_ms: dict[int, int] = field(default_factory=dict)


class ClosedInterval(Struct, array_like=True, gc=False):
    """One record of `cti.intervals`: an interval that a newer one followed, with its revision."""

    scope: str
    start_ms: int
    end_ms: int
    interval: Interval


_encode = msgspec.msgpack.Encoder().encode
_decode_mark = msgspec.msgpack.Decoder(Mark).decode
MARK_KEY: Final = keys.encode_key(keys.MARK, 0, "")


class Calendars:
    """The calendar of each site, made when first asked for."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._of_site: dict[str, Calendar] = {}

    def of_site(self, site_id: str) -> Calendar:
        """The site's calendar."""
        found = self._of_site.get(site_id)
        if found is None:
            found = self._of_site[site_id] = Calendar(self._floor.site(site_id), self._floor.interval_ms)
        return found

    def of_scope(self, scope: str) -> Calendar:
        """The calendar of the site a queue or agent belongs to."""
        kind, _, name = scope.partition(":")
        return self.of_site(self._floor.queue(name).site if kind == "queue" else self._floor.agent(name).site)


class AggregateStore:
    """One partition of the floor's state."""

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
        self._dirty_visits: dict[tuple[str, str], Waiting | None] = {}
        self._dirty_sources: set[tuple[str, int]] = set()
        self._gone: set[tuple[str, int, str]] = set()
        self._closed: dict[tuple[Scope, int], Interval] = {}
        self._hot: list[Scope] = []
        self._spans: list[AgentScope] = []
        self._change = Change()
        self._marked = False
        self._apply: dict[type, Callable[[Any], None]] = {
            Offered: self._offered,
            Answered: self._answered,
            Left: self._left,
            Refused: self._refused,
            Rang: self._rang,
            Handled: self._handled,
            AfterCall: self._after_call,
            LegMoved: self._leg_moved,
            AgentInput: self._agent_input,
            SourceSeen: self._source_seen,
        }

    # --- facts in ---------------------------------------------------------------------------------------------------

    def apply_batch(self, batch: FactBatch) -> int:
        """Apply the facts that are not in yet; returns how many were skipped as already applied."""
        mark = self.mark.applied.get(batch.partition, -1)
        offsets, facts = batch.offsets, batch.facts
        skipped = 0
        if offsets and offsets[0] <= mark:
            skipped = sum(1 for offset in offsets if offset <= mark)
            facts = facts[skipped:]
        apply = self._apply
        for fact in facts:
            apply[type(fact)](fact)
        if len(facts):
            self.mark.applied[batch.partition] = offsets[-1]
        self._move_on(batch.partition, batch.newest_ms)  # not before: a batch may hold days of a backlog
        self._marked = True
        return skipped

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

    def apply(self, fact: Any) -> None:
        """Apply one fact without a mark (reports)."""
        self._apply[type(fact)](fact)

    def _offered(self, fact: Offered) -> None:
        scope = self.scopes.queue(fact.scope)
        sign = fact.sign
        for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
            totals.offered += sign
            if fact.transferred_in:
                totals.transferred_in += sign
        known = scope.waiting.get(fact.visit_id)
        if known is None:
            known = scope.waiting[fact.visit_id] = Waiting(fact.at_ms, fact.threshold_ms, fact.customer_class)
        elif sign > 0:
            known.queued_ms, known.threshold_ms = fact.at_ms, fact.threshold_ms
        self._wait(scope, fact.visit_id, known, sign)

    def _wait(self, scope: QueueScope, visit_id: str, waiting: Waiting, sign: int) -> None:
        """Count a visit in or out of the waiting ones; it is gone at zero."""
        waiting.net += sign
        if waiting.net == 0:
            del scope.waiting[visit_id]
        self._dirty_visits[scope.scope, visit_id] = waiting if waiting.net else None

    def _no_longer_waits(self, scope: QueueScope, visit_id: str, sign: int) -> None:
        waiting = scope.waiting.get(visit_id)
        if waiting is None:
            waiting = scope.waiting[visit_id] = Waiting(0, None)
        self._wait(scope, visit_id, waiting, -sign)

    def _answered(self, fact: Answered) -> None:
        scope = self.scopes.queue(fact.scope)
        sign, wait_ms = fact.sign, fact.wait_ms
        within = sign if fact.in_threshold else 0
        found = self._buckets(scope, fact.at_ms, fact.arrival_ms)
        for totals in found:
            totals.answered += sign
            totals.answered_in_threshold += within
            totals.wait_ms += sign * wait_ms
        index = sketch_bin(wait_ms)
        for totals in found:
            if totals is not scope.live.lifetime:
                bump(totals.wait_sketch, index, sign)
                keep_longest(totals.longest_waits_ms, wait_ms, sign)
        if found:
            count_in_histogram(scope.live.wait_histogram, wait_ms, sign)
        self._no_longer_waits(scope, fact.visit_id, sign)

    def _left(self, fact: Left) -> None:
        scope = self.scopes.queue(fact.scope)
        sign, outcome = fact.sign, fact.outcome
        for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
            setattr(totals, outcome, getattr(totals, outcome) + sign)
            if outcome == "abandoned":
                totals.abandon_wait_ms += sign * fact.wait_ms
                totals.short_abandoned += sign * fact.short
                totals.abandoned_in_threshold += sign * fact.in_threshold
                keep_longest(totals.longest_abandon_waits_ms, fact.wait_ms, sign)
            elif outcome == "flowed_out":
                totals.flowed_out_wait_ms += sign * fact.wait_ms
            elif outcome == "callback_requested":
                totals.callback_in_threshold += sign * fact.in_threshold
            if fact.reason:
                bump(totals.reasons, f"{outcome}:{fact.reason}", sign)
        self._no_longer_waits(scope, fact.visit_id, sign)

    def _refused(self, fact: Refused) -> None:
        for totals in self._buckets(self.scopes.queue(fact.scope), fact.at_ms, fact.arrival_ms):
            totals.refused += fact.sign
            if fact.reason:
                bump(totals.reasons, f"refused:{fact.reason}", fact.sign)

    def _scope(self, scope: str) -> Scope:
        return self.scopes.agent(scope) if scope[0] == "a" else self.scopes.queue(scope)

    def _rang(self, fact: Rang) -> None:
        sign, is_agent = fact.sign, fact.scope[0] == "a"
        for totals in self._buckets(self._scope(fact.scope), fact.at_ms, fact.arrival_ms):
            if fact.missed:
                totals.missed += sign
            elif is_agent:
                totals.answered += sign
            if fact.ring_ms is not None:
                totals.rung += sign
                totals.ring_ms += sign * fact.ring_ms

    def _handled(self, fact: Handled) -> None:
        scope, sign = self._scope(fact.scope), fact.sign
        if fact.consult:
            for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
                totals.consulted += sign
            return
        talk_ms, hold_ms = sign * fact.talk_ms, sign * fact.hold_ms
        for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
            totals.handled += sign
            totals.talk_ms += talk_ms
            if fact.first_of_contact:
                totals.handled_contacts += sign
            if fact.hold_ms or fact.holds:
                totals.hold_ms += hold_ms
                totals.holds += sign * fact.holds
                totals.held += sign
            if fact.transferred_out:
                totals.transferred_out += sign
            if fact.transferred_in and fact.scope[0] == "a":
                totals.transferred_in += sign
            if fact.conferenced:
                totals.conferenced += sign * fact.conferenced
        if isinstance(scope, QueueScope):
            count_in_histogram(scope.live.handle_histogram, fact.talk_ms + fact.hold_ms, sign)

    def _after_call(self, fact: AfterCall) -> None:
        scope, sign = self._scope(fact.scope), fact.sign
        acw_ms = sign * fact.acw_ms
        for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
            totals.acw_ms += acw_ms
        if isinstance(scope, QueueScope):
            count_in_histogram(scope.live.handle_histogram, fact.before_ms, -sign)
            count_in_histogram(scope.live.handle_histogram, fact.before_ms + fact.acw_ms, sign)

    def _leg_moved(self, fact: LegMoved) -> None:
        agent = self.scopes.agent(fact.scope)
        agent.timeline.take_leg(fact, self._change)
        self._timeline_changed(agent, "")

    def _agent_input(self, fact: AgentInput) -> None:
        agent = self.scopes.agent(fact.scope)
        agent.timeline.take_event(fact, self._change)
        if self._change.duplicate:
            self._count(fact.source, "duplicates")
        self._timeline_changed(agent, fact.source)

    def _timeline_changed(self, agent: AgentScope, source: str) -> None:
        """Move closed time from one state to another in the intervals it touches, and mark what is to be stored."""
        change = self._change
        if change.late:
            self._count(source, "late")
        if change.record:
            self._dirty.add((keys.LIVE, 0, agent))
        if agent.span is None:  # the first change since the last flush
            self._spans.append(agent)
            agent.span = NO_SPAN
        for since_ms, until_ms, before, after in change.shifts:
            if before is not None:
                self._spread(agent, since_ms, until_ms, before, -1)
            if after is not None:
                self._spread(agent, since_ms, until_ms, after, 1)
        for bucket in change.buckets:
            if bucket not in agent.hot:
                self._heat(agent)[bucket] = True
                self._stretches_changed(agent, bucket)
        change.clear()

    def _stretches_changed(self, agent: AgentScope, bucket: int) -> None:
        """Mark a bucket of stretches, and let old ones expire."""
        self._dirty.add((keys.STRETCHES, bucket, agent))
        if self._live:
            agent.newest_ms = max(agent.newest_ms, bucket * STRETCH_BUCKET_MS)
            for empty in agent.timeline.trim(self._horizon_ms(agent, STRETCHES_KEPT_MS)):
                self._dirty.add((keys.STRETCHES, empty, agent))
                self._dirty.add((keys.LIVE, 0, agent))

    def _spread(self, agent: AgentScope, since_ms: int, until_ms: int, what: Shown, sign: int) -> None:
        """Add closed time to every interval it touches."""
        since_ms = max(since_ms, self._from_ms)
        if self._to_ms is not None:
            until_ms = min(until_ms, self._to_ms)
        name, logged_in = FIELD_OF_CODE[what[0]], what[1]
        if name is None and not logged_in:
            return
        while since_ms < until_ms:
            start_ms, end_ms, totals = agent.span or NO_SPAN
            if not start_ms <= since_ms < end_ms:
                start_ms, end_ms, totals = self._span(agent, since_ms)
            if end_ms > until_ms:
                end_ms = until_ms
            if totals is not None:
                duration_ms = sign * (end_ms - since_ms)
                if name is not None:
                    setattr(totals, name, getattr(totals, name) + duration_ms)
                if logged_in:
                    totals.login_ms += duration_ms
            since_ms = end_ms

    def _span(self, agent: AgentScope, at_ms: int) -> Span:
        """The interval that holds `at_ms`; it stays at hand until the next flush."""
        calendar = agent.calendar or self._calendar(agent)
        start_ms = calendar.interval_start_ms(at_ms)
        interval = self._interval(agent, start_ms)
        totals = interval.outcome if interval is not None else None
        agent.span = (start_ms, calendar.interval_end_ms(start_ms), totals)
        return agent.span

    def _count(self, source: str, what: str) -> None:
        """Count a finding of this partition's own under its source; negative numbers keep it apart from `cti.events`'
        partitions.
        """
        key = ("source:" + source, -1 - self._partition)
        found = self.scopes.sources.get(key) or SourceSeen(*key, {}, 0, 0)
        bump(found.counts, what, 1)
        self.scopes.sources[key] = found
        self._dirty_sources.add(key)

    def _source_seen(self, fact: SourceSeen) -> None:
        self.scopes.sources[fact.scope, fact.partition] = fact
        self._dirty_sources.add((fact.scope, fact.partition))

    # --- buckets ----------------------------------------------------------------------------------------------------

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

    # --- state feed out ---------------------------------------------------------------------------------------------

    def load(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Apply records of the state feed (recovery). Raises ValueError for another schema version."""
        for key, value in records:
            if key == MARK_KEY and value is not None:
                self.mark = _decode_mark(value)
                for source, newest_ms in list(self.mark.newest_ms.items()):
                    self.mark.newest_ms[source] = newest_ms - 1
                    self._move_on(source, newest_ms)
                if self.mark.schema != keys.SCHEMA:
                    raise ValueError(keys.other_schema(self.mark.schema))
            else:
                self.scopes.put(key, value)

    def pending_keys(self) -> int:
        """How many records the next `drain` would write."""
        return len(self._dirty) + len(self._dirty_visits) + len(self._dirty_sources) + len(self._gone)

    def drain_closed(self) -> list[ClosedInterval]:
        """Closed intervals that changed since the last call, for `cti.intervals`; call before `drain`."""
        result = []
        for (scope, start_ms), interval in self._closed.items():  # some have expired in the meantime
            end_ms = self.calendars.of_scope(scope.scope).interval_end_ms(start_ms)
            result.append(ClosedInterval(scope.scope, start_ms, end_ms, interval))
            scope.hot.clear()
            if isinstance(scope, AgentScope) and scope.span is not None:
                scope.span = NO_SPAN
        self._closed.clear()
        return result

    def pass_over(self, next_offset: int) -> None:
        """The batch ends at `next_offset`: move the mark over offsets without a record."""
        self.mark.next_offset = max(self.mark.next_offset, next_offset)
        self._marked = True

    def touch(self, touched: Sequence[bytes]) -> None:
        """Have the next `drain` write the present value of these keys, a tombstone for those that are not kept."""
        for key in touched:
            kind, bucket, name = keys.decode_key(key)
            if kind == keys.WAITING:
                scope_name, visit_id = bucket_scope(bucket, name)
                self._dirty_visits[scope_name, visit_id] = self.scopes.queue(scope_name).waiting.get(visit_id)
            elif kind == keys.SOURCE:
                if (name, int(bucket)) in self.scopes.sources:
                    self._dirty_sources.add((name, int(bucket)))
            elif kind != keys.MARK:
                scope = self._scope(name)
                if kind in (keys.LIVE, keys.STRETCHES) or int(bucket) in _buckets_of(kind, scope):
                    self._dirty.add((kind, int(bucket), scope))
                else:
                    self._gone.add((kind, int(bucket), name))
        self._marked = True

    def drain(self, max_bytes: int = 0) -> list[tuple[bytes, bytes | None]]:
        """Everything that changed since the last call, encoded, with the mark; empty when nothing did.

        `max_bytes` is not used: the caller bounds a flush by how much it applies before one.
        """
        if not self._marked:
            return []
        records: list[tuple[bytes, bytes | None]] = []
        for kind, bucket, scope in self._dirty:
            value = _value(kind, bucket, scope)
            records.append((b"%b|%d|%b" % (kind.encode(), bucket, scope.key), _encode(value) if value else None))
        for (scope_name, visit_id), waiting in self._dirty_visits.items():
            key = keys.encode_key(keys.WAITING, *waiting_bucket(scope_name, visit_id))
            records.append((key, None if waiting is None else _encode(waiting)))
        for source, partition in self._dirty_sources:
            records.append(
                (keys.encode_key(keys.SOURCE, partition, source), _encode(self.scopes.sources[source, partition]))
            )
        records += [(keys.encode_key(kind, bucket, scope_name), None) for kind, bucket, scope_name in self._gone]
        records.append((MARK_KEY, _encode(self.mark)))
        for dirty in (self._dirty, self._dirty_visits, self._dirty_sources, self._gone):
            dirty.clear()
        for scope in self._hot:
            scope.hot.clear()
        for agent in self._spans:
            agent.span = None
        self._hot.clear()
        self._spans.clear()
        self._marked = False
        return records


def _value(kind: str, bucket: int, scope: Any) -> Any:
    """What the state feed says under one key; nothing in it means a tombstone."""
    if kind == keys.LIVE:
        if isinstance(scope, AgentScope):
            scope.timeline.show()
        return scope.live
    if kind == keys.STRETCHES:
        return scope.timeline.stored(bucket)
    return _buckets_of(kind, scope)[bucket]


def _buckets_of(kind: str, scope: Any) -> dict[int, Any]:
    """The scope's totals by pane or by interval."""
    return scope.panes if kind == keys.PANE else scope.intervals  # type: ignore[no-any-return]
