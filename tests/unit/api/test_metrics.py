"""/metrics: what Prometheus reads, and that its counters never fall."""

from __future__ import annotations

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import EXPORTED_EDGES_MS, QUEUE_COUNTS, QUEUE_NOW, QUEUE_WINDOWED
from api.settings import ApiSettings
from service.domain.kpi_times import QUEUE_GAUGES, WINDOW_KPIS
from service.domain.kpis import STAFF_STATES
from service.domain.scopes import HISTOGRAM_EDGES_MS
from tests.unit.api.floors import ODD_ID, Centre, get

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
SALES = {"queue": "sales", "site": "berlin", "channel": "voice"}


async def scrape(centre: Centre, settings: ApiSettings | None = None) -> Samples:
    """Every sample by name and labels; fails on a series that comes twice."""
    answer = await get(centre.app(settings), "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples_of(answer.text)


def samples_of(text: str) -> Samples:
    families: list[Metric] = list(text_string_to_metric_families(text))
    found: Samples = {}
    for sample in (sample for family in families for sample in family.samples):
        key = (sample.name, frozenset(sample.labels.items()))
        assert key not in found, key
        found[key] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"floorwalker_{name}", frozenset(labels.items())))


async def test_counts_windows_and_the_present_are_there(centre: Centre) -> None:
    found = await scrape(centre)
    assert value(found, "queue_offered_total", **SALES) == 4
    assert value(found, "queue_answered_total", **SALES) == 2
    assert value(found, "queue_waiting", **SALES) == 1
    assert value(found, "queue_oldest_wait_seconds", **SALES) == 25
    assert value(found, "queue_asa_seconds", **SALES, window="day") == 20
    assert value(found, "queue_asa_seconds", **SALES, window="15m") == 30
    assert value(found, "queue_service_level_ratio", **SALES, window="day") == 0.25
    assert value(found, "queue_agents", **SALES, state="on_contact") == 1
    assert value(found, "queue_agents", **SALES, state="acw") == 0


async def test_what_is_undefined_has_no_sample_and_what_is_zero_has_one(centre: Centre) -> None:
    found = await scrape(centre)
    mail = {"queue": "mail", "site": "berlin", "channel": "email"}
    assert value(found, "queue_service_level_ratio", **mail, window="day") is None
    assert value(found, "queue_oldest_wait_seconds", **mail) is None
    assert value(found, "queue_waiting", **mail) == 0
    assert value(found, "queue_offered_total", **mail) == 0


async def test_labels_may_hold_anything(centre: Centre) -> None:
    odd = {"queue": ODD_ID, "site": "berlin", "channel": "voice"}
    assert value(await scrape(centre), "queue_answered_total", **odd) == 1


async def test_histograms_count_waits_and_handle_times(centre: Centre) -> None:
    found = await scrape(centre)
    assert value(found, "queue_wait_seconds_bucket", **SALES, le="10.0") == 1
    assert value(found, "queue_wait_seconds_bucket", **SALES, le="30.0") == 2
    assert value(found, "queue_wait_seconds_count", **SALES) == 2
    assert value(found, "queue_wait_seconds_sum", **SALES) == 40
    assert value(found, "queue_handle_seconds_sum", **SALES) == 100


async def test_counters_do_not_fall_under_a_correction(centre: Centre) -> None:
    app = centre.app()
    first = samples_of((await get(app, "/metrics")).text)
    assert value(first, "queue_abandoned_total", **SALES) == 1
    # a late answer shows that the abandoned call was answered before
    ids = {"contact_id": "c2", "visit_id": "c2/1", "queue_id": "sales"}
    centre.event("visit.answered", centre.now_ms - 320_000, agent_id="1001", leg_id="c2/1/1", **ids)
    centre.flush()
    lifetime = centre.state.scopes.queues["queue:sales"].live.lifetime
    assert (lifetime.abandoned, lifetime.answered) == (0, 3)
    second = samples_of((await get(app, "/metrics")).text)
    assert value(second, "queue_abandoned_total", **SALES) == 1
    assert value(second, "queue_answered_total", **SALES) == 3
    for key, before in first.items():
        if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
            assert second[key] >= before, key


