"""The command `floorwalker`: the composition root, the only module that knows both shells."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from service.cli import Command, run_command_line

if TYPE_CHECKING:
    from service.config import Config
    from service.settings import ProcessSettings

MODULES = {
    "demo": "service.cli_demo",
    "worker": "service.cli_processes",
    "api": "service.cli_processes",
    "report": "service.cli_report",
    "compare": "service.cli_compare",
    "backtest": "service.cli_backtest",
    "ingest": "service.cli_ingest",
    "simulate": "service.simulate.cli",
    "topics": "service.cli_topics",
    "dead-letters": "service.cli_dead_letters",
    "token": "service.cli_tokens",
    "top": "service.cli_top",
    "rebuild": "service.cli_rebuild",
    "config": "service.cli_config",
    "rules": "service.cli_rules",
    "schedule": "service.cli_schedule",
    "bench": "service.cli_bench",
}
"""The first word of a command and where it is; to import them all takes a second, so one that is named comes alone."""

GROUPS = {
    "config": "check a configuration",
    "schedule": "publish agents' schedules",
    "rules": "check and test alert rules",
    "topics": "create and describe the topics",
    "dead-letters": "show and replay what was rejected",
    "token": "make access tokens for the API",
}


def _run_worker(settings: "ProcessSettings", config: "Config") -> int:
    from streams.worker import run  # here, because Faust takes long to import and the other commands do without

    return run(settings, config)


def _run_api(settings: "ProcessSettings", config: "Config") -> int:
    from api.server import run  # here for the same reason

    return run(settings, config)


def commands_of(word: str) -> tuple[Command, ...]:
    """The commands with this first word."""
    if word in ("worker", "api"):
        from service.cli_processes import API, WORKER, process_command

        if word == "worker":
            text = "turn events into state: one member of the group of workers"
            return (process_command(word, text, WORKER, _run_worker),)
        return (process_command(word, "serve the state over HTTP, with wallboard and metrics", API, _run_api),)
    found: tuple[Command, ...] = import_module(MODULES[word]).COMMANDS
    return found


def all_commands() -> tuple[Command, ...]:
    """Every command, in the order of the help."""
    return tuple(command for word in MODULES for command in commands_of(word))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, configuration or platform."""
    words = [word for word in (sys.argv[1:] if argv is None else argv) if word != "--debug"]
    commands = commands_of(words[0]) if words and words[0] in MODULES else all_commands()
    return run_command_line(argv, commands, GROUPS)


if __name__ == "__main__":
    sys.exit(main())
