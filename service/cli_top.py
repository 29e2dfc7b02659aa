"""`floorwalker top`: queues, agents and alerts on the terminal."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Final, get_args

from floorwalker_client.http import Http
from service.cli import DONE, Command
from service.console import console
from service.errors import UsageError
from service.top.run import TopOptions, show_live, show_once
from service.top.screen import SHARES
from service.top.tables import Part

URL: Final = "http://127.0.0.1:8080"
LEAST_INTERVAL_SECONDS: Final = 0.5
PARTS: Final[tuple[Part, ...]] = get_args(Part)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `top`."""
    add = parser.add_argument
    add("--url", default=URL, help=f"address of the API (default {URL})")
    add("--token-file", type=Path, metavar="FILE", help="file that holds the token and nothing else")
    add("--interval", type=float, default=2.0, metavar="SECONDS", help="how often to ask (default 2)")
    add(
        "--show",
        nargs="+",
        choices=PARTS,
        default=list(SHARES),
        metavar="PART",
        help=f"of {', '.join(PARTS)}: only these",
    )
    add("--once", action="store_true", help="print the tables once, with every row, and end")


def run(args: argparse.Namespace) -> int:
    """Show the floor until Ctrl-C. Raises UsageError and FailedError."""
    if not args.interval >= LEAST_INTERVAL_SECONDS:
        raise UsageError(f"--interval must be {LEAST_INTERVAL_SECONDS} or more, not {args.interval:g}")
    if not args.once and not sys.stdout.isatty():
        raise UsageError("standard output is no terminal: use --once to print the tables one time")
    options = TopOptions(tuple(part for part in SHARES if part in args.show), args.interval)
    http = _http(args.url, args.token_file)
    try:
        if args.once:
            show_once(http, options, console())
        else:
            _until_stopped(http, options)
    finally:
        http.close()
    return DONE


def _http(url: str, token_file: Path | None) -> Http:
    token = None
    if token_file is not None:
        try:
            token = token_file.read_text("utf-8").strip()
        except OSError as error:
            raise UsageError(f"{token_file}: the token cannot be read: {os.strerror(error.errno or 0)}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{token_file}: this file holds no token, it is not even text") from None
    try:
        return Http(url, token)
    except ValueError as error:
        raise UsageError(f"--url or --token-file: {error}") from None


def _until_stopped(http: Http, options: TopOptions) -> None:
    """Ctrl-C and SIGTERM end it in order, which gives the terminal back as it was."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        show_live(http, options, console())
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)


COMMANDS = (Command("top", "queues, agents and alerts on the terminal, live, the worst first", add_arguments, run),)
