"""A worker's own metrics."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streams.telemetry import Telemetry, Together

SOMEBODY_ELSE = "192.0.2.1"  # of a network that is for documents only


def test_metrics_are_served_on_the_address_that_is_asked_for_and_no_other() -> None:
    with pytest.raises(OSError):
        Telemetry().serve(SOMEBODY_ELSE, 9101)


def test_the_processes_of_a_worker_have_their_counts_added_up() -> None:
    correlate, aggregate = Telemetry(), Telemetry()
    correlate.consumed("cti.events", 0, 5, 0)
    aggregate.consumed("cti.facts", 0, 7, 0)
    for telemetry in (correlate, aggregate):
        telemetry.poison("cti.events")
    lines = exposition(correlate, aggregate)
    assert 'floorwalker_worker_records_total{topic="cti.events"} 5.0' in lines
    assert 'floorwalker_worker_records_total{topic="cti.facts"} 7.0' in lines
    assert 'floorwalker_worker_rejected_total{reason="poison"} 2.0' in lines
    assert len([line for line in lines if line.startswith("# TYPE floorwalker_worker_records_total ")]) == 1


def test_one_process_asked_twice_does_not_count_twice() -> None:
    correlate, aggregate = Telemetry(), Telemetry()
    for telemetry in (correlate, aggregate):
        telemetry.rejected("bad_json")
    assert exposition(correlate, aggregate) == exposition(correlate, aggregate)


def exposition(*parts: Telemetry) -> list[str]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Together([part.registry for part in parts]))
    return generate_latest(registry).decode().splitlines()
