"""How many records wait for a worker, read off when the metrics are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from faust.types import TP
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.batch_app import FloorwalkerApp
from streams.tables import BatchTable
from streams.transport import consumer_of

Lags = Mapping[TP, int]


class LagCollector(Collector):
    """The gauge `floorwalker_consumer_lag_records`; `lags` is called in the thread of the metrics' server."""

    def __init__(self, lags: Callable[[], Lags]) -> None:
        self._lags = lags

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One value for each partition that this worker holds."""
        gauge = GaugeMetricFamily(
            "floorwalker_consumer_lag_records", "Records of the topic not applied yet.", labels=["topic", "partition"]
        )
        for tp, records in sorted(self._lags().items()):
            gauge.add_metric([tp.topic, str(tp.partition)], records)
        yield gauge


def lags_of(app: FloorwalkerApp, tables: Mapping[str, BatchTable[Any]]) -> Lags:
    """By source partition, from the mark of the table it feeds to the end that the last fetch told.

    `tables` maps source topics to their tables. While a table's partition is being loaded, it is its changelog that
    lags. What was not fetched yet is left out.
    """
    found: dict[TP, int] = {}
    for topic, table in tables.items():
        for partition in table.active_partitions:
            ready = partition in table.writable_partitions
            tp = TP(topic if ready else table.changelog_topic_name, partition)
            end = consumer_of(app).known_end(tp)
            if end is not None:
                with suppress(KeyError):  # taken away at this moment
                    at = table.store(partition).mark.next_offset if ready else table.loaded(partition)
                    found[tp] = max(0, end - at)
    return found
