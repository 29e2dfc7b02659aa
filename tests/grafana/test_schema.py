"""Every dashboard keeps the schema that Grafana publishes, and the check tells what is wrong and where."""

import copy
import json
from typing import Any, Final

import jsonschema_rs
import pytest

from grafana.build import FOLDER
from tests.grafana.make_schema import SCHEMA, origin

BOARDS: Final[dict[str, dict[str, Any]]] = {
    path.name: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}
GRAFANA: Final = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text("utf-8")))
MISSING: Final = object()
"""In place of a wrong value: the field is taken away."""

FAULTS: Final[dict[str, tuple[tuple[str | int, ...], object, str]]] = {
    "dashboard, field": (("titel",), "Floor", "'titel' was unexpected"),
    "dashboard, enum": (("graphTooltip",), 7, "7 is not one of"),
    "dashboard, type": (("refresh",), 5, '5 is not of type "string"'),
    "dashboard, missing": (("schemaVersion",), MISSING, '"schemaVersion" is a required property'),
    "time, missing": (("time", "to"), MISSING, '"to" is a required property'),
    "variable, field": (("templating", "list", 0, "auto"), False, "'auto' was unexpected"),
    "variable, enum": (("templating", "list", 0, "type"), "choice", '"choice" is not one of'),
    "variable, type": (("templating", "list", 0, "multi"), "no", '"no" is not of type "boolean"'),
    "row, field": (("row", "targets"), [], "'targets' was unexpected"),
    "row, panel in it": (("row", "panels"), [{"type": "stat", "option": {}}], "'option' was unexpected"),
    "panel, field": (("stat", "colour"), "red", "'colour' was unexpected"),
    "panel, enum": (("stat", "repeatDirection"), "x", '"x" is not one of'),
    "panel, type": (("stat", "gridPos", "w"), "12", '"12" is not of type "number"'),
    "panel, kind": (("stat", "type"), "singlestat", '"singlestat" is not one of'),
    "threshold, null": (("stat", "fieldConfig", "defaults", "thresholds", "mode"), None, "null is not one of"),
    "override, field": (("table", "fieldConfig", "overrides", 0, "match"), {}, "'match' was unexpected"),
    "transformation, field": (("table", "transformations", 0, "option"), {}, "'option' was unexpected"),
    "stat, field": (("stat", "options", "colour"), "red", "'colour' was unexpected"),
    "stat, enum": (("stat", "options", "graphMode"), "bars", '"bars" is not one of'),
    "stat, type": (("stat", "options", "wideLayout"), "yes", '"yes" is not of type "boolean"'),
    "bargauge, field": (("bargauge", "options", "colorMode"), "value", "'colorMode' was unexpected"),
    "bargauge, enum": (("bargauge", "options", "displayMode"), "neon", '"neon" is not one of'),
    "bargauge, type": (("bargauge", "options", "minVizWidth"), "8", '"8" is not of type "number"'),
    "timeseries, field": (("timeseries", "options", "legends"), {}, "'legends' was unexpected"),
    "timeseries, enum": (("timeseries", "options", "legend", "placement"), "top", '"top" is not one of'),
    "timeseries, type": (("timeseries", "options", "tooltip"), [], '[] is not of type "object"'),
    "heatmap, field": (("heatmap", "options", "tooltip", "sort"), "asc", "'sort' was unexpected"),
    "heatmap, enum": (("heatmap", "options", "selectionMode"), "z", '"z" is not one of'),
    "heatmap, type": (("heatmap", "options", "color", "steps"), "64", '"64" is not of type "number"'),
    "table, field": (("table", "options"), {"frameIndex": 0, "showHeader": True, "rows": 3}, "'rows' was unexpected"),
    "table, enum": (
        ("table", "options"),
        {"frameIndex": 0, "showHeader": True, "cellHeight": "xl"},
        '"xl" is not one of',
    ),
    "table, type": (("table", "options"), {"frameIndex": "0", "showHeader": True}, '"0" is not of type "number"'),
    "stat, fields": (("stat", "fieldConfig", "defaults", "custom"), {"lineWidth": 2}, "/lineWidth: "),
    "bargauge, fields": (("bargauge", "fieldConfig", "defaults", "custom"), {"lineWidth": 2}, "/lineWidth: "),
    "table, fields": (("table", "fieldConfig", "defaults", "custom"), {"lineWidth": 2}, "'lineWidth' was unexpected"),
    "heatmap, fields": (
        ("heatmap", "fieldConfig"),
        {"defaults": {"custom": {"lineWidth": 2}}, "overrides": []},
        "'lineWidth' was unexpected",
    ),
    "timeseries, fields, field": (
        ("timeseries", "fieldConfig", "defaults", "custom", "lineWidht"),
        2,
        "'lineWidht' was unexpected",
    ),
    "timeseries, fields, enum": (
        ("timeseries", "fieldConfig", "defaults", "custom", "stacking"),
        {"mode": "high"},
        '"high" is not one of',
    ),
    "timeseries, fields, type": (
        ("timeseries", "fieldConfig", "defaults", "custom", "lineWidth"),
        "2",
        '"2" is not of type "number"',
    ),
    "query, field": (("timeseries", "targets", 0, "legend"), "{{queue}}", "'legend' was unexpected"),
    "query, enum": (("timeseries", "targets", 0, "format"), "graph", '"graph" is not one of'),
    "query, type": (("timeseries", "targets", 0, "instant"), "true", '"true" is not of type "boolean"'),
    "query, missing": (("timeseries", "targets", 0, "expr"), MISSING, '"expr" is a required property'),
}
"""What is wrong -> where (of a panel: its kind, for the first one of it), the wrong value, what is said about it."""


