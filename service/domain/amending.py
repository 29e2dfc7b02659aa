"""Events that do not simply fill a contact in: synthetic ones, corrections, and all later ones of such a contact."""

from service.domain.amends import Amends, Closure
from service.domain.contacts import ID_BITS, Contact, Findings, code_of
from service.domain.corrections import retract
from service.domain.errors import CONFLICT, CORRECTED, DUPLICATE, UNCORRECTED, UNMATCHED
from service.domain.events import ContactEvent, LegEvent, VisitEvent
from service.domain.facts import AnyFact, LegMoved
from service.domain.forced import CLOSES, add_closure, lay, lift, settled
from service.domain.settings import Floor


def amend(contact: Contact, event: ContactEvent, at_ms: int, floor: Floor, facts: list[AnyFact]) -> Findings:
    """Like `Contact.apply`, for synthetic events, corrections, and contacts that had any.

    Closures are taken off first and laid again last, so that between the two only the source speaks.
    """
    record = contact.record
    amends = record.amends or Amends()
    code = code_of(event.event_id)
    if code in amends.retracted:
        return (DUPLICATE,)
    known = any(seen & ID_BITS == code for seen in record.seen)
    said: list[AnyFact] = []
    before = _served(contact)
    overruled = sum(closure.over for closure in amends.closures)
    lift(record, amends)
    contact.say_everything(said)
    found: Findings = ()
    if event.synthetic and type(event) in CLOSES:
        found = _close(contact, event, at_ms, amends)
    else:
        if event.corrects is not None and not known:
            found = (CORRECTED,) if retract(contact, event, amends, said) else (UNCORRECTED,)
            contact.say_everything(said)
        found += tuple(word for word in contact.apply(event, at_ms, floor, said) if word != DUPLICATE)
    lay(record, amends)
    contact.measure_closed(floor)
    if sum(closure.over for closure in amends.closures) > overruled:
        found += (CONFLICT,)
    contact.say_everything(said)
    record.amends = amends if amends.closures or amends.retracted else None
    changes = settled(said)
    told = {(fact.scope, fact.queue_id) for fact in changes if isinstance(fact, LegMoved)}
    # a leg that took no time leaves no moves, and yet its agent was there for its queue
    changes += [moved for where, moved in _served(contact).items() if where not in before and where not in told]
    facts += changes
    return (DUPLICATE,) if known and not changes else found


def _served(contact: Contact) -> dict[tuple[str, str | None], LegMoved]:
    """What was said to move the agents of the legs, of each agent and queue for one leg."""
    return {
        (agent, said.about.queue_id): LegMoved(agent, said.about.queue_id, said.since_ms, said.begun + said.ended)
        for said in contact.said_of_legs
        if (agent := said.about.agent) is not None and said.begun
    }


def _close(contact: Contact, event: ContactEvent, at_ms: int, amends: Amends) -> Findings:
    """Remember a closure of a visit or leg that is known; of any other nothing is to be closed."""
    record, target = contact.record, None
    if isinstance(event, LegEvent):
        leg = next((leg for leg in record.legs if leg.leg_id == event.leg_id), None) or contact.find_leg(event)
        target = None if leg is None else leg.leg_id
    elif isinstance(event, VisitEvent):
        visit = record.visit_named(event.visit_id)
        target = None if visit is None else visit.visit_id
    if target is None:
        return (UNMATCHED,)
    record.last_ms = max(record.last_ms, at_ms)
    closure = Closure(CLOSES[type(event)], target, at_ms, event.synthetic_reason or "")
    return () if add_closure(amends, closure) else (DUPLICATE,)
