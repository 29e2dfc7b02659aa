"""A human agent's states over time, from the agent's own events and from the legs of contacts.

The timeline is a step function of time. Each stretch holds the agent's own state and how many legs reserve, connect
or keep the agent in after-call work; the state shown is that of the busiest leg, else the own one. Legs come from
many partitions, in any order and any skew, so they are counted in and out over ranges of time, which commutes; the
agent's own events come from one partition, and those of the last minute are kept to be folded again when one arrives
late.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from msgspec import Struct, field

from service.domain.facts import CONNECTED, WRAPPING, AgentInput, LegMoved

KEEP_MS: Final = 60_000
"""How far back a late event of the agent's own still reorders them."""

NEVER_MS: Final = 1 << 60

STRETCH_BUCKET_MS: Final = 300_000
"""Stretches are stored by the five minutes they begin in."""

RANKS: Final = {
    "login": 0, "queue_joined": 1, "state_changed": 2, "snapshot": 3, "queue_left": 4, "logout": 5, "heartbeat": 6,
}  # fmt: skip
"""Order of an agent's own events with the same time."""

STATES: Final = ("unknown", "offline", "ready", "reserved", "on_contact", "acw", "not_ready")
CODE: Final = {state: code for code, state in enumerate(STATES)}
UNKNOWN, OFFLINE, READY, RESERVED, ON_CONTACT, ACW, NOT_READY = range(len(STATES))
ABSENT: Final = ("offline", "unknown")
_ORDER = attrgetter("at_ms", "rank", "seq", "event_id")

Stretch = tuple[int, int, str | None, bool, int, int, int, int]
"""(start, own state's code, reason, logged in, legs reserving, connected, in after-call work, implied logins)."""

NOTHING: Final[Stretch] = (0, UNKNOWN, None, False, 0, 0, 0, 0)
IMPLIED: Final = 3
"""Phase under which implied logins are counted, after the phases of legs."""

Shown = tuple[int, bool]
"""What a stretch counts as: code of the state shown, and whether it is login time."""


class Segment(Struct, array_like=True, frozen=True, gc=False):
    """The agent was in `state` during [since_ms, until_ms)."""

    since_ms: int
    until_ms: int
    state: str
    reason: str | None
    logged_in: bool


class Own(Struct, array_like=True, frozen=True, gc=False):
    """The agent's own side: what login, membership and state events say, legs apart."""

    state: str = "unknown"
    reason: str | None = None
    login: bool = False
    member: bool = False
    login_seen: bool = False
    logged_out_ms: int = 0
    queues: tuple[str, ...] = ()
    per_queue: tuple[tuple[str, str, str | None], ...] = ()

    @property
    def logged_in(self) -> bool:
        """True while signed in or a member of a queue."""
        return self.login or self.member

    def state_in(self, queue_id: str) -> tuple[str, str | None]:
        """State and reason in one queue, legs apart."""
        for queue, state, reason in self.per_queue:
            if queue == queue_id:
                return state, reason
        return self.state, self.reason

    def overall(self, seen: Iterable[str]) -> tuple[str, str | None]:
        """State over all queues: not ready only if not ready in every queue the agent is known to serve."""
        if not self.per_queue:
            return self.state, self.reason
        known = {*self.queues, *seen, *(queue for queue, _, _ in self.per_queue)}
        states = [self.state_in(queue) for queue in sorted(known)]
        if all(state == "not_ready" for state, _ in states):
            return "not_ready", states[0][1]
        return ("ready", None) if any(state == "ready" for state, _ in states) else (self.state, self.reason)


def advance(own: Own, event: AgentInput) -> Own:
    """The agent's own side after one event."""
    return _ADVANCE[event.kind](own, event)


def _change(own: Own, **changes: object) -> Own:
    fields = {name: getattr(own, name) for name in Own.__struct_fields__}
    return Own(**{**fields, **changes})


