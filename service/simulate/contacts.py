"""The simulated customers and their contacts up to the answer; what follows it is in `talks`."""

from typing import Final

from service.domain.business_events import CallbackScheduled
from service.domain.events import (
    ContactEnded,
    ContactStarted,
    LegAlerting,
    LegMissed,
    VisitAbandoned,
    VisitCallbackRequested,
    VisitFlowedOut,
    VisitQueued,
    VisitRefused,
)
from service.simulate.aftermath import Aftermath
from service.simulate.agents import Pause, Seat, Staff
from service.simulate.arrivals import CLOSES_HOUR, is_open
from service.simulate.engine import Engine
from service.simulate.options import MINUTE_MS
from service.simulate.plan import Plan, QueuePlan
from service.simulate.scenarios import CAMPAIGN_DNIS, CAMPAIGN_FACTOR, CAMPAIGN_ID, Label, active
from service.simulate.talks import Talks
from service.simulate.visits import VIP_EVERY, Contact, Visit

_IVR_HANG_UP: Final = 0.03
_SHORT_TEMPER: Final = 0.06
_MISSES: Final = 0.02
_RONA_MS: Final = 20_000
_TIMEOUT_MS: Final = 240_000
_CALLBACK_OFFER_MS: Final = 75_000
_CALLBACK_TAKEN: Final = 0.12


