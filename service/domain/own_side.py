"""The agent's own side: what login, membership and state events say of an agent, the legs of contacts apart."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from service.domain.facts import AgentInput

ABSENT: Final = ("offline", "unknown")
BUSY: Final = ("reserved", "on_contact", "acw")
"""States that a contact explains; told by the agent's own events they may get stuck."""

WATCHDOG: Final = "watchdog"
"""Reason of a state that became unknown because it lasted too long."""


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
        known = {*(self.queues or seen), *(queue for queue, _, _ in self.per_queue)}
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
    if event.reason == WATCHDOG and own.state not in BUSY:
        return own  # it had ended, only later than the watchdog could know
    if event.queue_id is not None:
        others = tuple(entry for entry in own.per_queue if entry[0] != event.queue_id)
        return _change(own, per_queue=tuple(sorted((*others, (event.queue_id, state, event.reason)))))
    if state == "offline":
        return _logout(own, event)
    member, queues = own.member, own.queues
    if event.queues is not None:
        member, queues = bool(event.queues), tuple(event.queues)
    same = own.state == state and own.queues == queues and own.reason == event.reason and own.member == member
    if same and not own.per_queue:
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


def implied(own: Own, events: list[AgentInput]) -> set[tuple[int, int]]:
    """Login times told by a logout alone: the stated time before it, but not before the last logout."""
    found = set()
    for event in events:
        if event.kind == "logout" and event.span_ms and not own.logged_in:
            since_ms = max(event.at_ms - event.span_ms, own.logged_out_ms)
            if since_ms < event.at_ms:
                found.add((since_ms, event.at_ms))
        own = advance(own, event)
    return found
