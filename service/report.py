"""`floorwalker report`: the live domain code over a recording, without Kafka."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from service.adapters import Rejected
from service.config_version import ConfigVersions
from service.domain.adherence import add_adherence
from service.domain.calendar import Calendar, Calendars
from service.domain.errors import (
    CONFLICT,
    CORRECTED,
    DUPLICATE,
    LATE,
    SKEW,
    SYNTHETIC,
    UNCORRECTED,
    UNMATCHED,
)
from service.domain.events import Event
from service.domain.kpis import Reading, not_ready_seconds_by_reason, read_kpis
from service.domain.scopes import AgentScope, QueueScope, Scope
from service.domain.settings import Floor, Site
from service.domain.totals import Totals, total_of
from service.domain.view import WaitingNow, add_open_state, staff_by_queue, state_of
from service.recording_pass import RecordingPass
from service.recordings import Recording
from service.report_options import ReportOptions


class _Run(RecordingPass):
    """One pass over a recording up to the cut-off: the end asked for, else the last event."""

    def __init__(self, events: list[Event], floor: Floor, options: ReportOptions) -> None:
        floor = _in_zone(floor, options)
        self.options = options
        self.calendar: Calendar = Calendars(floor).of_site(floor.default_site.site_id)
        self.from_ms, self.to_ms = self._range(events)
        super().__init__(floor, self.from_ms, options.to_ms)
        within = [event for event in events if event.occurred_at_ms < self.to_ms]
        self.events = len(within)
        newest_ms = self.apply(within, self.from_ms)
        self.cut_ms = newest_ms if options.to_ms is None else options.to_ms
        self.make_round(self.cut_ms)

    def _range(self, events: list[Event]) -> tuple[int, int]:
        """[from, to): as asked for, else the whole business days of the first and last event."""
        times = [event.occurred_at_ms for event in events] or [0]
        from_ms, to_ms = self.options.from_ms, self.options.to_ms
        if from_ms is None:
            from_ms = self.calendar.day_bounds_ms(min(times))[0]
        if to_ms is None:
            to_ms = self.calendar.day_bounds_ms(max(times))[1]
        return from_ms, to_ms

    def buckets(self, scope: Scope) -> dict[int, Totals]:
        """The scope's totals by interval under the attribution asked for; an agent's open state counts up to the cut-
        off.
        """
        found = {start: i.totals(self.options.attribution) for start, i in scope.intervals.items()}
        if isinstance(scope, AgentScope) and scope.timeline.starts:
            self._add_open(found, scope)
            self._add_adherence(found, scope)
        return {start: totals for start, totals in sorted(found.items()) if totals != Totals()}

    def _add_open(self, found: dict[int, Totals], agent: AgentScope) -> None:
        """Count the open state up to the cut-off."""
        first_ms, last_ms = sorted((agent.timeline.starts[-1], self.cut_ms))
        if first_ms == self.cut_ms and self.options.to_ms is not None:
            return  # nothing after `to` was counted
        since_ms = max(first_ms, self.from_ms)
        while since_ms < last_ms:
            start_ms = self.calendar.interval_start_ms(since_ms)
            end_ms = self.calendar.interval_end_ms(start_ms)
            add_open_state(found.setdefault(start_ms, Totals()), agent, since_ms, end_ms, self.cut_ms)
            since_ms = end_ms

    def _add_adherence(self, found: dict[int, Totals], agent: AgentScope) -> None:
        """Measure every interval up to the cut-off against the agent's schedule, if there is one."""
        plan = agent.plan(self.calendar, self.floor.adherence)
        if plan is None:
            return
        for since_ms, until_ms in plan.days_within(self.from_ms, min(self.cut_ms, self.to_ms)):
            while since_ms < until_ms:
                start_ms, end_ms = self.calendar.interval_ms_at(since_ms)
                part_ms = (since_ms, min(end_ms, until_ms))
                add_adherence(found.setdefault(start_ms, Totals()), plan, agent.timeline, *part_ms)
                since_ms = end_ms


def build_report(recording: Recording, floor: Floor, options: ReportOptions) -> dict[str, Any]:
    """The report of interface.md (`report --json`) over a recording whose events are in order of time."""
    run = _Run(recording.events, floor, options)
    scopes = run.aggregate.scopes
    staff = staff_by_queue(scopes.agents.values(), run.cut_ms)
    queues = {q.queue_id: _queue(run, q, staff.get(q.queue_id, {})) for q in scopes.queues.values()}
    for queue_id in sorted(run.floor.queues):
        if queue_id not in queues and run.floor.queues[queue_id].configured:
            queues[queue_id] = _queue(run, QueueScope("queue:" + queue_id), staff.get(queue_id, {}))
    agents = {a.agent_id: _agent(run, a) for a in scopes.agents.values()}
    return {
        "timezone": options.timezone,
        "from": rfc3339(run.from_ms),
        "to": rfc3339(run.to_ms),
        "interval_seconds": options.interval_ms // 1000,
        "attribution": options.attribution,
        "cut_off": rfc3339(run.cut_ms),
        "config_version": ConfigVersions(floor).at(run.cut_ms),
        "queues": dict(sorted(queues.items())),
        "agents": dict(sorted(agents.items())),
        "quality": _quality(run, recording.rejected),
    }


