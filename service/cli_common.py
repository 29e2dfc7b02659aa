"""Options that several commands share."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from service.config import Config, load_config
from service.settings import KAFKA, PREFIX, ProcessSettings, load_settings
from service.timetext import parse_interval_ms, parse_zone

T = TypeVar("T")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config; FLOORWALKER_CONFIG stands in for it."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"configuration: a YAML file or a folder of them (or {PREFIX}CONFIG)",
    )


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Add --bootstrap."""
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="Kafka brokers (default 127.0.0.1:9092)")
    for name in KAFKA:
        add_setting(parser, name)


def add_setting(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the option of one process setting; `load_settings` checks its value, as it does that of the variable."""
    field = ProcessSettings.model_fields[name]
    option = f"--{name.replace('_', '-')}"
    if field.annotation is bool:
        parser.add_argument(option, action="store_true", default=None, help=field.description)
    else:
        default = "" if field.default_factory or field.default is None else f" (default {field.default})"
        parser.add_argument(option, metavar="VALUE", help=f"{field.description}{default}")


def read_config(args: argparse.Namespace) -> Config:
    """Return the configuration that the command line, else the environment, names; else the defaults."""
    named = args.config or (Path(value) if (value := os.environ.get(f"{PREFIX}CONFIG")) else None)
    return load_config(named)


def read_settings(args: argparse.Namespace, config: Config) -> ProcessSettings:
    """Return the process settings: command line over environment over configuration."""
    return load_settings(vars(args), config.settings)


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Return `parse` as an argparse type that shows the sentence of its ValueError."""

    def parse_argument(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_argument


zone = checked(parse_zone)
interval_ms = checked(parse_interval_ms)
