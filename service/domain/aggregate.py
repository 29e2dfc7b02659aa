"""AGGREGATE: adds facts up into the floor's state, once each.

One store per partition of `cti.facts`. The mark says, per source partition, up to which source offset facts are in;
state and mark leave in the same flush, so a replay after a crash is recognised and skipped.
"""

from collections.abc import Callable
from typing import Any, Final

from service.domain.agent_watch import AgentWatch
from service.domain.buckets import INTERVALS_KEPT_MS
from service.domain.errors import SCOPE_LIMIT, FactFailed, ScopeLimitReached
from service.domain.events import Event
from service.domain.facts import (
    AfterCall,
    AgentInput,
    Answered,
    CalledBack,
    Excepted,
    FactBatch,
    Forecast,
    Handled,
    Left,
    LegMoved,
    Offered,
    OfferedAgain,
    Planned,
    Rang,
    Reached,
    Refused,
    Returned,
    SourceSeen,
    WaitedBefore,
)
from service.domain.recent import RecentVisit
from service.domain.scopes import AgentScope, QueueScope, Waiting, count_in_histogram
from service.domain.settings import Floor
from service.domain.settling import SettledFeed
from service.domain.steps import CONNECTED_LEGS, NOT_READY, STATES, Change, Shown
from service.domain.totals import UNSTATED, Totals, bump, keep_longest, shift, sketch_bin
from service.domain.visits import ANSWERED

FIELD_OF_CODE: Final = (
    None, None, "available_ms", "reserved_ms", "on_contact_ms", "acw_state_ms", "not_ready_ms",
)  # fmt: skip
"""The field of Totals that sums the time in a state, by the state's code; unknown and offline are not summed."""

STATE_FIELDS: Final = {STATES[code]: name for code, name in enumerate(FIELD_OF_CODE) if name is not None}
"""Agent state -> the field of Totals that sums its time; offline and unknown are not summed."""


LONGEST_STATE_MS: Final = 100 * 86_400_000
"""A state that lasted longer counts for its last days only: one end of it has a wrong clock, or nobody ever told of the
other. Decades of it would be a million intervals.
"""

KEYS_CHECKED_EVERY: Final = 8
"""After so many facts it is looked how much there is to write: one fact may touch many intervals."""


