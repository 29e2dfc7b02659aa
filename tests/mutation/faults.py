"""Small faults in a module's source, one at a time: a comparison's boundary moved or its sense turned, `+` for `-`, `*`
for `/`, `and` for `or`, `min` for `max`, `any` for `all` and back, a condition negated, an integer one higher, True for
False and back, nothing returned, a call, deletion, sum or assignment to a field left out, `break` for `continue` and
back. Annotations are left alone.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType
from typing import Any, Final, NamedTuple

DOMAIN: Final = Path("service/domain")
SWAPS: Final[dict[type, tuple[type, ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,), ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.FloorDiv,), ast.And: (ast.Or,), ast.Or: (ast.And,), ast.USub: (ast.UAdd,),
}  # fmt: skip
OTHER_NAME: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
Edit = Callable[[], object]


class Mutant(NamedTuple):
    """A module with one fault: what was done, and its code."""

    module: str
    what: str
    code: CodeType


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


def unchanged(name: str) -> Mutant:
    """A module of the domain without a fault."""
    return Mutant(name, f"{name}.py as it is", compile((DOMAIN / f"{name}.py").read_text(), f"{name}.py", "exec"))


def mutants(name: str, line: int | None) -> Iterator[Mutant]:
    """Every fault in a module of the domain, or in what begins in one of its lines."""
    source = (DOMAIN / f"{name}.py").read_text()
    for number, node in enumerate(nodes(ast.parse(source))):
        for way in range(len(list(edits(node)))):
            tree = ast.parse(source)
            node = list(nodes(tree))[number]
            place = getattr(node, "lineno", 0)
            if line not in (None, place):
                continue
            before = ast.unparse(node).split("\n")
            list(edits(node))[way]()
            after = ast.unparse(ast.fix_missing_locations(tree) and node).split("\n")
            differ = next((pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]), before[:1])
            shown = "  ->  ".join(text.strip() for text in differ)
            yield Mutant(name, f"{name}.py, from line {place}: {shown}", compile(tree, f"{name}.py", "exec"))
