"""The screen of `floorwalker top`: as many rows as the terminal has just now, and how old the numbers are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from service.top.snapshot import Item, Snapshot
from service.top.tables import Part, duration, table_of

STALE_SECONDS: Final = 10.0
"""From this age of the newest event on, the numbers are called stale."""

_FRAME_LINES: Final = 5
"""A table's title, heading and three lines of its frame."""

SHARES: Final[dict[Part, float]] = {"alerts": 0.2, "queues": 0.55, "agents": 0.25}
"""Of the screen, where everything does not fit; in the order of the screen."""


@dataclass(slots=True)
class Screen:
    """What is shown, and since when: `read_at` and `clock` are of the same clock, in seconds.

    `problem`: why there is nothing newer; None while there is. `whole`: every row, whatever the terminal's height.
    """

    parts: tuple[Part, ...]
    snapshot: Snapshot
    read_at: float
    clock: Callable[[], float]
    problem: str | None = None
    whole: bool = False

    def show(self, snapshot: Snapshot) -> None:
        """Show newer numbers."""
        self.snapshot, self.read_at, self.problem = snapshot, self.clock(), None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it for the size that the terminal has now."""
        yield heading(self.snapshot, max(0.0, self.clock() - self.read_at), self.problem)
        items = {part: found for part in self.parts if (found := _items(self.snapshot, part)) is not None}
        height = None if self.whole else (options.height or console.height)
        rows = rows_of({part: len(found) for part, found in items.items()}, height)
        for part in self.parts:
            if part not in items:
                yield Text(f"{part}: this token does not show them", "dim")
            elif rows[part] > 0 or self.whole:
                yield table_of(part, items[part], rows[part], options.max_width)


def heading(snapshot: Snapshot, age_seconds: float, problem: str | None) -> Text:
    """One line: of when the numbers are, how long ago they were read, and, in words, whether they are stale."""
    text = Text(f"floorwalker  {snapshot.as_of}  ", "bold", no_wrap=True, overflow="ellipsis")
    if problem is not None or age_seconds >= STALE_SECONDS:
        return text.append(
            f"STALE, nothing newer for {duration(age_seconds)}: {problem or 'the API takes its time'}", "bold red"
        )
    if snapshot.staleness_seconds is None:
        return text.append("no event yet", "yellow")
    event_age = snapshot.staleness_seconds + age_seconds
    stale = event_age >= STALE_SECONDS
    return text.append(
        f"{'STALE, ' if stale else ''}newest event {duration(event_age)} ago", "bold red" if stale else "green"
    )


def rows_of(counts: dict[Part, int], height: int | None) -> dict[Part, int]:
    """Rows for each table so that all fit under the heading; what one does not need goes to the others, in order.

    `height` None: all rows. A table without any row left is not drawn at all.
    """
    if height is None:
        return dict(counts)
    free = height - 2 - _FRAME_LINES * len(counts)  # the heading, and a last line that stays empty
    given: dict[Part, int] = {part: min(count, max(1, int(free * SHARES[part]))) for part, count in counts.items()}
    left = max(0, free - sum(given.values()))
    for part in ("queues", "agents", "alerts"):
        if part in counts:
            more = min(left, counts[part] - given[part])
            given[part] += more
            left -= more
    return given


def _items(snapshot: Snapshot, part: Part) -> list[Item] | None:
    return {"queues": snapshot.queues, "agents": snapshot.agents, "alerts": snapshot.alerts}[part]
