"""What a worker says about itself, as Prometheus series of its own registry."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

AGE_EDGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

EVALUATION_EDGES = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2)


class Telemetry:
    """Counters and gauges of one of a worker's processes; `serve` makes those of all readable."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """They are read through the registry; None: one of its own."""
        self.registry = registry or CollectorRegistry()
        self._records = Counter("floorwalker_worker_records", "Records processed.", ["topic"], registry=self.registry)
        self._rejected = Counter(
            "floorwalker_worker_rejected", "Records sent to the dead letter.", ["reason"], registry=self.registry
        )
        self._poison = Counter(
            "floorwalker_poison", "Records that the code failed on: set aside, a fault to report.", ["topic"],
            registry=self.registry,
        )  # fmt: skip
        self._misrouted = Counter(
            "floorwalker_worker_misrouted", "Records moved to the partition of their key.", ["topic"],
            registry=self.registry,
        )  # fmt: skip
        self._age = Histogram(
            "floorwalker_worker_record_age_seconds", "Age of a batch's newest record when it was processed.", ["topic"],
            buckets=AGE_EDGES, registry=self.registry,
        )  # fmt: skip
        self._newest = Gauge(
            "floorwalker_worker_newest_record_timestamp_seconds", "Kafka time of the newest record processed.",
            ["topic", "partition"], registry=self.registry,
        )  # fmt: skip

    def consumed(self, topic: str, partition: int, records: int, newest_ms: int) -> None:
        """A batch was processed; `newest_ms` is the Kafka time of its last record, 0 if it was empty."""
        self._records.labels(topic).inc(records)
        if newest_ms > 0:
            self._age.labels(topic).observe(max(0.0, time.time() - newest_ms / 1000))
            self._newest.labels(topic, str(partition)).set(newest_ms / 1000)

    def rejected(self, reason: str) -> None:
        """A record went to the dead letter."""
        self._rejected.labels(reason).inc()

    def poison(self, topic: str) -> None:
        """A record of the topic was set aside because our code failed on it; also counted as rejected."""
        self._poison.labels(topic).inc()
        self._rejected.labels("poison").inc()

    def misrouted(self, topic: str) -> None:
        """A record of the topic was moved to the partition of its key."""
        self._misrouted.labels(topic).inc()

    def serve(self, host: str, port: int, others: Sequence[Collector] = ()) -> None:
        """Serve /metrics there, to whoever can reach it, with those of other processes. Raises OSError if that is not
        possible.
        """
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Together([self.registry, *others]))
        start_http_server(port, addr=host, registry=registry)


class Together(Collector):
    """The metrics of several processes as those of one: what has the same name and labels is added up."""

    def __init__(self, parts: Sequence[Collector]) -> None:
        self._parts = parts

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand."""
        return []

    def collect(self) -> Iterable[Metric]:
        """One family of each name."""
        found: dict[str, Metric] = {}
        for metric in (metric for part in self._parts for metric in part.collect()):
            known = found.get(metric.name)
            if known is None:
                found[metric.name] = metric
            else:
                known.samples = _added(known.samples, metric.samples)
        return found.values()


def _added(samples: Iterable[Sample], others: Iterable[Sample]) -> list[Sample]:
    found: dict[tuple[str, frozenset[tuple[str, str]]], Sample] = {}
    for sample in (*samples, *others):
        key = sample.name, frozenset(sample.labels.items())
        known = found.get(key)
        if known is not None:
            value = min(known.value, sample.value) if sample.name.endswith("_created") else known.value + sample.value
            sample = known._replace(value=value)
        found[key] = sample
    return list(found.values())


class EvaluatorTelemetry:
    """Counters and gauges of the process that evaluates the alert rules."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """They are read through the registry."""
        self._notified = Counter(
            "floorwalker_notifications", "Notices of alerts, by what became of them.", ["receiver", "outcome"],
            registry=registry,
        )  # fmt: skip
        self._pending = Gauge(
            "floorwalker_notifications_pending", "Notices of alerts that a receiver has not confirmed.", ["receiver"],
            registry=registry,
        )  # fmt: skip
        self._evaluation = Histogram(
            "floorwalker_worker_evaluation_seconds", "How long judging the alert rules took at each tick.",
            buckets=EVALUATION_EDGES, registry=registry,
        )  # fmt: skip
        self._failed = Counter(
            "floorwalker_worker_evaluation_failures", "Ticks at which judging the alert rules failed, a fault of ours.",
            registry=registry,
        )  # fmt: skip

    def evaluation_failed(self) -> None:
        """Judging the alert rules failed by a fault of the code."""
        self._failed.inc()

    def evaluated(self, seconds: float) -> None:
        """The alert rules were judged."""
        self._evaluation.observe(seconds)

    def notified(self, receiver: str, outcome: str, notices: int) -> None:
        """So many notices for a receiver of alerts came to this end (`service.notify.receiver.Outcome`)."""
        self._notified.labels(receiver, outcome).inc(notices)

    def notices_pending(self, receiver: str, notices: int) -> None:
        """So many notices wait to be confirmed by the receiver."""
        self._pending.labels(receiver).set(notices)
