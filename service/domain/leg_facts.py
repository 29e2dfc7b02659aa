"""What a leg means: facts for its queue and its agent, and moves on its agent's timeline.

All of it is a function of the leg's record and its surroundings. It has a beginning (offer, answer), an end (talk and
hold), and after-call work. The beginning of a leg whose answer was told does not depend on what follows, nor its end on
the after-call work, so an event makes anew only what comes from there on: that is the common case, and saves most of
the work.
"""

from msgspec import Struct

from service.domain.facts import (
    CONNECTED,
    RESERVING,
    WRAPPING,
    Additive,
    AfterCall,
    AnyFact,
    Handled,
    LegMoved,
    Move,
    Rang,
    say,
)
from service.domain.leg_context import LegContext
from service.domain.leg_events import END
from service.domain.legs import Leg


class LegFacts(Struct, gc=False):
    """What was said of a leg, in three parts and its moves, the first `begun` of which make its beginning.

    `since_ms` is when it entered its agent's timeline. `answered_ms` None: no answer, or only a guess from its end.
    """

    about: LegContext
    arrival_ms: int
    answered_ms: int | None
    since_ms: int
    rang: tuple[Additive, ...]
    moves: list[Move]
    begun: int
    handled: tuple[Additive, ...] = ()
    after_call: tuple[Additive, ...] = ()
    handle_ms: int = 0


def leg_facts(leg: Leg, about: LegContext) -> LegFacts:
    """All that this leg means for its queue and its agent now."""
    told_ms = leg.answered_ms if leg.answered_ms is not None else about.answered_ms
    missed_ms = leg.missed_ms
    answered_ms = told_ms if told_ms is not None or missed_ms is not None else _implied_answer_ms(leg, about)
    over_ms = answered_ms if answered_ms is not None else missed_ms
    offered_ms = reserved_ms = leg.offered_ms
    arrival_ms = about.arrival_ms
    rang: tuple[Additive, ...] = ()
    if over_ms is not None:
        arrival_ms = arrival_ms or over_ms
        ring_ms = leg.ring_ms if leg.ring_ms is not None else about.ring_ms
        if offered_ms is None:
            if ring_ms:
                reserved_ms = over_ms - ring_ms
        elif ring_ms is None:
            ring_ms = max(0, over_ms - offered_ms)
        rang = _rang(leg, about, over_ms, arrival_ms, answered_ms is None, ring_ms)
    if answered_ms is None:
        return _unanswered(leg, about, reserved_ms, rang, arrival_ms)
    if reserved_ms is None:
        said = LegFacts(about, arrival_ms, told_ms, answered_ms, rang, [(answered_ms, CONNECTED, 1)], 1)
    else:
        since_ms = min(reserved_ms, answered_ms)
        moves = [(since_ms, RESERVING, 1), (answered_ms, RESERVING, -1), (answered_ms, CONNECTED, 1)]
        said = LegFacts(about, arrival_ms, told_ms, since_ms, rang, moves, 3)
    _end(leg, said, answered_ms, END)
    return said


def _implied_answer_ms(leg: Leg, about: LegContext) -> int | None:
    """When a leg was answered of which only what follows an answer was told; None if it need not have been."""
    end_ms = _end_ms(leg, about)
    if end_ms is None or not leg.was_connected:
        return None
    return end_ms - (leg.talk_ms or 0) - leg.hold_total_ms(end_ms)


def _end_ms(leg: Leg, about: LegContext) -> int | None:
    """When the leg was over: by its own end, else by that of the contact."""
    if leg.ended_ms is not None:
        return leg.ended_ms
    return leg.transferred_ms if leg.transferred_ms is not None else about.contact_ended_ms


def _unanswered(
    leg: Leg, about: LegContext, reserved_ms: int | None, rang: tuple[Additive, ...], arrival_ms: int
) -> LegFacts:
    """What a leg means that rings, was missed, or ended with its contact while it rang."""
    end_ms = leg.missed_ms if leg.missed_ms is not None else _end_ms(leg, about)
    if reserved_ms is None:
        reserved_ms = leg.missed_ms
    moves: list[Move] = []
    if reserved_ms is not None:
        moves.append((reserved_ms, RESERVING, 1))
        if end_ms is not None:
            moves.append((max(reserved_ms, end_ms), RESERVING, -1))
    return LegFacts(about, arrival_ms, None, reserved_ms or 0, rang, moves, len(moves))


def _rang(
    leg: Leg, about: LegContext, at_ms: int, arrival_ms: int, missed: bool, ring_ms: int | None
) -> tuple[Additive, ...]:
    """The part about the offer. A queue needs it for misses and known ring times only: it counts answers by visits."""
    if leg.consult and not missed:
        return ()
    agent = () if about.agent is None else (Rang(about.agent, at_ms, arrival_ms, 1, missed, ring_ms),)
    if about.queue is None or (ring_ms is None and not missed):
        return agent
    return (*agent, Rang(about.queue, at_ms, arrival_ms, 1, missed, ring_ms))


