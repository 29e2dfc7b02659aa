"""A human agent's states over time, from the agent's own events and from the legs of contacts.

The timeline is a step function of time (steps.py). Legs come from many partitions, in any order and any skew, so they
are counted in and out over ranges of time, which commutes; the agent's own events (own_side.py) come from one
partition, and those of the last minute are kept to be folded again when one arrives late.
"""

from bisect import bisect_right, insort
from operator import attrgetter
from typing import Final

from msgspec import Struct, field

from service.domain.errors import CORRECTED, UNCORRECTED
from service.domain.facts import AgentInput, LegMoved
from service.domain.own_side import Own, advance, implied
from service.domain.steps import CODE, IMPLIED, STRETCH_BUCKET_MS, Change, Steps, Stretches, counted, shown

KEEP_MS: Final = 60_000
"""How far back a late event of the agent's own still reorders them."""

NEVER_MS: Final = 1 << 60

RANKS: Final = {
    "login": 0, "queue_joined": 1, "state_changed": 2, "snapshot": 3, "queue_left": 4, "logout": 5, "heartbeat": 6,
}  # fmt: skip
"""Order of an agent's own events with the same time."""

_ORDER = attrgetter("at_ms", "rank", "seq", "event_id")


class AgentRecord(Struct, array_like=True, gc=False):
    """What an agent keeps beside the stretches: the newest state, the own side, and the own events of the last minute.

    `base` is the own side before the first kept event, which is not before `base_ms`. `seen` tells since when
    contacts of a queue were offered. Nothing before `horizon_ms` is kept. `contacts` counts those of an agent who takes
    several at once, by channel.
    """

    state: str = "unknown"
    reason: str | None = None
    since_ms: int = 0
    logged_in: bool = False
    own: Own = field(default_factory=Own)
    base: Own = field(default_factory=Own)
    base_ms: int = 0
    horizon_ms: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    events: list[AgentInput] = field(default_factory=list)
    contacts: dict[str, int] = field(default_factory=dict)


