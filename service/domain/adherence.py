"""Schedule adherence: what an agent was to do against what the agent did.

A moment counts if something is planned that counts, no exception excuses it, and it is known what the agent did. It is
`out` if the state does not fit the activity (configuration `adherence`). Part of the time out is excused for grace or
an overlong contact: the strict ratio counts it as out, the excused one does not. Formulas: domain.md 2.2, rows 22 to
24; grace and the overrun are ours.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

from service.domain.agents import AgentTimeline
from service.domain.schedule import Piece, Plan
from service.domain.settings import ON_QUEUE
from service.domain.steps import Segment
from service.domain.totals import UNSTATED, Totals, bump

SCHEDULED, OUT, EXCUSED = "scheduled", "out", "excused"
"""Keys of `Totals.adherence_ms`: time that counts; that of it out of adherence; that of it excused for grace or an
overlong contact.
"""

PLANNED_ON_QUEUE, ON_QUEUE_TIME = "planned_on_queue", "on_queue"
"""Time planned for contacts, and time there for contacts on a planned day: what conformance divides."""

PAID: Final = "paid_beyond_login"
"""Paid time of planned days less their login time, which stands for it on other days."""

LOST: Final = "lost:"
"""Prefix of paid time lost beyond `not_ready_by_reason`, by reason: away from paid work adds, unpaid time takes off."""

ABSENT: Final = "absent"
"""Reason of time away from work for contacts that no exception explains."""

_PHASES: Final = {"reserved": 0, "on_contact": 1, "acw": 2}

Verdict = Literal["in", "out", "excused", "unscheduled", "unknown"]


class Judged(Struct, frozen=True, gc=False):
    """What the agent did in [since_ms, until_ms) and what was planned. `counts`: in the ratio. `grace`: out, but for
    a reason that excuses it.
    """

    since_ms: int
    until_ms: int
    piece: Piece | None
    segment: Segment
    counts: bool
    out: bool
    grace: bool

    @property
    def verdict(self) -> Verdict:
        """In one word."""
        if self.piece is None:
            return "unscheduled"
        if self.segment.state == "unknown":
            return "unknown"
        if self.out and not self.grace:
            return "out"
        return "in" if self.counts and not self.out else "excused"


class AdherenceNow(Struct, frozen=True, gc=False):
    """Whether an agent does what is planned.

    The plan is the same from `since_ms` until `until_ms`; None: without end. `out_since_ms`: since when the agent has
    been out beyond what is excused, None unless `state` is `out`; `impact_ms` is what that cost in time for contacts:
    negative when the agent is missing, positive when there instead of in a break, 0 if neither.
    """

    state: Verdict
    activity: str | None
    since_ms: int | None
    until_ms: int | None
    out_since_ms: int | None
    impact_ms: int
    due: bool
    """Whether time for contacts is planned now and not excused by an exception."""
    next_ms: int | None
    """When any of this may be different without an event; None: never."""


class Heads(Struct, frozen=True, gc=False):
    """Agents that are to be there for contacts now: how many are `present`, how many are `absent` beyond what is
    excused, and of how many nothing is `unknown`.
    """

    scheduled: int
    present: int
    absent: int
    unknown: int


UNSCHEDULED: Final = AdherenceNow("unscheduled", None, None, None, None, 0, False, None)


# --- sums -----------------------------------------------------------------------------------------------------------


def measure(plan: Plan, timeline: AgentTimeline, since_ms: int, until_ms: int) -> dict[str, int]:
    """What [since_ms, until_ms) adds to `Totals.adherence_ms`; the open stretch counts up to `until_ms`."""
    sums: dict[str, int] = {}
    for start_ms, end_ms in plan.days_within(since_ms, until_ms):
        for judged in judge(plan, timeline, start_ms, end_ms):
            if judged.segment.state != "unknown":
                _add(sums, judged)
    return sums


def add_adherence(totals: Totals, plan: Plan | None, timeline: AgentTimeline, since_ms: int, until_ms: int) -> None:
    """Add what `measure` finds, if there is a plan."""
    if plan is not None and since_ms < until_ms:
        for key, time_ms in measure(plan, timeline, since_ms, until_ms).items():
            bump(totals.adherence_ms, key, time_ms)


def _add(sums: dict[str, int], judged: Judged) -> None:
    piece, segment, time_ms = judged.piece, judged.segment, judged.until_ms - judged.since_ms
    if judged.counts:
        bump(sums, SCHEDULED, time_ms)
        if judged.out:
            bump(sums, OUT, time_ms)
            if judged.grace:
                bump(sums, EXCUSED, time_ms)
    if segment.state in ON_QUEUE:
        bump(sums, ON_QUEUE_TIME, time_ms)
    paid = piece is not None and piece.paid
    if segment.logged_in != paid:
        bump(sums, PAID, time_ms if paid else -time_ms)
    if piece is not None and piece.productive and piece.excused is None:
        bump(sums, PLANNED_ON_QUEUE, time_ms)
    if segment.state == "not_ready" and not paid:
        bump(sums, LOST + (segment.reason or UNSTATED), -time_ms)
    elif segment.state == "offline" and piece is not None and paid:
        bump(sums, LOST + (piece.excused or (ABSENT if piece.productive else piece.activity)), time_ms)


# --- judging --------------------------------------------------------------------------------------------------------


def judge(plan: Plan, timeline: AgentTimeline, since_ms: int, until_ms: int) -> Iterator[Judged]:
    """[since_ms, until_ms) cut where the state, the plan, or what is excused changes."""
    for segment in timeline.segments(since_ms, until_ms):
        for start_ms, end_ms, index in plan.between(segment.since_ms, segment.until_ms):
            piece = None if index is None else plan.pieces[index]
            known = segment.state != "unknown"
            counts = piece is not None and piece.counts and piece.excused is None and known
            out = counts and piece is not None and not piece.fits(segment.state, segment.reason)
            if not out or index is None:
                yield Judged(start_ms, end_ms, piece, segment, counts, False, False)
                continue
            front_ms, back_ms = _excused(plan, timeline, index, segment, start_ms)
            front_ms = min(max(front_ms, start_ms), end_ms)
            back_ms = min(max(back_ms, front_ms), end_ms)
            if start_ms < front_ms:
                yield Judged(start_ms, front_ms, piece, segment, True, True, True)
            if front_ms < back_ms:
                yield Judged(front_ms, back_ms, piece, segment, True, True, False)
            if back_ms < end_ms:
                yield Judged(back_ms, end_ms, piece, segment, True, True, True)


def _excused(plan: Plan, timeline: AgentTimeline, index: int, segment: Segment, start_ms: int) -> tuple[int, int]:
    """(until, from): an agent who is out is excused until the one and from the other moment on."""
    settings, piece = plan.settings, plan.pieces[index]
    front_ms, back_ms = piece.start_ms, piece.end_ms
    if settings.grace_after_ms and _suits(plan.neighbour(index, -1), piece, segment):
        front_ms += settings.grace_after_ms
    if settings.grace_before_ms and _suits(plan.neighbour(index, 1), piece, segment):
        back_ms -= settings.grace_before_ms
    if settings.call_overrun_ms and segment.state in _PHASES:
        front_ms = max(front_ms, _overrun_until_ms(plan, timeline, piece, segment.state, start_ms))
    return front_ms, back_ms


def _suits(neighbour: Piece | None, piece: Piece, segment: Segment) -> bool:
    """Whether the state fits what is planned next to a piece. Anything fits where nothing is, or an exception."""
    if neighbour is None or neighbour.excused is not None:
        return True
    return neighbour.activity != piece.activity and neighbour.fits(segment.state, segment.reason)


def _overrun_until_ms(plan: Plan, timeline: AgentTimeline, piece: Piece, state: str, at_ms: int) -> int:
    """Until when the contact under way is excused: for a while after the first activity that it does not fit began. 0:
    it is not, since it began in that one.
    """
    began_ms = _contact_began_ms(timeline, at_ms)
    if began_ms >= piece.start_ms or not _allowed(plan.at(began_ms), state):
        return 0
    later = plan.pieces[plan.index_at(began_ms) + 1 :]
    return next(p.start_ms for p in later if not _allowed(p, state)) + plan.settings.call_overrun_ms


def _allowed(piece: Piece | None, state: str) -> bool:
    """Whether nothing speaks against that state: it fits, or nothing is planned that counts."""
    return piece is None or piece.excused is not None or piece.fits(state, None)


def _contact_began_ms(timeline: AgentTimeline, at_ms: int) -> int:
    """When the contact under way began: it is offered, then connected, then in after-call work."""
    index = bisect_right(timeline.starts, at_ms) - 1
    began_ms, last = at_ms, _PHASES["acw"]
    while index >= 0:
        phase = _PHASES.get(timeline.what(index)[0])
        if phase is None or phase > last:
            break
        began_ms, last = timeline.starts[index], phase
        index -= 1
    return began_ms


# --- now ------------------------------------------------------------------------------------------------------------


def adherence_now(plan: Plan | None, timeline: AgentTimeline, now_ms: int) -> AdherenceNow:
    """Whether the agent does at `now_ms` what the plan wants. Nothing is planned for an agent without a plan."""
    if plan is None:
        return UNSCHEDULED
    index = plan.index_at(now_ms)
    piece = plan.at(now_ms)
    if piece is None:
        since_ms = plan.pieces[index].end_ms if index >= 0 else None
        until_ms = plan.pieces[index + 1].start_ms if index + 1 < len(plan.pieces) else None
        return AdherenceNow("unscheduled", None, since_ms, until_ms, None, 0, False, until_ms)
    found = next(judge(plan, timeline, now_ms, piece.end_ms), None)
    if found is not None and found.since_ms > now_ms:  # the agent was first heard of later
        found = None
    state: Verdict = "unknown" if found is None else found.verdict
    out_since_ms, impact_ms = _out_since(plan, timeline, now_ms) if state == "out" else (None, 0)
    due = piece.productive and piece.excused is None
    activity = piece.excused or piece.activity
    next_ms = piece.end_ms if found is None else found.until_ms
    return AdherenceNow(state, activity, piece.start_ms, piece.end_ms, out_since_ms, impact_ms, due, next_ms)


def _out_since(plan: Plan, timeline: AgentTimeline, now_ms: int) -> tuple[int, int]:
    """Since when the agent has been out beyond what is excused, and what that cost until now."""
    index, since_ms, impact_ms = plan.index_at(now_ms), now_ms, 0
    while index >= 0 and plan.pieces[index].end_ms >= since_ms:
        piece = plan.pieces[index]
        for judged in reversed(list(judge(plan, timeline, piece.start_ms, since_ms))):
            if judged.verdict != "out" or judged.until_ms != since_ms:
                return since_ms, impact_ms
            since_ms, on_queue = judged.since_ms, judged.segment.state in ON_QUEUE
            if piece.productive != on_queue:
                impact_ms += (judged.until_ms - judged.since_ms) * (1 if on_queue else -1)
        if since_ms > piece.start_ms:  # nothing is known of what was before
            break
        index -= 1
    return since_ms, impact_ms


def heads(agents: Iterable[AdherenceNow]) -> Heads:
    """How many of these agents are to be there for contacts, and are."""
    due = [agent for agent in agents if agent.due]
    absent = sum(agent.state == "out" for agent in due)
    unknown = sum(agent.state == "unknown" for agent in due)
    return Heads(len(due), len(due) - absent - unknown, absent, unknown)