def _login(own: Own, event: AgentInput) -> Own:
    state = "ready" if own.state in ABSENT else own.state
    queues = tuple(event.queues) if event.queues is not None else own.queues
    return _change(own, login=True, login_seen=True, state=state, queues=queues)


def _logout(own: Own, event: AgentInput) -> Own:
    logged_out_ms = event.at_ms if own.logged_in or event.span_ms else own.logged_out_ms
    seen = own.login_seen or bool(event.span_ms)
    return Own("offline", None, False, False, seen, logged_out_ms, own.queues)


def _state_changed(own: Own, event: AgentInput) -> Own:
    state = event.state or "unknown"
    if event.queue_id is not None:
        others = tuple(entry for entry in own.per_queue if entry[0] != event.queue_id)
        return _change(own, per_queue=tuple(sorted((*others, (event.queue_id, state, event.reason)))))
    if state == "offline":
        return _logout(own, event)
    member = own.member if event.queues is None else bool(event.queues)
    queues = own.queues if event.queues is None else tuple(event.queues)
    if (own.state, own.reason, own.member, own.queues) == (state, event.reason, member, queues) and not own.per_queue:
        return own
    return Own(state, event.reason, own.login, member, own.login_seen or member, own.logged_out_ms, queues)


def _queue_joined(own: Own, event: AgentInput) -> Own:
    queues = tuple(dict.fromkeys((*own.queues, event.queue_id or "")))
    state = "ready" if own.state in ABSENT else own.state
    return _change(own, member=True, login_seen=True, queues=queues, state=state)


def _queue_left(own: Own, event: AgentInput) -> Own:
    queues = tuple(queue for queue in own.queues if queue != event.queue_id)
    per_queue = tuple(entry for entry in own.per_queue if entry[0] != event.queue_id)
    gone = not queues and not own.login
    logged_out_ms = event.at_ms if gone and own.member else own.logged_out_ms
    state, reason = ("offline", None) if gone else (own.state, own.reason)
    return _change(
        own, queues=queues, per_queue=per_queue, member=bool(queues) and own.member, state=state, reason=reason,
        logged_out_ms=logged_out_ms,
    )  # fmt: skip


def _heartbeat(own: Own, event: AgentInput) -> Own:
    return own


_ADVANCE: Final = {
    "login": _login,
    "logout": _logout,
    "state_changed": _state_changed,
    "snapshot": _state_changed,
    "queue_joined": _queue_joined,
    "queue_left": _queue_left,
    "heartbeat": _heartbeat,
}