class Contacts:
    """All contacts that have no agent yet."""

    def __init__(self, engine: Engine, plan: Plan, labels: list[Label]) -> None:
        """Nobody waits at first."""
        self.engine = engine
        self.labels = labels
        self.queues = {queue.queue_id: queue for queue in plan.queues}
        self._waiting: dict[str, dict[str, Visit]] = {queue_id: {} for queue_id in self.queues}
        self._customers = max(200, int(plan.contacts_per_hour * 60))
        self.staff = Staff(engine, plan, self.serve)
        self.aftermath = Aftermath(engine, labels, self.start)
        self.talks = Talks(engine, self.staff, self.aftermath, self, labels)

    def arrive(self, queue: QueuePlan) -> None:
        """A customer of the population comes for the first time."""
        number = self.engine.rng.randrange(self._customers)
        self.start(queue, number - number % VIP_EVERY if queue.is_vip else number)

    def start(self, queue: QueuePlan, customer: int, attempt: int = 0, callback_of: str | None = None) -> None:
        """A contact begins: the customer's, or the promised callback."""
        engine = self.engine
        contact = Contact(engine.new_contact_id(), customer, queue, attempt, callback_of)
        campaign = active(self.labels, "campaign", queue.queue_id, engine.now_ms) and engine.chance(
            1 - 1 / CAMPAIGN_FACTOR
        )
        engine.emit(
            ContactStarted,
            queue.site,
            contact_id=contact.contact_id,
            channel=queue.channel,
            direction="outbound" if callback_of else "inbound",
            initiation="callback" if callback_of else "inbound",
            customer_ref=contact.customer_ref,
            customer_class=contact.customer_class,
            dnis=CAMPAIGN_DNIS if campaign else None,
            campaign_id=CAMPAIGN_ID if campaign else None,
            parent_contact_id=callback_of,
        )
        if callback_of:
            self.enter(contact, queue, "callback")
        elif engine.chance(_IVR_HANG_UP):
            engine.after(engine.rng.uniform(2_000, 30_000), self.end, contact, "customer", "left_ivr")
        else:
            engine.after(engine.rng.uniform(4_000, 20_000), self.enter, contact, queue, "inbound")

    def enter(self, contact: Contact, queue: QueuePlan, initiation: str, origin: str | None = None) -> None:
        """The contact comes to a queue, which may refuse it."""
        contact.visits += 1
        visit = Visit(contact, f"{contact.contact_id}/{contact.visits}", queue, self.engine.now_ms)
        refusal = self._refusal(contact, queue)
        if refusal:
            self._emit(VisitRefused, visit, outcome_reason=refusal)
            self.end(contact, "system", refusal)
            return
        waiting = self._waiting[queue.queue_id]
        waiting[visit.visit_id] = visit
        self._emit(
            VisitQueued,
            visit,
            channel=queue.channel,
            customer_ref=contact.customer_ref,
            customer_class=contact.customer_class,
            priority=1 if contact.is_vip else None,
            position=len(waiting),
            initiation=initiation,
            from_queue_id=origin,
        )
        self._plan_patience(visit)
        self._route(visit)

    def transfer(self, visit: Visit) -> QueuePlan | None:
        """Another queue of the same pool for a transfer; None: there is none."""
        mates = [
            queue
            for queue in self.queues.values()
            if queue.pool == visit.queue.pool and queue is not visit.queue and not queue.is_vip
        ]
        return self.engine.rng.choice(mates) if mates else None

    def end(self, contact: Contact, party: str, cause: str | None = None) -> None:
        """The contact is over."""
        self.engine.emit(
            ContactEnded, contact.queue.site, contact_id=contact.contact_id, disconnect_by=party, cause=cause
        )

    def serve(self, seat: Seat) -> None:
        """Offer the free agent who waits: VIP first, then the longest wait."""
        while seat.is_free:
            heads = [v for queue_id in seat.plan.queues for v in self._heads(queue_id)]
            if not heads:
                return
            self._offer(min(heads, key=lambda visit: (not visit.contact.is_vip, visit.queued_ms)), seat)

    def _heads(self, queue_id: str) -> list[Visit]:
        """The first plain and the first VIP visit that wait."""
        waiting = [visit for visit in self._waiting[queue_id].values() if visit.phase == "waiting"]
        vip = next((visit for visit in waiting if visit.contact.is_vip), None)
        return waiting[:1] + ([vip] if vip else [])

    def _refusal(self, contact: Contact, queue: QueuePlan) -> str | None:
        if contact.visits > 1 or contact.callback_of:
            return None
        if not is_open(self.engine.options, self.engine.now_ms):
            return "closed"
        room = max(8, 2 * self.staff.staffed(queue.queue_id))
        return "full" if len(self._waiting[queue.queue_id]) >= room else None

    def _plan_patience(self, visit: Visit) -> None:
        engine = self.engine
        if visit.contact.callback_of:
            return
        if engine.chance(_SHORT_TEMPER):
            patience_ms = int(engine.rng.uniform(1_000, 7_000))
        else:
            patience_ms = engine.log_normal(230_000 if visit.queue.channel == "voice" else 400_000, 0.9)
        engine.after(patience_ms, self._lose_patience, visit)
        engine.after(_TIMEOUT_MS, self._time_out, visit)
        engine.after(_CALLBACK_OFFER_MS, self._offer_callback, visit)

    def _route(self, visit: Visit) -> None:
        seat = self.staff.longest_idle(visit.queue.queue_id)
        if seat is not None:
            self._offer(visit, seat)

    def _offer(self, visit: Visit, seat: Seat) -> None:
        engine = self.engine
        seat.load += 1
        visit.phase, visit.seat, visit.rings_since_ms = "ringing", seat, engine.now_ms
        visit.offers += 1
        self._emit(LegAlerting, visit, agent_id=seat.plan.agent_id, leg_id=visit.leg_id)
        if engine.chance(_MISSES):
            engine.after(_RONA_MS, self._miss, visit, visit.offers)
        else:
            engine.after(engine.rng.uniform(1_500, 7_000), self._answer, visit, visit.offers)

    def _answer(self, visit: Visit, offer: int) -> None:
        if visit.phase == "ringing" and visit.offers == offer and visit.seat:
            self._leave(visit)
            self.talks.begin(visit, visit.seat, self.engine.now_ms - visit.rings_since_ms)

    def _miss(self, visit: Visit, offer: int) -> None:
        """The agent does not pick up: the contact waits on at its place, the agent is made not ready."""
        if visit.phase == "ringing" and visit.offers == offer and visit.seat:
            visit.phase = "waiting"
            seat = self._withdraw(visit, "no_answer")
            self.staff.send_away(seat, Pause("not_ready", "rona", 60_000))
            self.staff.release(seat)
            self._route(visit)

    def _withdraw(self, visit: Visit, reason: str) -> Seat:
        """End the present offer without an answer."""
        seat = visit.seat
        if seat is None:
            raise RuntimeError(f"visit {visit.visit_id} rings nowhere")
        ring_ms = self.engine.now_ms - visit.rings_since_ms
        self._emit(LegMissed, visit, agent_id=seat.plan.agent_id, leg_id=visit.leg_id, ring_ms=ring_ms, reason=reason)
        visit.seat = None
        return seat

    def _lose_patience(self, visit: Visit) -> None:
        if visit.phase == "over":
            return
        seat = self._withdraw(visit, "customer_left") if visit.phase == "ringing" else None
        position = list(self._waiting[visit.queue.queue_id]).index(visit.visit_id) + 1
        self._leave(visit)
        self._emit(VisitAbandoned, visit, position=position)
        self.end(visit.contact, "customer", "abandoned")
        self.aftermath.of_abandon(visit.contact)
        if seat:
            self.staff.release(seat)

    def _time_out(self, visit: Visit) -> None:
        """Nobody came in time: over to another queue once, then out."""
        if visit.phase != "waiting":
            return
        target = visit.queue.overflow_to if visit.contact.visits == 1 else None
        self._leave(visit)
        self._emit(VisitFlowedOut, visit, outcome_reason="overflow" if target else "timeout", to_queue_id=target)
        if target:
            self.enter(visit.contact, self.queues[target], "inbound", visit.queue.queue_id)
        else:
            self.end(visit.contact, "system", "timeout")

    def _offer_callback(self, visit: Visit) -> None:
        engine = self.engine
        closing = engine.options.local(engine.now_ms).hour >= CLOSES_HOUR - 2
        if visit.phase != "waiting" or visit.queue.channel != "voice" or closing or not engine.chance(_CALLBACK_TAKEN):
            return
        contact = visit.contact
        due_ms = engine.now_ms + int(engine.rng.uniform(30, 75) * MINUTE_MS)
        self._leave(visit)
        self._emit(VisitCallbackRequested, visit, due_at_ms=due_ms)
        site, queue_id = visit.queue.site, visit.queue.queue_id
        engine.emit(
            CallbackScheduled, site, contact_id=contact.contact_id, queue_id=queue_id, due_at_ms=due_ms, attempt=1
        )
        self.end(contact, "customer", "callback")
        engine.at(due_ms, self.start, visit.queue, contact.customer, contact.attempt, contact.contact_id)

    def _leave(self, visit: Visit) -> None:
        visit.phase = "over"
        del self._waiting[visit.queue.queue_id][visit.visit_id]

    def _emit(self, kind: type, visit: Visit, **fields: object) -> None:
        self.engine.emit(kind, visit.queue.site, **visit.ids, **fields)
