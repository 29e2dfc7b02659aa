"""Every query of every dashboard against a real Prometheus that scrapes a real API: the numbers are the API's.

Broker: embedded; what is tested is what lies behind the API.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from api.metrics import NOW_KPIS
from grafana.build import FOLDER
from service.embedded import EmbeddedBroker
from service.topics import create_topics
from tests.integration.api_process import ApiProcess
from tests.integration.test_api import CONFIG, PARTITIONS, a_centre, publish
from tests.support.prometheus import MISSING, PrometheusProcess

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

MOVING = {"oldest_wait_seconds"}
"""KPIs that grow by themselves: between a scrape and an answer of the API they differ by a second or two."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ApiProcess, PrometheusProcess]]:
    """A floor where a few things have happened, and Prometheus that has scraped it twice."""
    folder = tmp_path_factory.mktemp("grafana")
    config = folder / "floor.yaml"
    config.write_text(CONFIG, "utf-8")
    with EmbeddedBroker() as broker:
        create_topics(broker.bootstrap, PARTITIONS, 1)
        centre = a_centre()
        for number in range(12):
            centre.call(f"d{number}", wait_ms=5_000 * number, agent="1001" if number % 4 else None, ago_ms=400_000)
        centre.flush()
        publish(broker, centre)
        with ApiProcess(broker.bootstrap, folder / "api.log", config, FLOORWALKER_AGENT_SERIES="true") as api:
            api.until("/readyz")
            with PrometheusProcess(folder, {"floorwalker-api": f"127.0.0.1:{api.port}"}) as prometheus:
                prometheus.until(lambda: len(prometheus.ask("count_over_time(floorwalker_queue_waiting[1m]) > 2")) >= 2)
                yield api, prometheus


def filled(expr: str, **chosen: str) -> str:
    """The query as Grafana would send it: all of everything, unless chosen."""
    return re.sub(r"\$(\w+)", lambda found: {"__rate_interval": "1m"}.get(found[1]) or chosen.get(found[1], ".*"), expr)


def targets() -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(FOLDER.glob("*.en.json")):
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            found += [(path.stem, panel["title"], target["expr"]) for target in panel.get("targets", [])]
    return found


@pytest.mark.parametrize(("board", "title", "expr"), targets())
def test_prometheus_understands_the_query(
    watched: tuple[ApiProcess, PrometheusProcess], board: str, title: str, expr: str
) -> None:
    watched[1].ask(filled(expr))


KPI_QUERY = re.compile(r'^max by \(queue, site, channel\) \(floorwalker_queue_(\w+)\{[^}]*?(?:,window="(\w+)")?\}\)$')


def kpi_targets() -> list[tuple[str, str | None, str]]:
    """(KPI, window, expression) of the panels that show one KPI of queues."""
    found = {(m[1], m[2], expr) for _, _, expr in targets() if (m := KPI_QUERY.match(expr))}
    return sorted(found, key=str)


@pytest.mark.parametrize(("kpi", "window", "expr"), kpi_targets())
def test_a_panel_shows_what_the_api_says_within_one_scrape(
    watched: tuple[ApiProcess, PrometheusProcess], kpi: str, window: str | None, expr: str
) -> None:
    api, prometheus = watched

    def the_same() -> bool:
        items = api.client.get("/v1/queues").json()["items"]
        told = {item["id"]: _value(item, kpi, window) for item in items}
        shown = {labels["queue"]: value for labels, value in prometheus.ask(filled(expr))}
        near = 2.5 if kpi in MOVING else 1e-9
        return {queue for queue, value in told.items() if value is not None} == set(shown) and all(
            abs(value - told[queue]) <= near for queue, value in shown.items()
        )

    prometheus.until(the_same, timeout_s=15)


def _value(item: dict[str, Any], kpi: str, window: str | None) -> float | None:
    now = kpi in {each.name for each in NOW_KPIS["queue"]}
    found: float | None = item["now"][kpi] if now or window is None else item["windows"][window][kpi]
    return found


def test_a_chosen_queue_is_shown_alone(watched: tuple[ApiProcess, PrometheusProcess]) -> None:
    _, prometheus = watched
    expr = next(expr for kpi, _, expr in kpi_targets() if kpi == "waiting")
    assert [labels["queue"] for labels, _ in prometheus.ask(filled(expr, queue="sales"))] == ["sales"]
