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
    """What was said of a leg: three parts, and its moves, those of its beginning and those from its end on.

    `since_ms` is when it entered its agent's timeline. `answered_ms` None: no answer, or only one implied by its end.
    """

    about: LegContext
    arrival_ms: int
    answered_ms: int | None
    since_ms: int
    rang: tuple[Additive, ...]
    begun: list[Move]
    ended: list[Move] = []
    handled: tuple[Additive, ...] = ()
    after_call: tuple[Additive, ...] = ()
    handle_ms: int = 0


def leg_facts(leg: Leg, about: LegContext) -> LegFacts:
    """All that this leg means for its queue and its agent now."""
    told_ms = leg.answered_ms if leg.answered_ms is not None else about.answered_ms
    missed_ms, reserved_ms, arrival_ms = leg.missed_ms, leg.offered_ms, about.arrival_ms
    answered_ms = told_ms if told_ms is not None or missed_ms is not None else _implied_answer_ms(leg, about)
    over_ms = answered_ms if answered_ms is not None else missed_ms
    rang: tuple[Additive, ...] = ()
    if over_ms is not None:
        arrival_ms = arrival_ms or over_ms
        ring_ms = leg.ring_ms if leg.ring_ms is not None else about.ring_ms
        if reserved_ms is not None:
            if ring_ms is None:
                ring_ms = max(0, over_ms - reserved_ms)
        elif ring_ms:
            reserved_ms = over_ms - ring_ms
        rang = _rang(leg, about, over_ms, arrival_ms, answered_ms is None, ring_ms)
    if answered_ms is None:
        return _unanswered(leg, about, reserved_ms, rang, arrival_ms)
    if reserved_ms is None:
        said = LegFacts(about, arrival_ms, told_ms, answered_ms, rang, [(answered_ms, CONNECTED, 1)])
    else:
        since_ms = min(reserved_ms, answered_ms)
        begun = [(since_ms, RESERVING, 1), (answered_ms, RESERVING, -1), (answered_ms, CONNECTED, 1)]
        said = LegFacts(about, arrival_ms, told_ms, since_ms, rang, begun)
    if leg.ended_ms is not None or leg.transferred_ms is not None or about.contact_ended_ms is not None:
        say_end(leg, said, answered_ms, END, [])
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
    begun: list[Move] = []
    if reserved_ms is not None:
        begun.append((reserved_ms, RESERVING, 1))
        if end_ms is not None:
            begun.append((max(reserved_ms, end_ms), RESERVING, -1))
    return LegFacts(about, arrival_ms, None, reserved_ms or 0, rang, begun)


def _rang(
    leg: Leg, about: LegContext, at_ms: int, arrival_ms: int, missed: bool, ring_ms: int | None
) -> tuple[Additive, ...]:
    """The part about the offer. A queue needs it for misses and known ring times only: it counts answers by visits."""
    if leg.consult and not missed:
        return ()
    of_agent = () if about.agent is None else (Rang(about.agent, at_ms, arrival_ms, 1, missed, ring_ms),)
    if about.queue is None or (ring_ms is None and not missed):
        return of_agent
    return (*of_agent, Rang(about.queue, at_ms, arrival_ms, 1, missed, ring_ms))


def say_end(leg: Leg, said: LegFacts, answered_ms: int, reach: int, facts: list[AnyFact]) -> None:
    """Make anew what is said of an answered leg from its end on, or only of its after-call work, and add what changed
    to `facts`.
    """
    end_ms = leg.ended_ms if leg.ended_ms is not None else _end_ms(leg, said.about)
    if end_ms is None:
        return  # nor was anything said of it: an end may become an earlier one, but is not taken back
    if end_ms < answered_ms:
        end_ms = answered_ms
    if reach == END:
        handled = _handled(leg, said, answered_ms, end_ms)
        if said.handled:
            say(said.handled, handled, facts)
        else:
            facts += handled
        said.handled = handled
    ended = [(end_ms, CONNECTED, -1)]
    acw = leg.after_call(end_ms)
    if acw is not None:
        start_ms, until_ms = acw
        ended.append((start_ms, WRAPPING, 1))
        if until_ms is not None:
            ended.append((until_ms, WRAPPING, -1))
            after_call = () if leg.consult else _after_call(said, end_ms, until_ms - start_ms)
            if said.after_call:
                say(said.after_call, after_call, facts)
            else:
                facts += after_call
            said.after_call = after_call
    if ended != said.ended:
        _say_moves(said, said.ended, ended, facts)
        said.ended = ended


