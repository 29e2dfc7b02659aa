"""`floorwalker compare`: what one of two recordings of the same floor lacks."""

import argparse
from pathlib import Path

import orjson
from rich.table import Table

from service.adapters import ADAPTERS
from service.cli import DONE, FAILED, Command
from service.cli_common import add_config, read_config, zone
from service.cli_recording import clock_ms, feed_of
from service.compare import Comparison, as_object, compare
from service.config import Config
from service.console import console, print_bytes, print_line
from service.recordings import Recording, read_recording
from service.timetext import format_moment

SHOWN = 3
"""How many of the events that one recording lacks a line of the table names."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="FILE", help="a recording; - is standard input")
    parser.add_argument("second", metavar="OTHER", help="another recording of the same floor")
    parser.add_argument("--format", required=True, choices=tuple(ADAPTERS), help="what the files are")
    parser.add_argument("--other-format", choices=tuple(ADAPTERS), help="what OTHER is, where that differs")
    parser.add_argument("--source", metavar="NAME", help="source of the configuration, where several have the format")
    parser.add_argument("--timezone", type=zone, metavar="ZONE", help="zone of times without a zone")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _compare(args: argparse.Namespace) -> int:
    config = read_config(args)
    first = _read(args, config, args.first, args.format)
    second = _read(args, config, args.second, args.other_format or args.format)
    found = compare(first.events, second.events)
    rejected = (len(first.rejected), len(second.rejected))
    if args.json:
        body = as_object(found) | {"rejected": dict(zip(("first", "second"), rejected, strict=True))}
        print_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    else:
        _print(found, Path(args.first).name, Path(args.second).name, rejected)
    return FAILED if found.types else DONE


def _read(args: argparse.Namespace, config: Config, path: str, format_name: str) -> Recording:
    options = argparse.Namespace(
        format=format_name, source=args.source, timezone=args.timezone, input_timezone=args.timezone
    )
    return read_recording([path], feed_of(options, config).adapter(), clock_ms())


def _print(found: Comparison, first: str, second: str, rejected: tuple[int, int]) -> None:
    """Print one line for each type that differs, then what that means."""
    if found.types:
        table = Table()
        table.add_column("event", no_wrap=True)
        for name in (f"in {first}", f"in {second}", "missing there", "missing here"):
            table.add_column(name, justify="right")
        table.add_column("for example")
        for one in found.types:
            some = [f"{subject} {format_moment(at_s * 1000)}" for _, subject, at_s in one.only_first or one.only_second]
            counts = (one.first, one.second, len(one.only_first), len(one.only_second))
            table.add_row(one.type, *map(str, counts), ", ".join(some[:SHOWN]))
        console().print(table)
    for missing, name in ((found.missing_in_first, first), (found.missing_in_second, second)):
        if missing:
            print_line(f"{name} has no {', '.join(missing)} at all")
    if not found.types:
        print_line(f"the same {found.first} events in both")
    if any(rejected):
        print_line(f"not readable: {rejected[0]} lines of {first}, {rejected[1]} of {second}")


COMMANDS = (Command("compare", "what one of two recordings of the same floor lacks", _add_arguments, _compare),)
