"""`floorwalker backtest`: how good projections, or expected waits, would have been on a recording."""

import argparse

from rich.table import Table

from service.backtest import Hour, backtest
from service.cli import DONE, Command
from service.cli_common import add_config, read_config
from service.cli_recording import add_recording, clock_ms, feed_of
from service.console import console
from service.domain.projection import CONFIDENCE
from service.errors import FailedError
from service.recordings import read_recording
from service.wait_backtest import WaitBacktest, WaitErrors, backtest_waits


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recording(parser)
    add_config(parser)
    parser.add_argument("--waits", action="store_true", help="judge the expected wait instead of the end of the day")


def _backtest(args: argparse.Namespace) -> int:
    config = read_config(args)
    recording = read_recording(args.files, feed_of(args, config).adapter(), clock_ms())
    if args.waits:
        return _show_waits(backtest_waits(recording.events, config.floor()))
    found = backtest(recording.events, config.floor())
    if not found.hours:
        raise FailedError(
            "nothing to project: no queue has a day of 100 contacts with another day of the same weekday before it"
        )
    table = Table("hour", "cases", "mean error", "level so far", f"within {CONFIDENCE:.0%} bounds")
    for number, hour in sorted(found.hours.items()):
        table.add_row(f"{number:02d}", *_cells(hour))
    table.add_section()
    table.add_row("all", *_cells(found.total))
    console().print(table)
    console().print(
        f"days of queues: {found.days}; errors of the service level at the end of the day, in percentage points"
    )
    return DONE


def _show_waits(found: WaitBacktest) -> int:
    if not found.together().cases:
        raise FailedError("nothing to judge: no visit of the recording was answered after a wait could be expected")
    table = Table("waiting before", "visits", "actual wait", "expected", "mean error", "median error")
    for (first, last), errors in found.bands.items():
        name = f"{first} and more" if last is None else str(first) if first == last else f"{first} to {last}"
        table.add_row(name, *_wait_cells(errors))
    table.add_section()
    table.add_row("somebody", *_wait_cells(found.together(1)))
    table.add_row("all", *_wait_cells(found.together()))
    console().print(table)
    console().print(
        f"seconds; {found.unknown} answered visits would have been told nothing, {found.not_answered} were not answered"
    )
    return DONE


def _wait_cells(errors: WaitErrors) -> tuple[str, ...]:
    if not errors.cases:
        return ("0", "", "", "", "")
    figures = (errors.actual_ms, errors.expected_ms, errors.mean_error_ms, errors.median_error_ms)
    return str(errors.cases), *(f"{figure / 1000:.0f}" for figure in figures)


def _cells(hour: Hour) -> tuple[str, ...]:
    error, plain = (100 * total / hour.cases for total in (hour.error, hour.error_of_level_so_far))
    return str(hour.cases), f"{error:.1f}", f"{plain:.1f}", f"{hour.within / hour.cases:.0%}"


COMMANDS = (Command("backtest", "how good projections or expected waits would have been", _add_arguments, _backtest),)
