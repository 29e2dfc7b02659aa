"""A report's numbers, the same numbers out of the state feed and out of the API, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from service.domain.adherence import add_adherence
from service.domain.calendar import Calendar, Calendars
from service.domain.kpis import Reading, not_ready_seconds_by_reason, read_kpis
from service.domain.scopes import AgentScope, QueueScope
from service.domain.settings import Floor
from service.domain.totals import Totals, total_of
from service.domain.view import WaitingNow, add_open_state
from service.report import rfc3339
from tests.support.feed_tail import FeedTail

Values = Mapping[str, Any]
Rows = dict[tuple[str, str, str], Values]
"""(kind, id, start of the interval) -> KPIs."""

NOT_COMPARED = {"start", "flowed_out_by_reason", "refused_by_reason", "cancelled_by_reason"}
SHOWN = 12


def report_rows(report: dict[str, Any]) -> Rows:
    """The report's intervals."""
    return {
        (kind, scope_id, row["start"]): {name: row[name] for name in row.keys() - NOT_COMPARED}
        for kind in ("queues", "agents")
        for scope_id, block in report[kind].items()
        for row in block["intervals"]
    }


def feed_rows(feed: FeedTail, floor: Floor, attribution: str, cut_off: str) -> Rows:
    """The same out of the state feed: closed intervals, open ones, and the state agents are in at the cut-off."""
    calendars = Calendars(floor)
    rows: Rows = {}
    cut_ms = round(datetime.fromisoformat(cut_off).timestamp() * 1000)
    for queue in feed.scopes.queues.values():
        level = floor.queue(queue.queue_id).service_level
        for start_ms, totals in _totals(feed, queue, attribution).items():
            until_ms = calendars.of_scope(queue.scope).interval_end_ms(start_ms)
            entered = QueueScope(queue.scope)
            entered.waiting = {v: w for v, w in queue.waiting.items() if start_ms <= w.queued_ms < until_ms}
            waiting = WaitingNow(floor, [entered], cut_ms)
            row = read_kpis("queue", Reading(totals, level, waiting.count, 0, waiting.oldest_ms))
            rows["queues", queue.queue_id, rfc3339(start_ms)] = row | {"waiting_over_threshold": waiting.over}
    for agent in feed.scopes.agents.values():
        for start_ms, totals in _agent_totals(feed, agent, floor, attribution, cut_ms).items():
            login_seen = agent.record.own.login_seen
            reading = Reading(totals, login_seen=login_seen, reason_kinds=floor.reason_kinds)
            by_reason = {"not_ready_seconds_by_reason": not_ready_seconds_by_reason(totals)}
            rows["agents", agent.agent_id, rfc3339(start_ms)] = read_kpis("agent", reading) | by_reason
    return rows


def _totals(feed: FeedTail, scope: QueueScope | AgentScope, attribution: str) -> dict[int, Totals]:
    found = {start_ms: interval.totals(attribution) for start_ms, interval in feed.intervals(scope).items()}
    return {start_ms: totals for start_ms, totals in found.items() if totals != Totals()}


def _agent_totals(feed: FeedTail, agent: AgentScope, floor: Floor, attribution: str, cut_ms: int) -> dict[int, Totals]:
    found = _totals(feed, agent, attribution)
    calendar = Calendars(floor).of_scope(agent.scope)
    starts = agent.timeline.starts
    since_ms, until_ms = sorted((starts[-1], cut_ms)) if starts else (cut_ms, cut_ms)
    while since_ms < until_ms:
        start_ms = calendar.interval_start_ms(since_ms)
        end_ms = calendar.interval_end_ms(start_ms)
        totals = total_of([found.pop(start_ms, Totals())])
        add_open_state(totals, agent, since_ms, end_ms, cut_ms)
        if totals != Totals():
            found[start_ms] = totals
        since_ms = end_ms
    _add_unsettled_adherence(found, agent, calendar, floor, cut_ms)
    return {start_ms: totals for start_ms, totals in found.items() if totals != Totals()}


