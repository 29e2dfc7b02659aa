"""Rows 20 and 22 to 26: what a view shows of idle queues, shared agents, callers who wait, and in which unit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.config import load_config
from service.domain.codec import EVENT_TYPES
from service.domain.kpis import KPIS
from service.domain.settings import Queue, ServiceLevel
from tests.pitfalls.scenes import ask, report
from tests.unit.api.floors import Centre, get, small_floor

ROOT = Path(__file__).parents[2]


async def test_row_20_an_agent_of_two_queues_is_one_agent_of_the_site() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready", queues=("sales", "mail"))
    centre.flush()
    for queue in (await ask(centre, "/v1/queues"))["items"]:
        assert queue["now"]["agents_available"] == 1
    for path in ("site/berlin", "group/front", "team/blue"):
        now = (await ask(centre, f"/v1/scopes/{path}"))["now"]
        assert (now["agents_staffed"], now["agents_available"]) == (1, 1)


async def test_row_22_without_a_threshold_there_is_no_service_level_and_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "floor.yaml"
    file.write_text("queues:\n  sales: {service_level: {threshold_seconds: null}}\n")
    config = load_config(file)
    (warning,) = config.warnings
    assert "floor.yaml" in warning and "queue sales has no service level threshold" in warning
    centre = Centre(config.floor())
    centre.call("c1", agent="1001")
    centre.queued("c2", ago_ms=3_600_000)
    centre.flush()
    queue = await ask(centre, "/v1/queues/sales")
    levels = {name: value for name, value in queue["windows"]["day"].items() if name.startswith("service_level_")}
    assert len(levels) == 8 and set(levels.values()) == {None}
    assert queue["windows"]["day"]["answered"] == 1


async def test_row_23_no_contacts_is_no_percentage() -> None:
    centre = Centre()
    centre.queued("c1", "mail")  # something happens elsewhere
    centre.flush()
    day = (await ask(centre, "/v1/queues/sales"))["windows"]["day"]
    ratios = {name: value for name, value in day.items() if name.endswith("_ratio")}
    assert len(ratios) > 8 and set(ratios.values()) == {None}
    scraped = (await get(centre.app(), "/metrics")).text
    assert not re.search(r'_ratio\{[^}]*queue="sales"', scraped)
    assert re.search(r'floorwalker_queue_offered_total\{[^}]*queue="sales"[^}]*\} 0', scraped)


async def test_row_24_an_idle_queue_is_there_with_zeros_and_a_time() -> None:
    centre = Centre()
    centre.flush()
    listed = (await ask(centre, "/v1/queues"))["items"]
    assert [queue["id"] for queue in listed] == ["sales", "mail"]
    for queue in (*listed, await ask(centre, "/v1/queues/mail")):
        assert queue["as_of"] == "2026-11-22T12:00:00Z"
        assert "staleness_seconds" in queue
        assert (queue["now"]["waiting"], queue["windows"]["day"]["offered"], queue["windows"]["5m"]["answered"]) == (
            0,
            0,
            0,
        )
    assert report([], small_floor())["queues"]["mail"]["total"]["offered"] == 0
    routed = (await ask(centre, "/v1/routing/queues?ids=mail"))["items"]
    assert [(queue["id"], queue["waiting"], queue["agents_available"]) for queue in routed] == [("mail", 0, 0)]


async def test_row_25_a_caller_beyond_the_threshold_counts_before_anybody_answers() -> None:
    floor = small_floor()
    floor.queues["sales"] = Queue("sales", "Sales", "berlin", service_level=ServiceLevel(20_000), configured=True)
    centre = Centre(floor)
    centre.call("c1", wait_ms=5_000, agent="1001", ago_ms=60_000)
    centre.queued("c2")
    centre.flush()
    seen = []
    for wait_ms in (20_000, 21_000):  # no event comes in between
        at_ms, centre.now_ms = centre.now_ms, centre.now_ms + wait_ms
        windows = (await ask(centre, "/v1/queues/sales"))["windows"]
        seen.append({windows[name]["service_level_ratio"] for name in ("5m", "15m", "day")})
        centre.now_ms = at_ms
    assert seen == [{1}, {0.5}]


def numbers(body: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a body with the name it stands under."""
    if isinstance(body, dict):
        for key, value in body.items():
            yield from numbers(value, key)
    elif isinstance(body, list):
        for value in body:
            yield from numbers(value, name)
    elif isinstance(body, int | float) and not isinstance(body, bool):
        yield name, body


ABOUT_TIME = re.compile(r"wait|age|time|duration|staleness|threshold|kept|seconds|elapsed|_at$|since|until")


async def test_row_26_every_duration_says_its_unit(centre: Centre) -> None:
    paths = ("/v1/queues", "/v1/agents", "/v1/routing/queues", "/v1/queues/sales/intervals", "/v1/agents/1001/timeline",
             "/v1/scopes/group/front", "/v1/scopes/team/blue", "/v1/sources")  # fmt: skip
    names = {name for path in paths for name, _ in numbers(await ask(centre, path))}
    others = names - {kpi.name for kpi in KPIS} - set(EVENT_TYPES)  # of KPIs the next test speaks
    durations = {name for name in others if ABOUT_TIME.search(name)}
    assert {"staleness_seconds", "threshold_seconds", "seconds"} <= durations
    assert {name for name in durations if not name.endswith("seconds")} == set()
    assert len(names - others) > 40


def test_row_26_the_unit_of_a_kpi_is_in_its_name_and_the_events_schema_knows_milliseconds_only() -> None:
    endings = {"seconds": "_seconds", "ratio": "_ratio", "per_hour": "_per_hour"}
    for kpi in KPIS:
        ending = next((unit for unit, end in endings.items() if kpi.name.endswith(end)), "count")
        assert kpi.unit == ending, kpi.name
    schema = json.loads((ROOT / "docs" / "events.schema.json").read_text())
    fields = {
        name for definition in schema["$defs"].values() for name, field in definition.get("properties", {}).items()
        if "integer" in str(field)
    }  # fmt: skip
    timely = {
        name
        for name in fields
        if re.search(r"wait|ring|talk|hold|acw|aht|login|_at|start|end(?!ed)|since|due|from|to", name)
    }
    assert {name for name in timely if not name.endswith("_ms")} <= {"customers"}


@pytest.fixture
def centre() -> Centre:
    """A little of everything, so that every view has numbers."""
    made = Centre()
    made.agent_state("1001", "ready", ago_ms=600_000, queues=("sales", "mail"))
    made.call("c1", agent="1001", ago_ms=300_000)
    leg = {"contact_id": "c1", "visit_id": "c1/1", "leg_id": "c1/1/1", "queue_id": "sales", "agent_id": "1001"}
    made.event("leg.ended", made.now_ms - 200_000, **leg)
    made.call("c2", ago_ms=100_000)
    made.queued("c3", ago_ms=25_000)
    made.flush()
    return made