def _in_zone(floor: Floor, options: ReportOptions) -> Floor:
    """The floor with every site on the report's zone and interval; a single site's reset time is kept."""
    known = list(floor.sites.values()) or [floor.default_site]
    minutes = {site.day_starts_at_minutes for site in known}
    start = minutes.pop() if len(minutes) == 1 else 0
    sites = {name: Site(name, options.timezone, start) for name in floor.sites}
    default = Site(floor.default_site.site_id, options.timezone, start)
    return replace(
        floor, sites=sites, default_site=default, interval_ms=options.interval_ms, queues=dict(floor.queues),
        agents=dict(floor.agents),
    )  # fmt: skip


def _queue(run: _Run, queue: QueueScope, staff: dict[str, int]) -> dict[str, Any]:
    """One queue's block. A bucket's `waiting` are the visits enqueued in it and open at the cut-off."""
    settings = run.floor.queue(queue.queue_id)
    buckets = run.buckets(queue)

    def read(totals: Totals, since_ms: int, until_ms: int, now: bool = False) -> dict[str, Any]:
        level = settings.level_at(run.cut_ms if now else since_ms)
        part = QueueScope(queue.scope)
        counted_ms = 0 if now else max(since_ms, run.from_ms)  # who came before the range is in no interval's `offered`
        part.waiting = {v: w for v, w in queue.waiting.items() if counted_ms <= w.queued_ms < until_ms}
        waiting = WaitingNow(run.floor, [part], run.cut_ms)
        reading = Reading(totals, level, waiting.count, 0, waiting.oldest_ms, staff if now else None)
        return read_kpis("queue", reading) | _reasons(totals) | {"waiting_over_threshold": waiting.over}

    block = _block(run, buckets, read)
    block["total"] = read(total_of(list(buckets.values())), 0, run.to_ms, True)
    return block


def _reasons(totals: Totals) -> dict[str, dict[str, int]]:
    """`flowed_out_by_reason` and `refused_by_reason`, and the same of other outcomes where a reason was told."""
    split: dict[str, dict[str, int]] = {"flowed_out_by_reason": {}, "refused_by_reason": {}}
    for key, count in sorted(totals.reasons.items()):
        outcome, _, reason = key.partition(":")
        split.setdefault(f"{outcome}_by_reason", {})[reason] = count
    return split


def _agent(run: _Run, agent: AgentScope) -> dict[str, Any]:
    """One agent's block; `state_seconds` is known at the cut-off only."""
    record = agent.record
    buckets = run.buckets(agent)

    def read(totals: Totals, since_ms: int, until_ms: int, now: bool = False) -> dict[str, Any]:
        begun_ms = state_of(agent, run.cut_ms)[2]
        state_ms = max(0, run.cut_ms - begun_ms) if now and record.since_ms else None
        kinds = run.floor.reason_kinds
        reading = Reading(totals, login_seen=record.own.login_seen, state_ms=state_ms, reason_kinds=kinds)
        return read_kpis("agent", reading) | {"not_ready_seconds_by_reason": not_ready_seconds_by_reason(totals)}

    block = _block(run, buckets, read)
    block["total"] = read(total_of(list(buckets.values())), run.from_ms, run.to_ms, True)
    return block


def _block(run: _Run, buckets: dict[int, Totals], read: Any) -> dict[str, Any]:
    """`days` and `intervals` of one scope; what is empty is left out."""
    calendar = run.calendar
    days: dict[str, list[Totals]] = {}
    bounds: dict[str, tuple[int, int]] = {}
    intervals = []
    for start_ms, totals in buckets.items():
        day = calendar.day_of(start_ms).isoformat()
        days.setdefault(day, []).append(totals)
        bounds[day] = calendar.day_bounds_ms(start_ms)
        row = read(totals, start_ms, calendar.interval_end_ms(start_ms))
        intervals.append({"start": rfc3339(start_ms), **row})
    return {
        "total": {},
        "days": {day: read(total_of(parts), *bounds[day]) for day, parts in days.items()},
        "intervals": intervals,
    }


def _quality(run: _Run, rejected: list[Rejected]) -> dict[str, Any]:
    """Counts of what was wrong with the recording."""
    reasons: dict[str, int] = {}
    for entry in rejected:
        reasons[entry.reason] = reasons.get(entry.reason, 0) + 1
    counts = dict.fromkeys((DUPLICATE, LATE, UNMATCHED, SKEW, CONFLICT, CORRECTED, UNCORRECTED), 0)
    synthetic: dict[str, int] = {}
    found = [s.counts for s in run.correlate.mark.sources.values()] + [
        s.counts for s in run.aggregate.scopes.sources.values()
    ]
    for source in found:
        for word, count in source.items():
            if word in counts:
                counts[word] += count
            elif word.startswith(SYNTHETIC):
                reason = word.removeprefix(SYNTHETIC)
                synthetic[reason] = synthetic.get(reason, 0) + count
    rejected_by = dict(sorted(reasons.items()))
    return {"events": run.events, "rejected": rejected_by, **counts, "synthetic": dict(sorted(synthetic.items()))}


def rfc3339(at_ms: int) -> str:
    """The moment as RFC 3339 in UTC; milliseconds only where there are any."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if at_ms % 1000 else "seconds").replace("+00:00", "Z")
