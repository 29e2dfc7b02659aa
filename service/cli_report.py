"""`floorwalker report`: KPIs of a recording, without Kafka."""

import argparse
from functools import partial
from pathlib import Path

from service.adapters import Rejected
from service.cli import DONE, Command
from service.cli_common import add_config, interval_ms, read_config
from service.cli_recording import Feed, add_recording, clock_ms, feed_of
from service.config import Config
from service.console import console, print_bytes
from service.domain.kpis import KPIS
from service.errors import FailedError, UsageError
from service.recordings import read_recording
from service.rejects import rejected_json
from service.report import build_report
from service.report_options import ReportOptions
from service.report_output import KINDS, as_csv, as_json, print_tables
from service.timetext import parse_interval_ms, parse_moment_ms

CHINESE_KINDS = {"queue": "队列", "agent": "坐席"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recording(parser)
    add_config(parser)
    parser.add_argument("--from", dest="from_", metavar="WHEN", help="count from this date or RFC 3339 time on")
    parser.add_argument("--to", metavar="WHEN", help="count up to this date or time, itself excluded")
    parser.add_argument("--interval", type=interval_ms, metavar="LENGTH", help="length of intervals, from 5m to 24h")
    parser.add_argument(
        "--attribution",
        choices=("outcome", "arrival"),
        default="outcome",
        help="count each outcome when it happens (default), or everything when the visit was queued",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print everything as JSON")
    output.add_argument(
        "--csv", action="store_true", help="print one row per queue or agent and total, day or interval"
    )
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the table's headings")
    parser.add_argument(
        "--rejects", type=Path, metavar="FILE", help="write lines that cannot be decoded, with the reason"
    )


def _report(args: argparse.Namespace) -> int:
    config = read_config(args)
    feed = feed_of(args, config)
    options = _options(args, config, feed)
    recording = read_recording(args.files, feed.adapter(), clock_ms())
    if args.rejects is not None:
        _write_rejects(args.rejects, recording.rejected)
    report = build_report(recording, config.floor(), options)
    if args.json:
        print_bytes(as_json(report))
    elif args.csv:
        print_bytes(as_csv(report))
    else:
        print_tables(report, console(), _chinese() if args.lang == "zh" else {})
    return DONE


def _options(args: argparse.Namespace, config: Config, feed: Feed) -> ReportOptions:
    """Return what is asked for. The zone of days is --timezone, else the only site's, else that of the times."""
    site_zone = config.sites[config.single_site].timezone if config.single_site else None
    timezone = args.timezone or site_zone or feed.timezone or "UTC"
    moment = partial(_moment_ms, zone=timezone, day_starts_at_minutes=config.common_day_start_minutes)
    from_ms, to_ms = moment("--from", args.from_), moment("--to", args.to)
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise UsageError(f"--from {args.from_} is not before --to {args.to}, which is itself excluded")
    length_ms = args.interval or parse_interval_ms(config.interval)
    return ReportOptions(timezone, from_ms, to_ms, length_ms, args.attribution)


def _moment_ms(option: str, text: str | None, zone: str, day_starts_at_minutes: int) -> int | None:
    try:
        return parse_moment_ms(text, zone, day_starts_at_minutes) if text is not None else None
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _write_rejects(path: Path, rejected: list[Rejected]) -> None:
    try:
        path.write_bytes(b"".join(rejected_json(one) + b"\n" for one in rejected))
    except OSError as error:
        raise FailedError(f"--rejects {path}: cannot be written: {error.strerror}") from None


def _chinese() -> dict[str, str]:
    """Return the Chinese headings by the English kind or the KPI's name."""
    return {**{kind: CHINESE_KINDS[kind] for kind in KINDS.values()}, **{kpi.name: kpi.chinese for kpi in KPIS}}


COMMANDS = (Command("report", "KPIs of a recording, without Kafka", _add_arguments, _report),)
