"""AGGREGATE: adds facts up into the floor's state, once each.

One store per partition of `cti.facts`. The mark says, per source partition, up to which source offset facts are in;
state and mark leave in the same flush, so a replay after a crash is recognised and skipped.
"""

from collections.abc import Callable
from typing import Any, Final

from service.domain import state_keys as keys
from service.domain.agents import STATES, Change, Shown
from service.domain.buckets import NO_SPAN
from service.domain.errors import FactFailed
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
from service.domain.scopes import AgentScope, QueueScope, Waiting, count_in_histogram
from service.domain.settings import Floor
from service.domain.state_feed import StateFeed
from service.domain.totals import bump, keep_longest, sketch_bin

FIELD_OF_CODE: Final = (
    None, None, "available_ms", "reserved_ms", "on_contact_ms", "acw_state_ms", "not_ready_ms",
)  # fmt: skip
"""The field of Totals that sums the time in a state, by the state's code; unknown and offline are not summed."""

STATE_FIELDS: Final = {STATES[code]: name for code, name in enumerate(FIELD_OF_CODE) if name is not None}
"""Agent state -> the field of Totals that sums its time; offline and unknown are not summed."""


KEYS_CHECKED_EVERY: Final = 8
"""After so many facts it is looked how much there is to write: one fact may touch many intervals."""


class AggregateStore(StateFeed):
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
        self._change = Change()
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

    def apply_batch(self, batch: FactBatch) -> int:
        """Apply the facts that are not in yet; returns how many were skipped as already applied."""
        skipped = 0
        while skipped < len(batch.offsets) and batch.offsets[skipped] <= self.mark.applied.get(batch.partition, -1):
            skipped += 1
        index = skipped
        while index < len(batch.facts):
            index = self.apply_some(batch, index)
        self._move_on(batch.partition, batch.newest_ms)
        self._marked = True
        return skipped

    def apply_some(self, batch: FactBatch, start: int, most_keys: int = 1 << 60) -> int:
        """Apply facts from `start` on, until `most_keys` more keys are to be written; returns where to go on.

        It stops only between two events, since a mark can say no less. Facts that are in already are passed over.
        Raises FactFailed; the state is half changed then, and the store must be given up.
        """
        offsets, facts, apply = batch.offsets, batch.facts, self._apply
        applied = self.mark.applied.get(batch.partition, -1)
        limit = self.pending_keys() + most_keys
        index, end = start, len(facts)
        try:
            while index < end:
                offset = offsets[index]
                if offset > applied:
                    fact = facts[index]
                    apply[type(fact)](fact)
                index += 1
                if index % KEYS_CHECKED_EVERY == 0 and self.pending_keys() > limit:
                    while index < end and offsets[index] == offset:
                        if offset > applied:
                            apply[type(facts[index])](facts[index])
                        index += 1
                    break
        except Exception as error:
            raise FactFailed(index) from error
        if index > start:
            self.mark.applied[batch.partition] = max(applied, offsets[index - 1])
        if index == end:
            self._move_on(batch.partition, batch.newest_ms)
        self._marked = True
        return index

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
        found = self._buckets(scope, fact.at_ms, fact.arrival_ms)
        for totals in found:
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
        if found and isinstance(scope, QueueScope):
            count_in_histogram(scope.live.handle_histogram, fact.talk_ms + fact.hold_ms, sign)

    def _after_call(self, fact: AfterCall) -> None:
        scope, sign = self._scope(fact.scope), fact.sign
        acw_ms = sign * fact.acw_ms
        found = self._buckets(scope, fact.at_ms, fact.arrival_ms)
        for totals in found:
            totals.acw_ms += acw_ms
        if found and isinstance(scope, QueueScope):
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

    def _source_seen(self, fact: SourceSeen) -> None:
        self.scopes.sources[fact.scope, fact.partition] = fact
        self._dirty_sources.add((fact.scope, fact.partition))
