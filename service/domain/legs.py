"""An offer of a contact to one agent, as a record that events fill in any order."""

from msgspec import Struct, field

HELD, RETRIEVED = 1, 0


class Leg(Struct, array_like=True, gc=False):
    """One leg. Each event type has its own place; of several events of one type the earliest counts.

    `leg_id` is fixed when the leg is first heard of; `named` is the feed's own id, which may come later.
    """

    leg_id: str
    agent_id: str | None
    visit_id: str | None = None
    named: str | None = None
    queue_id: str | None = None
    consult: bool = False
    offered_ms: int | None = None
    answered_ms: int | None = None
    ring_ms: int | None = None
    missed_ms: int | None = None
    transferred_ms: int | None = None
    ended_ms: int | None = None
    talk_ms: int | None = None
    hold_ms: int | None = None
    holds: list[tuple[int, int]] = field(default_factory=list)
    conferenced: list[int] = field(default_factory=list)
    wrapup_ms: int | None = None
    wrapup_ended_ms: int | None = None
    acw_ms: int | None = None
    planned_acw_ms: int | None = None

    def end_ms(self) -> int | None:
        """When the agent was no longer connected; None while open. A transfer ends the leg unless its end is told
        apart.
        """
        return self.ended_ms if self.ended_ms is not None else self.transferred_ms

    @property
    def open(self) -> bool:
        """True while the agent is reserved, connected, or in after-call work whose end is to come."""
        if self.missed_ms is not None and self.answered_ms is None:
            return False
        if self.ended_ms is None and self.transferred_ms is None:
            return True
        return self.wrapup_ms is not None and self.wrapping

    @property
    def wrapping(self) -> bool:
        """True while in after-call work whose end is to come."""
        if self.wrapup_ms is None or self.wrapup_ended_ms is not None:
            return False
        return self.acw_ms is None and self.planned_acw_ms is None

    @property
    def told(self) -> bool:
        """Whether any event was about it. Else it was made for the answer of a visit, which may be another's by now."""
        times = (self.offered_ms, self.answered_ms, self.missed_ms, self.wrapup_ended_ms)
        return self.was_connected or any(at_ms is not None for at_ms in times)

    @property
    def was_connected(self) -> bool:
        """True if something was told that only happens to an agent who had answered; ringing alone does not say so."""
        return self.end_ms() is not None or self.wrapup_ms is not None or bool(self.holds or self.conferenced)

    def hold_total_ms(self, end_ms: int) -> int:
        """Time on hold up to `end_ms`, stated or summed over held-retrieved pairs."""
        if self.hold_ms is not None:
            return self.hold_ms
        total, since = 0, -1
        for at_ms, kind in self.holds:
            if kind == HELD and since < 0:
                since = at_ms
            elif kind == RETRIEVED and since >= 0:
                total, since = total + at_ms - since, -1
        return total + max(0, end_ms - since) if since >= 0 else total

    def times_held(self) -> int:
        """How often the customer was put on hold; stated hold alone counts once."""
        return sum(1 for _, kind in self.holds if kind == HELD) or int(self.hold_ms is not None and self.hold_ms > 0)

    def after_call(self, end_ms: int) -> tuple[int, int | None] | None:
        """(start, end or None while open) of after-call work; None without any. The length stated at its end wins,
        then the end, then
        the plan.
        """
        start_ms = self.wrapup_ms if self.wrapup_ms is not None else end_ms
        if self.acw_ms is not None:
            return start_ms, start_ms + self.acw_ms
        if self.wrapup_ended_ms is not None:
            return start_ms, max(start_ms, self.wrapup_ended_ms)
        if self.planned_acw_ms is not None:
            return start_ms, start_ms + self.planned_acw_ms
        return (start_ms, None) if self.wrapup_ms is not None else None
