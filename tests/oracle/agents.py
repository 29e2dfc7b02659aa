"""An agent's states over time: at every moment the busiest of the legs, else what the agent's own events say."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from tests.oracle.legs import Stint
from tests.oracle.stays import Told

RANKS = ("login", "queue_joined", "state_changed", "snapshot", "queue_left", "logout", "heartbeat")
"""Order of an agent's own events of the same time; then by `seq`, then by `event_id`."""
BUSY = ("on_contact", "acw", "reserved")
"""Of several legs the agent is shown in the state that stands first here."""
AWAY = ("unknown", "offline")


@dataclass(frozen=True)
class Own:
    """What the agent's own events say. `paused` are states told for one queue only."""

    state: str = "unknown"
    reason: str | None = None
    login: bool = False
    member: bool = False
    seen: bool = False
    """Whether a login or membership was ever told."""
    out_ms: int = 0
    queues: tuple[str, ...] = ()
    paused: Mapping[str, tuple[str, str | None]] | None = None

    def in_queue(self, queue_id: str) -> tuple[str, str | None]:
        """State and reason in one queue."""
        return (self.paused or {}).get(queue_id, (self.state, self.reason))

    def overall(self, offered: Sequence[str]) -> tuple[str, str | None]:
        """Not ready once that is so in all queues served: those joined, else those offered; and those told of."""
        if not self.paused:
            return self.state, self.reason
        states = [self.in_queue(queue) for queue in sorted({*(self.queues or offered), *self.paused})]
        if all(state == "not_ready" for state, _ in states):
            return states[0]
        return ("ready", None) if any(state == "ready" for state, _ in states) else (self.state, self.reason)


def after(own: Own, at_ms: int, event: Mapping[str, Any]) -> Own:
    """The agent's own side after one more event."""
    kind = event["type"].partition(".")[2]
    queue: str | None = event.get("queue_id")
    present = "ready" if own.state in AWAY else own.state
    if kind == "login":
        told = event.get("queues")
        return replace(own, login=True, seen=True, state=present, queues=own.queues if told is None else tuple(told))
    if kind == "queue_joined":
        joined = tuple(dict.fromkeys((*own.queues, queue or "")))
        return replace(own, member=True, seen=True, state=present, queues=joined)
    if kind == "queue_left":
        return left(own, at_ms, queue)
    if kind == "logout" or (event.get("state") == "offline" and queue is None):
        stated = event.get("login_ms") or 0
        ends = at_ms if own.login or own.member or stated else own.out_ms
        return Own("offline", seen=own.seen or stated > 0, out_ms=ends, queues=own.queues)
    if kind == "heartbeat" or (event.get("reason") == "watchdog" and own.state not in BUSY):
        return own
    if queue is not None:
        return replace(own, paused={**(own.paused or {}), queue: (event["state"], event.get("reason"))})
    queues = event.get("queues")
    member = own.member if queues is None else bool(queues)
    served = own.queues if queues is None else tuple(queues)
    return Own(event["state"], event.get("reason"), own.login, member, own.seen or member, own.out_ms, served)


def left(own: Own, at_ms: int, queue: str | None) -> Own:
    """Leaving the last queue ends the presence of an agent who is not signed in."""
    queues = tuple(other for other in own.queues if other != queue)
    paused = {other: told for other, told in (own.paused or {}).items() if other != queue}
    member = own.member and bool(queues)
    if queues or own.login:
        return replace(own, queues=queues, paused=paused, member=member)
    out_ms = at_ms if own.member else own.out_ms
    return replace(own, queues=queues, paused=paused, member=False, state="offline", reason=None, out_ms=out_ms)


@dataclass(frozen=True)
class Stretch:
    """The agent was in `state` from `since_ms` until the next stretch begins."""

    since_ms: int
    state: str
    reason: str | None
    logged_in: bool


