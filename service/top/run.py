"""The loop of `floorwalker top`: ask, draw, wait; what goes wrong once it runs is shown and asked for again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NoReturn

from rich.console import Console
from rich.live import Live

from floorwalker_client.http import Http
from service.errors import FailedError
from service.top.screen import Screen
from service.top.snapshot import read_snapshot
from service.top.tables import Part

_DRAWN_PER_SECOND = 4
"""Also without news: waits grow, and the terminal may have been resized."""


@dataclass(frozen=True, slots=True)
class TopOptions:
    """What to show and how often to ask."""

    parts: tuple[Part, ...]
    interval_seconds: float


def show_once(http: Http, options: TopOptions, console: Console) -> None:
    """Print the tables as they are now, with every row. Raises FailedError."""
    console.print(_first(http, options, whole=True))


def show_live(http: Http, options: TopOptions, console: Console) -> NoReturn:
    """Draw until KeyboardInterrupt. Raises FailedError if not even the first answer comes."""
    screen = _first(http, options, whole=False)
    live = Live(screen, console=console, screen=True, refresh_per_second=_DRAWN_PER_SECOND)
    try:
        live.start()  # not by `with`: what interrupts the start itself has to be cleaned up after, too
        while True:
            time.sleep(options.interval_seconds)
            try:
                screen.show(read_snapshot(http, "agents" in options.parts))
            except FailedError as error:
                screen.problem = str(error)
    finally:
        live.stop()


def _first(http: Http, options: TopOptions, whole: bool) -> Screen:
    snapshot = read_snapshot(http, "agents" in options.parts)
    return Screen(options.parts, snapshot, time.monotonic(), time.monotonic, whole=whole)
