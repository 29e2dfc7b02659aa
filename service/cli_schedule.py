"""`floorwalker schedule import`: agents' schedules from a CSV file to Kafka."""

import argparse
import io
import sys
import time
from pathlib import Path
from typing import Final

from service.cli import DONE, Command
from service.cli_common import add_broker, add_config, read_config, read_settings, zone
from service.console import print_line
from service.domain.codec import encode_event, record_key
from service.errors import FailedError, UsageError
from service.event_producer import EventProducer
from service.ingest import EVENTS_TOPIC
from service.kafka_security import kafka_client
from service.schedule_import import published, read_schedule

SHOWN: Final = 10
"""So many bad lines are told one by one."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="CSV with agent_id, start, end, activity[, productive, paid]")
    parser.add_argument("--timezone", type=zone, metavar="ZONE", help="IANA time zone of times without an offset")
    parser.add_argument(
        "--version", type=int, default=1, metavar="N",
        help="a plan replaces one of the same day with a lower version, or with the same that was sent before "
        "(default 1)",
    )  # fmt: skip
    parser.add_argument("--output", choices=("-",), help="print the events instead of sending them")
    add_config(parser)
    add_broker(parser)


def _import(args: argparse.Namespace) -> int:
    try:
        text = Path(args.file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{args.file}: it is not UTF-8") from None
    try:
        plans, problems = read_schedule(io.StringIO(text, newline=""), args.timezone)
    except UsageError as error:
        raise UsageError(f"{args.file}: {error}") from None
    if problems:
        more = f", and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise FailedError(f"{args.file}: nothing was sent: {'; '.join(problems[:SHOWN])}{more}")
    events = list(published(plans, args.timezone, args.version, time.time_ns() // 1_000_000))
    if args.output:
        for event in events:
            sys.stdout.buffer.write(encode_event(event) + b"\n")
        return DONE
    settings = read_settings(args, read_config(args))
    with EventProducer(settings.bootstrap, (EVENTS_TOPIC,), kafka_client(settings)) as producer:
        for event in events:
            producer.send(EVENTS_TOPIC, record_key(event).encode(), encode_event(event))
        producer.settle(at_most=0)
    count = sum(map(len, plans.values()))
    print_line(f"{count} activities of {len(plans)} agents sent to {EVENTS_TOPIC} at {settings.bootstrap}")
    return DONE


COMMANDS = (Command("schedule import", "publish agents' schedules from a CSV file", _add_arguments, _import),)
