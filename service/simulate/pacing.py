"""Simulated time brought to the wall clock, for a live demonstration."""

from dataclasses import dataclass, replace

import msgspec

from service.domain.business_events import Activity, ScheduleChanged, SchedulePublished
from service.domain.events import Event
from service.simulate.scenarios import Label

_INSTANTS = ("occurred_at_ms", "due_at_ms", "from_ms", "to_ms", "start_ms", "end_ms", "since_ms")
_DURATIONS = ("wait_ms", "ring_ms", "talk_ms", "hold_ms", "acw_ms", "login_ms")


@dataclass(frozen=True, slots=True)
class Pacing:
    """Simulated `from_ms` is `wall_ms` on the clock; from there `speed` simulated seconds pass in one.

    At another speed than 1 every duration shrinks with it, so that times stay in order and none lies in the future; a
    day's schedule becomes a change, since several simulated days may share a day of the clock.
    """

    from_ms: int
    wall_ms: int
    speed: float

    def wall(self, at_ms: int) -> int:
        """The wall-clock time of a simulated time."""
        return self.wall_ms + int((at_ms - self.from_ms) / self.speed)

    def shifted(self, event: Event) -> Event:
        """The event with wall-clock times."""
        changes: dict[str, object] = {}
        for field in event.__struct_fields__:
            value = getattr(event, field)
            if field in _INSTANTS and isinstance(value, int):
                changes[field] = self.wall(value)
            elif field in _DURATIONS and isinstance(value, int):
                changes[field] = int(value / self.speed)
        if isinstance(event, SchedulePublished):
            changes["intervals"] = [self._activity(activity) for activity in event.intervals]
            if self.speed != 1:
                return ScheduleChanged(**{**msgspec.structs.asdict(event), **changes})
        return msgspec.structs.replace(event, **changes)

    def label(self, label: Label) -> Label:
        """The label with wall-clock times."""
        return replace(label, from_ms=self.wall(label.from_ms), to_ms=self.wall(label.to_ms))

    def _activity(self, activity: Activity) -> Activity:
        start_ms, end_ms = self.wall(activity.start_ms), self.wall(activity.end_ms)
        return msgspec.structs.replace(activity, start_ms=start_ms, end_ms=end_ms)
