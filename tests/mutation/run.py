"""Mutation check: are wrong numbers noticed? `make mutation`, or `python -m tests.mutation.run kpis view:120`.

One small fault at a time (faults.py) is put into a module of the domain, and a test must fail: those of the module are
asked first, then the domain's other ones, then some of the pitfalls and the laws, which try few examples.

Each mutant is judged in a fork of this process, which has collected the tests. There the faulty function takes the
place of the right one (swap.py); for a fault in what runs at import the fork reads project and tests anew. A fork that
takes too much processor time or memory counts as noticed. So that neither way notices what is no fault, both are tried
without one first.
"""

import argparse
import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

import hypothesis
import pytest

from service.compiled import SWITCH, search_path
from tests.mutation.faults import Mutant, mutants, unchanged
from tests.mutation.swap import swap

OWN: Final = ("service", "api", "streams", "grafana", "tests")
"""Folders of the project's modules."""

MODULES: Final = (
    "kpis", "service_level", "totals", "visits", "agents", "own_side", "steps", "view", "calendar", "buckets",
)  # fmt: skip
NEAR: Final = {
    "kpis": ("kpis", "handle_time", "windows_", "adherence"),
    "service_level": ("service_level", "channels", "kpis"),
    "visits": ("visits", "journey", "channels", "legs"),
    "agents": ("agents", "corrections", "aggregate"),
    "own_side": ("agents", "corrections", "watchdog"),
    "steps": ("test_steps", "agents", "aggregate"),
    "view": ("view", "windows_", "sub_state", "capacity", "time_", "channels", "agents"),
    "calendar": ("calendar", "time_"),
    "buckets": ("aggregate", "calendar", "time_"),
    "totals": ("totals", "percentiles", "kpis"),
}
"""Module -> words in the names of its own tests."""

OTHERS: Final = (
    "test_alert_record", "test_causes", "test_documents", "test_erlang", "test_evaluator", "test_expectation",
    "test_lifecycle", "test_rules",
)  # fmt: skip
"""Tests of the domain that ask for something else."""

ALSO: Final = (
    "pitfalls/test_rows_contacts", "pitfalls/test_rows_stuck", "property/test_law_live_is_history",
    "property/test_law_report_is_history", "property/test_order", "property/test_percentiles", "property/test_steps",
    "property/test_totals_are_sums",
)  # fmt: skip
"""Quick tests of pitfalls and laws that ask for much of the domain."""

JUDGES: Final = [
    *sorted(path for path in Path("tests/unit/domain").glob("test_*.py") if path.stem not in OTHERS),
    *(Path("tests", f"{name}.py") for name in ALSO),
]
PYTEST: Final = (
    "-xqqsp", "no:cacheprovider", "-p", "no:xdist", "--tb=no", "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
MEMORY_BYTES: Final = 3 << 30
Loop = Callable[[pytest.Session], int]


class Collected:
    """A plugin for pytest that, in place of running the tests once they are collected, hands them to somebody else."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.status = 1

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Hand the tests over."""
        self.status = self._loop(session)
        return True


def collect(loop: Loop) -> int:
    """Collect the judges for `loop`; returns its result, 1 if it came to nothing."""
    plugin = Collected(loop)
    pytest.main([*map(str, JUDGES), *PYTEST], [plugin])
    return plugin.status


def run_tests(session: pytest.Session, module: str) -> int:
    """Run the tests, a module's own first, up to the first that fails; 1 if one does."""
    near = NEAR.get(module, ())
    items = sorted(session.items, key=lambda item: not any(word in item.path.stem for word in near))
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def run_anew(mutant: Mutant) -> int:
    """Read the project and its tests anew, around the faulty module, and run them; 1 if one fails."""
    folders = tuple(str(Path(folder).resolve()) + os.sep for folder in OWN)
    for name, known in list(sys.modules.items()):
        if (getattr(known, "__file__", None) or "").startswith(folders):
            del sys.modules[name]
    name = f"service.domain.{mutant.module}"
    module = sys.modules[name] = ModuleType(name)
    exec(mutant.code, module.__dict__)
    return collect(lambda session: run_tests(session, mutant.module))


def judge(session: pytest.Session, mutant: Mutant | None, cpu_seconds: int) -> int:
    """Start the tests on a mutant (None: on the module as it is) in a fork; returns its process id."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if mutant is None:
            status = run_tests(session, "")
        elif swap(mutant.code, sys.modules[f"service.domain.{mutant.module}"]):
            status = run_tests(session, mutant.module)
        else:
            status = run_anew(mutant)
    finally:
        os._exit(status)


def some_of(made: Sequence[Mutant], most: int | None) -> Sequence[Mutant]:
    """At most so many, evenly spread over the module: the same ones every time."""
    if most is None or len(made) <= most:
        return made
    return [made[number * len(made) // most] for number in range(most)]


def check(session: pytest.Session, chosen: Sequence[Mutant], workers: int, cpu_seconds: int) -> tuple[int, int]:
    """(noticed, all) of the mutants; the others are printed."""
    running: dict[int, str] = {}
    count = unnoticed = 0
    for mutant in (*chosen, *[None] * workers):
        if len(running) == workers or (mutant is None and running):
            pid, status = os.wait()
            ended = running.pop(pid)
            if status == 0:
                unnoticed += 1
                print("  not noticed:", ended, flush=True)
        if mutant is not None:
            running[judge(session, mutant, cpu_seconds)] = mutant.what
            count += 1
    return count - unnoticed, count


def check_all(session: pytest.Session, modules: list[str], workers: int, most: int | None, least: float) -> int:
    """Check `most` mutants of each module; 1 if less than `least` per cent are noticed, or nothing can be said."""
    _, status, used = os.wait4(judge(session, None, 600), 0)
    if status:
        print("the tests fail without a fault: mend them first", file=sys.stderr)
        return 1
    cpu_seconds = int(1.5 * used.ru_utime) + 10
    noticed = total = 0
    for wanted in modules:
        name, _, line = wanted.partition(":")
        if os.wait4(judge(session, unchanged(name), cpu_seconds), 0)[1]:
            print(f"the tests fail when {name} is read anew without a fault, or take too long", file=sys.stderr)
            return 1
        made = list(mutants(name, int(line) if line else None))
        found, count = check(session, some_of(made, most), workers, cpu_seconds)
        print(f"{name}: {found} of {count} mutants noticed ({len(made)} there are)", flush=True)
        noticed, total = noticed + found, total + count
    if not total:
        print("there is nothing to put a fault into", file=sys.stderr)
        return 1
    print(f"{noticed} of {total} mutants noticed: {100 * noticed / total:.1f} %")
    return 0 if 100 * noticed >= least * total else 1


def main() -> int:
    """Check the modules named, all without a name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE[:LINE]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--most", type=int, help="mutants of a module, evenly spread; without it all of them")
    parser.add_argument("--least", type=float, default=85, help="per cent of mutants that must be noticed")
    options = parser.parse_args()
    if search_path():
        parser.error(f"what is compiled cannot be replaced: set {SWITCH}=0")
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # no time for shrinking
    hypothesis.settings.register_profile("mutation", derandomize=True, deadline=None, database=None, phases=phases)
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    how = options.modules, options.workers, options.most, options.least
    return collect(lambda session: check_all(session, *how))


if __name__ == "__main__":
    sys.exit(main())
