"""Pydantic's complaints about the configuration as sentences for the person who wrote it."""

import difflib
import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

KEY = "[key]"
"""Pydantic's last part of a location when a mapping's key, and not its value, is wrong."""


def explain(model: type[BaseModel], error: ErrorDetails) -> str:
    """Return one sentence that says what is wrong and what would be right."""
    at = [str(part) for part in error["loc"] if part != KEY]
    name = ".".join(at)
    match error["type"]:
        case "extra_forbidden":
            return _unknown_key(name, at[-1], _keys_at(model, error["loc"][:-1]))
        case "missing":
            return f"{'.'.join(at[:-1])} lacks the key {at[-1]!r}" if at[:-1] else f"the key {at[-1]!r} is missing"
        case "literal_error":
            return f"{name} is {error['input']!r}: use one of {error['ctx']['expected'].replace(' or ', ', ')}"
        case "value_error":
            return f"{name}: {error['msg'].removeprefix('Value error, ')}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{name} is {_shown(error['input'])}: it must be a mapping (`key: value`)"
    return f"{name} is {_shown(error['input'])}: {error['msg'][0].lower()}{error['msg'][1:]}"


def _unknown_key(name: str, key: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{name} is not known: {hint}allowed here are {', '.join(allowed)}"


def _shown(value: object) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(model: type[BaseModel], at: tuple[int | str, ...]) -> list[str]:
    """Return the keys allowed in the section that `at` leads to."""
    found: Any = model
    for part in at:
        section = _model_in(found)
        if section is not None and part in section.model_fields:
            found = section.model_fields[str(part)].annotation
        else:  # a key of a mapping or a position of a list: its values' type comes last
            found = (get_args(_without_none(found)) or (found,))[-1]
    section = _model_in(found)
    return sorted(field.alias or name for name, field in section.model_fields.items()) if section is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    bare = _without_none(annotation)
    return bare if isinstance(bare, type) and not get_origin(bare) and issubclass(bare, BaseModel) else None


def _without_none(annotation: Any) -> Any:
    """Return X of `X | None` and of Annotated[X, ...]."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _without_none(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _without_none(next(arg for arg in get_args(annotation) if arg is not types.NoneType))
    return annotation
