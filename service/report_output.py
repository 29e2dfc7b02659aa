"""A report as JSON, as CSV, or as tables for people."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from rich.console import Console
from rich.table import Table

from service.csvtext import cell

QUEUE_COLUMNS: Final = (
    "offered",
    "answered",
    "abandoned",
    "flowed_out",
    "service_level_ratio",
    "abandonment_ratio",
    "asa_seconds",
    "max_wait_seconds",
    "aht_seconds",
)
AGENT_COLUMNS: Final = (
    "handled",
    "missed",
    "average_talk_seconds",
    "average_acw_seconds",
    "aht_seconds",
    "occupancy_ratio",
    "login_seconds",
    "not_ready_seconds",
)
KINDS: Final = {"queues": "queue", "agents": "agent"}
UNDEFINED: Final = "-"

Report = Mapping[str, Any]


def as_json(report: Report) -> bytes:
    """Return the report as indented JSON with a line end."""
    return orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def as_csv(report: Report) -> bytes:
    """Return one row per scope and bucket: the total, each day, each interval. Undefined is empty."""
    rows = list(_rows(report))
    kpis = list(dict.fromkeys(name for row in rows for name in row[1]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["scope", "id", "bucket", "start", *kpis])
    for place, values in rows:
        writer.writerow([*place, *(cell(values.get(name)) for name in kpis)])
    return text.getvalue().encode()


def _rows(report: Report) -> Iterator[tuple[tuple[str, str, str, str], dict[str, Any]]]:
    for section, kind in KINDS.items():
        for scope_id, scope in report[section].items():
            yield (kind, scope_id, "total", report["from"]), scope["total"]
            for day, values in scope["days"].items():
                yield (kind, scope_id, "day", day), values
            for interval in scope["intervals"]:
                values = {name: value for name, value in interval.items() if name != "start"}
                yield (kind, scope_id, "interval", interval["start"]), values


def print_tables(report: Report, console: Console, titles: Mapping[str, str]) -> None:
    """Print the totals of every queue and agent. `titles` has a KPI's heading; without one its name serves."""
    span = f"{report['from']} to {report['to']}, days of {report['timezone']}"
    for section, columns in (("queues", QUEUE_COLUMNS), ("agents", AGENT_COLUMNS)):
        if report[section]:
            table = Table(title=span, title_justify="left")
            table.add_column(titles.get(KINDS[section], KINDS[section]), no_wrap=True)
            for name in columns:
                table.add_column(titles.get(name) or heading(name), justify="right")
            for scope_id, scope in report[section].items():
                table.add_row(scope_id, *(shown(name, scope["total"].get(name)) for name in columns))
            console.print(table)
    if not report["quality"]["events"]:
        console.print("no event was read: there is nothing to report")  # without one the span is the epoch's day
    elif not report["queues"] and not report["agents"]:
        console.print(f"{span}: nothing happened")
    console.print(_quality(report["quality"]))


def heading(name: str) -> str:
    """Return a KPI's name in words, without the unit that its values carry."""
    return name.removesuffix("_ratio").removesuffix("_seconds").replace("_", " ")


def shown(name: str, value: float | None) -> str:
    """Return a value with its unit: a ratio in percent, seconds as `14.2 s` or from ten minutes on as h:mm:ss."""
    if value is None:
        return UNDEFINED
    if name.endswith("_ratio"):
        return f"{value * 100:.1f} %"
    if not name.endswith("_seconds"):
        return str(value) if isinstance(value, int) else f"{value:.2f}"
    if value < 600:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _quality(quality: Mapping[str, Any]) -> str:
    reasons = quality["rejected"]
    rejected = f"{sum(reasons.values())} rejected"
    if reasons:
        rejected += f" ({', '.join(f'{reason} {count}' for reason, count in reasons.items())})"
    others = [f"{quality[name]} {name.replace('_', ' ')}" for name in ("duplicates", "late", "unmatched", "clock_skew")]
    return ", ".join([f"{quality['events']} events", rejected, *others])
