"""`floorwalker config check`: is this configuration right?"""

import argparse
from pathlib import Path

from service.cli import DONE, WRONG, Command
from service.config import Config, load_config
from service.config_source import ConfigError
from service.console import print_error, print_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="a YAML file, or a folder of *.yaml that belong together"
    )


def _check(args: argparse.Namespace) -> int:
    try:
        config = load_config(args.file)
    except ConfigError as error:
        for problem in error.problems:
            print_error(problem)
        return WRONG
    for warning in config.warnings:
        print_error(f"warning: {warning}")
    print_line(f"{args.file}: right; {_contents(config)}")
    return DONE


def _contents(config: Config) -> str:
    sections = ("sites", "queues", "agents", "sources", "rules", "goals")
    counted = [f"{len(getattr(config, name))} {name}" for name in sections if getattr(config, name)]
    return ", ".join(counted) or "it sets nothing, so the defaults hold"


COMMANDS = (Command("config check", "validate a configuration", _add_arguments, _check),)
