"""Contacts as their feeds tell of them, drawn at random: with contradictions, repetitions and holes."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hypothesis import strategies as st

Event = dict[str, Any]

QUEUES: Final = ("sales", "service", "vip")
AGENTS: Final = ("1001", "1002", "1003", "SIP/8007")
CUSTOMERS: Final = (None, "h:1", "h:2")
CLASSES: Final = ("gold", "vip")

seconds = st.one_of(st.integers(0, 30), st.integers(0, 120), st.integers(0, 1_200)).map(lambda s: s * 1000)
blinks = st.one_of(st.just(0), st.integers(0, 3_000))
gaps = st.one_of(seconds, blinks)


class Tape:
    """Events of one contact or agent, told in order of time."""

    def __init__(self, draw: st.DrawFn, subject: Mapping[str, str], start_ms: int) -> None:
        self.draw, self.subject, self.now_ms = draw, dict(subject), start_ms
        self.events: list[Event] = []

    def tell(self, kind: str, after_ms: int = 0, **fields: Any) -> None:
        """Let time pass, and tell what happened then; fields that are None are left out."""
        self.now_ms += after_ms
        number = "/".join((*self.subject.values(), str(len(self.events))))
        told = {"event_id": number, "type": kind, "occurred_at_ms": self.now_ms, **self.subject, **fields}
        self.events.append({name: value for name, value in told.items() if value is not None})

    def maybe(self, *values: Any) -> Any:
        """One of the values, or None."""
        return self.draw(st.sampled_from((None, *values)))

    def chance(self) -> bool:
        """Yes or no."""
        return self.draw(st.booleans())

    def gap(self) -> int:
        """Some time."""
        return self.draw(gaps)


class Call(Tape):
    """One contact. Its feed names legs (`ids`) or has at most one leg of an agent in a visit."""

    def __init__(self, draw: st.DrawFn, contact_id: str, start_ms: int) -> None:
        super().__init__(draw, {"contact_id": contact_id}, start_ms)
        self.ids = self.chance()
        self.bare = draw(st.integers(0, 7)) == 0
        """Legs do not name their visit."""
        self.agents = list(draw(st.permutations(AGENTS)))
        self.visits = self.legs = 0
        self.visit_id, self.queue_id = "", ""
        self.customer = draw(st.sampled_from(CUSTOMERS))

    def queue(self, queue_id: str, after_ms: int = 0, **fields: Any) -> None:
        """Enter a queue."""
        self.visits += 1
        self.visit_id, self.queue_id = f"{self.subject['contact_id']}/{self.visits}", queue_id
        told = self.customer if self.visits == 1 or self.chance() else self.maybe(*CUSTOMERS)
        about = {"visit_id": self.visit_id, "queue_id": queue_id, "customer_ref": told}
        about["customer_class"] = self.maybe(None, *CLASSES)
        self.tell("visit.queued", after_ms, **about, **fields)

    def leave(self, kind: str, after_ms: int, **fields: Any) -> None:
        """The visit ends; some feeds repeat the queue, and state the wait."""
        wait_ms = self.maybe(0, 5_000, 5_001, 20_000, 20_001)
        queue_id = self.queue_id if self.chance() else None
        self.tell("visit." + kind, after_ms, visit_id=self.visit_id, queue_id=queue_id, wait_ms=wait_ms, **fields)

    def leg(self, agent_id: str | None, **fields: Any) -> Callable[..., None]:
        """A leg of an agent in this visit: what it returns tells the leg's events."""
        self.legs += 1
        about = {"agent_id": agent_id, "visit_id": self.visit_id, **fields}
        about["leg_id"] = f"{self.subject['contact_id']}#{self.legs}" if self.ids else None
        if self.bare and self.visits == 1:
            about["visit_id"] = None

        def tell(kind: str, after_ms: int = 0, **more: Any) -> None:
            self.tell("leg." + kind, after_ms, **about, **more)

        tell.__dict__.update(about)
        return tell


def ring(call: Call, leg: Callable[..., None]) -> None:
    """Maybe an offer, maybe alerting."""
    if call.chance():
        leg("offered", call.gap())
    if call.chance():
        leg("alerting", call.gap(), queue_id=call.queue_id if call.chance() else None)


def rona(call: Call, agent_id: str) -> None:
    """An offer that is not taken."""
    leg = call.leg(agent_id, consult=call.maybe(True) if call.draw(st.integers(0, 9)) == 0 else None)
    ring(call, leg)
    leg(call.draw(st.sampled_from(["missed", "rejected"])), call.gap(), ring_ms=call.maybe(2_000))


def answer(call: Call, agent_id: str) -> Callable[..., None]:
    """The visit is answered, told by the visit, the leg, or both."""
    leg = call.leg(agent_id)
    ring(call, leg)
    named = leg.__dict__["leg_id"] if call.chance() or call.legs > 1 else None
    told = call.draw(st.integers(0, 9))
    if told != 9:
        call.leave("answered", call.gap(), agent_id=agent_id, leg_id=named, ring_ms=call.maybe(2_000))
    if told > 5:
        leg("answered", call.draw(blinks), ring_ms=call.maybe(1_500))
    return leg


def talk(call: Call, leg: Callable[..., None]) -> None:
    """Holds and conferences."""
    for _ in range(call.draw(st.integers(0, 2))):
        leg("held", call.gap())
        if call.chance():
            leg("retrieved", call.gap())
    if call.draw(st.integers(0, 4)) == 0:
        leg("conferenced", call.gap())
        leg("party_left", call.gap())


