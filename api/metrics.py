"""Prometheus metrics from the floor's state, computed when scraped, with the event loop left free in between."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from api.exposition import content_type_for, written
from api.sources import source_totals
from api.views import Views
from service.domain.errors import (
    CONFLICT,
    CORRECTED,
    DUPLICATE,
    LATE,
    REF_DROPPED,
    SCOPE_LIMIT,
    SKEW,
    UNCORRECTED,
    UNMATCHED,
)
from service.domain.kpi_times import BOTH_WINDOWS, NOW_KPIS, QUEUE_GAUGES
from service.domain.kpis import KPIS_OF, STAFF_STATES, Kpi
from service.domain.scopes import HISTOGRAM_EDGES_MS, QueueScope
from service.domain.totals import COUNTERS
from service.domain.view import FloorView, state_of
from service.feed_status import LATENCY_EDGES_SECONDS
from service.floor_state import FloorState

F = TypeVar("F", bound=Metric)

AGENT_WINDOWS: Final = ("day",)
SCOPES_A_TURN: Final = 10
QUEUE_COUNTS: Final = tuple(kpi for kpi in KPIS_OF["queue"] if kpi.unit == "count" and kpi.name in COUNTERS)
_BY_STATE: Final = tuple(f"agents_{state}" for state in (*STAFF_STATES, "staffed"))
QUEUE_NOW: Final = tuple(k for k in NOW_KPIS["queue"] if k.exported and k.name not in _BY_STATE)
QUEUE_LABELS: Final = ("queue", "site", "channel")
EXPORTED_EDGES_MS: Final = {
    "wait": tuple(1000 * s for s in (10, 20, 30, 60, 120, 300, 900)),
    "handle": tuple(1000 * s for s in (60, 120, 180, 300, 600, 1200, 3600)),
}
"""Of the edges that are counted, those that are shown: each costs a series a queue."""

AGENT_LABELS: Final = ("agent", "team")
FINDING_NAMES: Final = {
    LATE: ("late", "Events too late to count."),
    DUPLICATE: ("duplicate", "Events recognised as delivered before."),
    UNMATCHED: ("unmatched", "Events that fit no contact in flight."),
    CONFLICT: ("conflict", "Events that contradict an earlier one with the same id."),
    SKEW: ("clock_skew", "Events from the future, counted as of their arrival."),
    CORRECTED: ("corrections", "Events that replaced an earlier one."),
    UNCORRECTED: ("corrections_unmatched", "Events that would replace one that is not known."),
    REF_DROPPED: ("customer_ref_dropped", "Events whose customer's number was dropped for want of a key."),
    SCOPE_LIMIT: ("scope_limit", "Facts of more queues, agents or classes than the limit, events of too many sources."),
}


QUEUE_WINDOWED: Final = {
    window: tuple(kpi for kpi in KPIS_OF["queue"] if window in QUEUE_GAUGES.get(kpi.name, ()))
    for window in BOTH_WINDOWS
}
AGENT_WINDOWED: Final = tuple(k for k in KPIS_OF["agent"] if k.exported and k not in NOW_KPIS["agent"])


class Peaks:
    """Running maxima: a correction may take a lifetime total back, an exported counter must not fall.

    They are forgotten when the state is read anew, which Prometheus takes for the reset it is.
    """

    def __init__(self, state: FloorState) -> None:
        self._state = state
        self._generation = state.generation
        self._peaks: dict[tuple[str, ...], float] = {}

    def highest(self, key: tuple[str, ...], value: float) -> float:
        """The highest value seen under the key."""
        if self._generation != self._state.generation:
            self._generation = self._state.generation
            self._peaks.clear()
        found = self._peaks[key] = max(value, self._peaks.get(key, 0))
        return found


class Families:
    """Metric families of one scrape, made when first used."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, type[Metric]], Metric] = {}

    def gauge(self, name: str, help_: str, labels: Sequence[str]) -> GaugeMetricFamily:
        """The gauge family."""
        return self._family(GaugeMetricFamily, name, help_, labels)

    def counter(self, name: str, help_: str, labels: Sequence[str]) -> CounterMetricFamily:
        """The counter family; its samples end in `_total`."""
        return self._family(CounterMetricFamily, name, help_, labels)

    def histogram(self, name: str, help_: str, labels: Sequence[str]) -> HistogramMetricFamily:
        """The histogram family."""
        return self._family(HistogramMetricFamily, name, help_, labels)

    def _family(self, kind: type[F], name: str, help_: str, labels: Sequence[str]) -> F:
        found = self._made.get((name, kind))
        if found is None:
            found = self._made[name, kind] = kind(name, help_, labels=labels)  # type: ignore[call-arg]
        return found  # type: ignore[return-value]

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from self._made.values()