def _end(leg: Leg, said: LegFacts, answered_ms: int, reach: int) -> None:
    """Make anew what is said of an answered leg from its end on, or only of its after-call work."""
    moves = said.moves[: said.begun]
    end_ms = _end_ms(leg, said.about)
    if end_ms is None:
        said.handled, said.after_call, said.moves = (), (), moves
        return
    if end_ms < answered_ms:
        end_ms = answered_ms
    if reach >= END:
        said.handled = _handled(leg, said, answered_ms, end_ms)
    moves.append((end_ms, CONNECTED, -1))
    said.after_call = ()
    acw = leg.after_call(end_ms)
    if acw is not None:
        start_ms, until_ms = acw
        moves.append((start_ms, WRAPPING, 1))
        if until_ms is not None:
            moves.append((until_ms, WRAPPING, -1))
            said.after_call = _after_call(said, end_ms, until_ms - start_ms)
    said.moves = moves


def _handled(leg: Leg, said: LegFacts, answered_ms: int, end_ms: int) -> tuple[Additive, ...]:
    """The part about an answered leg that ended."""
    about, arrival_ms = said.about, said.arrival_ms
    talk_ms, hold_ms, holds = leg.talk_ms, 0, 0
    if leg.holds or leg.hold_ms is not None:
        hold_ms, holds = leg.hold_total_ms(end_ms), leg.times_held()
    if talk_ms is None:
        talk_ms = max(0, end_ms - answered_ms - hold_ms)
    said.handle_ms = talk_ms + hold_ms
    out, into, consult = leg.transferred_ms is not None, about.transferred_in, leg.consult
    agent, queue, added = about.agent, about.queue, len(leg.conferenced)
    first, first_in_queue = about.first_of_agent, about.first_in_queue
    if agent is None:
        of_agent: tuple[Additive, ...] = ()
    else:
        of_agent = (
            Handled(agent, end_ms, arrival_ms, 1, talk_ms, hold_ms, holds, first, out, into, added, consult),
        )  # fmt: skip
    if queue is None:
        return of_agent
    return (
        *of_agent,
        Handled(queue, end_ms, arrival_ms, 1, talk_ms, hold_ms, holds, first_in_queue, out, into, added, consult),
    )


def _after_call(said: LegFacts, end_ms: int, acw_ms: int) -> tuple[Additive, ...]:
    """The part about after-call work whose length is known."""
    about, arrival_ms, before_ms = said.about, said.arrival_ms, said.handle_ms
    agent, queue = about.agent, about.queue
    if agent is not None and queue is not None:
        return (
            AfterCall(agent, end_ms, arrival_ms, 1, acw_ms, before_ms),
            AfterCall(queue, end_ms, arrival_ms, 1, acw_ms, before_ms),
        )
    scope = agent or queue
    return () if scope is None else (AfterCall(scope, end_ms, arrival_ms, 1, acw_ms, before_ms),)


def say_end(leg: Leg, said: LegFacts, reach: int, facts: list[AnyFact]) -> None:
    """Bring `said` up to date from `reach` on and add what changed to `facts`; for a leg whose answer was told."""
    handled, after_call, moves = said.handled, said.after_call, said.moves
    _end(leg, said, said.answered_ms or 0, reach)
    if said.handled is not handled:
        say(handled, said.handled, facts)
    if said.after_call is not after_call:
        say(after_call, said.after_call, facts)
    say_moves(said, moves, facts)


def say_all(said: LegFacts | None, now: LegFacts, facts: list[AnyFact]) -> None:
    """Add to `facts` how what is to be said of a leg differs from what was; None: nothing was."""
    if said is None:
        facts += now.rang
        facts += now.handled
        facts += now.after_call
        say_moves(now, [], facts)
        return
    say(said.rang, now.rang, facts)
    say(said.handled, now.handled, facts)
    say(said.after_call, now.after_call, facts)
    say_moves(now, said.moves, facts)


def say_moves(now: LegFacts, before: list[Move], facts: list[AnyFact]) -> None:
    """Add to `facts` the moves that turn those before into those of now."""
    about, moves = now.about, now.moves
    if about.agent is None or moves == before:
        return
    known = len(before)
    if not known:
        added = moves
    elif moves[:known] == before:
        added = moves[known:]
    else:
        back = [(at_ms, phase, -sign) for at_ms, phase, sign in before if (at_ms, phase, sign) not in moves]
        added = [move for move in moves if move not in before] + back
    if added:
        facts.append(LegMoved(about.agent, about.queue_id, now.since_ms, added))
