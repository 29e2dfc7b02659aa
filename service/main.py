"""The command `floorwalker`: the composition root, the only module that knows both shells."""

import sys
from collections.abc import Sequence

from service import (
    cli_backtest,
    cli_bench,
    cli_compare,
    cli_config,
    cli_dead_letters,
    cli_demo,
    cli_ingest,
    cli_rebuild,
    cli_report,
    cli_rules,
    cli_schedule,
    cli_tokens,
    cli_top,
    cli_topics,
)
from service.cli import Command, run_command_line
from service.cli_processes import API, WORKER, process_command
from service.config import Config
from service.settings import ProcessSettings
from service.simulate import cli as cli_simulate

GROUPS = {
    "config": "check a configuration",
    "schedule": "publish agents' schedules",
    "rules": "check and test alert rules",
    "topics": "create and describe the topics",
    "dead-letters": "show and replay what was rejected",
    "token": "make access tokens for the API",
}


def _run_worker(settings: ProcessSettings, config: Config) -> int:
    from streams.worker import run  # here, because Faust takes long to import and the other commands do without

    return run(settings, config)


def _run_api(settings: ProcessSettings, config: Config) -> int:
    from api.server import run  # here for the same reason

    return run(settings, config)


COMMANDS: tuple[Command, ...] = (
    *cli_demo.COMMANDS,
    process_command("worker", "turn events into state: one member of the group of workers", WORKER, _run_worker),
    process_command("api", "serve the state over HTTP, with wallboard and metrics", API, _run_api),
    *cli_report.COMMANDS,
    *cli_compare.COMMANDS,
    *cli_backtest.COMMANDS,
    *cli_ingest.COMMANDS,
    *cli_simulate.COMMANDS,
    *cli_topics.COMMANDS,
    *cli_dead_letters.COMMANDS,
    *cli_tokens.COMMANDS,
    *cli_top.COMMANDS,
    *cli_rebuild.COMMANDS,
    *cli_config.COMMANDS,
    *cli_rules.COMMANDS,
    *cli_schedule.COMMANDS,
    *cli_bench.COMMANDS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, configuration or platform."""
    return run_command_line(argv, COMMANDS, GROUPS)


if __name__ == "__main__":
    sys.exit(main())
