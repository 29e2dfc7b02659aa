"""`floorwalker topics`: create and describe the topics."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict

import orjson
from rich.table import Table

from service.cli import DONE, Command
from service.cli_common import add_broker, add_config, read_config, read_settings
from service.console import console, print_bytes
from service.kafka_security import kafka_client
from service.topics import TopicReport, create_topics, describe_topics


def _add_describe(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_broker(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _add_create(parser: argparse.ArgumentParser) -> None:
    _add_describe(parser)
    parser.add_argument(
        "--partitions", type=int, metavar="N", help="partitions of what scales (default 8), fixed for good"
    )
    parser.add_argument("--replication", type=int, metavar="N", help="copies of every partition (default 1)")


def _create(args: argparse.Namespace) -> int:
    settings = read_settings(args, read_config(args))
    return _show(
        args,
        create_topics(settings.bootstrap, settings.partitions, settings.replication, client=kafka_client(settings)),
    )


def _describe(args: argparse.Namespace) -> int:
    settings = read_settings(args, read_config(args))
    return _show(args, describe_topics(settings.bootstrap, client=kafka_client(settings)))


def _show(args: argparse.Namespace, topics: Sequence[TopicReport]) -> int:
    if args.json:
        print_bytes(orjson.dumps([asdict(topic) for topic in topics], option=orjson.OPT_INDENT_2) + b"\n")
        return DONE
    table = Table()
    for heading in ("topic", "status", "partitions", "copies", "holds", "differs"):
        table.add_column(heading)
    for topic in topics:
        counts = [str(number) if number is not None else "-" for number in (topic.partitions, topic.replication)]
        differs = [f"{key} is {found}, not {wanted}" for key, (wanted, found) in topic.deviations.items()]
        table.add_row(topic.name, topic.status, *counts, topic.help, "; ".join(differs))
    console().print(table)
    return DONE


COMMANDS = (
    Command("topics create", "create the topics that are missing", _add_create, _create),
    Command("topics describe", "show what the topics are like", _add_describe, _describe),
)
