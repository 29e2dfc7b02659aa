"""The Grafana dashboards: current, well-formed, asking for metrics that exist, in both languages."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import FloorMetrics
from api.views import Views
from grafana.boards import BOARDS
from grafana.build import FOLDER, VARIABLES, as_text, files
from tests.unit.api.floors import Centre

PROVISIONING = FOLDER.parent / "provisioning"
OTHERS = {"floorwalker_worker_records_total", "floorwalker_poison_total", "floorwalker_alerts"}
"""Metrics that workers serve, or that are there only while there is an alert."""


def boards() -> list[tuple[str, dict[str, Any]]]:
    return [(path.name, json.loads(path.read_text("utf-8"))) for path in sorted(FOLDER.glob("*.json"))]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def nulls(part: Any, path: str = "") -> Iterator[str]:
    """Where there is null."""
    if part is None:
        yield path
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield from nulls(inner, path if isinstance(name, int) else f"{path}/{name}")


def expressions(board: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


@pytest.fixture(scope="module")
def served() -> set[str]:
    """Names of the series that the API serves for a floor where everything has happened once."""
    centre = Centre()
    centre.agent_state("1001", "ready")
    for number in range(3):
        centre.call(f"c{number}", agent="1001", ago_ms=60_000 * number)
        ids = {"contact_id": f"c{number}", "visit_id": f"c{number}/1", "leg_id": f"c{number}/1/1", "agent_id": "1001"}
        centre.event("leg.ended", centre.now_ms - 30_000 * number, **ids, talk_ms=20_000, wrapup=True)
        centre.event("leg.wrapup_ended", centre.now_ms, **ids)
    centre.event("visit.queued", contact_id="r", visit_id="r/1", queue_id="sales", customer_ref="h:1")
    centre.call("gone")
    centre.raw(b"{")
    centre.now_ms += 1000
    centre.agent_state("1001", "ready")
    centre.flush()
    centre.state.feed.lag_records["cti.state", 0] = 0
    return asyncio.run(_scraped(centre))


async def _scraped(centre: Centre) -> set[str]:
    """The names, those in windows as NAME/WINDOW as well."""
    parts, _ = await FloorMetrics(Views(centre.state)).exposition(agents=True)
    families = text_string_to_metric_families(b"".join([part async for part in parts]).decode())
    samples = [sample for family in families for sample in family.samples]
    in_windows = {f"{sample.name}/{sample.labels['window']}" for sample in samples if "window" in sample.labels}
    return {sample.name for sample in samples} | in_windows


def test_the_files_are_what_the_registry_gives_today() -> None:
    assert dict(boards_as_text()) == files(), "run `make dashboards`"


def boards_as_text() -> list[tuple[str, str]]:
    return [(path.name, path.read_text("utf-8")) for path in FOLDER.glob("*.json")]


@pytest.mark.parametrize(("name", "board"), boards(), ids=[name for name, _ in boards()])
def test_a_dashboard_is_one_by_grafanas_own_types(name: str, board: dict[str, Any]) -> None:
    """What the SDK, generated from Grafana's schema, reads and writes again is what is in the file."""
    assert json.loads(as_text(Dashboard.from_json(board))) == board
    assert board["uid"].endswith(name.split(".")[1])


@pytest.mark.parametrize(("name", "board"), boards(), ids=[name for name, _ in boards()])
def test_nothing_is_null_but_where_colours_begin(name: str, board: dict[str, Any]) -> None:
    """Grafana's schema has no null elsewhere; a builder that sets too little leaves some."""
    assert set(nulls(board)) <= {"/panels/fieldConfig/defaults/thresholds/steps/value"}


@pytest.mark.parametrize(("name", "board"), boards(), ids=[name for name, _ in boards()])
def test_every_query_asks_for_series_that_exist(name: str, board: dict[str, Any], served: set[str]) -> None:
    asked = {found for expr in expressions(board) for found in re.findall(r"floorwalker_[a-z0-9_]+", expr)}
    assert asked and asked <= served | OTHERS
    windowed = re.findall(r'(floorwalker_\w+)\{[^}]*?window="(\w+)"', " ".join(expressions(board)))
    assert {f"{series}/{window}" for series, window in windowed} <= served


@pytest.mark.parametrize(("name", "board"), boards(), ids=[name for name, _ in boards()])
def test_every_variable_used_is_defined_and_every_panel_has_a_query(name: str, board: dict[str, Any]) -> None:
    defined = {variable["name"] for variable in board["templating"]["list"]} | {"__rate_interval"}
    used = {found for expr in expressions(board) for found in re.findall(r"\$(\w+)", expr)}
    assert used <= defined
    assert all(panel["targets"] and panel["title"] for panel in panels(board))


def test_each_board_is_there_in_english_and_chinese_with_the_same_queries() -> None:
    by_name = dict(boards())
    for board in BOARDS:
        english, chinese = by_name[f"{board.uid}.en.json"], by_name[f"{board.uid}.zh.json"]
        assert expressions(english) == expressions(chinese)
        for one, other in zip(panels(english), panels(chinese), strict=True):
            assert one["title"].isascii() and not other["title"].isascii()


def test_the_tv_board_asks_nothing_of_its_viewer() -> None:
    board = dict(boards())["floorwalker-tv.en.json"]
    assert [variable["name"] for variable in board["templating"]["list"]] == ["datasource"]
    assert board["timepicker"]["hidden"] is True
    assert {variable for each in BOARDS if not each.tv for variable in each.variables} == set(VARIABLES)


def test_no_ratio_of_several_queues_is_an_average() -> None:
    for _, board in boards():
        assert not [expr for expr in expressions(board) if re.search(r"\b(avg|sum)\s*(by[^(]*)?\([^()]*_ratio", expr)]


def test_grafana_is_provisioned_with_source_and_folder() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yaml").read_text("utf-8"))["datasources"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/floorwalker.yaml").read_text("utf-8"))["providers"]
    assert source["type"] == "prometheus" and Path(provider["options"]["path"]).name == FOLDER.name
