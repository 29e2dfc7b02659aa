"""Logs of a contact centre drawn at random: what happened, and in what order, how late and how often it was told."""

from typing import Final

from hypothesis import strategies as st

from tests.oracle.intake import Arrival
from tests.property.calls import AGENTS, CLASSES, CUSTOMERS, QUEUES, Event, Tape, contacts, seconds

PARTITIONS: Final = 2
BASES: Final = {
    "an ordinary morning": 1_795_165_200_000,
    "just before midnight in Berlin": 1_795_213_800_000,
    "spring forward in Berlin": 1_774_745_400_000,
    "fall back in Berlin": 1_792_887_300_000,
}
"""When a log begins."""

HORIZONS_S: Final = (300, 1_200, 4_500)
"""How long contacts go on arriving."""


def partition_of(name: str) -> int:
    """The partition of a key or scope."""
    return sum(name.encode()) % PARTITIONS


def key_of(event: Event) -> str:
    """The key of an event's record."""
    return str(event.get("contact_id") or event.get("agent_id") or event["customer_ref"])


@st.composite
def shifts(draw: st.DrawFn, agent_id: str, start_ms: int) -> list[Event]:
    """One agent's own events."""
    tape = Tape(draw, {"agent_id": agent_id}, start_ms + draw(seconds))
    some_queues = st.sampled_from([[], ["sales"], ["sales", "service"], list(QUEUES)])
    for _ in range(draw(st.integers(0, 7))):
        kind = draw(st.sampled_from(["login", "logout", "join", "leave", "pause", "pause", "ready", "state", "beat"]))
        queue_id, after_ms = tape.maybe(*QUEUES), tape.gap()
        if kind == "login":
            tape.tell("agent.login", after_ms, queues=draw(st.none() | some_queues))
        elif kind == "logout":
            tape.tell("agent.logout", after_ms, login_ms=tape.maybe(0, 60_000, 600_000))
        elif kind in ("join", "leave"):
            verb = "joined" if kind == "join" else "left"
            tape.tell("agent.queue_" + verb, after_ms, queue_id=queue_id or "sales")
        elif kind == "pause":
            reason = tape.maybe("break", "lunch")
            tape.tell("agent.state_changed", after_ms, state="not_ready", reason=reason, queue_id=queue_id)
        elif kind == "ready":
            tape.tell("agent.state_changed", after_ms, state="ready", queue_id=queue_id, seq=tape.maybe(1, 2))
        elif kind == "state":
            state = draw(st.sampled_from(["offline", "unknown", "acw", "on_contact", "reserved", "ready"]))
            tape.tell("agent.state_changed", after_ms, state=state, queues=draw(st.none() | some_queues))
        else:
            tape.tell("agent.heartbeat", after_ms)
    return tape.events


@st.composite
def moves(draw: st.DrawFn, base_ms: int, told: list[Event]) -> list[Event]:
    """Customers who are moved to another class, at any time or just when something else happens."""
    times = sorted({event["occurred_at_ms"] + by_ms for event in told for by_ms in (-1, 0, 1)})
    found: list[Event] = []
    for number in range(draw(st.integers(0, 4))):
        at_ms = draw(st.sampled_from(times) if draw(st.booleans()) else seconds.map(lambda ms: base_ms + ms))
        found.append({
            "event_id": f"move {number}", "type": "customer.class_changed", "occurred_at_ms": at_ms,
            "customer_ref": draw(st.sampled_from(CUSTOMERS[1:])), "customer_class": draw(st.sampled_from(CLASSES)),
        })  # fmt: skip
    return found


@st.composite
def departures(draw: st.DrawFn, told: list[Event]) -> list[Arrival]:
    """What the watchdog of some worker says: agents who moved on about when they had to do with a contact. Every
    partition is told.
    """
    legs = [event for event in told if event.get("agent_id") and event.get("contact_id")]
    found: list[Arrival] = []
    for number in range(draw(st.integers(0, 3)) if legs else 0):
        leg = draw(st.sampled_from(legs))
        at_ms = leg["occurred_at_ms"] + draw(st.sampled_from([1, 0, -1, -10_000, -10_001, 30_000]))
        event = {
            "event_id": f"moved on {number}", "type": "agent.moved_on", "occurred_at_ms": at_ms, "source": "watchdog",
            "agent_id": leg["agent_id"], "synthetic": True,
            "synthetic_reason": draw(st.sampled_from(["next_contact", "ready"])),
        }  # fmt: skip
        received_ms = at_ms + draw(st.integers(0, 30_000))
        found += [Arrival(partition, received_ms, event) for partition in range(PARTITIONS)]
    return found


delays = st.one_of(
    *[st.integers(0, 10_000)] * 12,
    st.integers(10_000, 58_000),
    st.integers(58_000, 900_000),
    st.integers(900_000, 5_000_000),
    st.integers(-120_000, 0),
)  # fmt: skip
"""How much later than it happened an event arrives; ahead, where the sender's clock is."""


@st.composite
def logs(draw: st.DrawFn, most: int = 7, watched: bool = False) -> list[Arrival]:
    """A log in order of arrival. Partitions and sources keep their own pace; some records come twice. `watched`: with
    what a watchdog says.
    """
    base_ms, horizon_s = draw(st.sampled_from(list(BASES.values()))), draw(st.sampled_from(HORIZONS_S))
    events: list[Event] = []
    for number in range(draw(st.integers(1, most))):
        start_ms = base_ms + draw(st.integers(0, horizon_s)) * 1000
        source = draw(st.sampled_from(["pbx", "pbx", "crm"]))
        events += [{**told, "source": source} for told in draw(contacts(f"c{number}", start_ms))]
    events += [{**told, "source": "crm"} for told in draw(moves(base_ms, events))]
    for agent_id in AGENTS:
        events += [{**told, "source": "acd"} for told in draw(shifts(agent_id, base_ms))]
    late = draw(st.booleans())
    told: list[tuple[int, Event]] = []
    for event in events:
        delay_ms = draw(delays if late else st.integers(0, 10_000))
        told.append((event["occurred_at_ms"] + delay_ms, event))
        if delay_ms >= -60_000 and draw(st.integers(0, 15)) == 0:
            again_ms = max(0, delay_ms) + draw(st.integers(0, 60_000))
            told.append((event["occurred_at_ms"] + again_ms, event))
    log = [Arrival(partition_of(key_of(event)), at_ms, event) for at_ms, event in told]
    return sorted(log + (draw(departures(events)) if watched else []), key=lambda record: record.received_ms)