def end(call: Call, leg: Callable[..., None], kind: str = "ended", **fields: Any) -> None:
    """The leg ends; after-call work is told, planned, stated or not at all."""
    leg(kind, call.gap(), talk_ms=call.maybe(20_000), hold_ms=call.maybe(0, 3_000), **fields)
    if kind == "transferred" and call.chance():
        leg("ended", call.draw(blinks), talk_ms=call.maybe(21_000))
    wrap = call.draw(st.sampled_from(["none", "planned", "timed", "end only", "both", "open"]))
    if wrap in ("planned", "both", "timed", "open"):
        leg("wrapup_started", call.draw(blinks), acw_ms=30_000 if wrap in ("planned", "both") else None)
    if wrap in ("timed", "end only", "both"):
        leg("wrapup_ended", call.gap(), acw_ms=call.maybe(12_000))


def ended(call: Call) -> None:
    """The contact ends."""
    if call.draw(st.integers(0, 3)):
        by = call.maybe("customer", "agent", "system")
        call.tell("contact.ended", call.draw(blinks), disconnect_by=by)


def handled(call: Call) -> None:
    """An ordinary call, maybe after missed offers, to a colleague or, where legs have names, to the same agent."""
    for _ in range(call.draw(st.integers(0, 2))):
        rona(call, call.agents[0] if call.ids and call.chance() else call.agents.pop())
    leg = answer(call, call.agents[0])
    talk(call, leg)
    if call.chance():
        end(call, leg)


def transferred(call: Call) -> None:
    """Handed on: blind or attended with a consultation, to a queue or to a colleague."""
    first, second, third = call.agents[:3]
    leg = answer(call, first)
    talk(call, leg)
    if call.chance():
        consult = call.leg(second, consult=True)
        ring(call, consult)
        consult("answered", call.gap())
        if call.chance():
            end(call, consult)
    end(call, leg, "transferred", transfer_kind=call.maybe("blind", "attended", "queue"))
    if call.chance():
        initiation = call.maybe("transfer")
        call.queue(call.draw(st.sampled_from(QUEUES)), call.draw(blinks), initiation=initiation)
        next_leg = answer(call, third)
    else:
        next_leg = call.leg(third)
        ring(call, next_leg)
        next_leg("answered", call.gap())
    if call.chance():
        end(call, next_leg)


def overflowed(call: Call) -> None:
    """From queue to queue, and then maybe answered."""
    for queue_id in call.draw(st.lists(st.sampled_from(QUEUES), min_size=1, max_size=2)):
        call.leave("flowed_out", call.gap(), outcome_reason=call.maybe("timeout", "overflow"), to_queue_id=queue_id)
        call.queue(queue_id, call.draw(blinks), from_queue_id=call.queue_id, initiation=call.maybe("transfer"))
    call.draw(st.sampled_from([handled, left, waits]))(call)


def left(call: Call) -> None:
    """The customer does not stay, maybe while a phone rings; maybe a callback follows under the same contact."""
    if call.chance():
        ring(call, call.leg(call.agents[0]))
    kind = call.draw(st.sampled_from(["abandoned", "abandoned", "flowed_out", "callback_requested", "cancelled"]))
    call.leave(kind, call.gap())
    if kind == "callback_requested" and call.chance():
        call.tell("callback.scheduled", queue_id=call.queue_id)
        for state in call.draw(st.sampled_from([(), ("attempted",), ("attempted", "connected"), ("expired",)])):
            call.tell("callback." + state, call.gap(), queue_id=call.queue_id)
        call.queue(call.queue_id, call.gap(), initiation="callback")
        handled(call)


def refused(call: Call) -> None:
    """Not let in."""
    call.events.pop()
    call.tell("visit.refused", visit_id=call.visit_id, queue_id=call.queue_id, outcome_reason=call.maybe("full"))


def waits(call: Call) -> None:
    """Still there, maybe while a phone rings."""
    if call.chance():
        ring(call, call.leg(call.agents[0]))


STORIES: Final = (handled, handled, transferred, overflowed, left, refused, waits)


@st.composite
def contacts(draw: st.DrawFn, contact_id: str, start_ms: int) -> list[Event]:
    """The events of one contact as its feed tells them: with contradictions, repetitions and holes."""
    call = Call(draw, contact_id, start_ms)
    if draw(st.integers(0, 2)) == 0:
        customer = {"customer_ref": call.maybe(*CUSTOMERS), "customer_class": call.maybe(*CLASSES)}
        call.tell("contact.started", **customer)
    call.queue(draw(st.sampled_from(QUEUES)), initiation=call.maybe("inbound", "transfer"))
    draw(st.sampled_from(STORIES))(call)
    ended(call)
    if draw(st.integers(0, 5)) == 0:  # a second terminal event of a visit
        kind = draw(st.sampled_from(["abandoned", "flowed_out", "cancelled", "answered"]))
        call.now_ms -= draw(seconds)
        call.leave(kind, 0)
    events = call.events
    if draw(st.integers(0, 5)) == 0:  # the feed tells something twice, under another name
        again = dict(draw(st.sampled_from(events)))
        events.append({**again, "event_id": again["event_id"] + " again"})
    if draw(st.integers(0, 5)) == 0 and len(events) > 1:  # something is never told
        events.remove(draw(st.sampled_from(events)))
    return events
