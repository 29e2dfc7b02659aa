"""Writes every dashboard in both languages: `python -m grafana.build`; with `--check` it says which are not current."""

import sys
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import VariableOption, VariableRefresh, VariableSort

from grafana.boards import BOARDS, Board
from grafana.panels import DATASOURCE, Language, Words, built

FOLDER: Final = Path(__file__).parent / "dashboards"
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
VARIABLES: Final = {
    "site": (Words("Site", "站点"), "label_values(floorwalker_queue_waiting, site)"),
    "channel": (Words("Channel", "渠道"), 'label_values(floorwalker_queue_waiting{site=~"$site"}, channel)'),
    "queue": (
        Words("Queue", "队列"),
        'label_values(floorwalker_queue_waiting{site=~"$site",channel=~"$channel"}, queue)',
    ),
    "team": (Words("Team", "班组"), "label_values(floorwalker_agent_state, team)"),
    "agent": (Words("Agent", "坐席"), 'label_values(floorwalker_agent_state{team=~"$team"}, agent)'),
}
"""Variable -> what it is called, and where its values come from. `All` is a pattern that an empty label fits, too."""


def rendered(board: Board, language: Language) -> str:
    """The dashboard as Grafana reads it."""
    made = (
        dashboard.Dashboard(f"Floorwalker: {board.title.of(language)}")
        .uid(f"{board.uid}-{language}")
        .tags(["floorwalker", language])
        .refresh("5s")
        .time("now-8h", "now")
        .timezone("browser")
        .editable()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    if board.tv:
        made = made.time("now-15m", "now").timepicker(dashboard.TimePicker().hidden(True))
    for name in board.variables:
        made = made.with_variable(_variable(name, language))
    for title, panels in board.rows:
        if not board.tv:
            made = made.with_row(dashboard.Row(title.of(language)))
        for panel in panels:
            made = made.with_panel(built(panel, language))
    return as_text(made.build())


def as_text(board: Any) -> str:
    """A dashboard of the SDK, as in a file: without what the SDK gives every variable and only an interval may have."""
    for variable in board.templating.list_val:
        variable.auto = variable.auto_min = variable.auto_count = None
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(board) + "\n"


def _variable(name: str, language: Language) -> dashboard.QueryVariable:
    label, query = VARIABLES[name]
    return (
        dashboard.QueryVariable(name)
        .label(label.of(language))
        .query(query)
        .datasource(DATASOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def files() -> dict[str, str]:
    """Name of each file -> what belongs in it."""
    return {f"{board.uid}.{language}.json": rendered(board, language) for board in BOARDS for language in LANGUAGES}


def main() -> int:
    """Write the files, or with `--check` return 1 if any differs from what would be written."""
    wanted = files()
    if "--check" in sys.argv[1:]:
        stale = [
            n for n, text in wanted.items() if not (FOLDER / n).exists() or (FOLDER / n).read_text("utf-8") != text
        ]
        stale += [path.name for path in FOLDER.glob("*.json") if path.name not in wanted]
        for name in stale:
            sys.stderr.write(f"grafana/dashboards/{name} is not current: run `make dashboards`\n")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
