"""A stay in one queue, as a record that events fill in any order, and the facts that follow from it."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from service.domain.events import (
    VisitAbandoned,
    VisitAnswered,
    VisitCallbackRequested,
    VisitCancelled,
    VisitEvent,
    VisitFlowedOut,
    VisitQueued,
    VisitRefused,
)
from service.domain.facts import Additive, Answered, Left, Offered, Refused
from service.domain.settings import ServiceLevel

ANSWERED: Final = "answered"
ABANDONED: Final = "abandoned"
CANCELLED: Final = "cancelled"
REFUSED: Final = "refused"
ENDINGS: Final[dict[type[VisitEvent], str]] = {
    VisitAnswered: ANSWERED,
    VisitAbandoned: ABANDONED,
    VisitFlowedOut: "flowed_out",
    VisitCallbackRequested: "callback_requested",
    VisitCancelled: CANCELLED,
    VisitRefused: REFUSED,
}
"""Event type -> how the visit ended. Their order ranks endings that carry the same time."""

RANK: Final = {ending: rank for rank, ending in enumerate(ENDINGS.values())}


class VisitTerms(Struct, array_like=True, gc=False):
    """How a visit counts in a queue that counts open time, or in which nobody can abandon.

    `open_wait_ms` is how long it waited on the queue's clock, by the hours known when that was told; None while it
    waits, and where every minute counts.
    """

    business_hours: bool
    abandonment: bool
    open_wait_ms: int | None = None


class Visit(Struct, array_like=True, gc=False):
    """One visit. Each event type has its own place here, so the arrival order of events does not matter.

    Threshold, short-abandon limit and terms are those in force when it was queued; `terms` None: nothing special. Of
    several endings the earliest counts.
    `channel` is what the feed says, which the queue's configuration overrules.
    """

    visit_id: str
    queue_id: str | None = None
    queued_ms: int | None = None
    threshold_ms: int | None = None
    short_ms: int = 0
    customer_class: str | None = None
    initiation: str = "inbound"
    end_ms: int | None = None
    ending: str | None = None
    wait_ms: int | None = None
    reason: str | None = None
    agent_id: str | None = None
    leg_id: str | None = None
    ring_ms: int | None = None
    terms: VisitTerms | None = None
    channel: str | None = None

    def arrival_ms(self) -> int:
        """When the visit entered the queue; implied by its end and stated wait if nobody said."""
        if self.queued_ms is not None:
            return self.queued_ms
        return (self.end_ms or 0) - (self.wait_ms or 0)

    def queue(self, event: VisitQueued, at_ms: int, level: ServiceLevel) -> None:
        """Fill in the enqueueing; of several the earliest counts."""
        if self.queued_ms is not None and (self.queued_ms, self.queue_id or "") <= (at_ms, event.queue_id):
            return
        self.queued_ms, self.queue_id = at_ms, event.queue_id
        self.customer_class, self.initiation = event.customer_class, event.initiation
        self.channel = event.channel
        self.threshold_ms, self.short_ms = level.threshold_ms, level.short_abandon_ms
        self.terms = None if level.ordinary else VisitTerms(level.hours is not None, level.abandonment)

    def end(self, event: VisitEvent, at_ms: int) -> bool:
        """Fill in an ending. Returns False if another, earlier ending stands: a conflict, resolved in favour of the
        earlier.
        """
        ending = ENDINGS[type(event)]
        conflict = self.end_ms is not None
        if self.queue_id is None:
            self.queue_id = event.queue_id
        if conflict and (self.end_ms, RANK[self.ending or ANSWERED]) <= (at_ms, RANK[ending]):
            return self._say_end_again(event, ending, at_ms)
        self.end_ms, self.ending, self.wait_ms = at_ms, ending, event.wait_ms
        if isinstance(event, VisitAnswered):
            self.agent_id, self.leg_id, self.ring_ms, self.reason = event.agent_id, event.leg_id, event.ring_ms, None
        else:
            self.agent_id = self.leg_id = self.ring_ms = None
            self.reason = getattr(event, "outcome_reason", None)
        return not conflict

    def _say_end_again(self, event: VisitEvent, ending: str, at_ms: int) -> bool:
        """An ending that may be the one that stands, told by another monitor, which may know more; of two waits the
        shorter counts. Returns False if it is another one.
        """
        if self.ending != ending or self.end_ms != at_ms:
            return False
        if event.wait_ms is not None:
            self.wait_ms = event.wait_ms if self.wait_ms is None else min(self.wait_ms, event.wait_ms)
        if isinstance(event, VisitAnswered):
            self.agent_id, self.leg_id = self.agent_id or event.agent_id, self.leg_id or event.leg_id
            self.ring_ms = self.ring_ms if self.ring_ms is not None else event.ring_ms
        else:
            self.reason = self.reason or getattr(event, "outcome_reason", None)
        return True

    def fix_level(self, level: ServiceLevel) -> None:
        """Remember the service level in force at enqueue time."""
        self.threshold_ms, self.short_ms = level.threshold_ms, level.short_abandon_ms
        self.terms = None if level.ordinary else VisitTerms(level.hours is not None, level.abandonment)

    def measure(self, level: ServiceLevel, end_ms: int | None) -> None:
        """Work out how long a visit with terms waited on its queue's clock; `end_ms` None: it waits.

        A stated wait says only when the visit arrived, if nothing else does.
        """
        terms = self.terms
        if terms is not None and terms.business_hours:
            terms.open_wait_ms = None if end_ms is None else level.wait_ms(self.arrival_ms(), end_ms)

    def facts(self) -> tuple[Additive, ...]:
        """What this visit means for its queue, as far as it is known."""
        queue_id = self.queue_id
        if queue_id is None:
            return ()
        scope = "queue:" + queue_id
        if self.ending == REFUSED:
            at_ms = self.end_ms or 0
            return (Refused(scope, at_ms, at_ms, 1, self.visit_id, self.reason),)
        arrival_ms = self.queued_ms if self.queued_ms is not None else self.arrival_ms()
        offered = Offered(
            scope, arrival_ms, arrival_ms, 1, self.visit_id, self.threshold_ms, self.initiation == "transfer"
        )
        return (offered,) if self.end_ms is None else (offered, self.departure(scope, arrival_ms, self.end_ms))

    def _on_terms(self, terms: VisitTerms) -> "Visit":
        """The ordinary visit that this one counts as."""
        wait_ms = self.wait_ms if terms.open_wait_ms is None else terms.open_wait_ms
        if self.ending != ABANDONED or terms.abandonment:
            return replace(self, wait_ms=wait_ms, terms=None)
        return replace(self, wait_ms=wait_ms, terms=None, ending=CANCELLED, reason=ABANDONED)

    def departure(self, scope: str, arrival_ms: int, end_ms: int) -> Answered | Left:
        """How the visit left its queue, which it had entered."""
        if self.terms is not None:
            return self._on_terms(self.terms).departure(scope, arrival_ms, end_ms)
        wait_ms, threshold_ms = self.wait_ms, self.threshold_ms
        if wait_ms is None:
            wait_ms = end_ms - arrival_ms if end_ms > arrival_ms else 0
        within = threshold_ms is not None and wait_ms <= threshold_ms
        ending = self.ending
        if ending == ANSWERED:
            return Answered(scope, end_ms, arrival_ms, 1, self.visit_id, wait_ms, within)
        short = ending == ABANDONED and wait_ms <= self.short_ms
        return Left(scope, end_ms, arrival_ms, 1, self.visit_id, ending, wait_ms, within, short, self.reason)  # type: ignore[arg-type]