class AggregateStore(SettledFeed):
    """One partition of the floor's state, and how each kind of fact changes it."""

    def __init__(
        self,
        floor: Floor,
        partition: int = 0,
        partitions: int = 1,
        live: bool = True,
        from_ms: int = 0,
        to_ms: int | None = None,
    ) -> None:
        super().__init__(floor, partition, partitions, live, from_ms, to_ms)
        self._change = Change(self._add_time)
        self._moving: AgentScope = AgentScope("")
        self._follows: list[Returned] = []
        self._following: list[tuple[int, Returned]] = []
        self._watch = None if floor.watchdog is None else AgentWatch(floor, floor.watchdog)
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
            OfferedAgain: self._offered_again,
            WaitedBefore: self._waited_before,
            CalledBack: self._called_back,
            Forecast: self._forecast,
            Reached: self._reached,
            Returned: self._returned,
            Planned: self._planned,
            Excepted: self._excepted,
        }

    def apply_batch(self, batch: FactBatch) -> int:
        """Apply the facts that are not in yet; returns how many were skipped as already applied."""
        skipped = 0
        while skipped < len(batch.offsets) and batch.offsets[skipped] <= self.mark.applied.get(batch.partition, -1):
            skipped += 1
        index = skipped
        while True:
            index = self.apply_some(batch, index)
            if index == len(batch.facts):
                return skipped

    def apply_some(self, batch: FactBatch, start: int, most_keys: int = 1 << 60) -> int:
        """Apply facts from `start` on, until `most_keys` more keys are to be written; returns where to go on.

        It stops only between two events, since a mark can say no less. Facts that are in already are passed over.
        Raises FactFailed; the state is half changed then, and the store must be given up.
        """
        if batch.awaits:
            self._expect_following()
        offsets, end = batch.offsets, len(batch.facts)
        applied = self.mark.applied.get(batch.partition, -1)
        limit = self.pending_keys() + most_keys
        index = start
        while index < end and self.pending_keys() <= limit:
            stop = min(index + KEYS_CHECKED_EVERY, end)
            while stop < end and offsets[stop] == offsets[stop - 1]:
                stop += 1
            self._apply_range(batch, index, stop, applied)
            index = stop
        if index > start:
            self.mark.applied[batch.partition] = max(applied, offsets[index - 1])
        if index == end:
            self._move_on(batch.partition, batch.newest_ms)
        self._marked = True
        return index

    def _apply_range(self, batch: FactBatch, start: int, stop: int, applied: int) -> None:
        """Apply the facts from `start` to before `stop` with an offset beyond `applied`. Raises FactFailed."""
        apply, index, follows = self._apply, start, self._follows
        try:
            for index, offset in enumerate(batch.offsets[start:stop], start):
                if offset > applied:
                    fact = batch.facts[index]
                    try:
                        apply[type(fact)](fact)
                    except ScopeLimitReached:
                        self._beyond_limit(fact)
                    if follows:
                        self._following += [(index, following) for following in follows]
                        follows.clear()
        except Exception as error:
            raise FactFailed(index) from error

    def moved_on(self, now_ms: int) -> list[Event]:
        """Synthetic events, for every partition of `cti.events`, about agents who left contacts behind."""
        return [] if self._watch is None else self._watch.moved_on(now_ms)

    def stuck(self, now_ms: int) -> list[Event]:
        """Synthetic events, by their keys, about agents whose own states last too long."""
        return [] if self._watch is None else self._watch.stuck(self.scopes.agents.values(), now_ms)

    def apply(self, fact: Any) -> None:
        """Apply one fact, and what follows from it, without a mark (reports)."""
        try:
            self._apply[type(fact)](fact)
        except ScopeLimitReached:
            self._beyond_limit(fact)
        while self._follows:
            self._returned(self._follows.pop())

    def _beyond_limit(self, fact: Any) -> None:
        """Count a fact that is dropped, under its source where it is told."""
        self._count(getattr(fact, "source", ""), SCOPE_LIMIT)

    def take_following(self) -> list[tuple[int, Returned]]:
        """Facts that follow from those applied since the last call, each with the index of the fact it follows from.

        They are to be sent to their own partitions before the state is flushed, as `following_offset` numbers them.
        """
        found, self._following = self._following, []
        return found

    def _offered(self, fact: Offered) -> None:
        scope = self._known[fact.scope]
        sign, at_ms, visit_id = fact.sign, fact.at_ms, fact.visit_id
        found = self._buckets(scope, at_ms, fact.arrival_ms)
        for totals in found:
            totals.offered += sign
        if fact.transferred_in:
            for totals in found:
                totals.transferred_in += sign
        known = scope.waiting.get(visit_id)
        if known is None:
            self._first_heard(scope, visit_id, Waiting(at_ms, fact.threshold_ms, sign))
            return
        if sign > 0:
            known.queued_ms, known.threshold_ms = at_ms, fact.threshold_ms
        self._wait(scope, visit_id, known, sign)

    def _first_heard(self, scope: QueueScope, visit_id: str, waiting: Waiting) -> None:
        """Keep a visit that is not stored, unless a tombstone is about to be."""
        scope.waiting[visit_id] = waiting
        key = (scope.scope, visit_id)
        if key in self._dirty_visits:
            self._dirty_visits[key] = waiting
        else:
            self._new_visits[key] = waiting

    def _wait(self, scope: QueueScope, visit_id: str, waiting: Waiting, sign: int) -> None:
        """Count a visit in or out of the waiting ones; it is gone at zero, without a trace if it was never stored."""
        waiting.net += sign
        key = (scope.scope, visit_id)
        if waiting.net == 0:
            del scope.waiting[visit_id]
            if self._new_visits.pop(key, None) is None:
                self._dirty_visits[key] = None
        elif key not in self._new_visits:
            self._dirty_visits[key] = waiting

    def _no_longer_waits(self, scope: QueueScope, visit_id: str, sign: int) -> None:
        waiting = scope.waiting.get(visit_id)
        if waiting is None:
            self._first_heard(scope, visit_id, Waiting(0, None, -sign))
        else:
            self._wait(scope, visit_id, waiting, -sign)

    def _answered(self, fact: Answered) -> None:
        scope = self._known[fact.scope]
        sign, wait_ms = fact.sign, fact.wait_ms
        within = sign if fact.in_threshold else 0
        signed_ms = sign * wait_ms
        found = self._buckets(scope, fact.at_ms, fact.arrival_ms)
        if found:
            live, index = scope.live, sketch_bin(wait_ms)
            lifetime = live.lifetime
            for totals in found:
                totals.answered += sign
                totals.answered_in_threshold += within
                totals.wait_ms += signed_ms
                if totals is not lifetime:
                    totals.add_wait(index, wait_ms, sign)
            count_in_histogram(live.wait_histogram, wait_ms, sign)
            if self._live and scope.customer_class is None:
                self._remember(scope, fact, ANSWERED, None)
        self._no_longer_waits(scope, fact.visit_id, sign)

    def _left(self, fact: Left) -> None:
        scope = self._known[fact.scope]
        sign, outcome = fact.sign, fact.outcome
        found = self._buckets(scope, fact.at_ms, fact.arrival_ms)
        for totals in found:
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
        if found and self._live and scope.customer_class is None:
            self._remember(scope, fact, outcome, fact.reason)
        self._no_longer_waits(scope, fact.visit_id, sign)

    def _remember(self, scope: QueueScope, fact: Answered | Left, outcome: str, reason: str | None) -> None:
        """Keep the visit among the queue's last ones, or drop it if it is taken back."""
        recent = scope.recent
        if fact.sign > 0:
            visit = RecentVisit(0, fact.visit_id, outcome, fact.arrival_ms, fact.at_ms, fact.wait_ms, reason)
            self._dirty_recent.add((recent.add(visit, outcome == ANSWERED), scope))
        elif (slot := recent.find(fact.visit_id)) is not None:
            del recent.slots[slot]
            self._dirty_recent.add((slot, scope))

    def _recent(self, fact: WaitedBefore | CalledBack) -> RecentVisit | None:
        """The visit among its queue's last ones, to be changed; None if it is not there, or no longer."""
        scope = self._known[fact.scope]
        slot = scope.recent.find(fact.visit_id)
        if slot is None:
            return None
        self._dirty_recent.add((slot, scope))
        visit: RecentVisit = scope.recent.slots[slot]
        return visit

    def _offered_again(self, fact: OfferedAgain) -> None:
        for totals in self._buckets(self._known[fact.scope], fact.at_ms, fact.arrival_ms):
            totals.offered_again += fact.sign

    def _waited_before(self, fact: WaitedBefore) -> None:
        if fact.answered:
            for totals in self._buckets(self._known[fact.scope], fact.at_ms, fact.arrival_ms):
                totals.waited_before_ms += fact.sign * fact.before_ms
        visit = self._recent(fact)
        if visit is not None:
            visit.waited_before_ms = fact.before_ms if fact.sign > 0 else 0

    def _called_back(self, fact: CalledBack) -> None:
        visit = self._recent(fact)
        if visit is not None:
            visit.callback = fact.state if fact.sign > 0 else None

    def _forecast(self, fact: Forecast) -> None:
        """Keep the forecast. Of two that begin at the same time, the higher one stays and of the other what lies beyond
        it, so that what counts at each moment is kept, in whatever order they come. What lies far back goes.
        """
        scope = self._known[fact.scope]
        oldest_ms = self._reached_ms - INTERVALS_KEPT_MS if self._live else 0
        if fact.end_ms <= oldest_ms:
            return
        rest: Forecast | None = fact
        while rest is not None:
            kept, higher = scope.forecasts.get(rest.start_ms), rest
            if kept is None or kept.order < rest.order:
                scope.forecasts[rest.start_ms] = rest
                self._dirty_forecasts.add((rest.start_ms, scope))
                rest = kept
            else:
                higher = kept
            rest = None if rest is None else rest.beyond(higher.end_ms)
        for start_ms in [start for start, old in scope.forecasts.items() if old.end_ms <= oldest_ms]:
            del scope.forecasts[start_ms]
            self._dirty_forecasts.add((start_ms, scope))

    def _reached(self, fact: Reached) -> None:
        self._follows += self._returning.change(fact, self._floor.return_window_ms, self._reached_ms)

    def _returned(self, fact: Returned) -> None:
        for totals in self._buckets(self._known[fact.scope], fact.at_ms, fact.arrival_ms):
            totals.identified += fact.sign
            if fact.returned:
                totals.returned += fact.sign
            if fact.followed:
                totals.followed += fact.sign

    def _refused(self, fact: Refused) -> None:
        scope = self._known[fact.scope]
        for totals in self._buckets(scope, fact.at_ms, fact.arrival_ms):
            totals.refused += fact.sign
            if fact.reason:
                bump(totals.reasons, f"refused:{fact.reason}", fact.sign)

    def _rang(self, fact: Rang) -> None:
        scope = self._known[fact.scope]
        sign, ring_ms = fact.sign, fact.ring_ms
        found = self._buckets(scope, fact.at_ms, fact.arrival_ms)
        if fact.missed:
            for totals in found:
                totals.missed += sign
        elif scope.is_agent:
            for totals in found:
                totals.answered += sign
        if ring_ms is not None:
            ring_ms *= sign
            for totals in found:
                totals.rung += sign
                totals.ring_ms += ring_ms

    def _handled(self, fact: Handled) -> None:
        scope = self._known[fact.scope]
        found, sign = self._buckets(scope, fact.at_ms, fact.arrival_ms), fact.sign
        if fact.consult:
            for totals in found:
                totals.consulted += sign
            return
        first, talk_ms = (sign if fact.first_of_contact else 0), sign * fact.talk_ms
        for totals in found:
            totals.handled += sign
            totals.handled_contacts += first
            totals.talk_ms += talk_ms
        if fact.hold_ms or fact.holds or fact.transferred_out or fact.transferred_in or fact.conferenced:
            _add_what_happened(fact, found)
        if found and not scope.is_agent:
            handle_ms, lifetime = fact.talk_ms + fact.hold_ms, scope.live.lifetime
            index = sketch_bin(handle_ms)
            for totals in found:
                if totals is not lifetime:
                    bump(totals.handle_sketch, index, sign)
            count_in_histogram(scope.live.handle_histogram, handle_ms, sign)

    def _after_call(self, fact: AfterCall) -> None:
        scope = self._known[fact.scope]
        found, sign = self._buckets(scope, fact.at_ms, fact.arrival_ms), fact.sign
        acw_ms = sign * fact.acw_ms
        for totals in found:
            totals.acw_ms += acw_ms
        if found and not scope.is_agent:
            histogram, lifetime = scope.live.handle_histogram, scope.live.lifetime
            before_ms, after_ms = fact.before_ms, fact.before_ms + fact.acw_ms
            before, after = sketch_bin(before_ms), sketch_bin(after_ms)
            if before != after:
                for totals in found:
                    if totals is not lifetime:
                        shift(totals.handle_sketch, before, after, sign)
            count_in_histogram(histogram, before_ms, -sign)
            count_in_histogram(histogram, after_ms, sign)

    def _leg_moved(self, fact: LegMoved) -> None:
        agent = self._moving = self._known[fact.scope]
        change, timeline = self._change, agent.timeline
        timeline.take_leg(fact, change)
        if change.buckets:
            self._stretches_changed(agent, change.buckets)
        if change.record or change.late:
            self._note(agent, "")
        if timeline.whats[-1][CONNECTED_LEGS] > 1 and self._watch is not None:
            self._watch.leg_moved(agent, fact)

    def _agent_input(self, fact: AgentInput) -> None:
        agent = self._moving = self._known[fact.scope]
        change, timeline = self._change, agent.timeline
        before = timeline.record.own.state
        timeline.take_event(fact, change)
        if self._watch is not None and timeline.connected:
            self._watch.agent_told(agent, fact, before)
        if change.buckets:
            self._stretches_changed(agent, change.buckets)
        self._note(agent, fact.source)

    def _note(self, agent: AgentScope, source: str) -> None:
        """Mark that the agent's record is to be stored, and count what is wrong with an input."""
        change = self._change
        if change.record:
            change.record = False
            self._dirty_live.add(agent)
        if change.duplicate:
            change.duplicate = False
            self._count(source, "duplicates")
        if change.corrected:
            self._count(source, change.corrected)
            change.corrected = ""
        if change.late:
            change.late = False
            self._count(source, "late")

    def _add_time(self, since_ms: int, until_ms: int, what: Shown, sign: int) -> None:
        """Add closed time of the agent whose timeline moves to every interval it touches."""
        agent = self._moving
        code, reason, logged_in = what
        name = FIELD_OF_CODE[code]
        start_ms, end_ms, interval = agent.span
        if since_ms < start_ms or until_ms > end_ms:
            if name is not None or logged_in:
                first_ms = max(since_ms, until_ms - LONGEST_STATE_MS, self._from_ms)
                self._spread(agent, first_ms, min(until_ms, self._to_ms), what, sign)
            return
        totals, duration_ms = interval.common, sign * (until_ms - since_ms)
        if name is not None:
            setattr(totals, name, getattr(totals, name) + duration_ms)
            if code == NOT_READY:
                bump(totals.not_ready_by_reason, reason or UNSTATED, duration_ms)
        if logged_in:
            totals.login_ms += duration_ms

    def _spread(self, agent: AgentScope, since_ms: int, until_ms: int, what: Shown, sign: int) -> None:
        """Add time to one interval after the other; those that are no longer kept are passed over."""
        while since_ms < until_ms:
            end_ms = min(agent.calendar.interval_ms_at(since_ms)[1], until_ms)
            if self._interval_at(agent, since_ms) is not None:
                self._add_time(since_ms, end_ms, what, sign)
            since_ms = end_ms

    def _source_seen(self, fact: SourceSeen) -> None:
        self.scopes.sources[fact.scope, fact.partition] = fact
        self._dirty_sources.add((fact.scope, fact.partition))


def _add_what_happened(fact: Handled, found: list[Totals]) -> None:
    """Add what few legs have: holds, transfers, conferences."""
    sign, is_agent = fact.sign, fact.scope[0] == "a"
    for totals in found:
        if fact.hold_ms or fact.holds:
            totals.hold_ms += sign * fact.hold_ms
            totals.holds += sign * fact.holds
            totals.held += sign
        if fact.transferred_out:
            totals.transferred_out += sign
        if fact.transferred_in and is_agent:
            totals.transferred_in += sign
        totals.conferenced += sign * fact.conferenced
