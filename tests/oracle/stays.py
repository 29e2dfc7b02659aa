"""A contact's stays in queues: when each began, how it ended and after what wait."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.oracle.house import House, Level

Event = Mapping[str, Any]
Told = tuple[int, Event]
"""(the time that counts, the event)."""

ENDINGS = (
    "visit.answered", "visit.abandoned", "visit.flowed_out", "visit.callback_requested", "visit.cancelled",
    "visit.refused",
)  # fmt: skip
"""Endings of a visit; at the same time the one that stands first here counts."""


@dataclass
class Stay:
    """A visit. `outcome` None: it still waits. `answer` is the event that answered it."""

    visit_id: str
    queue_id: str | None
    arrival_ms: int
    level: Level
    transferred_in: bool
    outcome: str | None = None
    end_ms: int = 0
    wait_ms: int = 0
    reason: str | None = None
    answer: Told | None = None
    first: bool = True
    """Whether the contact entered this queue before all others."""
    before_ms: int = 0
    """How long ago the contact had entered its first queue when it entered this one."""
    returned: bool | None = None
    """Whether the customer's contact before came shortly before; None unless this is the first visit of a known
    customer's contact.
    """
    followed: bool = False
    """Whether the customer's next contact came shortly after."""
    told_open: bool = False
    """True while no event of the visit itself ended it."""
    customer_class: str | None = None
    """As the visit's own event states it; then as it is in the end."""

    def close(self, at_ms: int, reason: str) -> None:
        """The watchdog takes it for over."""
        self.outcome, self.end_ms, self.reason, self.told_open = "cancelled", at_ms, reason, False
        self.wait_ms = self.level.waited_ms(self.arrival_ms, at_ms)


def is_about(one: Told, visit_id: str) -> bool:
    """Whether it is an event of this visit itself."""
    return one[1]["type"].startswith("visit.") and bool(one[1]["visit_id"] == visit_id)


def stay_of(events: Sequence[Told], ends: Sequence[Told], house: House) -> Stay:
    """One visit from its own events, and the contact's end if there is one."""
    queued = min((one for one in events if one[1]["type"] == "visit.queued"), key=_queueing, default=None)
    ending = ending_of([one for one in events if one[1]["type"] in ENDINGS])
    queue_id = next((e["queue_id"] for _, e in ([queued] if queued else []) + list(events) if e.get("queue_id")), None)
    arrival_ms = queued[0] if queued else ending[0] - (ending[1].get("wait_ms") or 0) if ending else 0
    level = house.level_of(queue_id or "", arrival_ms)
    moved = queued is not None and queued[1].get("initiation") == "transfer"
    stay = Stay(events[0][1]["visit_id"], queue_id, arrival_ms, level, moved)
    stay.told_open, stay.customer_class = ending is None, queued[1].get("customer_class") if queued else None
    if ending is not None:
        stay.outcome = ending[1]["type"].partition(".")[2]
        stay.end_ms, stay.reason = ending[0], ending[1].get("outcome_reason")
        stated = ending[1].get("wait_ms")
        stay.wait_ms = stated if stated is not None else max(0, stay.end_ms - arrival_ms)
        stay.answer = ending if stay.outcome == "answered" else None
    elif ends:
        by = ends[0][1].get("disconnect_by")
        stay.outcome = "cancelled" if by in ("agent", "system") else "abandoned"
        stay.end_ms = max(ends[0][0], arrival_ms)
        stay.wait_ms = stay.end_ms - arrival_ms
    if stay.outcome is not None and level.hours is not None:
        stay.wait_ms = level.waited_ms(arrival_ms, stay.end_ms)
    if stay.outcome == "abandoned" and not level.abandonment:
        stay.outcome, stay.reason = "cancelled", "abandoned"
    return stay


def ending_of(endings: Sequence[Told]) -> Told | None:
    """The ending that counts. What was told of it several times is put together; of two waits the shorter counts."""
    if not endings:
        return None
    counts = min(map(_ending, endings))
    same = [one for one in endings if _ending(one) == counts]
    known: dict[str, Any] = {}
    for _, event in same:
        known = {**event, **known}
    waits = [event["wait_ms"] for _, event in same if event.get("wait_ms") is not None]
    return same[0][0], {**known, "wait_ms": min(waits, default=None)}


def _queueing(one: Told) -> tuple[int, str]:
    return one[0], one[1]["queue_id"]


def _ending(one: Told) -> tuple[int, int]:
    return one[0], ENDINGS.index(one[1]["type"])