def _add_unsettled_adherence(
    found: dict[int, Totals], agent: AgentScope, calendar: Calendar, floor: Floor, cut_ms: int
) -> None:
    """What readers of the feed add themselves: the schedule against the timeline since it was last settled."""
    plan = agent.plan(calendar, floor.adherence) if agent.days and agent.timeline.starts else None
    if plan is None:
        return
    for since_ms, until_ms in plan.days_within(agent.live.settled_ms, cut_ms):
        while since_ms < until_ms:
            start_ms, end_ms = calendar.interval_ms_at(since_ms)
            totals = found[start_ms] = total_of([found.pop(start_ms, Totals())])
            add_adherence(totals, plan, agent.timeline, since_ms, min(end_ms, until_ms))
            since_ms = end_ms


async def api_differences(client: httpx.AsyncClient, report: dict[str, Any], attribution: str) -> list[str]:
    """Where the API's intervals and totals of the report's range are not the report's.

    One difference is meant: the API's open interval counts visits that wait too long in its service levels.
    """
    asked = {"from": report["from"], "to": report["to"], "attribution": attribution}
    expected: Rows = {}
    found: Rows = {}
    wrong: list[str] = []
    rows = report_rows(report)
    for kind in ("queues", "agents"):
        there = {item["id"] for item in (await _get(client, f"/v1/{kind}", windows="day"))["items"]}
        wrong += [f"{kind} {scope_id} is in one only" for scope_id in sorted(there ^ report[kind].keys())]
        for scope_id in sorted(there & report[kind].keys()):
            body = await _get(client, f"/v1/{kind}/{quote(scope_id, safe='')}/intervals", **asked)
            total = report[kind][scope_id]["total"]
            too_long = bool(total.get("waiting_over_threshold"))
            found[kind, scope_id, "total"] = _comparable(body["total"], too_long)
            expected[kind, scope_id, "total"] = total
            for item in body["items"]:
                found[kind, scope_id, item["start"]] = _comparable(item, too_long and item["open"])
    expected |= rows
    return wrong + differences({key: _as_in(row, found.get(key, row)) for key, row in expected.items()}, found)


async def _get(client: httpx.AsyncClient, path: str, **parameters: str) -> Any:
    """The answer; nothing at all while the API does not serve yet."""
    try:
        answer = await client.get(path, params=parameters)
    except httpx.ConnectError:
        return {"items": [], "total": {}}
    assert answer.status_code in (200, 503), answer.text
    return answer.json() if answer.status_code == 200 else {"items": [], "total": {}}


def _comparable(row: Values, waits_too_long: bool) -> Values:
    """The API's row without the service levels that count visits still waiting."""
    return {name: value for name, value in row.items() if not (waits_too_long and name.startswith("service_level_"))}


def _as_in(row: Values, like: Values) -> Values:
    """The values that the other row has as well; KPIs of the moment are not in the API's intervals."""
    return {name: row[name] for name in row.keys() & like.keys() - NOT_COMPARED}


def differences(expected: Rows, found: Rows) -> list[str]:
    """What differs, in words; KPIs that only `found` has are passed over."""
    return list(_differences(expected, found))[:SHOWN]


def _differences(expected: Rows, found: Rows) -> Iterator[str]:
    for key in sorted(expected.keys() | found.keys()):
        if key not in found:
            yield f"{key} is missing: {_non_zero(expected[key])}"
        elif key not in expected:
            yield f"{key} is too much: {_non_zero(found[key])}"
        else:
            yield from _compare(" ".join(key), expected[key], found[key])


def _compare(where: str, expected: Values, found: Values) -> list[str]:
    return [
        f"{where} {name}: {found.get(name)!r}, not {expected[name]!r}"
        for name in sorted(expected)
        if expected[name] != found.get(name)
    ]


def _non_zero(values: Values) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}