class FloorMetrics:
    """What /metrics shows. Values that are undefined have no sample."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._state = views.state
        self._peaks = Peaks(views.state)

    async def exposition(self, agents: bool, accept: str = "") -> tuple[AsyncIterator[bytes], str]:
        """The text of one scrape in parts, and its content type: OpenMetrics where `accept` asks for it.

        `agents`: with series of each agent.
        """
        content_type = content_type_for(accept)
        families = await self.families(agents)
        return written(families.collect(), content_type), content_type

    async def families(self, agents: bool) -> Families:
        """All families with their samples."""
        families = Families()
        view = self._state.view()
        self._sources(families)
        self._feed(families)
        alerts = families.gauge("floorwalker_alerts", "Alerts by state.", ("rule", "severity", "state"))
        for labels, count in sorted(self._state.alerts.counts().items()):
            alerts.add_metric(labels, count)
        for number, queue_id in enumerate(self._state.queue_ids()):
            queue = self._state.queue(queue_id)
            if queue is not None:
                self._queue(families, view, queue)
            if number % SCOPES_A_TURN == 0:
                await asyncio.sleep(0)
        if agents:
            for number, agent_id in enumerate(self._state.agent_ids()):
                self._agent(families, view, agent_id)
                if number % SCOPES_A_TURN == 0:
                    await asyncio.sleep(0)
        return families

    def _queue(self, families: Families, view: FloorView, queue: QueueScope) -> None:
        settings = self._state.floor.queue(queue.queue_id)
        labels = [queue.queue_id, settings.site, settings.channel]
        for kpi in QUEUE_COUNTS:
            value = self._peaks.highest((queue.scope, kpi.name), getattr(queue.live.lifetime, kpi.name))
            families.counter(f"floorwalker_queue_{kpi.name}", kpi.help, QUEUE_LABELS).add_metric(labels, value)
        shown = self._views.queue(view, queue, BOTH_WINDOWS)
        for kpi in QUEUE_NOW:
            self._gauge(families, f"queue_{kpi.name}", kpi, QUEUE_LABELS, labels, shown["now"][kpi.name])
        for window, values in shown["windows"].items():
            for kpi in QUEUE_WINDOWED[window]:
                where = [*labels, window]
                self._gauge(families, f"queue_{kpi.name}", kpi, (*QUEUE_LABELS, "window"), where, values[kpi.name])
        staff = self._state.staff.of_queue(queue.queue_id)
        agents = families.gauge("floorwalker_queue_agents", "Agents of the queue by state.", (*QUEUE_LABELS, "state"))
        for state in STAFF_STATES:
            agents.add_metric([*labels, state], staff.get(state, 0))
        self._histograms(families, queue, labels)

    def _gauge(
        self, families: Families, name: str, kpi: Kpi, names: Sequence[str], labels: Sequence[str], value: float | None
    ) -> None:
        if value is not None:
            families.gauge(f"floorwalker_{name}", kpi.help, names).add_metric(labels, value)

    def _histograms(self, families: Families, queue: QueueScope, labels: list[str]) -> None:
        live, lifetime = queue.live, queue.live.lifetime
        handle_ms = lifetime.talk_ms + lifetime.hold_ms + lifetime.acw_ms
        for name, help_, counts, sum_ms in (
            ("wait", "Wait of answered visits.", live.wait_histogram, lifetime.wait_ms),
            ("handle", "Talk, hold and after-call work of handled legs.", live.handle_histogram, handle_ms),
        ):
            total, buckets = 0.0, []
            for edge_ms in (*HISTOGRAM_EDGES_MS, -1):
                total += counts.get(edge_ms, 0)
                edge = "+Inf" if edge_ms < 0 else str(edge_ms / 1000)
                if edge_ms < 0 or edge_ms in EXPORTED_EDGES_MS[name]:
                    buckets.append((edge, self._peaks.highest((queue.scope, name, edge), total)))
            seconds = self._peaks.highest((queue.scope, name, "sum"), sum_ms / 1000)
            family = families.histogram(f"floorwalker_queue_{name}_seconds", help_, QUEUE_LABELS)
            family.add_metric(labels, buckets, seconds)

    def _agent(self, families: Families, view: FloorView, agent_id: str) -> None:
        agent = self._state.agent(agent_id)
        if agent is None:
            return
        labels = [agent_id, self._state.floor.agent(agent_id).team or ""]
        shown = self._views.agent(view, agent, AGENT_WINDOWS)
        state = state_of(agent, view.now_ms)[0]
        states = families.gauge("floorwalker_agent_state", "1 for the state the agent is in.", (*AGENT_LABELS, "state"))
        states.add_metric([*labels, state], 1)
        for window, values in shown["windows"].items():
            for kpi in AGENT_WINDOWED:
                where = [*labels, window]
                self._gauge(families, f"agent_{kpi.name}", kpi, (*AGENT_LABELS, "window"), where, values[kpi.name])

    def _sources(self, families: Families) -> None:
        now_ms = self._state.wall_ms()
        for source, totals in source_totals(self._state).items():
            for type_, count in totals.by_type.items():
                value = self._peaks.highest(("source", source, type_), count)
                family = families.counter("floorwalker_events", "Events taken in.", ("source", "type"))
                family.add_metric([source, type_], value)
            for reason, count in totals.rejected.items():
                value = self._peaks.highest(("rejected", source, reason), count)
                family = families.counter("floorwalker_events_rejected", "Events refused.", ("source", "reason"))
                family.add_metric([source, reason], value)
            for reason, count in totals.synthetic.items():
                value = self._peaks.highest(("synthetic", source, reason), count)
                help_ = "Events made by the watchdog or from snapshots, by what proved them."
                family = families.counter("floorwalker_events_synthetic", help_, ("source", "reason"))
                family.add_metric([source, reason], value)
            for finding, (name, help_) in FINDING_NAMES.items():
                value = self._peaks.highest(("finding", source, finding), totals.findings[finding])
                families.counter(f"floorwalker_events_{name}", help_, ("source",)).add_metric([source], value)
            if totals.received_ms:
                age = families.gauge("floorwalker_source_staleness_seconds", "Age of the newest event.", ("source",))
                age.add_metric([source], max(0, now_ms - totals.received_ms) / 1000)

    def _feed(self, families: Families) -> None:
        lag = families.gauge(
            "floorwalker_consumer_lag_records", "Records of the topic not read yet.", ("topic", "partition")
        )
        for (topic, partition), records in self._state.feed.lag_records.items():
            lag.add_metric([topic, str(partition)], records)
        help_ = "From an event's arrival in Kafka until it shows here, newest event of each batch."
        latency, total, buckets = self._state.latency, 0, []
        for edge, count in zip((*LATENCY_EDGES_SECONDS, None), latency.counts, strict=True):
            total += count
            buckets.append(("+Inf" if edge is None else str(edge), total))
        family = families.histogram("floorwalker_end_to_end_latency_seconds", help_, ())
        family.add_metric([], buckets, latency.sum_seconds)
