"""Contacts and shifts as they happen in a contact centre, drawn at random; and what is compared between two floors."""

from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import strategies as st

from service.domain.aggregate import AggregateStore
from service.domain.buckets import PANES_KEPT_MS
from service.domain.events import Event
from service.domain.recent import RECENT_KEPT
from service.domain.totals import Totals
from tests.unit.domain.build import event, ms

QUEUES = ("sales", "service")
AGENTS = ("1001", "1002", "1003")
HORIZON_S = 2_400
JITTER_S = 10

seconds = st.integers(1, 90)


class _Tape:
    """Events of one contact, told in order of time."""

    def __init__(self, contact_id: str, start_s: float, with_ids: bool) -> None:
        self.contact_id, self.now_s, self.with_ids = contact_id, start_s, with_ids
        self.events: list[Event] = []

    def tell(self, kind: str, after_s: float = 0, **fields: Any) -> None:
        self.now_s += after_s
        if kind.startswith(("visit.", "leg.")):
            fields.setdefault("visit_id", self.contact_id + "/1")
        if kind.startswith("leg.") and not self.with_ids:
            fields.pop("leg_id", None)
        self.events.append(event(kind, self.now_s, contact_id=self.contact_id, **fields))


def _answered(draw: st.DrawFn, tape: _Tape, queue: str, agent: str, visit: str, leg: str) -> None:
    about = {"visit_id": visit, "agent_id": agent, "leg_id": leg}
    rings = draw(st.booleans())
    if rings:
        tape.tell("leg.alerting", draw(seconds), **about)
    stated = draw(st.sampled_from([{}, {"wait_ms": 7_000}, {"ring_ms": 2_000}]))
    named = {"leg_id": leg} if tape.with_ids and draw(st.booleans()) else {}
    tape.tell("visit.answered", draw(seconds), visit_id=visit, queue_id=queue, agent_id=agent, **named, **stated)
    if draw(st.booleans()):
        tape.tell("leg.answered", 0, **about)
    if draw(st.booleans()):
        tape.tell("leg.held", draw(seconds), **about)
        tape.tell("leg.retrieved", draw(seconds), **about)


def _ended(draw: st.DrawFn, tape: _Tape, agent: str, visit: str, leg: str) -> None:
    about = {"visit_id": visit, "agent_id": agent, "leg_id": leg}
    tape.tell(
        "leg.ended", draw(seconds), **about, **draw(st.sampled_from([{}, {"talk_ms": 20_000}, {"hold_ms": 3_000}]))
    )
    wrap = draw(st.sampled_from(["none", "planned", "timed", "end only", "both"]))
    if wrap in ("planned", "both"):
        tape.tell("leg.wrapup_started", 0, **about, acw_ms=30_000)
    if wrap == "timed":
        tape.tell("leg.wrapup_started", draw(st.integers(0, 3)), **about)
    if wrap in ("timed", "end only", "both"):
        tape.tell("leg.wrapup_ended", draw(seconds), **about)


def _talk(draw: st.DrawFn, tape: _Tape, queue: str, agents: list[str]) -> None:
    visit = tape.contact_id + "/1"
    _answered(draw, tape, queue, agents[0], visit, "L1")
    if draw(st.booleans()):
        _ended(draw, tape, agents[0], visit, "L1")


def _rona(draw: st.DrawFn, tape: _Tape, queue: str, agents: list[str]) -> None:
    visit = tape.contact_id + "/1"
    first = agents[0] if tape.with_ids else agents[1]
    about = {"visit_id": visit, "agent_id": first, "leg_id": "L0"}
    tape.tell("leg.alerting", draw(seconds), **about)
    tape.tell(draw(st.sampled_from(["leg.missed", "leg.rejected"])), draw(seconds), **about)
    _talk(draw, tape, queue, agents)


def _transfer(draw: st.DrawFn, tape: _Tape, queue: str, agents: list[str]) -> None:
    visit = tape.contact_id + "/1"
    _answered(draw, tape, queue, agents[0], visit, "L1")
    if draw(st.booleans()):
        about = {"agent_id": agents[1], "visit_id": visit, "leg_id": "L9", "consult": True}
        tape.tell("leg.answered", draw(seconds), **about)
        tape.tell("leg.ended", draw(seconds), **about)
    tape.tell("leg.transferred", draw(seconds), agent_id=agents[0], visit_id=visit, leg_id="L1")
    other = QUEUES[1 - QUEUES.index(queue)]
    second = tape.contact_id + "/2"
    tape.tell("visit.queued", 0, visit_id=second, queue_id=other, initiation="transfer")
    _answered(draw, tape, other, agents[2], second, "L2")
    if draw(st.booleans()):
        _ended(draw, tape, agents[2], second, "L2")


def _left(draw: st.DrawFn, tape: _Tape, queue: str, agents: list[str]) -> None:
    if draw(st.booleans()):
        tape.tell("leg.alerting", draw(seconds), agent_id=agents[0], leg_id="L1")
    kind = draw(st.sampled_from(["visit.abandoned", "visit.flowed_out", "visit.callback_requested", "visit.cancelled"]))
    tape.tell(kind, draw(seconds), queue_id=queue)
    if kind == "visit.callback_requested":
        for state in draw(
            st.sampled_from([(), ("scheduled",), ("scheduled", "attempted"), ("attempted", "connected")])
        ):
            tape.tell(f"callback.{state}", draw(seconds), queue_id=queue)
    if draw(st.booleans()):
        tape.tell("visit.abandoned", draw(st.integers(0, 3)), queue_id=queue)


