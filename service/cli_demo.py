"""`floorwalker demo`: broker, worker, API and a simulated contact centre on this machine."""

import argparse
import sys

from rich.table import Table

from service.cli import DONE, Command
from service.console import console
from service.demo import DemoOptions, Ready, run_demo
from service.errors import UsageError
from service.simulate.options import SCENARIOS, SimulationOptions

DEFAULT_PORT = 8080
LARGEST_PORT = 65_535
AGENTS = 120
"""So many that something happens every few seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `demo`."""
    add = parser.add_argument
    add("--port", type=int, default=DEFAULT_PORT, help=f"port of the page and the API (default {DEFAULT_PORT})")
    add("--seconds", type=float, help="stop after so long (default: at Ctrl-C)")
    add("--seed", type=int, default=1, help="another seed is another centre (default 1)")
    add("--scenario", choices=SCENARIOS, default="calm", help="what goes wrong after ten minutes (default calm)")


def run(args: argparse.Namespace) -> int:
    """Run the demo; Ctrl-C is its usual end. Raises UsageError and FailedError."""
    if not 1 <= args.port <= LARGEST_PORT:
        raise UsageError(f"--port must be 1 to {LARGEST_PORT}, not {args.port}")
    if args.seconds is not None and not args.seconds > 0:
        raise UsageError(f"--seconds must be more than 0, not {args.seconds}")
    _say("starting broker, worker, API and a simulated contact centre")
    simulation = SimulationOptions(agents=AGENTS, seed=args.seed, scenario=args.scenario)
    run_demo(DemoOptions(args.port, args.seconds, simulation), _show)
    _say("everything is stopped")
    return DONE


def _show(ready: Ready) -> None:
    table = Table(title=f"Floorwalker: first KPI after {ready.seconds_to_first_kpi:.1f} s", show_header=False)
    for what, where in (
        ("wallboard", f"{ready.url}/"),
        ("queues now", f"{ready.url}/v1/queues"),
        ("live push", f"{ready.url}/v1/stream"),
        ("interface", f"{ready.url}/docs"),
        ("Prometheus metrics", f"{ready.url}/metrics"),
        ("Kafka broker", ready.bootstrap),
        ("logs, while it runs", str(ready.log_dir)),
    ):
        table.add_row(what, where)
    console().print(table)
    _say("Ctrl-C stops everything")
    sys.stdout.flush()


def _say(what: str) -> None:
    sys.stderr.write(f"demo: {what}\n")
    sys.stderr.flush()


COMMANDS = (Command("demo", "broker, worker, API and a simulated centre on this machine", add_arguments, run),)
