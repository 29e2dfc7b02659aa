"""`floorwalker token`: make access tokens for the API."""

import argparse
import sys
import time

from service.access import ROLES
from service.cli import DONE, Command
from service.cli_common import checked
from service.timetext import parse_span_ms
from service.tokens import new_token


def _add_create(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--role", required=True, choices=ROLES, help="what the token allows")
    add("--team", action="append", default=[], metavar="NAME", help="a supervisor's team; repeatable")
    add("--agent", metavar="ID", help="the agent whose own data an agent's token shows")
    add("--id", metavar="NAME", help="name of the token in the file and the log (default: the role and a number)")
    add(
        "--expires",
        type=checked(parse_span_ms),
        metavar="SPAN",
        help="how long it is valid, such as 30d (default: for ever)",
    )


def _create(args: argparse.Namespace) -> int:
    expires_ms = None if args.expires is None else time.time_ns() // 1_000_000_000 * 1000 + args.expires
    token, line = new_token(args.role, args.id, args.team, args.agent, expires_ms)
    # standard output has the two lines and nothing else, for scripts; the explanations are for people
    for note, what in (
        ("the token, shown this once:", token),
        ("its line for the file that `floorwalker api --tokens FILE` reads:", line),
    ):
        sys.stderr.write(f"{note}\n")
        sys.stderr.flush()
        sys.stdout.write(f"{what}\n")
        sys.stdout.flush()
    return DONE


COMMANDS = (Command("token create", "make an access token and its line for the token file", _add_create, _create),)
