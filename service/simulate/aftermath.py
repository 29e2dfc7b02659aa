"""What a contact leads to: redials, surveys, sales."""

from collections.abc import Callable, Sequence
from typing import Final

from service.domain.business_events import OutcomeRecorded, SurveyAnswered
from service.simulate.engine import Engine
from service.simulate.options import MINUTE_MS
from service.simulate.plan import QueuePlan
from service.simulate.scenarios import Label, active
from service.simulate.visits import Contact, Visit

_REDIALS: Final = (0.25, 2)
_REDIALS_IN_A_SNOWBALL: Final = (0.88, 8)
_RECONNECTS: Final = 0.03
_SURVEYED: Final = 0.1
_SOLD: Final = 0.2
_SCORES: Final = (1, 2, 3, 4, 4, 4, 5, 5, 5, 5)


class Aftermath:
    """`start` begins a contact of a queue for a customer, with the number of the attempt."""

    def __init__(self, engine: Engine, labels: Sequence[Label], start: Callable[[QueuePlan, int, int], None]) -> None:
        """Nothing has happened yet."""
        self._engine = engine
        self._labels = labels
        self._start = start

    def of_abandon(self, contact: Contact) -> None:
        """Some who gave up call again after a few minutes; in a snowball nearly all do, and soon."""
        snowball = active(self._labels, "snowball", contact.queue.queue_id, self._engine.now_ms)
        probability, most = _REDIALS_IN_A_SNOWBALL if snowball else _REDIALS
        if contact.attempt < most and self._engine.chance(probability):
            mean_ms = 2 * MINUTE_MS if snowball else 8 * MINUTE_MS
            self._again(contact, self._engine.log_normal(mean_ms, 0.7))

    def of_answer(self, visit: Visit, agent_id: str) -> None:
        """After a served contact: a survey, a sale, and sometimes the same customer again."""
        engine, contact = self._engine, visit.contact
        who = {"contact_id": contact.contact_id, "queue_id": visit.queue.queue_id, "agent_id": agent_id}
        if visit.queue.queue_id == "sales" and engine.chance(_SOLD):
            amount = round(engine.rng.lognormvariate(3.6, 0.6), 2)
            engine.emit(OutcomeRecorded, visit.queue.site, amount=amount, currency="EUR", product="plan", **who)
        if engine.chance(_SURVEYED):
            engine.after(engine.log_normal(2 * MINUTE_MS, 0.5), self._survey, visit.queue, who)
        if engine.chance(_RECONNECTS):
            self._again(contact, engine.log_normal(40 * MINUTE_MS, 0.6))

    def _survey(self, queue: QueuePlan, who: dict[str, str]) -> None:
        self._engine.emit(SurveyAnswered, queue.site, score=float(self._engine.rng.choice(_SCORES)), scale=5.0, **who)

    def _again(self, contact: Contact, delay_ms: int) -> None:
        self._engine.after(delay_ms, self._start, contact.queue, contact.customer, contact.attempt + 1)
