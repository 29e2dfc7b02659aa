"""`floorwalker rebuild`: fresh state from `cti.events`."""

import argparse

from service.cli import DONE, Command
from service.cli_common import add_broker, add_config, read_config, read_settings
from service.console import print_line
from service.errors import UsageError
from service.kafka_security import kafka_client
from service.rebuild import EVENTS, rebuild
from service.topics import REMADE


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_broker(parser)
    parser.add_argument("--application-id", metavar="NAME", help="the workers' consumer group (default floorwalker)")
    parser.add_argument(
        "--partitions", type=int, metavar="N",
        help="a new number of partitions: the events are spread anew, and nobody may send any meanwhile",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="do it: the topics of the state are deleted")


def _rebuild(args: argparse.Namespace) -> int:
    settings = read_settings(args, read_config(args))
    if not args.yes:
        raise UsageError(
            f"this deletes {', '.join(REMADE)}, and the workers make them anew from what {EVENTS.name} still holds: "
            "add --yes to do it"
        )
    wanted = settings.partitions if args.partitions is not None else None
    done = rebuild(settings.bootstrap, settings.application_id, wanted, kafka_client(settings))
    print_line(f"ready: the workers will replay {EVENTS.name}, {len(done.begins)} partitions, when you start them")
    return DONE


COMMANDS = (Command("rebuild", "replay cti.events into fresh state", _add_arguments, _rebuild),)
