"""What a leg's meaning takes from the contact around it: its queue, its answer, and its place among the other legs."""

from msgspec import Struct

from service.domain.contact_record import ContactRecord
from service.domain.legs import Leg
from service.domain.visits import ANSWERED, Visit


class LegContext(Struct, gc=False):
    """What a leg's facts need to know from its contact. `agent` and `queue` are scopes, None where nobody told.

    `arrival_ms` 0: the feed told of no visit. `answered_ms` and `ring_ms` are those of the visit's answer, if it is
    this leg's.
    """

    agent: str | None
    queue: str | None
    queue_id: str | None
    arrival_ms: int
    answered_ms: int | None
    ring_ms: int | None
    transferred_in: bool
    contact_ended_ms: int | None
    first_in_queue: bool = True
    first_of_agent: bool = True


def context_of(record: ContactRecord, leg: Leg) -> LegContext:
    """The leg's surroundings: its queue, and the visit's answer if that is this leg's."""
    visit = record.visit_of(leg)
    queue_id, arrival_ms, answered_ms, ring_ms, transferred_in = leg.queue_id, 0, None, None, False
    if visit is not None:
        if queue_id is None:
            queue_id = visit.queue_id
        arrival_ms = visit.queued_ms if visit.queued_ms is not None else visit.arrival_ms()
        transferred_in = visit.initiation == "transfer"
        if visit.ending == ANSWERED and claims(record, leg, visit):
            answered_ms, ring_ms = visit.end_ms, visit.ring_ms
    about = LegContext(
        None if leg.agent_id is None else "agent:" + leg.agent_id, None if queue_id is None else "queue:" + queue_id,
        queue_id, arrival_ms, answered_ms, ring_ms, transferred_in, record.ended_ms,
    )  # fmt: skip
    if len(record.legs) > 1:
        _among_others(record, leg, about)
    return about


def _among_others(record: ContactRecord, leg: Leg, about: LegContext) -> None:
    """Fill in what depends on the contact's other legs."""
    about.first_in_queue, about.first_of_agent = _firsts(record, leg, about.queue_id)
    began_ms = leg.answered_ms if leg.answered_ms is not None else about.answered_ms
    if began_ms is not None and not about.transferred_in:
        about.transferred_in = any(
            o is not leg and o.transferred_ms is not None and o.transferred_ms <= began_ms for o in record.legs
        )


def claims(record: ContactRecord, leg: Leg, visit: Visit) -> bool:
    """Whether the visit's answer belongs to this leg: the one it names, else the agent's first leg there that was not
    missed.
    """
    if visit.ending != ANSWERED or visit.agent_id != leg.agent_id:
        return False
    if visit.leg_id is not None and leg.named not in (None, visit.leg_id):
        return False
    legs = record.legs
    if len(legs) == 1 and leg.missed_ms is None:
        return True
    same = legs
    if len(legs) > 1:
        same = [o for o in legs if o.agent_id == leg.agent_id and record.visit_of(o) is visit]
    if len(same) == 1:
        return leg.missed_ms is None or leg.answered_ms is not None or leg.end_ms() is not None
    named = [o for o in same if visit.leg_id is not None and o.named == visit.leg_id]
    taken = named or [o for o in same if o.missed_ms is None]
    return bool(taken) and min(taken, key=_beginning) is leg


def _firsts(record: ContactRecord, leg: Leg, queue_id: str | None) -> tuple[bool, bool]:
    """Whether this is the contact's first handled leg in its queue, and of its agent."""
    end_ms = _handled_ms(record, leg)
    if end_ms is None:
        return True, True
    earlier = [
        other for other in record.legs
        if other is not leg and not other.consult and (other_ms := _handled_ms(record, other)) is not None
        and (other_ms, _name(other)) < (end_ms, _name(leg))
    ]  # fmt: skip
    return (
        not any(record.queue_of(other) == queue_id for other in earlier),
        not any(other.agent_id == leg.agent_id for other in earlier),
    )


def _handled_ms(record: ContactRecord, leg: Leg) -> int | None:
    """When the leg was over, if it had been answered: its own end, else that of the contact."""
    end_ms = leg.end_ms()
    if end_ms is None:
        end_ms = record.ended_ms
    if end_ms is None or leg.answered_ms is not None or (leg.missed_ms is None and leg.was_connected):
        return end_ms
    visit = record.visit_of(leg)
    return end_ms if visit is not None and claims(record, leg, visit) else None


def _beginning(leg: Leg) -> tuple[int, str]:
    """Orders legs by when they began, however they arrived."""
    times = [at_ms for at_ms in (leg.offered_ms, leg.answered_ms, leg.end_ms()) if at_ms is not None]
    return min(times, default=0), _name(leg)


def _name(leg: Leg) -> str:
    """What orders legs of the same time: the feed's own id, whether it was told at first or later."""
    return leg.named or leg.leg_id
