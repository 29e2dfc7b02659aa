"""A human agent's states over time, from the agent's own events and from the legs of contacts.

The derived state is that of the busiest open leg (connected, after-call work, reserved), else the agent's own. Events of the last
minute are kept and folded again when one arrives late; what changed is returned as segments to take back and segments to add.
"""

from bisect import insort
from operator import attrgetter
from typing import Final

from msgspec import Struct, field

from service.domain.facts import AgentInput, LegTimes

KEEP_MS: Final = 60_000
"""How far back a late agent event still reorders the timeline."""

RANKS: Final = {"login": 0, "queue_joined": 1, "state_changed": 2, "snapshot": 3, "queue_left": 4, "logout": 5, "heartbeat": 6}
"""Order of agent events with the same time."""

RESERVED, WRAPPING, CONNECTED = 1, 2, 3
STATE_OF_PHASE: Final = {RESERVED: "reserved", WRAPPING: "acw", CONNECTED: "on_contact"}
ABSENT: Final = ("offline", "unknown")
_ORDER = attrgetter("at_ms", "rank", "seq", "event_id")


class Segment(Struct, array_like=True, frozen=True, gc=False):
    """The agent was in `state` during [since_ms, until_ms). An empty state marks login time implied by a logout alone."""

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

    def overall(self, seen: list[str]) -> tuple[str, str | None]:
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


class Checkpoint(Struct, array_like=True, frozen=True, gc=False):
    """The agent's own side and the open segment just before anything at or after `at_ms` happened."""

    at_ms: int
    own: Own
    state: str
    reason: str | None
    since_ms: int
    logged_in: bool


class AgentRecord(Struct, array_like=True, gc=False):
    """The durable form of an agent's timeline: the open segment, the own side, and what is needed to fold the last minute again."""

    state: str = "unknown"
    reason: str | None = None
    since_ms: int = 0
    logged_in: bool = False
    own: Own = field(default_factory=Own)
    last_ms: int = 0
    seen_queues: list[str] = field(default_factory=list)
    legs: dict[str, LegTimes] = field(default_factory=dict)
    inputs: list[AgentInput] = field(default_factory=list)
    recent: list[Segment] = field(default_factory=list)
    implied: list[Segment] = field(default_factory=list)
    oldest: Checkpoint | None = None
    newest: Checkpoint | None = None


class Change(Struct, gc=False):
    """What one input did to the agent's closed segments."""

    removed: list[Segment] = field(default_factory=list)
    added: list[Segment] = field(default_factory=list)
    duplicate: bool = False
    late: bool = False


def points_of(times: LegTimes) -> list[tuple[int, int]]:
    """(time, phase) of a leg in order of time; phase 0 is over."""
    points = []
    if times.reserved_ms is not None:
        points.append((times.reserved_ms, RESERVED))
    if times.connected_ms is not None:
        points.append((times.connected_ms, CONNECTED))
    if times.acw_ms is not None:
        points.append((times.acw_ms, WRAPPING))
    if times.closed_ms is not None:
        points.append((times.closed_ms, 0))
    return points


