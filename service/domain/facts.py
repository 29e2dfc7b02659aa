"""Facts: what the life of a contact or an agent means for one scope's totals.

CORRELATE makes them, AGGREGATE adds them up. A fact is a value: when a late event changes the past, the old fact is
sent again with `sign` -1 and the new one with 1, so totals end as if everything had come in time. `at_ms` says which
bucket a fact belongs to under attribution `outcome`, `arrival_ms` under attribution `arrival` (interface.md,
Semantics). On the wire facts are msgpack arrays.
"""

from typing import Any, Final, Literal, Union

import msgspec
from msgspec import Struct
from msgspec.structs import replace

Outcome = Literal["abandoned", "flowed_out", "callback_requested", "cancelled"]


class Fact(Struct, array_like=True, frozen=True, gc=False):
    """What every additive fact carries: its scope (`queue:ID` or `agent:ID`), its two buckets, and its sign."""

    scope: str
    at_ms: int
    arrival_ms: int
    sign: int


class Offered(Fact, array_like=True, frozen=True, tag=1, gc=False):
    """A visit entered the queue and waits."""

    visit_id: str
    threshold_ms: int | None
    transferred_in: bool


class Answered(Fact, array_like=True, frozen=True, tag=2, gc=False):
    """A visit was answered after `wait_ms`."""

    visit_id: str
    wait_ms: int
    in_threshold: bool


class Left(Fact, array_like=True, frozen=True, tag=3, gc=False):
    """A visit left the queue without an answer."""

    visit_id: str
    outcome: Outcome
    wait_ms: int
    in_threshold: bool
    short: bool
    reason: str | None


class Refused(Fact, array_like=True, frozen=True, tag=4, gc=False):
    """A contact was not let into the queue."""

    visit_id: str
    reason: str | None


class Rang(Fact, array_like=True, frozen=True, tag=5, gc=False):
    """An offer to an agent ended in an answer or a miss; `ring_ms` None: the feed does not tell."""

    missed: bool
    ring_ms: int | None


class Handled(Fact, array_like=True, frozen=True, tag=6, gc=False):
    """An answered leg ended. A consult leg counts in `consulted` and not in `handled`."""

    talk_ms: int
    hold_ms: int
    holds: int
    first_of_contact: bool
    transferred_out: bool
    transferred_in: bool
    conferenced: int
    consult: bool


class AfterCall(Fact, array_like=True, frozen=True, tag=7, gc=False):
    """After-call work of an ended leg is known; `before_ms` is the leg's talk and hold, so that its handle time can be
    moved on.
    """

    acw_ms: int
    before_ms: int


Move = tuple[int, int, int]
"""(at_ms, phase, +1 or -1): from `at_ms` on, one leg more or less is in that phase."""

RESERVING, CONNECTED, WRAPPING = 0, 1, 2
"""Phases of a leg: it reserves its agent, connects them, keeps them in after-call work."""


class LegMoved(Struct, array_like=True, frozen=True, tag=8, gc=False):
    """How one leg changes its agent's timeline, compared with what was said of it before. `since_ms` is when the leg
    began.
    """

    scope: str
    queue_id: str | None
    since_ms: int
    moves: list[Move]


class AgentInput(Struct, array_like=True, frozen=True, tag=9, gc=False):
    """One agent event on its way to the agent's timeline. `kind` is the event type after `agent.`; `rank` orders equal
    times.
    """

    scope: str
    at_ms: int
    rank: int
    seq: int
    kind: str
    source: str
    state: str | None = None
    reason: str | None = None
    queues: list[str] | None = None
    queue_id: str | None = None
    span_ms: int | None = None
    event_id: str = ""
    corrects: str | None = None


class SourceSeen(Struct, array_like=True, frozen=True, tag=10, gc=False):
    """Running counts of one source in one partition of `cti.events`, replacing what was said before."""

    scope: str
    partition: int
    counts: dict[str, int]
    newest_ms: int
    received_ms: int


class OfferedAgain(Fact, array_like=True, frozen=True, tag=11, gc=False):
    """A visit that entered the queue is not its contact's first."""

    visit_id: str


class WaitedBefore(Fact, array_like=True, frozen=True, tag=12, gc=False):
    """A visit left the queue (`answered` or not) whose contact had entered its first queue `before_ms` earlier than
    this one.
    """

    visit_id: str
    before_ms: int
    answered: bool