def _waits(draw: st.DrawFn, tape: _Tape, queue: str, agents: list[str]) -> None:
    if draw(st.booleans()):
        tape.tell("leg.alerting", draw(seconds), agent_id=agents[0], leg_id="L1")


@st.composite
def contacts(draw: st.DrawFn, contact_id: str = "c") -> list[Event]:
    """The events of one contact in order of time."""
    tape = _Tape(contact_id, draw(st.integers(0, HORIZON_S)), draw(st.booleans()))
    queue, agents = draw(st.sampled_from(QUEUES)), list(draw(st.permutations(AGENTS)))
    tape.tell("visit.queued", 0, queue_id=queue, **draw(st.sampled_from([{}, {"customer_class": "vip"}])))
    draw(st.sampled_from([_talk, _talk, _rona, _transfer, _left, _waits]))(draw, tape, queue, agents)
    if draw(st.booleans()):
        by = draw(st.sampled_from(["customer", "agent", "system", None]))
        tape.tell("contact.ended", draw(st.integers(0, 5)), disconnect_by=by)
    return tape.events


@st.composite
def shifts(draw: st.DrawFn, agent_id: str = "1001") -> list[Event]:
    """One agent's own events in order of time."""
    now_s, events = draw(st.integers(0, 300)), []

    def tell(kind: str, **fields: Any) -> None:
        events.append(event(kind, now_s, agent_id=agent_id, event_id=f"{agent_id}-{len(events)}", **fields))

    begin = draw(st.sampled_from(["login", "queues", "nothing"]))
    if begin == "login":
        tell("agent.login", queues=draw(st.sampled_from([None, ["sales"]])))
    elif begin == "queues":
        for queue in draw(st.sampled_from([["sales"], ["sales", "service"]])):
            tell("agent.queue_joined", queue_id=queue)
    for _ in range(draw(st.integers(0, 5))):
        now_s += draw(st.integers(0, 300))
        state = draw(st.sampled_from(["not_ready", "ready", "not_ready", "offline"]))
        queue = draw(st.sampled_from([None, None, *QUEUES])) if state != "offline" else None
        tell("agent.state_changed", state=state, reason="break" if state == "not_ready" else None, queue_id=queue)
    now_s += draw(st.integers(1, 900))
    if draw(st.booleans()):
        tell("agent.logout", login_ms=draw(st.sampled_from([None, 600_000])))
    return events


@st.composite
def floors(draw: st.DrawFn, most: int = 6) -> list[Event]:
    """The events of several contacts and agents, in order of time."""
    count = draw(st.integers(1, most))
    events = [told for number in range(count) for told in draw(contacts(f"c{number}"))]
    for agent_id in AGENTS:
        events += draw(shifts(agent_id))
    return sorted(events, key=lambda told: told.occurred_at_ms)


@st.composite
def disordered(draw: st.DrawFn, events: list[Event]) -> list[Event]:
    """The events as an unordered, repeating feed delivers them: each up to ten seconds late, some of them twice."""
    delays = st.integers(0, JITTER_S * 1000 - 1)
    copies = [*events, *draw(st.lists(st.sampled_from(events), max_size=6))]
    arrivals = [(told.occurred_at_ms + draw(delays), number) for number, told in enumerate(copies)]
    return [copies[number] for _, number in sorted(arrivals)]


def plain(totals: Totals) -> dict[str, Any]:
    """Totals for comparison: of the longest durations, of which a bucket keeps some, the maximum.

    Adherence has a law of its own (test_adherence.py): which intervals have it depends on when it was written.
    """
    values = msgspec.structs.asdict(totals) | {"adherence_ms": None}
    for name in ("longest_waits_ms", "longest_abandon_waits_ms"):
        values[name] = max(values[name], default=None)
    return {name: value for name, value in values.items() if value}


def picture(store: AggregateStore, until_s: float = 100_000) -> dict[str, Any]:
    """Everything that can be read from a floor, without buckets that hold nothing."""
    found: dict[str, Any] = {}
    scopes = store.scopes
    for scope in (*scopes.queues.values(), *scopes.agents.values()):
        for start_ms, interval in scope.intervals.items():
            found[scope.scope, "outcome", start_ms] = plain(interval.outcome)
            found[scope.scope, "arrival", start_ms] = plain(interval.arrival)
        oldest = max(scope.panes, default=0) - PANES_KEPT_MS // scope.pane_ms  # older ones are not read, and go in time
        for number, pane in scope.panes.items():
            if number > oldest:
                found[scope.scope, "pane", number] = plain(pane)
    for queue in scopes.queues.values():
        found[queue.scope, "lifetime"] = plain(queue.live.lifetime)
        found[queue.scope, "waiting"] = {visit: msgspec.structs.asdict(w) for visit, w in queue.waiting.items()}
        if queue.live.lifetime.offered < RECENT_KEPT:  # of more, those that were heard of last are kept
            found[queue.scope, "recent"] = {
                left.visit_id: {**msgspec.structs.asdict(left), "number": 0} for left in queue.recent.slots.values()
            }
        found[queue.scope, "histograms"] = (queue.live.wait_histogram, queue.live.handle_histogram)
    for agent in scopes.agents.values():
        found[agent.scope, "segments"] = list(agent.timeline.segments(0, ms(until_s)))
    return {key: value for key, value in found.items() if value and value != ({}, {})}


def counts_of(stores: Iterable[AggregateStore]) -> dict[str, Any]:
    """The pictures of several partitions of one floor as one."""
    found: dict[str, Any] = {}
    for store in stores:
        found |= picture(store)
    return found