async def test_a_state_read_anew_begins_its_counters_anew(centre: Centre) -> None:
    app = centre.app()
    await get(app, "/metrics")
    centre.state.reset()
    assert (await get(app, "/metrics")).status_code == 503  # half a state would look like counters that fell
    centre.flush()
    assert value(samples_of((await get(app, "/metrics")).text), "queue_offered_total", **SALES) == 0


async def test_the_pipeline_is_measured(centre: Centre) -> None:
    centre.raw(b"not json")
    centre.flush()
    centre.state.feed.lag_records["cti.state", 3] = 17
    centre.now_ms += 250
    centre.queued("c6")
    centre.flush()
    centre.now_ms += 750
    found = await scrape(centre)
    assert value(found, "events_total", source="pbx", type="visit.queued") == 6
    assert value(found, "events_rejected_total", source="unknown", reason="bad_json") == 1
    assert value(found, "events_duplicate_total", source="pbx") == 0
    assert value(found, "source_staleness_seconds", source="pbx") == 0.75
    assert value(found, "consumer_lag_records", topic="cti.state", partition="3") == 17
    assert value(found, "end_to_end_latency_seconds_count") == 1


async def test_agents_have_series_only_where_switched_on(centre: Centre) -> None:
    assert not [key for key in await scrape(centre) if key[0].startswith("floorwalker_agent_")]
    found = await scrape(centre, ApiSettings(agent_series=True))
    ann = {"agent": "1001", "team": "blue"}
    assert value(found, "agent_handled", **ann, window="day") == 1
    assert value(found, "agent_state", **ann, state="on_contact") == 1
    assert value(found, "agent_aht_seconds", **ann, window="day") == 100


OPEN_METRICS = {"Accept": "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"}


async def test_open_metrics_says_the_same_to_who_asks_for_it(centre: Centre) -> None:
    app = centre.app(ApiSettings(agent_series=True))
    answer = await get(app, "/metrics", OPEN_METRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.headers["vary"].startswith("Accept")
    assert answer.text.endswith("# EOF\n")
    families = list(open_metrics_families(answer.text))  # a strict reader: it refuses a name that comes twice
    found = {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}
    assert found == samples_of((await get(app, "/metrics")).text)
    assert {family.name: family.type for family in families}["floorwalker_queue_missed_total"] == "unknown"
    assert {family.name: family.type for family in families}["floorwalker_queue_holds"] == "counter"


@pytest.mark.parametrize("accept", [{}, OPEN_METRICS])
async def test_a_scrape_is_compressed_for_who_can_read_it(centre: Centre, accept: dict[str, str]) -> None:
    plain = await get(centre.app(), "/metrics", {**accept, "Accept-Encoding": "identity"})
    packed = await get(centre.app(), "/metrics", {**accept, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text


async def test_label_values_that_need_it_are_escaped(centre: Centre) -> None:
    odd = 'back\\slash "quoted"\nnew line'
    centre.call("odd", odd)
    centre.flush()
    labels = {"queue": odd, "site": "berlin", "channel": "voice"}
    assert value(await scrape(centre), "queue_offered_total", **labels) == 1
    text = (await get(centre.app(), "/metrics", OPEN_METRICS)).text
    assert any(s.labels.get("queue") == odd for family in open_metrics_families(text) for s in family.samples)


async def test_a_queue_has_at_most_80_series_whatever_happens_in_it() -> None:
    centre = Centre()
    gauges = sum(map(len, QUEUE_WINDOWED.values()))
    histograms = sum(len(edges) + len(("+Inf", "sum", "count")) for edges in EXPORTED_EDGES_MS.values())
    assert len(QUEUE_COUNTS) + len(QUEUE_NOW) + gauges + histograms + len(STAFF_STATES) <= 80
    centre.queued("c1")
    centre.flush()
    found = [key for key in await scrape(centre) if ("queue", "sales") in key[1]]
    assert len(found) <= 80


def test_every_gauge_of_a_window_is_a_kpi_and_every_shown_edge_is_counted() -> None:
    assert QUEUE_GAUGES.keys() <= {kpi.name for kpi in WINDOW_KPIS["queue"]}
    assert all(set(edges) <= set(HISTOGRAM_EDGES_MS) for edges in EXPORTED_EDGES_MS.values())
