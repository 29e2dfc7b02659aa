"""What has been open for too long, and the synthetic events that close it.

Decided from a contact's or an agent's state and a moment alone. What is made is the same however often and whenever it
is asked for: the event's time is the moment at which the limit was reached, and its id follows from what it closes.
"""

from hashlib import blake2b
from typing import Any, Final

from service.domain import events as ev
from service.domain.business_events import CallbackExpired
from service.domain.contact_record import CALLBACK_DUE, ContactRecord
from service.domain.forced import AFTER_CALL, CONNECTED, FORGOTTEN, RINGING, WAITING, answered_ms
from service.domain.legs import Leg
from service.domain.settings import Floor
from service.domain.visits import Visit

FORGOTTEN_MS: Final = 14 * 86_400_000
"""A contact that was not heard of for so long is over, whatever the limits say: memory is not kept for ever."""

LOOK_AGAIN_MS: Final = 300_000
"""A contact that is still open is looked at again after this long at the latest."""


def synthetic_id(*what: object) -> str:
    """The id of a synthetic event: the same for the same thing, so that making it again is a redelivery."""
    return "w-" + blake2b("\0".join(map(str, what)).encode(), digest_size=12).hexdigest()


class Stuck:
    """One look at one contact: `events` close what is over its limit; `due_ms` is when the next thing will be, if it
    stays as it is; None with nothing open.
    """

    __slots__ = ("_floor", "_now_ms", "_record", "due_ms", "events")

    def __init__(self, record: ContactRecord, floor: Floor, now_ms: int) -> None:
        self._record, self._floor, self._now_ms = record, floor, now_ms
        self.events: list[ev.ContactEvent] = []
        self.due_ms: int | None = None
        if record.ended_ms is None:
            for visit in record.visits:
                if visit.end_ms is None:
                    self._look(channel_of(visit, visit.queue_id, floor), visit.arrival_ms(), WAITING, visit)
        for leg in record.legs:
            self._leg(leg)
        if record.callback in CALLBACK_DUE:
            self._callback(record.last_ms + FORGOTTEN_MS)

    def _callback(self, due_ms: int) -> None:
        """A promised callback has no limit, but is forgotten like anything else."""
        if due_ms <= self._now_ms:
            record = self._record
            about = _about(record, "callback", FORGOTTEN, due_ms, FORGOTTEN)
            self.events.append(CallbackExpired(**about, queue_id=record.callback_queue))
        elif self.due_ms is None or due_ms < self.due_ms:
            self.due_ms = due_ms

    def _leg(self, leg: Leg) -> None:
        channel = channel_of(self._record.visit_of(leg), self._record.queue_of(leg), self._floor)
        if (since_ms := connected_since_ms(self._record, leg)) is not None:
            self._look(channel, since_ms, CONNECTED, leg)
        elif leg.wrapping:
            self._look(channel, leg.wrapup_ms or 0, AFTER_CALL, leg)
        elif leg.open and self._record.ended_ms is None:
            self._look(channel, leg.offered_ms or self._record.last_ms, RINGING, leg)

    def _look(self, channel: str, since_ms: int, phase: str, target: Visit | Leg) -> None:
        forgotten_ms = self._record.last_ms + FORGOTTEN_MS
        limit_ms = self._limit_ms(channel, phase)
        due_ms = forgotten_ms if limit_ms is None else min(since_ms + limit_ms, forgotten_ms)
        if due_ms <= self._now_ms:
            reason = FORGOTTEN if due_ms == forgotten_ms else phase
            self.events.append(closing(self._record, target, phase, due_ms, reason))
        elif self.due_ms is None or due_ms < self.due_ms:
            self.due_ms = due_ms

    def _limit_ms(self, channel: str, phase: str) -> int | None:
        watchdog = self._floor.watchdog
        if watchdog is None:
            return None
        return getattr(watchdog.limits(channel), phase + "_ms")  # type: ignore[no-any-return]


def channel_of(visit: Visit | None, queue_id: str | None, floor: Floor) -> str:
    """The channel of a visit or of a leg in it: the configured queue's, else what the feed says, else a call."""
    if queue_id is not None and (queue := floor.queue(queue_id)).configured:
        return queue.channel
    return (visit.channel if visit is not None else None) or floor.default_queue.channel


def connected_since_ms(record: ContactRecord, leg: Leg) -> int | None:
    """Since when the leg has been connected; None if it is not."""
    if record.ended_ms is not None or leg.end_ms() is not None:
        return None
    since_ms = answered_ms(record, leg)
    if since_ms is None and leg.missed_ms is None and leg.was_connected:
        since_ms = leg.offered_ms or record.last_ms
    return since_ms


def closing(record: ContactRecord, target: Visit | Leg, phase: str, at_ms: int, reason: str) -> ev.ContactEvent:
    """The synthetic event that ends a phase of a visit or leg at that moment."""
    name = target.visit_id if isinstance(target, Visit) else target.leg_id
    about = _about(record, name, phase, at_ms, reason)
    if isinstance(target, Visit):
        queue_id = target.queue_id
        return ev.VisitCancelled(**about, visit_id=target.visit_id, queue_id=queue_id, outcome_reason=reason)
    about |= {
        "agent_id": target.agent_id, "visit_id": target.visit_id, "leg_id": target.leg_id,
        "queue_id": target.queue_id, "consult": target.consult,
    }  # fmt: skip
    if phase == RINGING:
        return ev.LegMissed(**about, reason=reason)
    if phase == AFTER_CALL:
        return ev.LegWrapupEnded(**about)
    return ev.LegEnded(**about)


def _about(record: ContactRecord, name: str, phase: str, at_ms: int, reason: str) -> dict[str, Any]:
    """What every synthetic event about a contact carries."""
    return {
        "event_id": synthetic_id(record.contact_id, name, phase, at_ms, reason), "occurred_at_ms": at_ms,
        "source": record.source, "contact_id": record.contact_id, "synthetic": True, "synthetic_reason": reason,
    }  # fmt: skip
