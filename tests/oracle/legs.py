"""The legs of a contact: each offer to an agent, found among the events by its name and measured by their times."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.oracle.stays import Event, Stay, Told

Key = tuple[str | None, str]
"""(agent, name of the leg)."""
PROOFS = ("next_contact", "ready")
"""Reasons of closures that prove the end."""
GRACE_MS = 10_000
"""An end told so much later than it is proved is the end all the same."""


@dataclass
class Stint:
    """A leg: one offer to one agent and what came of it. `over_ms` is the answer, or the miss."""

    agent_id: str | None
    queue_id: str | None
    name: str
    arrival_ms: int = 0
    over_ms: int | None = None
    missed: bool = False
    ring_ms: int | None = None
    end_ms: int | None = None
    talk_ms: int = 0
    hold_ms: int = 0
    holds: int = 0
    conferenced: int = 0
    transferred_out: bool = False
    transferred_in: bool = False
    consult: bool = False
    acw_ms: int | None = None
    first_in_queue: bool = False
    first_of_agent: bool = False
    phases: list[tuple[str, int, int | None]] = field(default_factory=list)
    """(state, since, until or None while open) of the agent."""
    open: bool = False
    wrapping: bool = False
    customer_class: str | None = None

    @property
    def handled(self) -> bool:
        """Answered and over."""
        return self.over_ms is not None and not self.missed and self.end_ms is not None


class Legs:
    """The legs of one contact, found among its events."""

    def __init__(self, events: Sequence[Told], stays: Sequence[Stay], contact_end_ms: int | None) -> None:
        self.stays, self.contact_end_ms = stays, contact_end_ms
        self.parts: dict[Key, list[Told]] = {}
        for one in events:
            if one[1]["type"].startswith("leg."):
                self.parts.setdefault(self._key(one[1]), []).append(one)
        self.answers: dict[Key, Told] = {}
        for stay in stays:
            if stay.answer is not None and stay.answer[1].get("agent_id"):
                self._claim(stay, stay.answer)

    def _key(self, event: Event) -> Key:
        """(agent, name of the leg): the feed's id, else the visit: one leg of an agent in a visit needs no id."""
        agent_id = event.get("agent_id")
        return agent_id, event.get("leg_id") or "in " + (event.get("visit_id") or self._visit_of(agent_id) or "")

    def _visit_of(self, agent_id: str | None) -> str | None:
        """The visit of a leg that names none: the one its agent answered, else the only one."""
        answered = [s.visit_id for s in self.stays if s.answer and s.answer[1].get("agent_id") == agent_id]
        return answered[0] if answered else self.stays[0].visit_id if len(self.stays) == 1 else None

    def _claim(self, stay: Stay, answer: Told) -> None:
        """Give the visit's answer to the leg it names, else to the agent's first leg there that was not missed."""
        agent_id, name = answer[1]["agent_id"], answer[1].get("leg_id")
        there = [key for key in self.parts if key[0] == agent_id and self._stay(key) is stay]
        if name is None and there:
            fit = [key for key in there if not self._times(key, "leg.missed", "leg.rejected")]
            if not fit:
                return
            self.answers[min(fit, key=lambda key: (self.parts[key][0][0], key[1]))] = answer
            return
        key = (agent_id, name or "in " + stay.visit_id)
        self.parts.setdefault(key, [])
        self.answers[key] = answer

    def _stay(self, key: Key) -> Stay | None:
        """The visit of a leg."""
        answer = self.answers.get(key)
        named = [e["visit_id"] for _, e in self.parts[key] if e.get("visit_id")] or (
            [answer[1]["visit_id"]] if answer else []
        )
        visit_id = named[0] if named else self._visit_of(key[0])
        return next((stay for stay in self.stays if stay.visit_id == visit_id), None)

    def _times(self, key: Key, *kinds: str) -> list[Told]:
        return [one for one in self.parts[key] if one[1]["type"] in kinds]

    def close(self, closures: Sequence[Told]) -> int:
        """Take legs for over where their source said nothing, and where an agent's next contact or being ready proves
        that an end told later cannot be theirs, unless that states the talk. Returns of how many that is so.
        """
        overruled = 0
        for at_ms, event in closures:
            for key, parts in self.parts.items():
                if event["type"].startswith("leg.") and self._is_meant(key, event) and self._is_open(key, at_ms, event):
                    ends = self._ends(key) if event["type"] == "leg.ended" else []
                    overruled += bool(ends)
                    rest = [one for one in parts if not ends or one[1]["type"] != "leg.ended"]
                    stated = durations(self._times(key, "leg.ended"))
                    self.parts[key] = sorted([*rest, (at_ms, {**stated, "type": event["type"]})], key=_when)
        return overruled

    def _is_meant(self, key: Key, event: Event) -> bool:
        """Whether a closure is of this leg: by its name, else by its agent and visit."""
        agent_id, leg_id = event.get("agent_id"), event["leg_id"]
        if key[0] != agent_id or (agent_id, leg_id) in self.parts:
            return key == (agent_id, leg_id)
        stay, visit_id = self._stay(key), event.get("visit_id")
        return visit_id is None or key[1] == f"in {visit_id}" or (stay is not None and stay.visit_id == visit_id)

    def _is_open(self, key: Key, at_ms: int, closure: Event) -> bool:
        """Whether a closure has something to close."""
        if closure["type"] == "leg.wrapup_ended":
            return self._wraps(key)
        ends = self._ends(key)
        if closure["type"] == "leg.missed":
            answered = self._times(key, "leg.answered") or key in self.answers
            return not (ends or answered or self._times(key, "leg.missed", "leg.rejected"))
        stated = {**durations(self._times(key, "leg.transferred")), **durations(self._times(key, "leg.ended"))}
        proved = closure["synthetic_reason"] in PROOFS and "talk_ms" not in stated
        return not ends or (proved and ends[0] > at_ms + GRACE_MS)

    def _ends(self, key: Key) -> list[int]:
        """When the leg ended as its source says."""
        told = first(self._times(key, "leg.ended")) or first(self._times(key, "leg.transferred"))
        return [told[0]] if told else [self.contact_end_ms] if self.contact_end_ms is not None else []

    def stints(self) -> list[Stint]:
        """Every leg, and which was the contact's first in its queue and of its agent."""
        found = [self._stint(key) for key in self.parts]
        done = [stint for stint in found if stint.handled and not stint.consult]
        done.sort(key=lambda stint: (stint.end_ms or 0, stint.name))
        queues: set[str | None] = set()
        agents: set[str | None] = set()
        for stint in done:
            stint.first_in_queue, stint.first_of_agent = stint.queue_id not in queues, stint.agent_id not in agents
            queues.add(stint.queue_id)
            agents.add(stint.agent_id)
        return found

    def _stint(self, key: Key) -> Stint:
        stay, events = self._stay(key), self.parts[key]
        told_queue = next((e["queue_id"] for _, e in events if e.get("queue_id")), None)
        stint = Stint(key[0], told_queue or (stay.queue_id if stay else None), key[1])
        stint.consult = any(e.get("consult") for _, e in events)
        stint.transferred_out = bool(self._times(key, "leg.transferred"))
        stint.conferenced = len({at for at, _ in self._times(key, "leg.conferenced")})
        own_end = first(self._times(key, "leg.ended")) or first(self._times(key, "leg.transferred"))
        stint.end_ms = own_end[0] if own_end else self.contact_end_ms
        stated = {**durations(self._times(key, "leg.transferred")), **durations(self._times(key, "leg.ended"))}
        offered = first(self._times(key, "leg.offered", "leg.alerting"))
        missed = first(self._times(key, "leg.missed", "leg.rejected"))
        answered = first(self._times(key, "leg.answered")) or self.answers.get(key)
        answered_ms = answered[0] if answered else None
        if answered_ms is not None:
            stint.transferred_in = self._moved_before(key, answered_ms)
        if answered_ms is None and missed is None and stint.end_ms is not None and self._was_connected(key):
            hold_ms = stated.get("hold_ms", self._held(key, stint.end_ms)[0])
            answered_ms = stint.end_ms - stated.get("talk_ms", 0) - hold_ms
        stint.transferred_in |= stay is not None and stay.transferred_in
        stint.missed = answered_ms is None and missed is not None
        stint.over_ms = answered_ms if answered_ms is not None else missed[0] if missed else None
        stint.arrival_ms = stay.arrival_ms if stay else stint.over_ms or 0
        stint.customer_class = stay.customer_class if stay else None
        stint.ring_ms = self._ring(key, offered, stint.over_ms)
        self._measure(stint, key, answered_ms, stated)
        self._lay(stint, key, offered, answered_ms)
        stint.wrapping = self._wraps(key)
        stint.open = not (missed and not self._times(key, "leg.answered")) and (own_end is None or stint.wrapping)
        return stint

    def _moved_before(self, key: Key, answered_ms: int) -> bool:
        return any(other != key and t[0] <= answered_ms for other in self.parts for t in
                   self._times(other, "leg.transferred")[:1])  # fmt: skip

    def _was_connected(self, key: Key) -> bool:
        """Whether something was told that only happens to an agent who had answered."""
        kinds = ("leg.ended", "leg.transferred", "leg.wrapup_started", "leg.held", "leg.retrieved", "leg.conferenced")
        return bool(self._times(key, *kinds))

    def _ring(self, key: Key, offered: Told | None, over_ms: int | None) -> int | None:
        """Stated ring time, else from the offer to the answer or miss; None if nobody tells."""
        answer = self.answers.get(key)
        for _, event in self._times(key, "leg.answered", "leg.missed", "leg.rejected") + ([answer] if answer else []):
            if event.get("ring_ms") is not None:
                return int(event["ring_ms"])
        return None if offered is None or over_ms is None else max(0, over_ms - offered[0])

    def _held(self, key: Key, end_ms: int) -> tuple[int, int]:
        """(time on hold, how often) by the clock; a hold not taken back lasts until the leg's end."""
        total, since = 0, None
        steps = {(at, e["type"] == "leg.held") for at, e in self._times(key, "leg.held", "leg.retrieved")}
        for at, begins in sorted(steps):
            if begins and since is None:
                since = at
            elif not begins and since is not None:
                total, since = total + at - since, None
        return total + (max(0, end_ms - since) if since is not None else 0), sum(begins for _, begins in steps)

    def _measure(self, stint: Stint, key: Key, answered_ms: int | None, stated: dict[str, int]) -> None:
        """Talk, hold and after-call work of an answered leg that is over."""
        if answered_ms is None or stint.end_ms is None:
            return
        stint.end_ms = max(stint.end_ms, answered_ms)
        by_clock_ms, stint.holds = self._held(key, stint.end_ms)
        stint.hold_ms = stated.get("hold_ms", by_clock_ms)
        stint.holds = stint.holds or int(stint.hold_ms > 0)
        stint.talk_ms = stated.get("talk_ms", max(0, stint.end_ms - answered_ms - stint.hold_ms))
        acw = self._after_call(key, stint.end_ms)
        if acw is not None and acw[1] is not None:
            stint.acw_ms = acw[1] - acw[0]

    def _after_call(self, key: Key, end_ms: int) -> tuple[int, int | None] | None:
        """(start, end or None while open): the length stated at its end wins, then that end, then the plan."""
        begun, over = first(self._times(key, "leg.wrapup_started")), first(self._times(key, "leg.wrapup_ended"))
        start_ms = begun[0] if begun else end_ms
        if over and over[1].get("acw_ms") is not None:
            return start_ms, start_ms + over[1]["acw_ms"]
        if over:
            return start_ms, max(start_ms, over[0])
        if begun and begun[1].get("acw_ms") is not None:
            return start_ms, start_ms + begun[1]["acw_ms"]
        return (start_ms, None) if begun else None

    def _wraps(self, key: Key) -> bool:
        acw = self._after_call(key, 0)
        return acw is not None and acw[1] is None

    def _lay(self, stint: Stint, key: Key, offered: Told | None, answered_ms: int | None) -> None:
        """The agent is reserved until the answer, the miss or the end; then connected; then in after-call work."""
        since = offered[0] if offered else stint.over_ms - stint.ring_ms if stint.ring_ms and stint.over_ms else None
        if since is not None:
            until = stint.over_ms if stint.over_ms is not None else stint.end_ms
            if answered_ms is not None:
                since = min(since, answered_ms)
            stint.phases.append(("reserved", since, until))
        elif stint.missed and stint.over_ms is not None:
            stint.phases.append(("reserved", stint.over_ms, stint.over_ms))
        if answered_ms is not None:
            stint.phases.append(("on_contact", answered_ms, stint.end_ms))
            acw = self._after_call(key, stint.end_ms) if stint.end_ms is not None else None
            if acw is not None:
                stint.phases.append(("acw", *acw))


def _when(one: Told) -> int:
    return one[0]


def first(told: Sequence[Told]) -> Told | None:
    """The earliest; events come sorted."""
    return told[0] if told else None


def durations(told: Sequence[Told]) -> dict[str, int]:
    """The durations that the earliest of these events states."""
    return {name: told[0][1][name] for name in ("talk_ms", "hold_ms") if told and told[0][1].get(name) is not None}
