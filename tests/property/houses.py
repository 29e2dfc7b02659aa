"""Configurations drawn at random: the oracle's, and the same for the product."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Final, cast

from hypothesis import strategies as st

from service.domain.business_hours import BusinessHours
from service.domain.settings import (
    Agent,
    Floor,
    GenesysSwitches,
    Limits,
    Queue,
    ReasonKind,
    ServiceLevel,
    Site,
    Variant,
    Watchdog,
)
from tests.oracle.figures import VARIANTS
from tests.oracle.hours import Hours, Openings
from tests.oracle.house import Clock, House, Level, Watch
from tests.property.calls import AGENTS, QUEUES
from tests.property.logs import BASES

TEAMS: Final = {"1001": "blue", "1002": "blue", "1003": "red"}
GROUPS: Final = {"sales": "front", "service": "front"}
ZONES: Final = ("UTC", "Europe/Berlin", "America/Montreal", "Australia/Lord_Howe")
EACH_DAY: Final[dict[str, Openings]] = {
    "breaks": [(start, start + 10) for start in range(0, 1440, 15)],
    "half days": [(0, 125), (135, 580), (605, 1440)],
}
"""Openings so that something begins and ends in every log."""

WEEKS: Final = {
    **{name: [openings] * 7 for name, openings in EACH_DAY.items()},
    "office": [[(540, 610), (630, 1020)]] * 5 + [[], []],
}
HOLIDAYS: Final[dict[date, Openings]] = {date(2026, 11, 21): [], date(2026, 10, 25): [(60, 150), (165, 200)]}
HOURS: Final = {zone: [Hours(name, zone, week, HOLIDAYS) for name, week in WEEKS.items()] for zone in ZONES}

levels = st.builds(
    Level,
    st.sampled_from([20_000, 0, 60_000, 400_000, None]),
    st.sampled_from([5_000, 0]),
    st.sampled_from(VARIANTS),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
limits_ms = st.sampled_from([60_000, 300_000, 900_000, 86_400_000])
watches = st.builds(Watch, limits_ms, limits_ms, limits_ms, limits_ms)
changes_ms = st.sampled_from([base_ms + 600_000 for base_ms in BASES.values()])
clocks = st.builds(Clock, st.sampled_from(ZONES), st.sampled_from([0, 0, 240]))


@st.composite
def level_in(draw: st.DrawFn, zone: str) -> Level:
    """A service level of a queue there: of calls and chats, or of written channels in business hours."""
    level = draw(levels)
    if draw(st.booleans()):
        return level
    return replace(level, hours=draw(st.sampled_from([None, *HOURS[zone]])), abandonment=draw(st.booleans()))


@st.composite
def houses(draw: st.DrawFn) -> House:
    """Queues with service levels of every kind, agents in teams, two sites with clocks of their own."""
    scopes = [*("queue:" + queue_id for queue_id in QUEUES), *("agent:" + agent_id for agent_id in AGENTS[:3])]
    sites = {"north": draw(clocks), "south": draw(clocks)}
    site_of = {scope: draw(st.sampled_from(["north", "south"])) for scope in scopes}
    zones = {queue_id: sites[site_of["queue:" + queue_id]].zone for queue_id in QUEUES}
    now = {queue_id: draw(level_in(zones[queue_id])) for queue_id in QUEUES}
    later: dict[str, tuple[int, Level]] = {}
    for queue_id in QUEUES:
        if draw(st.integers(0, 3)) == 0:  # a channel does not change with time, nor who can abandon
            level = replace(draw(level_in(zones[queue_id])), abandonment=now[queue_id].abandonment)
            later[queue_id] = draw(changes_ms), level
    return House(
        levels=now,
        later=later,
        clocks=sites,
        site_of=site_of,
        reasons=draw(st.dictionaries(st.sampled_from(["break", "lunch"]), st.sampled_from(["external", "productive"]))),
        interval_ms=draw(st.sampled_from([900_000, 1_800_000])),
        return_ms=draw(st.sampled_from([86_400_000, 600_000])),
        watch=draw(st.none() | watches),
    )


def product_floor(house: House) -> Floor:
    """The same configuration for the product. The last of the agents is not configured."""
    sites = {name: Site(name, clock.zone, clock.reset_minutes) for name, clock in house.clocks.items()}
    queues = {
        queue_id: Queue(
            queue_id, site=house.site_of["queue:" + queue_id], group=GROUPS.get(queue_id),
            service_level=_level(level), later_levels=tuple(_later(house, queue_id)), configured=True,
        )
        for queue_id, level in house.levels.items()
    }  # fmt: skip
    agents = {
        agent_id: Agent(agent_id, team=team, site=house.site_of["agent:" + agent_id])
        for agent_id, team in TEAMS.items()
    }
    kinds = {reason: cast(ReasonKind, kind) for reason, kind in house.reasons.items()}
    return Floor(
        sites=sites, queues=queues, agents=agents, reason_kinds=kinds, interval_ms=house.interval_ms,
        return_window_ms=house.return_ms, watchdog=None if house.watch is None else _watchdog(house.watch),
    )  # fmt: skip


def _later(house: House, queue_id: str) -> Iterator[tuple[int, ServiceLevel]]:
    if queue_id in house.later:
        from_ms, level = house.later[queue_id]
        yield from_ms, _level(level)


def _level(level: Level) -> ServiceLevel:
    switches = GenesysSwitches(*level.genesys)
    hours = None if level.hours is None else _hours(level.hours)
    variant = cast(Variant, level.variant)
    return ServiceLevel(level.threshold_ms, 0.8, variant, level.short_ms, switches, hours, level.abandonment)


def _watchdog(watch: Watch) -> Watchdog:
    limits = Limits(watch.ringing_ms, watch.connected_ms, watch.after_call_ms, watch.waiting_ms)
    return Watchdog({"voice": limits})


@cache
def _hours(hours: Hours) -> BusinessHours:
    return BusinessHours(hours.zone, hours.week, hours.holidays)
