"""The frame of the command line: a table of commands becomes a parser; what a command raises becomes an exit code."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import NoReturn

from service.console import print_error
from service.errors import FailedError, UsageError

DONE, FAILED, WRONG = 0, 1, 2
PROGRAM = "floorwalker"

AddArguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `name` may have two words, such as `config check`. `run` returns the exit code."""

    name: str
    help: str
    add_arguments: AddArguments
    run: Run


class _Parser(argparse.ArgumentParser):
    """Raises UsageError instead of printing the usage and leaving."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def build_parser(commands: Sequence[Command], groups: dict[str, str]) -> argparse.ArgumentParser:
    """Return the parser. `groups` has the help of each first word of a two-word command."""
    parser = _Parser(prog=PROGRAM, description="Real-time contact-centre monitor.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {_version()}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    top = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    second: dict[str, argparse._SubParsersAction[_Parser]] = {}
    for command in commands:
        group, _, rest = command.name.partition(" ")
        if rest and group not in second:
            holder = top.add_parser(group, help=groups[group], description=groups[group], allow_abbrev=False)
            second[group] = holder.add_subparsers(title="commands", metavar="COMMAND", required=True)
        _add_command(second[group] if rest else top, rest or group, command)
    return parser


def _add_command(where: "argparse._SubParsersAction[_Parser]", word: str, command: Command) -> None:
    parser = where.add_parser(word, help=command.help, description=command.help, allow_abbrev=False)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


def run_command_line(argv: Sequence[str] | None, commands: Sequence[Command], groups: dict[str, str]) -> int:
    """Parse `argv` (None: the process's own), run the command and return the exit code: 0 done, 1 failed, 2 wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = build_parser(commands, groups).parse_args(words)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except SystemExit as leave:  # argparse after --help and --version
        return int(leave.code or DONE)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in words:
            traceback.print_exc()
        code, sentence = _verdict(error)
        print_error(sentence)
        return code


def _verdict(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the sentence for what a command raised."""
    match error:
        case UsageError():
            return WRONG, str(error)
        case FailedError():
            return FAILED, str(error)
        case KeyboardInterrupt():
            return FAILED, "interrupted"
        case OSError(strerror=str(reason), filename=name) if name is not None:
            return FAILED, f"{name}: {reason}"
    return (
        FAILED,
        f"failed by a fault of its own ({type(error).__name__}: {error}): run it with --debug for the traceback",
    )


def _version() -> str:
    try:
        return metadata.version(PROGRAM)
    except metadata.PackageNotFoundError:  # run from the source tree
        return "(not installed)"