class CalledBack(Fact, array_like=True, frozen=True, tag=13, gc=False):
    """How far the callback has come of a visit that left the queue unanswered."""

    visit_id: str
    state: str


class Forecast(Struct, array_like=True, frozen=True, tag=19, gc=False):
    """What is expected of a queue in [start_ms, end_ms). The highest `order` counts: (version, when it was published,
    event id). `required_agents` None: the forecast does not say.
    """

    scope: str
    start_ms: int
    end_ms: int
    order: tuple[int, int, str]
    volume: float
    aht_ms: int
    required_agents: float | None

    def beyond(self, at_ms: int) -> "Forecast | None":
        """What it says of the time from a moment on, taken evenly; None if nothing."""
        if self.end_ms <= at_ms:
            return None
        share = (self.end_ms - at_ms) / (self.end_ms - self.start_ms)
        return replace(self, start_ms=at_ms, volume=self.volume * share)


class Reached(Fact, array_like=True, frozen=True, tag=14, gc=False):
    """A customer's contact entered its first queue. Its scope is `customer:REF`, the bucket is the queue's."""

    contact_id: str
    queue_id: str
    customer_class: str | None


class Returned(Fact, array_like=True, frozen=True, tag=15, gc=False):
    """A contact of a known customer: whether another came shortly before it, and whether another followed.

    AGGREGATE says so itself, of the customers it keeps.
    """

    returned: bool
    followed: bool


PlannedActivity = tuple[int, int, str, bool, bool, bool]
"""(start_ms, end_ms, activity, productive, counts for adherence, paid)."""


class Planned(Struct, array_like=True, frozen=True, tag=17, gc=False):
    """An agent's plan, or (`changed`) a change to it. The highest `order` counts: (version, event time, is a
    correction, event id). [from_ms, to_ms) is what it speaks of where it says so.
    """

    scope: str
    source: str
    changed: bool
    order: tuple[int, int, bool, str]
    activities: tuple[PlannedActivity, ...]
    from_ms: int | None
    to_ms: int | None


class Excepted(Struct, array_like=True, frozen=True, tag=18, gc=False):
    """An agent's departure from the plan is excused during [start_ms, end_ms)."""

    scope: str
    source: str
    event_id: str
    corrects: str | None
    start_ms: int
    end_ms: int
    activity: str
    paid: bool


Additive = (
    Offered | Answered | Left | Refused | Rang | Handled | AfterCall | OfferedAgain | WaitedBefore | CalledBack
    | Reached | Returned
)  # fmt: skip
AnyFact = Additive | LegMoved | AgentInput | SourceSeen | Forecast | Planned | Excepted


FOLLOWING_BITS: Final = 20
"""So many bits has the index of a fact in its record."""


class FactBatch(Struct, array_like=True, gc=False):
    """One record of `cti.facts`: facts of one source partition for one target partition, with the source offset of
    each.

    What AGGREGATE says itself has the negative `partition` of `following_partition` and offsets of its own
    (`following_offset`). `newest_ms` says how far event time has come in the source partition. `awaits`: facts about
    queues of the target are to follow from what was said to other partitions.
    """

    partition: int
    newest_ms: int
    offsets: list[int]
    facts: list[Union[AnyFact]]  # noqa: UP007
    awaits: bool = False


def following_partition(partition: int) -> int:
    """What stands for the source partition in facts that AGGREGATE says of that partition of `cti.facts`; and back."""
    return -1 - partition


def following_offset(offset: int, index: int) -> int:
    """What stands for the source offset of facts that follow from a record's fact of that index."""
    return offset << FOLLOWING_BITS | index


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(FactBatch)


def encode_batch(batch: FactBatch) -> bytes:
    """The batch as one record."""
    return _encoder.encode(batch)


def decode_batch(raw: bytes) -> FactBatch:
    """The batch of one record. Raises msgspec.DecodeError."""
    try:
        return _decoder.decode(raw)  # type: ignore[no-any-return]
    except UnicodeDecodeError as error:  # a text that is none
        raise msgspec.DecodeError(str(error)) from None


def say(before: tuple[Additive, ...], after: tuple[Additive, ...], facts: list[AnyFact]) -> None:
    """Add to `facts` what is to be sent when those of a visit or leg change: retractions first, then what is new."""
    if not before:
        facts += after
        return
    known = len(before)
    if after[:known] == before:
        facts += after[known:]
        return
    facts += [msgspec.structs.replace(fact, sign=-1) for fact in before if fact not in after]
    facts += [fact for fact in after if fact not in before]
