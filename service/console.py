"""What the command line prints: results to standard output, everything else to standard error."""

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PIPE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe, which have no width of their own."""


def print_error(text: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(f"floorwalker: {text}\n")


def print_line(text: str = "") -> None:
    """Write one line to standard output, as it is."""
    sys.stdout.write(f"{text}\n")


def print_bytes(data: bytes) -> None:
    """Write bytes to standard output, in order with what `print_line` wrote before."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def console() -> Console:
    """Return the console for tables: ids are shown as they are, a pipe gets no colours and enough width."""
    return Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def progress_bar() -> Progress:
    """Return a progress bar on standard error, shown only where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
