"""The command `floorwalker`: the composition root, the only module that knows both shells."""

import sys
from collections.abc import Sequence

from service import cli_config, cli_ingest, cli_report, cli_topics
from service.cli import Command, run_command_line
from service.simulate import cli as cli_simulate

GROUPS = {
    "config": "check a configuration",
    "topics": "create and describe the topics",
}

COMMANDS: tuple[Command, ...] = (
    *cli_report.COMMANDS,
    *cli_ingest.COMMANDS,
    *cli_simulate.COMMANDS,
    *cli_topics.COMMANDS,
    *cli_config.COMMANDS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong usage, configuration or platform."""
    return run_command_line(argv, COMMANDS, GROUPS)


if __name__ == "__main__":
    sys.exit(main())