def faults(board: dict[str, Any]) -> list[str]:
    """Where the dashboard does not keep Grafana's schema, and how."""
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in GRAFANA.iter_errors(board)]


def sample() -> dict[str, Any]:
    """A dashboard with every kind of panel that we use, once; its table has overrides."""
    floor = BOARDS["floorwalker-floor.en.json"]
    panels = [*floor["panels"], *(panel for board in BOARDS.values() for panel in board["panels"])]
    first = {panel["type"]: panel for panel in reversed(panels)}
    return copy.deepcopy(floor | {"panels": [*first.values()]})


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_keeps_grafanas_schema(name: str) -> None:
    assert faults(BOARDS[name]) == []


def test_there_are_dashboards_and_they_have_every_kind_of_panel_that_the_schema_knows() -> None:
    known = json.loads(SCHEMA.read_text("utf-8"))["definitions"]["AnyPanel"]["properties"]["type"]["enum"]
    assert {panel["type"] for panel in sample()["panels"]} == set(known)


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_is_told_with_its_place(case: str) -> None:
    path, wrong, told = FAULTS[case]
    board = sample()
    kinds = [panel["type"] for panel in board["panels"]]
    if path[0] in kinds:
        path = ("panels", kinds.index(str(path[0])), *path[1:])
    inner: Any = board
    for step in path[:-1]:
        inner = inner[step]
    if wrong is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = wrong
    holder = "/".join(map(str, path[:-1]))
    found = faults(board)
    assert [fault for fault in found if told in fault]
    assert all(fault.startswith((f"{holder}: ", "/".join(map(str, path)))) for fault in found)


def test_the_schema_is_of_the_versions_that_it_would_be_made_from_today() -> None:
    versions = json.loads(SCHEMA.with_name("package.json").read_text("utf-8"))["dependencies"]
    assert origin(versions) == json.loads(SCHEMA.read_text("utf-8"))["$comment"], "run `make grafana-schema`"


def test_only_what_grafana_leaves_open_is_left_open() -> None:
    """A type that took any field, or any value, would let every mistake pass."""
    schema = json.loads(SCHEMA.read_text("utf-8"))["definitions"]
    kinds = ("HeatmapFields", "NoFields", "TableFields", "TimeSeriesFields")
    assert {place for name, inner in schema.items() for place in left_open(inner, name)} == {
        "DataTransformerConfig/options",
        "MatcherConfig/options",
        "Record<string,unknown>/*",
        *(f"Fields<{kind}>/defaults/links/*" for kind in kinds),
        *(f"Fields<{kind}>/overrides/*/properties/*/value" for kind in kinds),
    }


def left_open(schema: dict[str, Any], place: str) -> list[str]:
    """Where the schema takes any value or, in an object, any field."""
    if not schema:
        return [place]
    inside = [(f"{place}/{name}", inner) for name, inner in schema.get("properties", {}).items()]
    inside += [(place, one) for one in schema.get("anyOf", ())]
    each = [schema.get(name, False) for name in ("items", "additionalProperties")]
    inside += [(f"{place}/*", inner) for inner in each if inner is not False]
    closed = "additionalProperties" in schema or "allOf" in schema or schema.get("type") != "object"
    return ([] if closed else [place]) + [found for where, inner in inside for found in left_open(inner, where)]
