"""Panels that several dashboards share, and short ways to describe one. Names and units of KPIs are the registry's."""

from collections.abc import Callable
from typing import Final

from grafana.panels import (
    AMBER,
    GREEN,
    KPI,
    RED,
    UNITS,
    WHERE_QUEUE,
    Kind,
    Panel,
    Query,
    Words,
    queue_kpi,
    title_of,
)
from service.domain.kpis import STAFF_STATES

LEVEL: Final = ((None, RED), (0.7, AMBER), (0.8, GREEN))
"""Colours of a service level: below 70 %, below the usual target of 80 %, from there on."""

SOME: Final = ((None, GREEN), (1.0, AMBER), (10.0, RED))
AGE: Final = ((None, GREEN), (30.0, AMBER), (120.0, RED))
NOW_15M: Final = Words("last 15 min", "近15分钟")
TODAY: Final = Words("today", "今日")


def one(name: str, window: str | None, kind: Kind = "lines", width: int = 12, height: int = 8, **more: object) -> Panel:
    """One queue KPI, a series a queue."""
    when = {None: None, "15m": NOW_15M, "day": TODAY}[window]
    title = title_of(name)
    if when is not None:
        title = Words(f"{title.en}, {when.en}", f"{title.zh}（{when.zh}）")
    kpi = KPI[name]
    help_ = Words(kpi.help, kpi.help)
    query = Query(queue_kpi(name, window), "{{queue}}")
    return Panel(kind, title, (query,), UNITS[kpi.unit], width, height, help=help_, **more)  # type: ignore[arg-type]


def table_of(title: Words, names: tuple[tuple[str, str | None], ...], kpi: Callable[..., str], height: int) -> Panel:
    """One row a queue or agent, one column a KPI."""
    columns = {name: title_of(name) for name, _ in names}
    queries = tuple(Query(kpi(name, *([window] if window else [])), column=columns[name]) for name, window in names)
    units = {columns[name].en: UNITS[KPI[name].unit] for name, _ in names}
    return Panel("table", title, queries, width=24, height=height, units=units)


def number(
    title: Words, expr: str, unit: str = "short", width: int = 4, steps: tuple[tuple[float | None, str], ...] = ()
) -> Panel:
    """One figure."""
    return Panel("stat", title, (Query(expr),), unit, width, 5, steps)


def summed(name: str, window: str | None = None) -> str:
    """A queue KPI that adds up, of all chosen queues together."""
    return f"sum({queue_kpi(name, window)})"


IN_TIME: Final = f"{summed('answered_in_threshold', '15m')} / {summed('offered', '15m')}"
"""Of several queues: counts are added up, ratios are never averaged."""

_STATES: Final = "|".join(STAFF_STATES)
STAFF: Final = f'sum by (state) (max by (queue, state) (floorwalker_queue_agents{{{WHERE_QUEUE},state=~"{_STATES}"}}))'

HEADLINES: Final = (
    number(title_of("waiting"), summed("waiting"), steps=SOME),
    number(title_of("oldest_wait_seconds"), f"max({queue_kpi('oldest_wait_seconds')})", "s", steps=AGE),
    number(
        Words("Answered in time of offered, last 15 min", "近15分钟及时接通率"), IN_TIME, "percentunit", steps=LEVEL
    ),
    number(Words("Offered today", "今日呼入量"), summed("offered", "day")),
    number(Words("Abandoned today", "今日放弃量"), summed("abandoned", "day")),
    number(
        Words("Age of the newest event", "最新事件距今"),
        "min(max by (source) (floorwalker_source_staleness_seconds))",
        "s",
        steps=AGE,
    ),
)
QUEUES: Final = table_of(
    Words("Queues", "队列"),
    (
        ("service_level_ratio", "15m"),
        ("waiting", None),
        ("oldest_wait_seconds", None),
        ("expected_wait_seconds", None),
        ("offered", "day"),
        ("answered", "day"),
        ("abandonment_ratio", "day"),
        ("asa_seconds", "day"),
        ("aht_seconds", "day"),
    ),
    queue_kpi,
    10,
)
STAFF_PANEL: Final = Panel(
    "stack",
    Words("Agents by state, an agent in each of their queues", "坐席状态（按队列计）"),
    (Query(STAFF, "{{state}}"),),
    width=12,
)