class AgentTimeline(Steps):
    """One agent's timeline: how inputs make steps of it, and what it shows at its end.

    `corrected`: among the kept events there may be corrections of events still to come.
    """

    __slots__ = ("corrected", "record", "stale")

    def __init__(self, record: AgentRecord) -> None:
        super().__init__()
        self.record = record
        self.stale = True
        self.corrected = any(event.corrects is not None for event in record.events)

    # --- inputs -----------------------------------------------------------------------------------------------------

    def take_event(self, event: AgentInput, change: Change) -> None:
        """Apply one event of the agent's own. One older than the kept minute is late: it changes nothing."""
        record, events, at_ms = self.record, self.record.events, event.at_ms
        self.stale = change.record = True
        if at_ms < record.base_ms:
            change.late = True
        elif event.corrects is not None or (self.corrected and _is_corrected(event, events)):
            self._correct(event, change)
        elif events and at_ms <= events[-1].at_ms:
            self._sort_in(event, change)
        else:
            if events and events[0].at_ms < at_ms - 2 * KEEP_MS:  # not for every event; a minute's worth stays
                self._forget_before(at_ms - KEEP_MS)
            events.append(event)
            self._step(event, change)

    def _correct(self, event: AgentInput, change: Change) -> None:
        """Put the event in the place of the one it corrects, if that is still kept. One corrected before is ignored."""
        events = self.record.events
        if event in events or _is_corrected(event, events):
            change.duplicate = True
            return
        self.corrected = True
        wrong = next((known for known in events if known.event_id == event.corrects), None)
        change.corrected = UNCORRECTED if wrong is None else CORRECTED
        before = implied(self.record.base, events)
        if wrong is not None:
            events.remove(wrong)
        insort(events, event, key=_ORDER)
        self._fold_again(event.at_ms if wrong is None else min(wrong.at_ms, event.at_ms), before, change)

    def _sort_in(self, event: AgentInput, change: Change) -> None:
        """Apply an event that is not newer than all the kept ones."""
        events = self.record.events
        if event in events:
            change.duplicate = True
        elif _ORDER(events[-1]) <= _ORDER(event):
            events.append(event)
            self._step(event, change)
        else:
            insort(events, event, key=_ORDER)
            self._refold(event, change)

    def take_leg(self, moved: LegMoved, change: Change) -> None:
        """Count one leg in and out of its phases from the given times on."""
        self.stale = True
        starts, whats = self.starts, self.whats
        for at_ms, phase, sign in moved.moves:
            # the usual case is something new at the end; in short, what `_count_from` does there
            if starts and at_ms >= (last_ms := starts[-1]):
                last = whats[-1]
                after = counted(last, phase, sign)
                if at_ms > last_ms:
                    change.add(last_ms, at_ms, shown(last), 1)
                    starts.append(at_ms)
                    whats.append(after)
                elif len(whats) == 1 or after != whats[-2]:
                    whats[-1] = after
                else:
                    self._count_from(at_ms, phase, sign, change)
                if at_ms // STRETCH_BUCKET_MS != self.noted:
                    change.buckets.add(at_ms // STRETCH_BUCKET_MS)
            else:
                self._count_from(at_ms, phase, sign, change)
        queue_id = moved.queue_id
        if queue_id is not None and moved.since_ms < self.record.seen.get(queue_id, NEVER_MS):
            self._see(queue_id, moved.since_ms, change)

    def _see(self, queue_id: str, at_ms: int, change: Change) -> None:
        """The agent is offered contacts of a queue from `at_ms` on, which a pause in other queues does not touch."""
        record = self.record
        record.seen[queue_id] = at_ms
        change.record = True
        if record.base.per_queue or any(event.queue_id is not None for event in record.events):
            self._apply_own(at_ms, change)

    def _forget_before(self, at_ms: int) -> None:
        """Fold events before `at_ms` into the base."""
        record = self.record
        events = record.events
        kept = 0
        while kept < len(events) and events[kept].at_ms < at_ms:
            record.base = advance(record.base, events[kept])
            kept += 1
        del events[:kept]
        record.base_ms = at_ms

    def _refold(self, late: AgentInput, change: Change) -> None:
        """An event came late: apply it and everything after it again, each up to the next one."""
        before = implied(self.record.base, [event for event in self.record.events if event is not late])
        self._fold_again(late.at_ms, before, change)

    def _fold_again(self, from_ms: int, before: set[tuple[int, int]], change: Change) -> None:
        """Apply the kept events again from a moment on; `before` are the logins that they implied until now."""
        record, events = self.record, self.record.events
        after = implied(record.base, events)
        for since_ms, until_ms in sorted(after - before):
            self._imply(since_ms, until_ms, 1, change)
        for since_ms, until_ms in sorted(before - after):
            self._imply(since_ms, until_ms, -1, change)
        own = record.base
        for event in events:
            own = advance(own, event)
        record.own = own
        self._apply_own(from_ms, change)

    def _step(self, event: AgentInput, change: Change) -> None:
        """Advance the own side by an event that comes after all others."""
        record = self.record
        before = record.own
        if event.kind == "logout":
            for since_ms, until_ms in implied(before, [event]):
                self._imply(since_ms, until_ms, 1, change)
        own = record.own = advance(before, event)
        if own.per_queue:
            self._apply_own(event.at_ms, change)
        elif own is not before or not self.starts:
            self._set_own(event.at_ms, None, own, change)

    def _apply_own(self, from_ms: int, change: Change) -> None:
        """Lay the own side over the timeline again from `from_ms` on: it changes at own events and at queues first
        seen.
        """
        record = self.record
        from_ms = max(from_ms, record.base_ms)
        times = {from_ms, *(e.at_ms for e in record.events), *record.seen.values()}
        steps = sorted(at_ms for at_ms in times if at_ms >= from_ms)
        own, number = record.base, 0
        for index, at_ms in enumerate(steps):
            while number < len(record.events) and record.events[number].at_ms <= at_ms:
                own = advance(own, record.events[number])
                number += 1
            if number or record.base_ms or (self.starts and self.starts[0] <= at_ms):
                self._set_own(at_ms, steps[index + 1] if index + 1 < len(steps) else None, own, change)

    def _set_own(self, since_ms: int, until_ms: int | None, own: Own, change: Change) -> None:
        since_ms = max(since_ms, self.record.horizon_ms)
        if until_ms is None or since_ms < until_ms:
            state, reason = own.overall([queue for queue, at_ms in self.record.seen.items() if at_ms <= since_ms])
            self.lay(since_ms, until_ms, (CODE[state], reason, own.logged_in), change)

    def _imply(self, since_ms: int, until_ms: int, sign: int, change: Change) -> None:
        """Count the agent as logged in during [since_ms, until_ms), or (sign -1) no longer."""
        self._count_from(since_ms, IMPLIED, sign, change)
        self._count_from(until_ms, IMPLIED, -sign, change)

    def _count_from(self, at_ms: int, phase: int, sign: int, change: Change) -> None:
        """As `count_from`, but nothing changes any more before the horizon."""
        if at_ms < self.record.horizon_ms:
            change.late = True
            at_ms = self.record.horizon_ms
        self.count_from(at_ms, phase, sign, change)

    # --- keeping ----------------------------------------------------------------------------------------------------

    def put(self, bucket: int, stretches: Stretches) -> bool:
        """Take over the newest bucket of stretches as stored; False if it is not the newest one known."""
        self.stale = True
        return super().put(bucket, stretches)

    def trim(self, oldest_ms: int) -> list[int]:
        """Forget what lies before `oldest_ms`, as `forget_before` does: nothing can change there any more."""
        changed = self.forget_before(oldest_ms)
        if changed:
            self.record.horizon_ms = self.starts[0]
        return changed

    # --- reading ----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """If inputs came since it was last done, write the newest state into the record, and since when."""
        index = len(self.starts) - 1
        if not self.stale or index < 0:
            return
        self.stale = False
        record = self.record
        record.state, record.reason, record.logged_in = self.what(index)
        record.since_ms = self._begun_ms(index)

    def _begun_ms(self, index: int) -> int:
        """Since when the state and reason of a stretch are shown: signing in or out during a call begins no new one."""
        what = self.what(index)[:2]
        while index and self.what(index - 1)[:2] == what:
            index -= 1
        return self.starts[index]

    def state_at(self, now_ms: int) -> tuple[str, str | None, int]:
        """(state, reason, since) at `now_ms`: not the newest only while a stated after-call work still runs."""
        record = self.record
        if record.since_ms <= now_ms:
            return record.state, record.reason, record.since_ms
        index = bisect_right(self.starts, now_ms) - 1
        if index < 0:
            return "unknown", None, now_ms
        state, reason, _ = self.what(index)
        return state, reason, self._begun_ms(index)


def _is_corrected(event: AgentInput, events: list[AgentInput]) -> bool:
    """Whether one of these events has taken the place of this one."""
    return any(known.corrects == event.event_id for known in events)