class AgentRecord(Struct, array_like=True, gc=False):
    """What an agent keeps beside the stretches: the newest state, the own side, and the own events of the last minute.

    `base` is the own side before the first kept event, which is not before `base_ms`. `seen` tells since when
    contacts of a queue were offered. Nothing before `horizon_ms` is kept.
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


Shift = tuple[int, int, Shown | None, Shown | None]
"""(since, until, before, after): closed time counts as `after` instead of `before`; None: it was or is not closed."""


class Change:
    """What inputs did: shifts of closed time, buckets whose stretches differ, whether to store the record."""

    __slots__ = ("buckets", "duplicate", "late", "record", "shifts")

    def __init__(self) -> None:
        self.shifts: list[Shift] = []
        self.buckets: set[int] = set()
        self.duplicate = self.late = self.record = False

    def clear(self) -> None:
        """Make it as new: one object serves many inputs."""
        self.shifts.clear()
        self.buckets.clear()
        self.duplicate = self.late = self.record = False


def counted(stretch: Stretch, phase: int, sign: int) -> Stretch:
    """The stretch with one of its counts changed by `sign`."""
    start_ms, own, reason, logged_in, reserving, connected, wrapping, implied = stretch
    if phase == CONNECTED:
        return start_ms, own, reason, logged_in, reserving, connected + sign, wrapping, implied
    if phase == WRAPPING:
        return start_ms, own, reason, logged_in, reserving, connected, wrapping + sign, implied
    if phase == IMPLIED:
        return start_ms, own, reason, logged_in, reserving, connected, wrapping, implied + sign
    return start_ms, own, reason, logged_in, reserving + sign, connected, wrapping, implied


def shown(stretch: Stretch) -> Shown:
    """What a stretch counts as."""
    _, own, _, logged_in, reserving, connected, wrapping, implied = stretch
    if connected > 0:
        own = ON_CONTACT
    elif wrapping > 0:
        own = ACW
    elif reserving > 0:
        own = RESERVED
    return own, logged_in or implied > 0


class AgentTimeline:
    """One agent's timeline: stretches in order of time, the last one open."""

    __slots__ = ("record", "stale", "starts", "stretches")

    def __init__(self, record: AgentRecord, stored: list[Stretch] | None = None) -> None:
        self.record = record
        self.stale = True
        self.starts: list[int] = [entry[0] for entry in stored] if stored else []
        self.stretches: list[Stretch] = list(stored) if stored else []

    # --- inputs -----------------------------------------------------------------------------------------------------

    def take_event(self, event: AgentInput, change: Change) -> None:
        """Apply one event of the agent's own. One older than the kept minute is late: it changes nothing."""
        record, events = self.record, self.record.events
        self.stale = change.record = True
        if event.at_ms < record.base_ms:
            change.late = True
            return
        for known in reversed(events):
            if known.at_ms < event.at_ms:
                break
            if known == event:
                change.duplicate = True
                return
        if not events or events[-1].at_ms < event.at_ms or _ORDER(events[-1]) <= _ORDER(event):
            self._forget_before(event.at_ms - KEEP_MS)
            events.append(event)
            self._step(event, change)
        else:
            insort(events, event, key=_ORDER)
            self._refold(event, change)

    def take_leg(self, moved: LegMoved, change: Change) -> None:
        """Count one leg in and out of its phases from the given times on."""
        starts, stretches = self.starts, self.stretches
        self.stale = True
        for at_ms, phase, sign in moved.moves:
            # the usual case is something new at the end; in short, what `_count_from` does there
            if starts and at_ms >= starts[-1] and at_ms >= self.record.horizon_ms:
                tail = stretches[-1]
                after = counted(tail, phase, sign)
                if at_ms > starts[-1]:
                    change.shifts.append((starts[-1], at_ms, None, shown(tail)))
                    starts.append(at_ms)
                    stretches.append((at_ms, *after[1:]))
                    change.buckets.add(at_ms // STRETCH_BUCKET_MS)
                    continue
                if len(stretches) == 1 or after[1:] != stretches[-2][1:]:
                    stretches[-1] = after
                    change.buckets.add(at_ms // STRETCH_BUCKET_MS)
                    continue
            self._count_from(at_ms, phase, sign, change)
        queue_id = moved.queue_id
        if queue_id is not None and moved.since_ms < self.record.seen.get(queue_id, NEVER_MS):
            self._see(queue_id, moved.since_ms, change)

    def _see(self, queue_id: str, at_ms: int, change: Change) -> None:
        """The agent is offered contacts of a queue from `at_ms` on, which a pause in other queues does not touch."""
        record = self.record
        record.seen[queue_id] = at_ms
        change.record = True
        if record.own.per_queue or record.base.per_queue:
            self._apply_own(at_ms, change)

    def _forget_before(self, at_ms: int) -> None:
        """Fold events before `at_ms` into the base; at least a minute's worth stays."""
        record = self.record
        events = record.events
        if not events or events[0].at_ms >= at_ms - KEEP_MS:
            return
        kept = 0
        while kept < len(events) and events[kept].at_ms < at_ms:
            record.base = advance(record.base, events[kept])
            kept += 1
        del events[:kept]
        record.base_ms = at_ms

    def _refold(self, late: AgentInput, change: Change) -> None:
        """An event came late: apply it and everything after it again, each up to the next one."""
        record, events = self.record, self.record.events
        before = _implied(record.base, [event for event in events if event is not late])
        after = _implied(record.base, events)
        for since_ms, until_ms in sorted(after - before):
            self._imply(since_ms, until_ms, 1, change)
        for since_ms, until_ms in sorted(before - after):
            self._imply(since_ms, until_ms, -1, change)
        own = record.base
        for event in events:
            own = advance(own, event)
        record.own = own
        self._apply_own(late.at_ms, change)

    def _step(self, event: AgentInput, change: Change) -> None:
        """Advance the own side by an event that comes after all others."""
        record = self.record
        if event.kind == "logout":
            for since_ms, until_ms in _implied(record.own, [event]):
                self._imply(since_ms, until_ms, 1, change)
        before, record.own = record.own, advance(record.own, event)
        if record.own.per_queue:
            self._apply_own(event.at_ms, change)
        elif record.own is not before or not self.starts:
            self._set_own(event.at_ms, None, record.own, change)

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
            if number or record.base_ms:
                self._set_own(at_ms, steps[index + 1] if index + 1 < len(steps) else None, own, change)

    def _set_own(self, since_ms: int, until_ms: int | None, own: Own, change: Change) -> None:
        since_ms = max(since_ms, self.record.horizon_ms)
        if until_ms is None or since_ms < until_ms:
            state, reason = own.overall([queue for queue, at_ms in self.record.seen.items() if at_ms <= since_ms])
            self._lay(since_ms, until_ms, (CODE[state], reason, own.logged_in), change)

    # --- the step function ------------------------------------------------------------------------------------------

    def _imply(self, since_ms: int, until_ms: int, sign: int, change: Change) -> None:
        self._count_from(since_ms, IMPLIED, sign, change)
        self._count_from(until_ms, IMPLIED, -sign, change)

    def _count_from(self, at_ms: int, phase: int, sign: int, change: Change) -> None:
        """Add `sign` to one count of every stretch from `at_ms` on."""
        if at_ms < self.record.horizon_ms:
            change.late = True
            at_ms = self.record.horizon_ms
        first = self._split(at_ms, change)
        for index in range(first, len(self.starts)):
            self._replace(index, counted(self.stretches[index], phase, sign), change)
        self._join(first, change)

    def _lay(self, since_ms: int, until_ms: int | None, own: tuple[int, str | None, bool], change: Change) -> None:
        """Lay the own side over every stretch in [since_ms, until_ms)."""
        first = self._split(since_ms, change)
        end = len(self.starts) if until_ms is None else self._split(until_ms, change)
        for index in range(first, end):
            before = self.stretches[index]
            self._replace(index, (before[0], *own, *before[4:]), change)
        if until_ms is not None:
            self._join(end, change)
        self._join(first, change)

    def _replace(self, index: int, after: Stretch, change: Change) -> None:
        """Change one stretch; if it is closed, its time counts differently from now on."""
        before = self.stretches[index]
        if after == before:
            return
        self.stretches[index] = after
        start_ms = self.starts[index]
        change.buckets.add(start_ms // STRETCH_BUCKET_MS)
        if index + 1 < len(self.starts) and (was := shown(before)) != (now := shown(after)):
            change.shifts.append((start_ms, self.starts[index + 1], was, now))

    def _split(self, at_ms: int, change: Change) -> int:
        """Have a stretch begin at `at_ms`; returns its place. Splitting the open one closes its first part."""
        starts, stretches = self.starts, self.stretches
        index = bisect_left(starts, at_ms)
        if index < len(starts):
            if starts[index] == at_ms:
                return index
        elif index:
            change.shifts.append((starts[-1], at_ms, None, shown(stretches[-1])))
        starts.insert(index, at_ms)
        stretches.insert(index, (at_ms, *(stretches[index - 1] if index else NOTHING)[1:]))
        change.buckets.add(at_ms // STRETCH_BUCKET_MS)
        return index

    def _join(self, index: int, change: Change) -> None:
        """If the stretch at `index` goes on like the one before it, make them one."""
        starts, stretches = self.starts, self.stretches
        if not 0 < index < len(starts) or stretches[index][1:] != stretches[index - 1][1:]:
            return
        if index == len(starts) - 1:
            change.shifts.append((starts[index - 1], starts[index], shown(stretches[index - 1]), None))
        change.buckets.add(starts[index] // STRETCH_BUCKET_MS)
        del starts[index], stretches[index]

    def show(self) -> None:
        """If inputs came since it was last done, write the newest state into the record, and since when."""
        index = len(self.starts) - 1
        if not self.stale or index < 0:
            return
        self.stale = False
        record = self.record
        what = self._what(index)
        while index and self._what(index - 1) == what:
            index -= 1
        record.state, record.reason, record.logged_in = what
        record.since_ms = self.starts[index]

    def _what(self, index: int) -> tuple[str, str | None, bool]:
        stretch = self.stretches[index]
        code, logged_in = shown(stretch)
        return STATES[code], stretch[2] if code == stretch[1] else None, logged_in

    # --- reading ----------------------------------------------------------------------------------------------------

    def stored(self, bucket: int) -> list[Stretch]:
        """The stretches that begin in one bucket."""
        first = bisect_left(self.starts, bucket * STRETCH_BUCKET_MS)
        end = bisect_left(self.starts, (bucket + 1) * STRETCH_BUCKET_MS)
        return self.stretches[first:end]

    def put(self, bucket: int, stretches: list[Stretch]) -> bool:
        """Take over the newest bucket of stretches from the state feed; False if it is not the newest one known."""
        start_ms = bucket * STRETCH_BUCKET_MS
        first = bisect_left(self.starts, start_ms)
        if self.starts and self.starts[-1] >= start_ms + STRETCH_BUCKET_MS:
            return False
        self.starts[first:] = [stretch[0] for stretch in stretches]
        self.stretches[first:] = stretches
        self.stale = True
        return True

    def trim(self, oldest_ms: int) -> list[int]:
        """Forget what lies before `oldest_ms`, the stretch that reaches into it apart; returns the changed buckets."""
        keep_from = bisect_right(self.starts, oldest_ms) - 1
        if keep_from <= 0:
            return []
        changed = {start // STRETCH_BUCKET_MS for start in self.starts[: keep_from + 1]}
        del self.starts[:keep_from], self.stretches[:keep_from]
        self.record.horizon_ms = self.starts[0]
        return sorted(changed)

    def segments(self, since_ms: int, until_ms: int) -> Iterator[Segment]:
        """What the agent did in [since_ms, until_ms), cut at its ends; the open stretch counts up to `until_ms`."""
        starts = self.starts
        begun: tuple[int, str, str | None, bool] | None = None
        for index in range(max(0, bisect_right(starts, since_ms) - 1), len(starts)):
            start_ms = max(starts[index], since_ms)
            if start_ms >= until_ms:
                break
            what = self._what(index)
            if begun is not None and begun[1:] != what:
                yield Segment(begun[0], start_ms, *begun[1:])
                begun = None
            begun = begun or (start_ms, *what)
        if begun is not None:
            yield Segment(begun[0], until_ms, *begun[1:])

    def state_at(self, now_ms: int) -> tuple[str, str | None, int]:
        """(state, reason, since) at `now_ms`: not the newest only while a stated after-call work still runs."""
        record = self.record
        if record.since_ms <= now_ms:
            return record.state, record.reason, record.since_ms
        index = bisect_right(self.starts, now_ms) - 1
        if index < 0:
            return "unknown", None, now_ms
        state, reason, _ = self._what(index)
        return state, reason, self.starts[index]


def _implied(own: Own, events: list[AgentInput]) -> set[tuple[int, int]]:
    """Login times told by a logout alone: the stated time before it, but not before the last logout."""
    found = set()
    for event in events:
        if event.kind == "logout" and event.span_ms and not own.logged_in:
            since_ms = max(event.at_ms - event.span_ms, own.logged_out_ms)
            if since_ms < event.at_ms:
                found.add((since_ms, event.at_ms))
        own = advance(own, event)
    return found