class Agent:
    """One agent: own events that count, and the legs of contacts."""

    def __init__(self, told: Sequence[Told], stints: Sequence[Stint], hinted: Set[str] = frozenset()) -> None:
        self.hinted = hinted
        """Queues that some event connected with the agent, even if it does not count in the end."""
        self.told = sorted(told, key=order)
        self.stints = stints
        self.offered: dict[str, int] = {}
        for stint in stints:
            if stint.queue_id is not None and stint.phases:
                begun = min(since for _, since, _ in stint.phases)
                self.offered[stint.queue_id] = min(begun, self.offered.get(stint.queue_id, begun))
        self.folded = [Own()]
        self.implied: list[tuple[int, int]] = []
        for at_ms, event in self.told:
            self._imply(at_ms, event)
            self.folded.append(after(self.folded[-1], at_ms, event))
        self._times = [at_ms for at_ms, _ in self.told]
        self.stretches = self._stretches()

    @property
    def own(self) -> Own:
        """What the own events say in the end."""
        return self.folded[-1]

    def _imply(self, at_ms: int, event: Mapping[str, Any]) -> None:
        """A logout without a login implies one the stated time earlier, but not before the last logout."""
        own, stated = self.folded[-1], event.get("login_ms") or 0
        since_ms = max(at_ms - stated, own.out_ms)
        if event["type"] == "agent.logout" and not own.login and not own.member and since_ms < at_ms:
            self.implied.append((since_ms, at_ms))

    def _stretches(self) -> list[Stretch]:
        times = {*self._times, *self.offered.values(), *(at for span in self.implied for at in span)}
        for stint in self.stints:
            times |= {at for _, since, until in stint.phases for at in (since, until) if at is not None}
        found: list[Stretch] = []
        for at_ms in sorted(times):
            here = self._at(at_ms)
            if not found or (found[-1].state, found[-1].reason, found[-1].logged_in) != here[1:]:
                found.append(Stretch(*here))
        return found

    def _at(self, at_ms: int) -> tuple[int, str, str | None, bool]:
        own = self.folded[bisect_right(self._times, at_ms)]
        logged_in = own.login or own.member or any(since <= at_ms < until for since, until in self.implied)
        state, reason = own.overall([queue for queue, since in self.offered.items() if since <= at_ms])
        busy = {
            phase for stint in self.stints for phase, since, until in stint.phases
            if since <= at_ms and (until is None or at_ms < until)
        }  # fmt: skip
        for phase in BUSY:
            if phase in busy:
                return at_ms, phase, None, logged_in
        return at_ms, state, reason, logged_in

    def spans(self, since_ms: int, until_ms: int) -> list[tuple[int, Stretch]]:
        """(milliseconds, stretch) of [since, until)."""
        if not self.stretches:
            return []
        ends = [*(stretch.since_ms for stretch in self.stretches[1:]), until_ms]
        cut = [
            (min(end, until_ms) - max(stretch.since_ms, since_ms), stretch)
            for stretch, end in zip(self.stretches, ends, strict=True)
        ]
        return [(length, stretch) for length, stretch in cut if length > 0]

    def state_at(self, at_ms: int) -> tuple[str, str | None, int | None]:
        """(state, reason, since when the agent is in that state), None if nothing was told yet."""
        state, reason, since = "unknown", None, None
        for stretch in self.stretches:
            if stretch.since_ms > at_ms:
                break
            if since is None or (stretch.state, stretch.reason) != (state, reason):
                state, reason, since = stretch.state, stretch.reason, stretch.since_ms
        return state, reason, since

    @property
    def blurred(self) -> bool:
        """Whether a state of single queues was told while no membership was known: which queues it leaves depends on
        offers that may be heard of later than the product looks back.
        """
        return any(own.paused and not own.queues for own in self.folded)

    @property
    def queues(self) -> tuple[str, ...]:
        """Queues served: memberships, else those whose contacts were offered."""
        return self.own.queues or tuple(self.offered)


def order(one: Told) -> tuple[int, int, int, str]:
    """Sorts an agent's own events."""
    at_ms, event = one
    return at_ms, RANKS.index(event["type"].partition(".")[2]), event.get("seq") or 0, event["event_id"]