class AgentTimeline:
    """One agent's timeline over its record. Inputs may come in any order within the last minute; the result does not change."""

    __slots__ = ("_phases", "record")

    def __init__(self, record: AgentRecord | None = None) -> None:
        self.record = record if record is not None else AgentRecord()
        self._phases: dict[str, int] = {}
        for leg_id, times in self.record.legs.items():
            phase = _phase_before(times, self.record.last_ms + 1)
            if phase:
                self._phases[leg_id] = phase

    def take_event(self, event: AgentInput) -> Change:
        """Apply one agent event. An event older than the kept minute is late: it changes nothing."""
        record = self.record
        if event in record.inputs:
            return Change(duplicate=True)
        if record.oldest is not None and event.at_ms < record.oldest.at_ms:
            return Change(late=True)
        in_order = event.at_ms >= record.last_ms and (not record.inputs or _ORDER(record.inputs[-1]) <= _ORDER(event))
        if not in_order:
            insort(record.inputs, event, key=_ORDER)
            return self._refold()
        change = Change()
        self._rotate(event.at_ms)
        record.inputs.append(event)
        self._own_step(event, change)
        return change

    def take_leg(self, times: LegTimes) -> Change:
        """Apply where one leg stands now."""
        record = self.record
        before = record.legs.get(times.leg_id)
        if times.queue_id is not None and times.queue_id not in record.seen_queues:
            record.seen_queues.append(times.queue_id)
        old, new = (points_of(before) if before is not None else []), points_of(times)
        same = 0
        while same < len(old) and same < len(new) and old[same] == new[same]:
            same += 1
        changed = [*(at for at, _ in old[same:]), *(at for at, _ in new[same:])]
        record.legs[times.leg_id] = times
        if not changed:
            return Change()
        first_ms = min(changed)
        if first_ms < record.last_ms:
            late = record.oldest is not None and first_ms < record.oldest.at_ms
            change = self._refold()
            change.late = late
            return change
        change = Change()
        steps = new[same:] or [(first_ms, new[-1][1] if new else 0)]
        for at_ms, phase in steps:
            self._rotate(at_ms)
            self._leg_step(times.leg_id, at_ms, phase, change)
        return change

    def _own_step(self, event: AgentInput, change: Change) -> None:
        record = self.record
        if event.kind == "logout" and event.span_ms and not record.own.logged_in:
            since_ms = max(event.at_ms - event.span_ms, record.own.logged_out_ms)
            if since_ms < event.at_ms:
                implied = Segment(since_ms, event.at_ms, "", None, True)
                record.implied.append(implied)
                change.added.append(implied)
        record.own = advance(record.own, event)
        self._boundary(event.at_ms, change)

    def _leg_step(self, leg_id: str, at_ms: int, phase: int, change: Change) -> None:
        if phase:
            self._phases[leg_id] = phase
        else:
            self._phases.pop(leg_id, None)
        self._boundary(at_ms, change)

    def _boundary(self, at_ms: int, change: Change) -> None:
        """Close the open segment at `at_ms` if what the agent does from there on differs."""
        record = self.record
        if self._phases:
            state, reason = STATE_OF_PHASE[max(self._phases.values())], None
        else:
            state, reason = record.own.overall(record.seen_queues)
        logged_in = record.own.logged_in
        if at_ms > record.last_ms:
            record.last_ms = at_ms
        if (state, reason, logged_in) == (record.state, record.reason, record.logged_in):
            return
        since_ms = at_ms
        if at_ms > record.since_ms and record.since_ms:
            closed = Segment(record.since_ms, at_ms, record.state, record.reason, record.logged_in)
            record.recent.append(closed)
            change.added.append(closed)
        elif record.recent:
            since_ms = self._rejoin(at_ms, (state, reason, logged_in), change)
        record.state, record.reason, record.since_ms, record.logged_in = state, reason, since_ms, logged_in

    def _rejoin(self, at_ms: int, what: tuple[str, str | None, bool], change: Change) -> int:
        """A state of no length vanished; if the one before it goes on, open that again. Returns since when."""
        last = self.record.recent[-1]
        if last.until_ms != at_ms or (last.state, last.reason, last.logged_in) != what:
            return at_ms
        self.record.recent.pop()
        if last in change.added:
            change.added.remove(last)
        else:
            change.removed.append(last)
        return last.since_ms

    def _rotate(self, at_ms: int) -> None:
        """Before something new happens: once a minute move the checkpoint on and forget what lies before it."""
        record = self.record
        newest = record.newest
        if newest is not None and (at_ms - newest.at_ms < KEEP_MS or at_ms <= record.last_ms):
            return
        oldest = newest
        record.newest = Checkpoint(at_ms, record.own, record.state, record.reason, record.since_ms, record.logged_in)
        if oldest is None:
            return
        record.oldest = oldest
        record.inputs = [i for i in record.inputs if i.at_ms >= oldest.at_ms]
        record.recent = [s for s in record.recent if s.since_ms >= oldest.since_ms]
        record.implied = [s for s in record.implied if s.until_ms >= oldest.at_ms]
        over = [leg_id for leg_id, t in record.legs.items() if t.closed_ms is not None and t.closed_ms < oldest.at_ms]
        for leg_id in over:
            del record.legs[leg_id]

    def _refold(self) -> Change:
        """Compute everything since the oldest checkpoint again, in order of time."""
        record = self.record
        start_ms = record.oldest.at_ms if record.oldest is not None else 0
        before = [*record.recent, *record.implied]
        if record.oldest is not None:
            cp = record.oldest
            record.own, record.state, record.reason = cp.own, cp.state, cp.reason
            record.since_ms, record.logged_in = cp.since_ms, cp.logged_in
        else:
            fresh = AgentRecord()
            record.own, record.state, record.reason = fresh.own, fresh.state, fresh.reason
            record.since_ms, record.logged_in = 0, False
        record.recent, record.implied, record.last_ms = [], [], 0
        self._phases = {leg: p for leg, times in record.legs.items() if (p := _phase_before(times, start_ms))}
        self._replay(start_ms)
        after = [*record.recent, *record.implied]
        return Change([s for s in before if s not in after], [s for s in after if s not in before])

    def _replay(self, start_ms: int) -> None:
        """Apply the kept events and the legs' points at or after `start_ms`, and set the newest checkpoint anew."""
        record = self.record
        newest_ms = record.newest.at_ms if record.newest is not None else None
        steps: list[tuple[int, int, AgentInput | tuple[str, int]]] = [(i.at_ms, 0, i) for i in record.inputs]
        for leg_id, times in record.legs.items():
            steps += [(at, 1, (leg_id, phase)) for at, phase in points_of(times) if at >= start_ms]
        steps.sort(key=lambda step: (step[0], step[1]))
        ignored = Change()
        for at_ms, _, what in steps:
            if newest_ms is not None and at_ms >= newest_ms:
                record.newest = Checkpoint(
                    newest_ms, record.own, record.state, record.reason, record.since_ms, record.logged_in
                )
                newest_ms = None
            if isinstance(what, tuple):
                self._leg_step(what[0], at_ms, what[1], ignored)
            else:
                self._own_step(what, ignored)


def _phase_before(times: LegTimes, before_ms: int) -> int:
    """The leg's phase just before `before_ms`."""
    phase = 0
    for at_ms, next_phase in points_of(times):
        if at_ms < before_ms:
            phase = next_phase
    return phase


def state_at(record: AgentRecord, now_ms: int) -> tuple[str, str | None, int]:
    """(state, reason, since) at `now_ms`; differs from the newest only while a stated after-call work still runs."""
    if record.since_ms <= now_ms:
        return record.state, record.reason, record.since_ms
    for segment in reversed(record.recent):
        if segment.since_ms <= now_ms < segment.until_ms:
            return segment.state, segment.reason, segment.since_ms
    return "unknown", None, now_ms
