"""Prometheus metrics from the floor's state, computed when scraped, with the event loop left free in between."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from api.exposition import Families, Family, content_type_for, cumulated, escaped, labels_text, written
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
from service.domain.kpis import KPIS_OF, STAFF_STATES
from service.domain.scopes import HISTOGRAM_EDGES_MS, QueueScope
from service.domain.totals import COUNTERS
from service.domain.view import FloorView, state_of
from service.feed_status import LATENCY_EDGES_SECONDS
from service.floor_state import FloorState

AGENT_WINDOWS: Final = ("day",)
SCOPES_A_TURN: Final = 10
QUEUE_COUNTS: Final = tuple(kpi for kpi in KPIS_OF["queue"] if kpi.unit == "count" and kpi.name in COUNTERS)
_BY_STATE: Final = tuple(f"agents_{state}" for state in (*STAFF_STATES, "staffed"))
QUEUE_NOW: Final = tuple(k for k in NOW_KPIS["queue"] if k.exported and k.name not in _BY_STATE)
EXPORTED_EDGES_MS: Final = {
    "wait": tuple(1000 * s for s in (10, 20, 30, 60, 120, 300, 900)),
    "handle": tuple(1000 * s for s in (60, 120, 180, 300, 600, 1200, 3600)),
}
"""Of the edges that are counted, those that are shown: each costs a series a queue."""

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
        self._peaks: dict[str, dict[str, float]] = {}

    def of(self, what: str) -> Callable[[str, float], float]:
        """What gives the highest value seen under a name, among the names of a queue or the like."""
        if self._generation != self._state.generation:
            self._generation = self._state.generation
            self._peaks.clear()
        peaks = self._peaks.setdefault(what, {})

        def highest(name: str, value: float) -> float:
            before = peaks.get(name, 0)
            if value > before:
                peaks[name] = value
                return value
            return before

        return highest


class _QueueFamilies:
    """The families of queues, looked up once a scrape."""

    def __init__(self, families: Families) -> None:
        self.counts = [(kpi.name, families.counter(f"floorwalker_queue_{kpi.name}", kpi.help)) for kpi in QUEUE_COUNTS]
        self.now = [(kpi.name, families.gauge(f"floorwalker_queue_{kpi.name}", kpi.help)) for kpi in QUEUE_NOW]
        self.windowed = {
            window: [(kpi.name, families.gauge(f"floorwalker_queue_{kpi.name}", kpi.help)) for kpi in kpis]
            for window, kpis in QUEUE_WINDOWED.items()
        }
        self.agents = families.gauge("floorwalker_queue_agents", "Agents of the queue by state.")
        self.wait = families.histogram("floorwalker_queue_wait_seconds", "Wait of answered visits.")
        self.handle = families.histogram(
            "floorwalker_queue_handle_seconds", "Talk, hold and after-call work of handled legs."
        )


class _AgentFamilies:
    """The families of agents, looked up once a scrape."""

    def __init__(self, families: Families) -> None:
        self.states = families.gauge("floorwalker_agent_state", "1 for the state the agent is in.")
        self.windowed = [
            (kpi.name, families.gauge(f"floorwalker_agent_{kpi.name}", kpi.help)) for kpi in AGENT_WINDOWED
        ]


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
        return written(families, content_type), content_type

    async def families(self, agents: bool) -> Families:
        """All families with their samples."""
        families = Families()
        view = self._state.view()
        self._sources(families)
        self._feed(families)
        alerts = families.gauge("floorwalker_alerts", "Alerts by state.")
        for (rule, severity, state), count in sorted(self._state.alerts.counts().items()):
            alerts.add(labels_text({"rule": rule, "severity": severity, "state": state}), count)
        of_queues = _QueueFamilies(families)
        for number, queue_id in enumerate(self._state.queue_ids()):
            queue = self._state.queue(queue_id)
            if queue is not None:
                self._queue(of_queues, view, queue)
            if number % SCOPES_A_TURN == 0:
                await asyncio.sleep(0)
        if agents:
            of_agents = _AgentFamilies(families)
            for number, agent_id in enumerate(self._state.agent_ids()):
                self._agent(of_agents, view, agent_id)
                if number % SCOPES_A_TURN == 0:
                    await asyncio.sleep(0)
        return families

    def _queue(self, families: _QueueFamilies, view: FloorView, queue: QueueScope) -> None:
        settings = self._state.floor.queue(queue.queue_id)
        labels = labels_text({"queue": queue.queue_id, "site": settings.site, "channel": settings.channel})
        lifetime, highest = queue.live.lifetime, self._peaks.of(queue.scope)
        for name, family in families.counts:
            family.add(labels, highest(name, getattr(lifetime, name)))
        shown = self._views.queue(view, queue, BOTH_WINDOWS)
        _add_known(families.now, labels, shown["now"])
        for window, values in shown["windows"].items():
            _add_known(families.windowed[window], f'{labels},window="{window}"', values)
        staff = self._state.staff.of_queue(queue.queue_id)
        for state in STAFF_STATES:
            families.agents.add(f'{labels},state="{state}"', staff.get(state, 0))
        handle_ms = lifetime.talk_ms + lifetime.hold_ms + lifetime.acw_ms
        _add_histogram(families.wait, "wait", labels, highest, queue.live.wait_histogram, lifetime.wait_ms)
        _add_histogram(families.handle, "handle", labels, highest, queue.live.handle_histogram, handle_ms)

    def _agent(self, families: _AgentFamilies, view: FloorView, agent_id: str) -> None:
        agent = self._state.agent(agent_id)
        if agent is None:
            return
        labels = labels_text({"agent": agent_id, "team": self._state.floor.agent(agent_id).team or ""})
        families.states.add(f'{labels},state="{state_of(agent, view.now_ms)[0]}"', 1)
        for window in AGENT_WINDOWS:
            reading = view.agent_now(agent, view.agent_totals(agent, window))
            values = {kpi.name: kpi.value(reading) for kpi in AGENT_WINDOWED}
            _add_known(families.windowed, f'{labels},window="{window}"', values)

    def _sources(self, families: Families) -> None:
        now_ms = self._state.wall_ms()
        for source, totals in source_totals(self._state).items():
            name, highest = labels_text({"source": source}), self._peaks.of("source:" + source)
            for type_, count in totals.by_type.items():
                family = families.counter("floorwalker_events", "Events taken in.")
                family.add(f'{name},type="{escaped(type_)}"', highest("type " + type_, count))
            for reason, count in totals.rejected.items():
                family = families.counter("floorwalker_events_rejected", "Events refused.")
                family.add(f'{name},reason="{escaped(reason)}"', highest("rejected " + reason, count))
            for reason, count in totals.synthetic.items():
                help_ = "Events made by the watchdog or from snapshots, by what proved them."
                family = families.counter("floorwalker_events_synthetic", help_)
                family.add(f'{name},reason="{escaped(reason)}"', highest("synthetic " + reason, count))
            for finding, (what, help_) in FINDING_NAMES.items():
                value = highest("finding " + finding, totals.findings[finding])
                families.counter(f"floorwalker_events_{what}", help_).add(name, value)
            if totals.received_ms:
                age = families.gauge("floorwalker_source_staleness_seconds", "Age of the newest event.")
                age.add(name, max(0, now_ms - totals.received_ms) / 1000)

    def _feed(self, families: Families) -> None:
        lag = families.gauge("floorwalker_consumer_lag_records", "Records of the topic not read yet.")
        for (topic, partition), records in self._state.feed.lag_records.items():
            lag.add(labels_text({"topic": topic, "partition": str(partition)}), records)
        latency = self._state.latency
        edges = [*map(str, LATENCY_EDGES_SECONDS), "+Inf"]
        help_ = "From an event's arrival in Kafka until it shows here, newest event of each batch."
        family = families.histogram("floorwalker_end_to_end_latency_seconds", help_)
        family.add_histogram("", cumulated(zip(edges, latency.counts, strict=True)), latency.sum_seconds)


def _add_known(families: Iterable[tuple[str, Family]], labels: str, values: Mapping[str, Any]) -> None:
    """Add what has a value; what is undefined has no sample."""
    for name, family in families:
        value = values[name]
        if value is not None:
            family.add(labels, value)


def _add_histogram(
    family: Family, what: str, labels: str, highest: Callable[[str, float], float], counts: Mapping[int, float],
    sum_ms: float,
) -> None:  # fmt: skip
    total, buckets = 0.0, {}
    for edge_ms in HISTOGRAM_EDGES_MS:
        total += counts.get(edge_ms, 0)
        if edge_ms in EXPORTED_EDGES_MS[what]:
            edge = str(edge_ms / 1000)
            buckets[edge] = highest(f"{what} {edge}", total)
    buckets["+Inf"] = highest(what, total + counts.get(-1, 0))
    family.add_histogram(labels, buckets, highest(f"{what} sum", sum_ms / 1000))
