"""`floorwalker config check` and `config apply`: is this configuration right, and let it be followed."""

import argparse
import getpass
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from service.cli import DONE, WRONG, Command
from service.cli_common import add_broker, add_config, read_config, read_settings
from service.config import Config, load_config
from service.config_feed import TOPIC, record_of
from service.config_source import ConfigError, read_source
from service.console import print_error, print_line
from service.errors import UsageError
from service.event_producer import EventProducer
from service.kafka_security import kafka_client
from service.privacy import customer_keys, sealer
from service.settings import load_settings
from service.timetext import format_moment, parse_moment_ms


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


def _add_apply_arguments(parser: argparse.ArgumentParser) -> None:
    _add_arguments(parser)
    add_config(parser)
    add_broker(parser)
    parser.add_argument("--valid-from", metavar="TIME", help="RFC 3339 time from which it holds (default: now)")
    parser.add_argument("--who", metavar="NAME", help="who applies it, for the record (default: this user)")
    parser.add_argument("--note", metavar="TEXT", help="why, for the record")


def _apply(args: argparse.Namespace) -> int:
    try:
        config = load_config(args.file)
        values = read_source(args.file).values
    except ConfigError as error:
        for problem in error.problems:
            print_error(problem)
        print_error("nothing was applied: what was in force stays so")
        return WRONG
    now_ms = time.time_ns() // 1_000_000
    valid_ms = now_ms if args.valid_from is None else _moment_ms(args.valid_from)
    record = record_of(values, valid_ms, now_ms, args.who or getpass.getuser(), args.note)
    settings = read_settings(args, read_config(args))
    with EventProducer(settings.bootstrap, (TOPIC,), kafka_client(settings)) as producer:
        producer.send(TOPIC, record.key, msgspec.json.encode(record), partition=0)
        producer.settle(at_most=0)
    print_line(f"version {record.version} ({_contents(config)}) holds from {format_moment(valid_ms)}")
    print_line(
        "rules, their business hours, targets, names and groups follow; anything else, when processes are restarted"
    )
    return DONE


def _moment_ms(text: str) -> int:
    try:
        return parse_moment_ms(text, "UTC")
    except ValueError as error:
        raise UsageError(f"--valid-from: {error}") from None


COMMANDS = (
    Command("config check", "validate a configuration", _add_arguments, _check),
    Command("config apply", "have running processes follow a configuration", _add_apply_arguments, _apply),
)
