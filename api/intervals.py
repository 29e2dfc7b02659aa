"""History by interval: what the state still has, else what `cti.intervals` keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from starlette.requests import Request
from starlette.responses import Response

from api.context import Context
from api.respond import csv_response, json_response, wants_csv
from api.views import BY_REASON, AgentValues, level_view, read, read_agent
from service.domain.calendar import Calendar
from service.domain.kpi_times import WINDOW_KPIS
from service.domain.kpis import Kind, Reading
from service.domain.scopes import AgentScope, Interval, QueueScope
from service.domain.settings import ReasonKind, ServiceLevel
from service.domain.totals import Totals
from service.domain.view import FloorView
from service.timetext import format_moment
from service.window_cache import merged

Attribution = Literal["outcome", "arrival"]
_NOTHING: Final = Totals()
LEVEL_COLUMNS: Final = tuple(level_view(ServiceLevel()))


@dataclass(slots=True)
class Row:
    """One interval's totals. `revision` 0: no newer interval has followed yet. `level` was in force at its start."""

    start_ms: int
    end_ms: int
    totals: Totals
    revision: int
    level: ServiceLevel = field(default_factory=ServiceLevel)


@dataclass(slots=True)
class History:
    """A scope's rows in order, and what is needed to read them. `level` is that of the end, for the total."""

    kind: Kind
    scope_id: str
    rows: list[Row]
    attribution: Attribution
    level: ServiceLevel
    over: int = 0
    login_seen: bool = True
    reason_kinds: dict[str, ReasonKind] = field(default_factory=dict)

    def read(self, totals: Totals, level: ServiceLevel, over: int) -> AgentValues:
        """The values of some of the rows; `over` visits wait beyond the threshold now."""
        kinds = self.reason_kinds
        reading = Reading(totals, level, over_threshold=over, login_seen=self.login_seen, reason_kinds=kinds)
        return read_agent(reading) if self.kind == "agent" else {**read(WINDOW_KPIS["queue"], reading)}


def queue_history(
    context: Context, view: FloorView, queue: QueueScope, bounds_ms: tuple[int, int], attribution: Attribution
) -> History:
    """The queue's intervals that begin in the range."""
    settings = context.floor.queue(queue.queue_id)
    rows = _rows(context, queue.scope, queue.intervals, bounds_ms, attribution)
    for row in rows:
        row.level = settings.level_at(row.start_ms)
    level = settings.level_at(min(bounds_ms[1] - 1, view.now_ms))
    return History("queue", queue.queue_id, rows, attribution, level, context.views.waiting_over(view, queue))


def agent_history(
    context: Context, view: FloorView, agent: AgentScope, bounds_ms: tuple[int, int], attribution: Attribution
) -> History:
    """The agent's intervals that begin in the range; the state the agent is in, and adherence, count up to now."""
    rows = {row.start_ms: row for row in _rows(context, agent.scope, agent.intervals, bounds_ms, attribution)}
    calendar = context.state.calendars.of_scope(agent.scope)
    starts = agent.timeline.starts
    first_ms = min(_open_since_ms(view, agent), view.now_ms) if starts else bounds_ms[1]
    start_ms = calendar.interval_start_ms(max(first_ms, bounds_ms[0]))
    while start_ms < min(max(view.now_ms, starts[-1] if starts else 0), bounds_ms[1]):
        end_ms = calendar.interval_end_ms(start_ms)
        known = rows.get(start_ms) or Row(start_ms, end_ms, Totals(), 0)
        totals = merged((known.totals,))
        view.add_open(totals, agent, start_ms, end_ms)
        if start_ms >= bounds_ms[0] and (totals != _NOTHING or start_ms in rows):
            rows[start_ms] = Row(start_ms, end_ms, totals, known.revision)
        start_ms = end_ms
    found = [rows[start_ms] for start_ms in sorted(rows)]
    return History(
        "agent", agent.agent_id, found, attribution, ServiceLevel(), login_seen=agent.record.own.login_seen,
        reason_kinds=context.floor.reason_kinds,
    )  # fmt: skip


def _open_since_ms(view: FloorView, agent: AgentScope) -> int:
    """Since when the agent's intervals may lack something: the open stretch, or the adherence of what is planned."""
    open_ms, plan = agent.timeline.starts[-1], view.plan(agent)
    unsettled = () if plan is None else plan.days_within(agent.live.settled_ms, view.now_ms)
    return min(open_ms, next((start_ms for start_ms, _ in unsettled), open_ms))


def _rows(
    context: Context, scope: str, kept: dict[int, Interval], bounds_ms: tuple[int, int], attribution: Attribution
) -> list[Row]:
    calendar: Calendar = context.state.calendars.of_scope(scope)
    since_ms, until_ms = bounds_ms
    found = {
        old.start_ms: Row(old.start_ms, old.end_ms, _pick(old.interval, attribution), old.interval.revision)
        for old in context.state.history.between(scope, since_ms, until_ms)
    }
    for start_ms, interval in kept.items():
        if since_ms <= start_ms < until_ms:
            end_ms = calendar.interval_end_ms(start_ms)
            found[start_ms] = Row(start_ms, end_ms, _pick(interval, attribution), interval.revision)
    return [found[start_ms] for start_ms in sorted(found) if found[start_ms].totals != _NOTHING]


def _pick(interval: Interval, attribution: Attribution) -> Totals:
    return interval.totals(attribution)


def interval_rows(context: Context, view: FloorView, history: History) -> list[dict[str, Any]]:
    """One object for each interval. Visits waiting too long count in the open one, as in every open window."""
    result = []
    for row in history.rows:
        is_open = row.start_ms <= view.now_ms < row.end_ms
        over = history.over if is_open and history.attribution == "outcome" else 0
        result.append(
            {
                "start": format_moment(row.start_ms),
                "end": format_moment(row.end_ms),
                "open": is_open,
                "revision": row.revision,
                "config_version": context.versions.at(row.start_ms),
                **(level_view(row.level) if history.kind == "queue" else {}),
                **history.read(row.totals, row.level, over),
            }
        )
    return result


def to_response(
    request: Request, format_: str | None, items: Sequence[dict[str, Any]], history: History, bounds_ms: tuple[int, int]
) -> Response:
    """The rows as CSV, or as JSON with the total of the closed and open intervals together."""
    if wants_csv(request, format_):
        level, more = (LEVEL_COLUMNS, ()) if history.kind == "queue" else ((), (BY_REASON,))
        names = (kpi.name for kpi in WINDOW_KPIS[history.kind])
        columns = ["start", "end", "open", "revision", "config_version", *level, *names, *more]
        return csv_response(items, columns, f"{history.kind}-intervals")
    over = history.over if any(item["open"] for item in items) and history.attribution == "outcome" else 0
    total = merged([row.totals for row in history.rows])
    return json_response(
        {
            "id": history.scope_id,
            "from": format_moment(bounds_ms[0]),
            "to": format_moment(bounds_ms[1]),
            "attribution": history.attribution,
            "total": history.read(total, history.level, over),
            "items": items,
        }
    )
