"""What follows an answer: talk, hold, conference, transfer, wrap-up."""

from typing import Final, Literal, Protocol

from service.domain.business_events import CallbackAttempted, CallbackConnected
from service.domain.events import (
    LegConferenced,
    LegEnded,
    LegEvent,
    LegHeld,
    LegPartyLeft,
    LegRetrieved,
    LegTransferred,
    LegTransferStarted,
    LegWrapupEnded,
    LegWrapupStarted,
    VisitAnswered,
)
from service.simulate.aftermath import Aftermath
from service.simulate.agents import Seat, Staff
from service.simulate.engine import Engine
from service.simulate.plan import QueuePlan
from service.simulate.scenarios import Label, handle_factor
from service.simulate.visits import Contact, Visit

_TALK_SIGMA: Final = 0.7
_WRAP_SIGMA: Final = 0.6
_TRANSFERRED: Final = 0.06
_BLIND: Final = 0.5
_HELD: Final = 0.16
_CONFERENCED: Final = 0.01
_WRAPPED: Final = 0.92
_MOST_VISITS: Final = 3


class Line(Protocol):
    """Where contacts come from and go to."""

    def transfer(self, visit: Visit) -> QueuePlan | None:
        """A queue to transfer to; None: there is none."""
        ...

    def enter(self, contact: Contact, queue: QueuePlan, initiation: str, origin: str | None = None) -> None:
        """The contact comes to a queue."""
        ...

    def end(self, contact: Contact, party: str, cause: str | None = None) -> None:
        """The contact is over."""
        ...


class Talks:
    """All contacts that an agent serves."""

    def __init__(self, engine: Engine, staff: Staff, aftermath: Aftermath, line: Line, labels: list[Label]) -> None:
        """Nobody talks at first."""
        self._labels = labels
        self._engine = engine
        self._staff = staff
        self._aftermath = aftermath
        self._line = line

    def begin(self, visit: Visit, seat: Seat, ring_ms: int) -> None:
        """The agent answers; what will happen in this leg is drawn now."""
        engine = self._engine
        self._emit(VisitAnswered, visit, seat, ring_ms=ring_ms)
        self._note_callback(visit)
        talk_ms = engine.log_normal(visit.queue.talk_ms, _TALK_SIGMA)
        talk_ms = int(talk_ms * handle_factor(self._labels, visit.queue.queue_id, engine.now_ms))
        voice = visit.queue.channel == "voice"
        hold_ms = engine.log_normal(35_000, 0.6) if voice and talk_ms > 20_000 and engine.chance(_HELD) else 0
        if hold_ms:
            held_after_ms = int(talk_ms * engine.rng.uniform(0.3, 0.8))
            engine.after(held_after_ms, self._emit, LegHeld, visit, seat)
            engine.after(held_after_ms + hold_ms, self._emit, LegRetrieved, visit, seat)
        elif voice and engine.chance(_CONFERENCED):
            engine.after(talk_ms * 0.4, self._emit, LegConferenced, visit, seat)
            engine.after(talk_ms * 0.7, self._emit, LegPartyLeft, visit, seat)
        moves = visit.contact.visits < _MOST_VISITS and engine.chance(_TRANSFERRED)
        target = self._line.transfer(visit) if moves else None
        if target:
            engine.after(talk_ms * 0.85 + hold_ms, self._emit, LegTransferStarted, visit, seat)
            engine.after(talk_ms + hold_ms, self._hand_on, visit, seat, target, (talk_ms, hold_ms))
        else:
            engine.after(talk_ms + hold_ms, self._finish, visit, seat, (talk_ms, hold_ms))

    def _note_callback(self, visit: Visit) -> None:
        """The promise's events carry the id of the contact to which it was given."""
        promised, queue = visit.contact.callback_of, visit.queue
        if promised and visit.contact.visits == 1:
            for kind in (CallbackAttempted, CallbackConnected):
                self._engine.emit(kind, queue.site, contact_id=promised, queue_id=queue.queue_id, attempt=1)

    def _finish(self, visit: Visit, seat: Seat, spent: tuple[int, int]) -> None:
        party = "customer" if self._engine.chance(0.7) else "agent"
        self._emit(LegEnded, visit, seat, talk_ms=spent[0], hold_ms=spent[1], releasing_party=party)
        self._line.end(visit.contact, party)
        self._aftermath.of_answer(visit, seat.plan.agent_id)
        self._wrap_up(visit, seat)

    def _hand_on(self, visit: Visit, seat: Seat, target: QueuePlan, spent: tuple[int, int]) -> None:
        """The contact goes to another queue; this leg is over with the transfer."""
        kind: Literal["blind", "queue"] = "blind" if self._engine.chance(_BLIND) else "queue"
        to = {"transfer_kind": kind, "to_queue_id": target.queue_id}
        self._emit(LegTransferred, visit, seat, talk_ms=spent[0], hold_ms=spent[1], **to)
        self._wrap_up(visit, seat)
        self._line.enter(visit.contact, target, "transfer", visit.queue.queue_id)

    def _wrap_up(self, visit: Visit, seat: Seat) -> None:
        if not self._engine.chance(_WRAPPED):
            self._staff.release(seat)
            return
        self._emit(LegWrapupStarted, visit, seat)
        acw_ms = self._engine.log_normal(visit.queue.acw_ms, _WRAP_SIGMA)
        self._engine.after(acw_ms, self._ready_again, visit, seat)

    def _ready_again(self, visit: Visit, seat: Seat) -> None:
        self._emit(LegWrapupEnded, visit, seat)
        self._staff.release(seat)

    def _emit(self, kind: type[LegEvent | VisitAnswered], visit: Visit, seat: Seat, **fields: object) -> None:
        """`offers` does not change once the visit is answered, so the leg's id stays."""
        leg = {"agent_id": seat.plan.agent_id, "leg_id": visit.leg_id}
        self._engine.emit(kind, visit.queue.site, **visit.ids, **leg, **fields)
