"""The tables of `floorwalker top`: what is worst stands first, and never only a colour says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from service.top.snapshot import WINDOW, Item

Part = Literal["queues", "agents", "alerts"]
Cell = str | Text
NOTHING: Final = "–"
_FRAME: Final = 3
"""Characters of a column's border and padding."""

_WIDEST: Final = 24
"""Longer texts are cut off where there is no room for them."""

STATES: Final = ("unknown", "not_ready", "acw", "reserved", "on_contact", "ready", "offline")
"""An agent's states, those that a supervisor looks at first in front."""
_BAD: Final = "bold red"
_WARN: Final = "yellow"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `cell` makes what it shows of one item."""

    title: str
    cell: Callable[[Item], Cell]
    right: bool = True


def worst_queues(items: Iterable[Item]) -> list[Item]:
    """Most visits beyond their threshold first; then the level farthest below its target; then the oldest wait."""
    return sorted(items, key=lambda q: (-_over(q), -_below_target(q), -_oldest(q), q["id"]))


def worst_agents(items: Iterable[Item]) -> list[Item]:
    """By state as in STATES, in each the one first who has been in it for the longest."""
    return sorted(items, key=lambda a: (STATES.index(a["state"]), -(a["now"]["state_seconds"] or 0), a["id"]))


def table_of(part: Part, items: Sequence[Item], rows: int, width: int) -> Table:
    """The part's table for so many rows and characters: what there is no room for is counted in the title, and the
    last columns are left out before the others would become too narrow to be read.
    """
    shown = _ORDER[part](items)[:rows]
    cells = {column: [_printable(column.cell(item)) for item in shown] for column in COLUMNS[part]}
    columns: list[Column] = []
    used = 1
    for column in COLUMNS[part]:
        used += _FRAME + min(_WIDEST, max(cell_len(column.title), *(cell.cell_len for cell in cells[column]), 0))
        if columns and used > width:
            break
        columns.append(column)
    hidden = f", {len(items) - len(shown)} more do not fit" if len(shown) < len(items) else ""
    title = f"{part.capitalize()} ({len(items)}{hidden})"
    table = Table(expand=True, title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="ellipsis")
    for row in zip(*(cells[column] for column in columns), strict=True):
        table.add_row(*row)
    return table


def duration(seconds: float | None) -> str:
    """The time as 7s, 3:05 or 1:02:03."""
    if seconds is None:
        return NOTHING
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}" if minutes else f"{rest}s"


def _printable(cell: Cell) -> Text:
    """The cell without what would steer the terminal: ids and messages come from feeds."""
    text = cell if isinstance(cell, Text) else Text(cell)
    text.plain = "".join(char if char.isprintable() else "?" for char in text.plain)
    return text


def _over(queue: Item) -> int:
    return queue["now"]["waiting_over_threshold"] or 0


def _oldest(queue: Item) -> float:
    return queue["now"]["oldest_wait_seconds"] or 0.0


def _below_target(queue: Item) -> float:
    """How far the service level is below its target, 0 to 1; 0 where it is not or is unknown."""
    level, target = queue["windows"][WINDOW]["service_level_ratio"], queue["service_level"]["target_ratio"]
    return 0.0 if level is None or target is None else max(0.0, target - level)


def _service_level(queue: Item) -> Cell:
    level, target = queue["windows"][WINDOW]["service_level_ratio"], queue["service_level"]["target_ratio"]
    if level is None:
        return NOTHING
    low = _below_target(queue) > 0
    return Text(f"{'▼ ' if low else ''}{level:.1%}", _BAD if low else "") if target is not None else f"{level:.1%}"


def _waiting_over(queue: Item) -> Cell:
    return Text(f"! {_over(queue)}", _BAD) if _over(queue) else "0"


def _threshold(queue: Item) -> str:
    level = queue["service_level"]
    target = NOTHING if level["target_ratio"] is None else f"{level['target_ratio']:.0%}"
    return f"{target}/{duration(level['threshold_seconds'])}"


def _now(name: str) -> Callable[[Item], Cell]:
    return lambda item: _plain(item["now"][name])


def _window(name: str) -> Callable[[Item], Cell]:
    return lambda item: _plain(item["windows"][WINDOW][name])


def _plain(value: float | None) -> str:
    return NOTHING if value is None else f"{value:g}"


def _state(agent: Item) -> Cell:
    reason = f" ({agent['state_reason']})" if agent["state_reason"] else ""
    return Text(f"{agent['state']}{reason}", _WARN if agent["state"] in ("unknown", "not_ready") else "")


def _severity(alert: Item) -> Cell:
    return Text(alert["severity"], {"page": _BAD, "warning": _WARN}.get(alert["severity"], ""))


def _taken(alert: Item) -> str:
    taken = alert["acknowledged"]
    return NOTHING if taken is None else str(taken["by"])


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0%}"


_ORDER: Final[dict[Part, Callable[[Iterable[Item]], list[Item]]]] = {
    "queues": worst_queues,
    "agents": worst_agents,
    "alerts": list,  # the API puts the most urgent first
}

COLUMNS: Final[dict[Part, tuple[Column, ...]]] = {
    "queues": (
        Column("queue", lambda q: q["id"], False),
        Column("waiting", _now("waiting")),
        Column("too long", _waiting_over),
        Column("oldest", lambda q: duration(q["now"]["oldest_wait_seconds"])),
        Column(f"level {WINDOW}", _service_level),
        Column("free", _now("agents_available")),
        Column("target", _threshold),
        Column("staff", _now("agents_staffed")),
        Column("expected", lambda q: duration(q["now"]["expected_wait_seconds"])),
        Column("offered", _window("offered")),
        Column("lost", _window("abandoned")),
        Column("busy", _now("agents_on_contact")),
        Column("acw", _now("agents_acw")),
        Column("away", _now("agents_not_ready")),
    ),
    "agents": (
        Column("agent", lambda a: a["id"], False),
        Column("state", _state, False),
        Column("for", lambda a: duration(a["now"]["state_seconds"])),
        Column("team", lambda a: a["team"] or NOTHING, False),
        Column(f"handled {WINDOW}", _window("handled")),
        Column("aht", lambda a: duration(a["windows"][WINDOW]["aht_seconds"])),
        Column("occupancy", lambda a: _percent(a["windows"][WINDOW]["occupancy_ratio"])),
        Column("queues", lambda a: " ".join(a["queues"]), False),
    ),
    "alerts": (
        Column("severity", _severity, False),
        Column("scope", lambda a: a["scope"], False),
        Column("what", lambda a: a["message"] or a["rule"], False),
        Column("taken by", _taken, False),
        Column("since", lambda a: a["fired_at"] or a["since"], False),
    ),
}
