"""Mutation check: are wrong numbers noticed? `make mutation`, or `python -m tests.mutation.run kpis view:120`.

One small fault at a time is put into a module of the domain, and the domain's unit and property tests must fail. The
faults: a comparison's boundary moved or its sense turned, `+` for `-`, `*` for `/`, `and` for `or`, `min` for `max`,
`any` for `all` and back, a condition negated, an integer one higher, True for False and back, nothing returned, a call,
deletion, sum or assignment to a field left out, `break` for `continue` and back. Annotations are left alone.

Each mutant is compiled in memory and judged in a fork of this process, which has imported what the tests need but the
domain. A fork that takes too much processor time or memory counts as noticed.
"""

import argparse
import ast
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

import ddsketch  # noqa: F401 (what the tests import, once for all forks)
import hypothesis.strategies
import msgspec.msgpack  # noqa: F401
import pytest

DOMAIN: Final = Path("service/domain")
MODULES: Final = (
    "kpis", "service_level", "totals", "visits", "agents", "own_side", "steps", "view", "calendar", "buckets",
)  # fmt: skip
JUDGES: Final = sorted(str(p) for where in ("unit/domain", "property") for p in Path("tests", where).glob("test_*.py"))
PYTEST: Final = ("-xqp", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning")
MEMORY_BYTES: Final = 3 << 30
SWAPS: Final[dict[type, tuple[type, ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.FloorDiv,), ast.And: (ast.Or,), ast.Or: (ast.And,), ast.USub: (ast.UAdd,),
}  # fmt: skip
OTHER_NAME: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
Edit = Callable[[], object]


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that is code, in the order of the source."""
    yield tree
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list") or (isinstance(tree, ast.ClassDef) and name != "body"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from nodes(child)


def edits(node: ast.AST) -> Iterator[Edit]:
    """The faults that can be made in one node, its children apart."""
    for name, value in (*changes(node), *omissions(node)):
        yield lambda name=name, value=value: setattr(node, name, value)  # type: ignore[misc]


def changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    """(field, other value) for what may be different."""
    match node:
        case ast.Compare(ops=[op, *more]):
            yield from (("ops", [swap(), *more]) for swap in SWAPS[type(op)])
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) | ast.UnaryOp(op=op):
            yield from (("op", swap()) for swap in SWAPS.get(type(op), ()))
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield "test", ast.UnaryOp(ast.Not(), test)
        case ast.comprehension(ifs=[test, *more]):
            yield "ifs", [ast.UnaryOp(ast.Not(), test), *more]
        case ast.Constant(value=int(value)):
            yield "value", (not value) if isinstance(value, bool) else value + 1
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield "value", ast.Constant(None)
        case ast.Name(id=name) if name in OTHER_NAME:
            yield "id", OTHER_NAME[name]


def omissions(node: ast.AST) -> Iterator[tuple[str, object]]:
    """(field, other statements) for what may be left out."""
    for field, body in ast.iter_fields(node):
        for index, child in enumerate(body if isinstance(body, list) else []):
            if instead := instead_of(child):
                yield field, [*body[:index], ast.copy_location(instead, child), *body[index + 1 :]]


def instead_of(statement: Any) -> ast.stmt | None:
    """What a statement may be replaced with: `break` and `continue` with each other, others with nothing."""
    match statement:
        case ast.Break():
            return ast.Continue()
        case ast.Continue():
            return ast.Break()
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Delete():
            return ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            return ast.Pass()
    return None


def mutants(name: str, line: int | None) -> Iterator[tuple[str, CodeType]]:
    """(what was done, the module's code) of every fault in a module, or in what begins in one of its lines."""
    source = (DOMAIN / f"{name}.py").read_text()
    for number, node in enumerate(nodes(ast.parse(source))):
        for way in range(len(list(edits(node)))):
            tree = ast.parse(source)
            node = list(nodes(tree))[number]
            place = getattr(node, "lineno", 0)
            before = ast.unparse(node).split("\n")
            list(edits(node))[way]()
            after = ast.unparse(ast.fix_missing_locations(tree) and node).split("\n")
            if line in (None, place):
                differ = next((pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]), before[:1])
                shown = "  ->  ".join(text.strip() for text in differ)
                yield f"{name}.py, from line {place}: {shown}", compile(tree, f"{name}.py", "exec")


def judge(name: str, code: CodeType | None, cpu_seconds: int) -> int:
    """Start the tests on a mutant (None: on the module as it is) in a fork; returns its process id."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        if code is not None:
            mutant = sys.modules[f"service.domain.{name}"] = ModuleType(f"service.domain.{name}")
            exec(code, mutant.__dict__)
        near = [path for path in JUDGES if name in path]
        rest = [path for path in JUDGES if path not in near]  # not even read if the module's own tests notice
        found = (pytest.main([*paths, *PYTEST]) for paths in (near, rest) if paths)
        status = next(filter(None, found), 0)
    finally:
        os._exit(status)


def check(name: str, line: int | None, workers: int, cpu_seconds: int) -> tuple[int, int]:
    """(noticed, all) mutants of a module; the others are printed."""
    running: dict[int, str] = {}
    count = unnoticed = 0
    for what, code in (*mutants(name, line), *[("", None)] * workers):
        if len(running) == workers or (code is None and running):
            pid, status = os.wait()
            ended = running.pop(pid)
            if status == 0:
                unnoticed += 1
                print("  not noticed:", ended, flush=True)
        if code is not None:
            running[judge(name, code, cpu_seconds)] = what
            count += 1
    return count - unnoticed, count


def main() -> int:
    """Check the modules named, all without a name; 1 if too few mutants are noticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="MODULE[:LINE]")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--least", type=float, default=85, help="per cent of mutants that must be noticed")
    options = parser.parse_args()
    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]  # no time for shrinking
    hypothesis.settings.register_profile("mutation", derandomize=True, deadline=None, database=None, phases=phases)
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    _, status, used = os.wait4(judge("", None, 600), 0)
    if status:
        print("the tests fail without a fault: mend them first", file=sys.stderr)
        return 1
    noticed = total = 0
    for wanted in options.modules:
        name, _, line = wanted.partition(":")
        found, count = check(name, int(line) if line else None, options.workers, int(3 * used.ru_utime) + 5)
        print(f"{name}: {found} of {count} mutants noticed", flush=True)
        noticed, total = noticed + found, total + count
    print(f"{noticed} of {total} mutants noticed: {100 * noticed / max(total, 1):.1f} %")
    return 0 if 100 * noticed >= options.least * total else 1


if __name__ == "__main__":
    sys.exit(main())