def _handled(leg: Leg, said: LegFacts, answered_ms: int, end_ms: int) -> tuple[Additive, ...]:
    """The part about an answered leg that ended."""
    about, arrival = said.about, said.arrival_ms
    talk_ms, hold_ms, holds = leg.talk_ms, 0, 0
    if leg.holds or leg.hold_ms is not None:
        hold_ms, holds = leg.hold_total_ms(end_ms), leg.times_held()
    if talk_ms is None:
        talk_ms = max(0, end_ms - answered_ms - hold_ms)
    said.handle_ms = talk_ms + hold_ms
    out, into, added, consult = leg.transferred_ms is not None, about.transferred_in, len(leg.conferenced), leg.consult
    scope, first = about.agent, about.first_of_agent
    of_agent: tuple[Additive, ...] = ()
    if scope is not None:
        of_agent = (Handled(scope, end_ms, arrival, 1, talk_ms, hold_ms, holds, first, out, into, added, consult),)
    scope, first = about.queue, about.first_in_queue
    if scope is None:
        return of_agent
    return (*of_agent, Handled(scope, end_ms, arrival, 1, talk_ms, hold_ms, holds, first, out, into, added, consult))


def _after_call(said: LegFacts, end_ms: int, acw_ms: int) -> tuple[Additive, ...]:
    """The part about after-call work whose length is known."""
    agent, queue, arrival_ms, before_ms = said.about.agent, said.about.queue, said.arrival_ms, said.handle_ms
    of_agent = () if agent is None else (AfterCall(agent, end_ms, arrival_ms, 1, acw_ms, before_ms),)
    if queue is None:
        return of_agent
    return (*of_agent, AfterCall(queue, end_ms, arrival_ms, 1, acw_ms, before_ms))


def say_new(now: LegFacts, facts: list[AnyFact]) -> None:
    """Add to `facts` what is to be said of a leg of which nothing was."""
    facts += now.rang
    if now.handled:
        facts += now.handled
        facts += now.after_call
    agent = now.about.agent
    if agent is not None and now.begun:
        facts.append(LegMoved(agent, now.about.queue_id, now.since_ms, now.begun + now.ended))


def say_changed(said: LegFacts, now: LegFacts, facts: list[AnyFact]) -> None:
    """Add to `facts` how what is to be said of a leg differs from what was."""
    say(said.rang, now.rang, facts)
    say(said.handled, now.handled, facts)
    say(said.after_call, now.after_call, facts)
    if said.about.queue_id != now.about.queue_id:
        _say_moves_elsewhere(said, now, facts)
    elif said.begun != now.begun or said.ended != now.ended:
        _say_moves(now, said.begun + said.ended, now.begun + now.ended, facts)


def _say_moves_elsewhere(said: LegFacts, now: LegFacts, facts: list[AnyFact]) -> None:
    """The leg belongs to another queue: take all moves back there, since agents' contacts are counted by channel."""
    agent, before, after = now.about.agent, said.begun + said.ended, now.begun + now.ended
    if agent is not None and before:
        back = [(at_ms, phase, -sign) for at_ms, phase, sign in before]
        facts.append(LegMoved(agent, said.about.queue_id, said.since_ms, back))
    if agent is not None and after:
        facts.append(LegMoved(agent, now.about.queue_id, now.since_ms, after))


def _say_moves(now: LegFacts, before: list[Move], after: list[Move], facts: list[AnyFact]) -> None:
    """Add to `facts` the moves that turn those before into those after."""
    agent, known = now.about.agent, len(before)
    if agent is None:
        return
    if not known:
        added = after
    elif after[:known] == before:
        added = after[known:]
    else:
        back = [(at_ms, phase, -sign) for at_ms, phase, sign in before if (at_ms, phase, sign) not in after]
        added = [move for move in after if move not in before] + back
    facts.append(LegMoved(agent, now.about.queue_id if after else None, now.since_ms, added))
