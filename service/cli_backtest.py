"""`floorwalker backtest`: how well the projected service level of the day would have been, on a recording."""

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


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recording(parser)
    add_config(parser)


def _backtest(args: argparse.Namespace) -> int:
    config = read_config(args)
    recording = read_recording(args.files, feed_of(args, config).adapter(), clock_ms())
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


def _cells(hour: Hour) -> tuple[str, ...]:
    error, plain = (100 * total / hour.cases for total in (hour.error, hour.error_of_level_so_far))
    return str(hour.cases), f"{error:.1f}", f"{plain:.1f}", f"{hour.within / hour.cases:.0%}"


COMMANDS = (Command("backtest", "how well the end of each day would have been projected", _add_arguments, _backtest),)
