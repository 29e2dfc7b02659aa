"""The configuration as the oracle knows it: queues with their service level, sites with their clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.oracle.hours import Hours


@dataclass(frozen=True)
class Level:
    """How a queue's service level is reckoned. `threshold_ms` None: there is none. `hours` None: every minute counts as
    waiting. Without `abandonment` nobody is seen to leave.
    """

    threshold_ms: int | None = 20_000
    short_ms: int = 5_000
    variant: str = "abandon_ignored"
    genesys: tuple[bool, bool, bool] = (True, True, False)
    """Whether abandons, short abandons and flow-outs count against it."""
    hours: Hours | None = None
    abandonment: bool = True

    def waited_ms(self, since_ms: int, until_ms: int) -> int:
        """How long somebody has waited."""
        return max(0, until_ms - since_ms) if self.hours is None else self.hours.open_ms(since_ms, until_ms)


@dataclass(frozen=True)
class Clock:
    """A site's time zone and the local minute of the day at which its business day begins."""

    zone: str = "UTC"
    reset_minutes: int = 0

    def day(self, at_ms: int) -> tuple[int, int]:
        """[start, end) of the business day that holds the moment."""
        zone = ZoneInfo(self.zone)
        date = datetime.fromtimestamp(at_ms / 1000, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        starts = []
        for days in (-2, -1, 0, 1, 2):
            local = (date.replace(tzinfo=None) + timedelta(days=days, minutes=self.reset_minutes)).replace(tzinfo=zone)
            starts.append(round(local.timestamp() * 1000))
        number = max(n for n, start in enumerate(starts) if start <= at_ms)
        return starts[number], starts[number + 1]

    def interval(self, at_ms: int, length_ms: int) -> tuple[int, int]:
        """[start, end) of the interval that holds the moment; intervals are counted from the start of the day."""
        start, end = self.day(at_ms)
        while start + length_ms <= at_ms:
            start += length_ms
        return start, min(start + length_ms, end)


@dataclass(frozen=True)
class Watch:
    """How long something may stay open before the watchdog closes it."""

    ringing_ms: int
    connected_ms: int
    after_call_ms: int
    waiting_ms: int


@dataclass(frozen=True)
class House:
    """Everything configured. What is not named here has the defaults."""

    levels: Mapping[str, Level] = field(default_factory=dict)
    level: Level = Level()
    later: Mapping[str, tuple[int, Level]] = field(default_factory=dict)
    """Queue -> (from when on, the service level it then has)."""
    clocks: Mapping[str, Clock] = field(default_factory=dict)
    site_of: Mapping[str, str] = field(default_factory=dict)
    """Scope (`queue:ID`, `agent:ID`) -> site; the site "" has UTC."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Reason for being not ready -> external or productive; any other is internal."""
    interval_ms: int = 900_000
    linger_ms: int = 900_000
    skew_ms: int = 60_000
    return_ms: int = 86_400_000
    """So long after a contact another of the same customer counts as a return."""
    watch: Watch | None = None

    def level_of(self, queue_id: str, at_ms: int) -> Level:
        """The service level of a queue at a moment."""
        from_ms, later = self.later.get(queue_id, (at_ms + 1, self.level))
        return later if from_ms <= at_ms else self.levels.get(queue_id, self.level)

    def clock_of(self, scope: str) -> Clock:
        """The clock of the site that a scope belongs to."""
        return self.clocks.get(self.site_of.get(scope, ""), Clock())
