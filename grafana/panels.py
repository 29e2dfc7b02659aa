"""What a panel shows, as data, and how it becomes one of Grafana's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from grafana_foundation_sdk.builders import bargauge, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.builders.common import ReduceDataOptions, StackingConfig, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    MatcherConfig,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from service.domain.kpis import KPIS, Kpi

Language = Literal["en", "zh"]
Kind = Literal["stat", "lines", "stack", "bars", "table", "heatmap"]

WHERE_QUEUE: Final = 'site=~"$site",channel=~"$channel",queue=~"$queue"'
WHERE_AGENT: Final = 'team=~"$team",agent=~"$agent"'
DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, AMBER, RED = "green", "orange", "red"
UNITS: Final = {"seconds": "s", "ratio": "percentunit", "count": "short", "per_hour": "short"}
KPI: Final[Mapping[str, Kpi]] = {kpi.name: kpi for kpi in KPIS}


@dataclass(frozen=True, slots=True)
class Words:
    """The same words in both languages."""

    en: str
    zh: str

    def of(self, language: Language) -> str:
        """The words in that language."""
        return self.en if language == "en" else self.zh


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression; `legend` names its series. For a table, `column` heads its values."""

    expr: str
    legend: str = ""
    column: Words | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel, `width` of 24 columns wide. `steps` colours values: (from this value on, colour)."""

    kind: Kind
    title: Words
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    height: int = 8
    steps: tuple[tuple[float | None, str], ...] = ()
    help: Words | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    """For a table: the unit by the English column."""


def title_of(name: str) -> Words:
    """What a KPI is called, by the registry."""
    plain = name.removesuffix("_ratio").removesuffix("_seconds").replace("_", " ")
    return Words(plain[:1].upper() + plain[1:], KPI[name].chinese)


def queue_kpi(name: str, window: str | None = None) -> str:
    """A KPI of the chosen queues; every replica of the API tells the same, hence the maximum."""
    within = f',window="{window}"' if window else ""
    return f"max by (queue, site, channel) (floorwalker_queue_{name}{{{WHERE_QUEUE}{within}}})"


def agent_kpi(name: str, window: str = "day") -> str:
    """A KPI of the chosen agents."""
    return f'max by (agent, team) (floorwalker_agent_{name}{{{WHERE_AGENT},window="{window}"}})'


def built(panel: Panel, language: Language) -> Any:
    """Grafana's builder of the panel."""
    made = _MAKERS[panel.kind](panel, language)
    made = made.title(panel.title.of(language)).datasource(DATASOURCE).span(panel.width).height(panel.height)
    if panel.help is not None:
        made = made.description(panel.help.of(language))
    if panel.steps:
        steps = [Threshold(value=value, color=color) for value, color in panel.steps]
        made = made.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.kind != "heatmap":
        made = made.unit(panel.unit)
    for number, query in enumerate(panel.queries):
        made = made.with_target(_target(panel, query, chr(ord("A") + number)))
    return made


def _target(panel: Panel, query: Query, ref: str) -> Any:
    target = prometheus.Dataquery().ref_id(ref).expr(query.expr).datasource(DATASOURCE)
    if panel.kind == "table":
        return target.instant().format(PromQueryFormat.TABLE)
    if panel.kind == "heatmap":
        return target.range().format(PromQueryFormat.HEATMAP).legend_format("{{le}}")
    target = target.legend_format(query.legend or "__auto")
    return target.instant() if panel.kind in ("stat", "bars") else target.range()


def _stat(panel: Panel, language: Language) -> Any:
    return (
        stat.Panel()
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("–")
    )


def _bars(panel: Panel, language: Language) -> Any:
    return (
        bargauge.Panel()
        .orientation(VizOrientation.HORIZONTAL)
        .min(0)
        .reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _legend() -> VizLegendOptions:
    return VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM).show_legend(True)


def _lines(panel: Panel, language: Language) -> Any:
    made = timeseries.Panel().min(0).line_width(2).fill_opacity(8).legend(_legend())
    return made.max(1) if panel.unit == "percentunit" else made


def _stack(panel: Panel, language: Language) -> Any:
    return _lines(panel, language).fill_opacity(40).stacking(StackingConfig().mode(StackingMode.NORMAL))


def _heatmap(panel: Panel, language: Language) -> Any:
    return heatmap.Panel().calculate(False)


def _table(panel: Panel, language: Language) -> Any:
    """One row a queue (or agent), one column a query: joined by labels, the time left out."""
    names = {f"Value #{chr(ord('A') + n)}": q.column.of(language) for n, q in enumerate(panel.queries) if q.column}
    if len(panel.queries) == 1:
        names["Value"] = names.pop("Value #A", "Value")
    made = table.Panel().with_transformation(DataTransformerConfig(id_val="merge", options={}))
    made = made.with_transformation(
        DataTransformerConfig(id_val="organize", options={"excludeByName": {"Time": True}, "renameByName": names})
    )
    for query in panel.queries:
        if query.column is not None and query.column.en in panel.units:
            column = MatcherConfig(id_val="byName", options=query.column.of(language))
            unit = DynamicConfigValue(id_val="unit", value=panel.units[query.column.en])
            made = made.with_override(column, [unit])
    return made


_MAKERS: Final[dict[Kind, Any]] = {
    "stat": _stat, "bars": _bars, "lines": _lines, "stack": _stack, "heatmap": _heatmap, "table": _table,
}  # fmt: skip
