"""Putting a faulty function into a module that everybody has imported already."""

import ast
import inspect
from types import CodeType, FunctionType, ModuleType
from typing import Any


def swap(code: CodeType, module: ModuleType) -> bool:
    """Give the module's functions the code they have in `code`, its source compiled with a fault.

    False, and nothing is done, if the fault is in what runs at import or there is none.
    """
    source = inspect.getsource(module)
    right, faulty = _parts(compile(source, code.co_filename, "exec")), _parts(code)
    wrong = [name for name in right if right[name] != faulty.get(name)]
    functions = {name: _function(module, name) for name in wrong}
    if not wrong or not all(functions.values()) or _run_at_import(source).intersection(wrong):
        return False
    for name, function in functions.items():
        function.__code__ = faulty[name]
    return True


def _parts(code: CodeType, name: str = "") -> dict[str, CodeType]:
    """Name -> code of functions; and of the module and its classes, without that of the functions in them."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    own = tuple(const for const in code.co_consts if const not in inner)
    parts = {name: code.replace(co_consts=own)}
    for number, part in enumerate(inner):
        there = f"{name}.{part.co_name}".lstrip(".")
        there += f"#{number}" if there in parts else ""
        parts |= {there: part} if part.co_flags & inspect.CO_OPTIMIZED else _parts(part, there)
    return parts


def _function(module: ModuleType, name: str) -> Any:
    """The function of that name; None if that is no function, or cannot be found by its name."""
    found: Any = module
    for part in name.split("."):
        found = vars(found).get(part)
    found = getattr(found, "fget", found)  # a property
    found = inspect.unwrap(getattr(found, "__func__", found)) if callable(found) else found
    return found if isinstance(found, FunctionType) else None


def _run_at_import(source: str) -> set[str]:
    """The names of functions that are called when the module is imported."""
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    called: set[str] = set()
    to_read: list[ast.AST] = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    while to_read:
        calls = [node.func for node in ast.walk(to_read.pop()) if isinstance(node, ast.Call)]
        names = {func.id for func in calls if isinstance(func, ast.Name)} - called
        called |= names
        to_read += [functions[name] for name in names if name in functions]
    return called
