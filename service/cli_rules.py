"""`floorwalker rules check` and `rules test`: are alert rules right, and do they say what they should?"""

import argparse
from pathlib import Path

from service.cli import DONE, FAILED, WRONG, Command
from service.config_source import ConfigError
from service.console import print_error, print_line
from service.rule_tests import TestFile, read_tests, run_test


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a YAML file with `rules`, `tests` or both")


def _read(path: Path) -> TestFile | None:
    """The file; None after telling what is wrong with it."""
    try:
        return read_tests(path)
    except ConfigError as error:
        for problem in error.problems:
            print_error(problem)
        return None


def _check(args: argparse.Namespace) -> int:
    found = _read(args.file)
    if found is None:
        return WRONG
    print_line(f"{args.file}: right; {len(found.rules)} rules of its own, {len(found.in_force())} in force")
    return DONE


def _test(args: argparse.Namespace) -> int:
    found = _read(args.file)
    if found is None:
        return WRONG
    if not found.tests:
        print_error(f"{args.file} has no `tests`: write some, or use `floorwalker rules check`")
        return WRONG
    rules, failed = found.in_force(), 0
    for test in found.tests:
        wrong = list(run_test(test, rules))
        failed += bool(wrong)
        for sentence in wrong:
            print_error(sentence)
    print_line(f"{args.file}: {len(found.tests) - failed} of {len(found.tests)} tests passed")
    return FAILED if failed else DONE


COMMANDS = (
    Command("rules check", "validate alert rules", _add_arguments, _check),
    Command("rules test", "run alert rules over timelines of values", _add_arguments, _test),
)
