"""`floorwalker dead-letters`: what was rejected, and trying it again once the reason is gone."""

import argparse
import re
from collections import Counter, deque

import orjson
from rich.table import Table

from service.cli import DONE, Command
from service.cli_common import add_broker, add_config, add_setting, checked, read_config, read_settings
from service.console import console, print_bytes, print_line
from service.dead_letters import DeadLetter, Wanted, read_dead_letters, replay, unsealed
from service.errors import UsageError
from service.kafka_security import kafka_client
from service.privacy import sealer
from service.rejects import RAW_LIMIT
from service.report import rfc3339
from service.settings import ProcessSettings


def _place(text: str) -> str:
    if not re.fullmatch(r"\d+:\d+", text):
        raise ValueError(
            f"{text!r} is no place in the topic: write PARTITION:OFFSET, as `dead-letters list` shows them"
        )
    return text


def _add_selection(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_broker(parser)
    add_setting(parser, "dead_letter_key_file")
    parser.add_argument("--reason", metavar="R", help="only those with this reason")
    parser.add_argument("--topic", metavar="T", help="only those that came from this topic")


def _add_list(parser: argparse.ArgumentParser) -> None:
    _add_selection(parser)
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="the newest N (default 100)")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, with the records' text")


def _add_replay(parser: argparse.ArgumentParser) -> None:
    _add_selection(parser)
    parser.add_argument(
        "--offset", type=checked(_place), action="append", default=[], metavar="P:O",
        help="only the one at this place of cti.dead-letter; may be given several times",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")


def _list(args: argparse.Namespace) -> int:
    if args.limit < 1:
        raise UsageError(f"--limit is {args.limit}: it must be 1 or more")
    settings = read_settings(args, read_config(args))
    letters = _letters(settings, Wanted(args.reason, args.topic))
    newest = deque(letters, maxlen=args.limit)
    if args.json:
        print_bytes(orjson.dumps([row_of(letter) for letter in newest], option=orjson.OPT_INDENT_2) + b"\n")
        return DONE
    table = Table()
    for heading in ("place", "at", "reason", "detail", "from", "bytes"):
        table.add_column(heading)
    for letter in newest:
        about = letter.about
        what = (about.get("reason", ""), about.get("detail", ""), letter.origin, str(len(letter.value)))
        table.add_row(letter.place, rfc3339(letter.at_ms), *what)
    console().print(table)
    if len(letters) > len(newest):
        print_line(f"the newest {len(newest)} of {len(letters)}: --limit shows more")
    return DONE


def _letters(settings: ProcessSettings, wanted: Wanted) -> list[DeadLetter]:
    """Return the wanted ones, the oldest first, decrypted where the key is there."""
    seal = sealer(settings)
    return sorted(
        (unsealed(letter, seal) for letter in read_dead_letters(settings.bootstrap, wanted, kafka_client(settings))),
        key=_age,
    )


def _age(letter: DeadLetter) -> tuple[int, int, int]:
    return letter.at_ms, letter.partition, letter.offset


def row_of(letter: DeadLetter) -> dict[str, object]:
    """What `dead-letters list --json` says of one."""
    return {
        "place": letter.place,
        "at": rfc3339(letter.at_ms),
        **letter.about,
        "key": letter.key.decode("utf-8", "backslashreplace") if letter.key is not None else None,
        "raw": letter.value[:RAW_LIMIT].decode("utf-8", "backslashreplace"),
        "raw_bytes": len(letter.value),
    }


def _replay(args: argparse.Namespace) -> int:
    if not (args.reason or args.topic or args.offset):
        raise UsageError("say which dead letters to replay: --reason, --topic or --offset")
    settings = read_settings(args, read_config(args))
    wanted = Wanted(args.reason, args.topic, frozenset(args.offset))
    letters = _letters(settings, wanted)
    sendable = [letter for letter in letters if letter.hindrance() is None]
    if not args.dry_run:
        replay(settings.bootstrap, sendable, kafka_client(settings))
    print_line(f"{'would replay' if args.dry_run else 'replayed'} {len(sendable)} of {len(letters)} dead letters")
    for why, count in Counter(filter(None, (letter.hindrance() for letter in letters))).items():
        print_line(f"not {count}: each {why}")
    return DONE


COMMANDS = (
    Command("dead-letters list", "show rejected records and why", _add_list, _list),
    Command("dead-letters replay", "send rejected records again to where they came from", _add_replay, _replay),
)
