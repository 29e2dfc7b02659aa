"""The last visits that left a queue, answered or not, so that they can be looked through."""

from typing import Final

from msgspec import Struct

RECENT_KEPT: Final = 50
"""How many answered visits are kept, and how many of the others."""


class RecentVisit(Struct, array_like=True, gc=False):
    """A visit that left its queue. `number` counts them in the order in which they were heard of.

    `waited_before_ms` is how long before this visit the contact entered its first queue. `callback` None: nobody
    promised one.
    """

    number: int
    visit_id: str
    outcome: str
    queued_ms: int
    ended_ms: int
    wait_ms: int
    reason: str | None = None
    waited_before_ms: int = 0
    callback: str | None = None


class RecentVisits:
    """A queue's last visits. Each has a slot, which one of its kind will take over, so that a flush writes new ones
    only.
    """

    __slots__ = ("_next", "slots")

    def __init__(self) -> None:
        self.slots: dict[int, RecentVisit] = {}
        self._next = [0, 0]

    def add(self, visit: RecentVisit, answered: bool) -> int:
        """Keep a visit, which gets its number; returns its slot."""
        number = visit.number = self._next[answered]
        self._next[answered] = number + 1
        slot = 2 * (number % RECENT_KEPT) + answered
        self.slots[slot] = visit
        return slot

    def find(self, visit_id: str) -> int | None:
        """The slot of a visit; None if it is not kept, or no longer."""
        for slot, visit in self.slots.items():
            if visit.visit_id == visit_id:
                return slot
        return None

    def put(self, slot: int, visit: RecentVisit | None) -> None:
        """Take over what was read from the state feed."""
        if visit is None:
            self.slots.pop(slot, None)
        else:
            self.slots[slot] = visit
            self._next[slot % 2] = max(self._next[slot % 2], visit.number + 1)

    def newest(self, outcome: str | None, limit: int) -> list[RecentVisit]:
        """The visits that left last, newest first; `outcome` None: whatever became of them."""
        found = [visit for visit in self.slots.values() if outcome in (None, visit.outcome)]
        return sorted(found, key=lambda visit: (-visit.ended_ms, visit.visit_id))[:limit]
