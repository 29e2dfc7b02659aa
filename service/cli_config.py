"""`floorwalker config check`: is this configuration right?"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from service.cli import DONE, WRONG, Command
from service.config import Config, load_config
from service.config_source import ConfigError
from service.console import print_error, print_line
from service.privacy import customer_keys, sealer
from service.settings import load_settings


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
    for warning in _privacy(config):
        print_error(f"warning: {warning}")
    print_line(f"{args.file}: right; {_contents(config)}")
    return DONE


def _privacy(config: Config) -> Iterator[str]:
    """Yield what is to be said about customers' numbers. Raises UsageError for files of keys that cannot be used."""
    settings = load_settings({}, config.settings)
    sealer(settings)
    if customer_keys(settings) is None:
        for name, source in config.sources.items():
            if source.mapping is not None and source.mapping.customer_ref is not None:
                yield f"source {name} has customers' numbers, which are dropped without `customer_key_file`"


def _contents(config: Config) -> str:
    sections = ("sites", "queues", "agents", "sources", "rules", "goals")
    counted = [f"{len(getattr(config, name))} {name}" for name in sections if getattr(config, name)]
    return ", ".join(counted) or "it sets nothing, so the defaults hold"


COMMANDS = (Command("config check", "validate a configuration", _add_arguments, _check),)
