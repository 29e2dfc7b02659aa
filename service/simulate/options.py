"""What to simulate."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from service.timetext import parse_zone

Scenario = Literal[
    "calm", "surge", "build-up", "outage", "campaign", "snowball", "feed-loss", "absence", "slow-handling"
]
SCENARIOS: Final[tuple[str, ...]] = get_args(Scenario)

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
MONDAY_MS: Final = 1_795_392_000_000
"""Midnight UTC of Monday 2026-11-23: when a simulation starts unless told otherwise."""


@dataclass(frozen=True, slots=True)
class SimulationOptions:
    """A simulated centre and its day; equal options give the same bytes.

    Of `agents` and `contacts_per_hour` (the mean over the opening hours) the one that is None is derived from the
    other; both None is a floor of 40 agents. `inject_after_ms` None: the scenario begins after 40 % of the duration.
    `prefix` None: ids begin with the seed. Raises ValueError for what cannot be simulated.
    """

    queues: int = 6
    agents: int | None = None
    contacts_per_hour: float | None = None
    seed: int = 1
    scenario: Scenario = "calm"
    start_ms: int = MONDAY_MS
    duration_ms: int = DAY_MS
    timezone: str = "UTC"
    sites: tuple[str, ...] = ("main",)
    inject_after_ms: int | None = None
    prefix: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        if not 1 <= self.queues <= 10_000:
            raise ValueError(f"the number of queues must be 1 to 10000, not {self.queues}")
        if self.agents is not None and self.agents < 2:
            raise ValueError(f"the number of agents must be at least 2, not {self.agents}")
        if self.contacts_per_hour is not None and self.contacts_per_hour <= 0:
            raise ValueError(f"the rate must be more than 0 contacts an hour, not {self.contacts_per_hour}")
        if self.duration_ms <= 0:
            raise ValueError("the duration must be more than 0")
        if self.scenario not in SCENARIOS:
            raise ValueError(f"the scenario must be one of {', '.join(SCENARIOS)}, not {self.scenario!r}")
        if not self.sites or len(set(self.sites)) < len(self.sites):
            raise ValueError("the sites must be one or more different names")
        parse_zone(self.timezone)

    @property
    def end_ms(self) -> int:
        """The end of the horizon, exclusive; contacts open then stay open."""
        return self.start_ms + self.duration_ms

    @property
    def ids(self) -> str:
        """How every id of this run begins."""
        return f"s{self.seed}" if self.prefix is None else self.prefix

    def local(self, at_ms: int) -> datetime:
        """The sites' local time."""
        return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(self.timezone))
