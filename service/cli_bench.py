"""`floorwalker bench`: what this machine does."""

import argparse
import json
import signal
import sys
from typing import Any

from rich.table import Table

from service.bench.place import EMBEDDED
from service.bench.run import BenchOptions, run_bench
from service.cli import DONE, FAILED, Command
from service.console import console, print_line
from service.errors import UsageError

QUICK_EVENTS, FULL_EVENTS = 20_000, 300_000
LEAST_EVENTS = 1_000
LEAST_AGENTS = 25
"""Fewer could not serve 5,000 events a second one contact at a time."""

QUICK_DOCUMENTED_EVENTS, FULL_DOCUMENTED_EVENTS = 1_000, 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `bench`."""
    add = parser.add_argument
    add("--json", action="store_true", help="print the report as JSON")
    add("--events", type=int, help=f"events of the backlog (default {FULL_EVENTS})")
    add("--broker", default=EMBEDDED, metavar="HOST:PORT", help="an unused Kafka (default: an embedded broker)")
    add("--queues", type=int, default=100, help="number of queues (default 100)")
    add("--agents", type=int, default=1000, help="number of agents (default 1000)")
    add("--partitions", type=int, default=4, help="partitions of the topics (default 4)")
    add("--seed", type=int, default=1, help="the same seed gives the same events (default 1)")
    add("--quick", action="store_true", help="a short run, to see that it works: its figures mean little")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and fail if a total was wrong. Raises UsageError and FailedError."""
    options = _options(args)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` is to leave nothing behind, as Ctrl-C
    try:
        report = run_bench(options, _say)
    finally:
        signal.signal(signal.SIGTERM, before)
    if args.json:
        print_line(json.dumps(report, indent=1))
    else:
        _print_table(report)
    return DONE if report["correct"] else FAILED


def _options(args: argparse.Namespace) -> BenchOptions:
    events = (QUICK_EVENTS if args.quick else FULL_EVENTS) if args.events is None else args.events
    for name, value, least in (
        ("--events", events, LEAST_EVENTS),
        ("--queues", args.queues, 1),
        ("--agents", args.agents, LEAST_AGENTS),
        ("--partitions", args.partitions, 1),
    ):
        if value < least:
            raise UsageError(f"{name} must be {least} or more, not {value}")
    return BenchOptions(
        broker=args.broker,
        events=events,
        documented_events=min(events, QUICK_DOCUMENTED_EVENTS if args.quick else FULL_DOCUMENTED_EVENTS),
        queues=args.queues,
        agents=args.agents,
        partitions=args.partitions,
        seed=args.seed,
        latency_seconds=4 if args.quick else 20,
        warm_up_seconds=1 if args.quick else 5,
    )


def _say(what: str) -> None:
    sys.stderr.write(f"bench: {what}\n")
    sys.stderr.flush()


def _print_table(report: dict[str, Any]) -> None:
    table = Table("figure", "value", title=f"{report['events']} events, broker {report['broker']}")
    for name, value in _flat(report):
        table.add_row(name, str(value))
    console().print(table)


def _flat(report: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Names with dots and their values."""
    rows: list[tuple[str, Any]] = []
    for name, value in report.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return rows


COMMANDS = (Command("bench", "throughput, latency, scrape and query figures of this machine", add_arguments, run),)
