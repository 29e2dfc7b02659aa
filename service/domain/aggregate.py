"""AGGREGATE: adds facts up into the floor's state, once each, and hands over what changed for the state feed.

One store per partition of `cti.facts`. The mark says, per source partition, up to which source offset facts are in;
state and mark leave in the same flush, so a replay after a crash is recognised and skipped.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from service.domain import state_keys as keys
from service.domain.agents import ACW, NOT_READY, ON_CONTACT, READY, RESERVED, STATES, STRETCH_BUCKET_MS, Change, Shown
from service.domain.calendar import Calendar
from service.domain.facts import (
    AfterCall,
    AgentInput,
    Answered,
    FactBatch,
    Handled,
    Left,
    LegTimes,
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
    Waiting,
    bucket_scope,
    count_in_histogram,
    waiting_bucket,
)
from service.domain.settings import Floor
from service.domain.totals import Totals, bump, keep_longest, sketch_bin

PANES_KEPT_MS: Final = 7_200_000
INTERVALS_KEPT_MS: Final = 48 * 3_600_000
STRETCHES_KEPT_MS: Final = 26 * 3_600_000
SKEW_KEPT_MS: Final = 9 * 86_400_000
"""How far behind the fastest source partition the slowest may be before its facts find their intervals gone."""
FIELD_OF_CODE: Final = {
    READY: "available_ms",
    RESERVED: "reserved_ms",
    ON_CONTACT: "on_contact_ms",
    ACW: "acw_state_ms",
    NOT_READY: "not_ready_ms",
}
STATE_FIELDS: Final = {STATES[code]: name for code, name in FIELD_OF_CODE.items()}
"""Agent state -> the field of Totals that sums its time; offline and unknown are not summed."""


class Mark(Struct, array_like=True, gc=False):
    """Up to where this partition has come: the next offset of `cti.facts`, and per source partition the last source offset
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
        self._closed: set[tuple[Scope, int]] = set()
        self._marked = False
        self._apply: dict[type, Callable[[Any], None]] = {
            Offered: self._offered,
            Answered: self._answered,
            Left: self._left,
            Refused: self._refused,
            Rang: self._rang,
            Handled: self._handled,
            AfterCall: self._after_call,
            LegTimes: self._leg_times,
            AgentInput: self._agent_input,
            SourceSeen: self._source_seen,
        }

    # --- facts in ---------------------------------------------------------------------------------------------------

    def apply_batch(self, batch: FactBatch) -> int:
        """Apply the facts that are not in yet; returns how many were skipped as already applied."""
        mark = self.mark.applied.get(batch.partition, -1)
        self._move_on(batch.partition, batch.newest_ms)
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
        self._marked = True
        return skipped

    def _move_on(self, source: int, newest_ms: int) -> None:
        """Event time has come this far in a source partition; what all have passed by long enough may expire.

        Catching up on a backlog, partitions differ by days of event time. One that never speaks must not hold up the rest.
        """
        newest = self.mark.newest_ms
        if newest_ms > newest.get(source, 0):
            newest[source] = newest_ms
            slowest_ms = min(newest.values()) if len(newest) == self._partitions else 0
            self._reached_ms = max(slowest_ms, max(newest.values()) - SKEW_KEPT_MS)

    def _horizon_ms(self, scope: Scope, kept_ms: int) -> int:
        """What lies before this is not kept."""
        return min(scope.live.newest_ms, self._reached_ms) - kept_ms

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
        index = sketch_bin(wait_ms)
        within = sign if fact.in_threshold else 0
        for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
            totals.answered += sign
            totals.answered_in_threshold += within
            totals.wait_ms += sign * wait_ms
            bump(totals.wait_sketch, index, sign)
            keep_longest(totals.longest_waits_ms, wait_ms, sign)
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
        handle_ms = fact.talk_ms + fact.hold_ms
        index = sketch_bin(handle_ms)
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
            bump(totals.handle_sketch, index, sign)
        if isinstance(scope, QueueScope):
            count_in_histogram(scope.live.handle_histogram, handle_ms, sign)

    def _after_call(self, fact: AfterCall) -> None:
        scope, sign = self._scope(fact.scope), fact.sign
        before, after = fact.before_ms, fact.before_ms + fact.acw_ms
        old, new = sketch_bin(before), sketch_bin(after)
        for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
            totals.acw_ms += sign * fact.acw_ms
            if old != new:
                bump(totals.handle_sketch, old, -sign)
                bump(totals.handle_sketch, new, sign)
        if isinstance(scope, QueueScope):
            count_in_histogram(scope.live.handle_histogram, before, -sign)
            count_in_histogram(scope.live.handle_histogram, after, sign)

    def _leg_times(self, fact: LegTimes) -> None:
        agent = self.scopes.agent(fact.scope)
        self._timeline_changed(agent, agent.timeline.take_leg(fact), "")

    def _agent_input(self, fact: AgentInput) -> None:
        agent = self.scopes.agent(fact.scope)
        change = agent.timeline.take_event(fact)
        if change.duplicate:
            self._count(fact.source, "duplicates")
        self._timeline_changed(agent, change, fact.source)

    def _timeline_changed(self, agent: AgentScope, change: Change, source: str) -> None:
        """Move closed time from one state to another in the intervals it touches, and mark what is to be stored."""
        if change.late:
            self._count(source, "late")
        self._dirty.add((keys.LIVE, 0, agent))
        for shift in change.shifts:
            if shift.before is not None:
                self._spread(agent, shift.since_ms, shift.until_ms, shift.before, -1)
            if shift.after is not None:
                self._spread(agent, shift.since_ms, shift.until_ms, shift.after, 1)
        for bucket in change.buckets:
            self._dirty.add((keys.STRETCHES, bucket, agent))
            if self._live and bucket * STRETCH_BUCKET_MS > agent.live.newest_ms:
                agent.live.newest_ms = bucket * STRETCH_BUCKET_MS
                for empty in agent.timeline.trim(self._horizon_ms(agent, STRETCHES_KEPT_MS)):
                    self._dirty.add((keys.STRETCHES, empty, agent))

    def _spread(self, agent: AgentScope, since_ms: int, until_ms: int, what: Shown, sign: int) -> None:
        """Add closed time to every interval it touches."""
        since_ms = max(since_ms, self._from_ms)
        if self._to_ms is not None:
            until_ms = min(until_ms, self._to_ms)
        code, logged_in = what
        name = FIELD_OF_CODE.get(code)
        if since_ms >= until_ms or (name is None and not logged_in):
            return
        lifetime = agent.live.lifetime
        calendar = self.calendars.of_scope(agent.scope)
        while since_ms < until_ms:
            start_ms = calendar.interval_start_ms(since_ms)
            end_ms = min(calendar.interval_end_ms(start_ms), until_ms)
            interval = self._interval(agent, start_ms)
            duration_ms = sign * (end_ms - since_ms)
            for totals in (lifetime,) if interval is None else (lifetime, interval.outcome, interval.arrival):
                if name is not None:
                    setattr(totals, name, getattr(totals, name) + duration_ms)
                if logged_in:
                    totals.login_ms += duration_ms
            since_ms = end_ms

    def _count(self, source: str, what: str) -> None:
        """Count a finding of this partition's own under its source; negative numbers keep it apart from `cti.events`' partitions."""
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
        """The totals a fact belongs to: pane, interval by outcome, interval by arrival, lifetime. None if it is too old."""
        live = scope.live
        if at_ms > live.newest_ms:
            live.newest_ms = at_ms
        found: list[Totals] = []
        calendar = self.calendars.of_scope(scope.scope)
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
            found.append(live.lifetime)
            self._dirty.add((keys.LIVE, 0, scope))
            if live.newest_ms - at_ms < PANES_KEPT_MS:
                found.append(self._pane(scope, at_ms // scope.pane_ms))
        return found

    def _pane(self, scope: Scope, number: int) -> Totals:
        pane = scope.panes.get(number)
        if pane is None:
            pane = scope.panes[number] = Totals()
            if number % 30 == 0:
                newest = scope.live.newest_ms // scope.pane_ms
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
            interval = scope.intervals[start_ms] = Interval(revision=0 if start_ms >= newest_ms else 1)
        if interval.revision:
            self._closed.add((scope, start_ms))
        self._dirty.add((keys.INTERVAL, start_ms, scope))
        return interval

    def _close(self, scope: Scope, start_ms: int) -> None:
        interval = scope.intervals[start_ms]
        interval.revision = max(interval.revision, 1)
        self._closed.add((scope, start_ms))
        self._dirty.add((keys.INTERVAL, start_ms, scope))

    def _expire(self, scope: Scope, buckets: dict[int, Any], kind: str, oldest: int) -> None:
        """Forget buckets before `oldest`; they become tombstones in the next flush."""
        for bucket in [b for b in buckets if b < oldest]:
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
                    raise ValueError(f"state schema {self.mark.schema}, this version has {keys.SCHEMA}: run `floorwalker rebuild`")
            else:
                self.scopes.put(key, value)

    def pending_keys(self) -> int:
        """How many records the next `drain` would write."""
        return len(self._dirty) + len(self._dirty_visits) + len(self._dirty_sources) + len(self._gone)

    def drain_closed(self) -> list[ClosedInterval]:
        """Closed intervals that changed since the last call, for `cti.intervals`; call before `drain`."""
        result = []
        for scope, start_ms in self._closed:
            interval = scope.intervals.get(start_ms)
            if interval is None:
                continue
            end_ms = self.calendars.of_scope(scope.scope).interval_end_ms(start_ms)
            result.append(ClosedInterval(scope.scope, start_ms, end_ms, interval))
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
            records.append((keys.encode_key(kind, bucket, scope.scope), _encode(value) if value else None))
            if kind == keys.INTERVAL and scope.intervals[bucket].revision:
                scope.intervals[bucket].revision += 1
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
        self._marked = False
        return records


def _value(kind: str, bucket: int, scope: Any) -> Any:
    """What the state feed says under one key; nothing in it means a tombstone."""
    if kind == keys.LIVE:
        return scope.live
    if kind == keys.STRETCHES:
        return scope.timeline.stored(bucket)
    return _buckets_of(kind, scope)[bucket]


def _buckets_of(kind: str, scope: Any) -> dict[int, Any]:
    """The scope's totals by pane or by interval."""
    return scope.panes if kind == keys.PANE else scope.intervals  # type: ignore[no-any-return]
