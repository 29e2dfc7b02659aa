"""The configuration's YAML, one file or a folder of them, as plain values that remember where each was written."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from service.errors import UsageError

Location = tuple[str | int, ...]
"""The way to a value: keys and list positions from the top, as pydantic reports it."""


class Place(NamedTuple):
    """Where something is written; `line` None means the whole file."""

    file: Path
    line: int | None

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.line is not None else str(self.file)


class ConfigError(UsageError):
    """The configuration cannot be used. `problems` has one sentence each, with file and line."""

    def __init__(self, problems: list[str]) -> None:
        more = len(problems) - 1
        super().__init__(problems[0] + (f" (and {more} more: `floorwalker config check` lists them)" if more else ""))
        self.problems = problems


@dataclass
class Source:
    """The merged values of all files, where each was written, and what was wrong already here."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Location, Place] = field(default_factory=dict)
    problems: list[tuple[Place | None, str]] = field(default_factory=list)

    def place(self, location: Location) -> Place | None:
        """Return where the value or its nearest parent that is written at all stands; None for what no file says."""
        for length in range(len(location), 0, -1):
            if location[:length] in self.places:
                return self.places[location[:length]]
        return self.places.get(())

    def complain(self, complaints: Iterable[tuple[Location, str]]) -> None:
        """Add to the problems."""
        self.problems.extend((self.place(location), text) for location, text in complaints)

    def sentences(self) -> list[str]:
        """Return the problems in the order of the files, each with file and line in front."""
        ordered = sorted(self.problems, key=lambda found: _position(found[0]))
        return [f"{place}: {text}" if place is not None else text for place, text in ordered]


def _position(place: Place | None) -> tuple[str, int]:
    return (str(place.file), place.line or 0) if place is not None else ("", 0)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of plain words: `no` and `on` are text, and so are 22:30 and 2026-11-21."""

    yaml_implicit_resolvers: dict[str, Any] = {}


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,17})$"), list("-0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^-?[0-9]+\.[0-9]+(?:[eE][-+]?[0-9]+)?$"), list("-0123456789")
)


def read_source(path: Path) -> Source:
    """Read one file, or all *.yaml and *.yml of a folder in the order of their names. Raises ConfigError."""
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file())
        if not files:
            raise ConfigError([f"{path}: the folder has no *.yaml file"])
    else:
        files = [path]
    source = Source()
    for file in files:
        _read_file(file, source)
    return source


def _read_file(file: Path, source: Source) -> None:
    try:
        node = yaml.compose(file.read_bytes().decode("utf-8-sig"), _Loader)
    except FileNotFoundError:
        raise ConfigError([f"{file}: there is no such configuration file"]) from None
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: is not UTF-8 text (byte {error.start})"]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = Place(file, mark.line + 1 if mark else None)
        raise ConfigError([f"{place}: not YAML: {error.problem or error.context}"]) from None
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}: not YAML: {' '.join(str(error).split())}"]) from None
    source.places.setdefault((), Place(file, None))
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError([f"{Place(file, node.start_mark.line + 1)}: must be a mapping such as `queues: {{...}}`"])
    _Reader(file, source).merge_top(node)


@dataclass
class _Reader:
    """Turns one file's YAML nodes into values, noting every line on the way."""

    file: Path
    source: Source
    parents: list[yaml.Node] = field(default_factory=list)

    def merge_top(self, node: yaml.MappingNode) -> None:
        """Add the file's sections: mappings by their keys, lists at the end; anything written twice is a problem."""
        values, seen = self.source.values, set[str]()
        for key_node, value_node in node.value:
            key = str(key_node.value)
            merged = values.get(key) if key not in seen else None
            seen.add(key)
            if isinstance(merged, dict) and isinstance(value_node, yaml.MappingNode):
                self._mapping(value_node, (key,), merged)
            elif isinstance(merged, list) and isinstance(value_node, yaml.SequenceNode):
                merged.extend(self._items(value_node, (key,), len(merged)))
            elif key in values:
                self._duplicate((key,), key_node)
            else:
                self.source.places[(key,)] = self._place(key_node)
                values[key] = self._value(value_node, (key,))

    def _value(self, node: yaml.Node, at: Location) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if any(node is parent for parent in self.parents):
            raise ConfigError([f"{self._place(node)}: a YAML anchor contains itself"])
        self.parents.append(node)
        try:
            return self._mapping(node, at, {}) if isinstance(node, yaml.MappingNode) else self._items(node, at, 0)
        finally:
            self.parents.pop()

    def _mapping(self, node: yaml.Node, at: Location, into: dict[str, Any]) -> dict[str, Any]:
        """Fill `into`. Keys are the text as written: 1001 and "1001" are the same id."""
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError([f"{self._place(key_node)}: a key must be text"])
            key = str(key_node.value)
            if key in into:
                self._duplicate((*at, key), key_node)
            else:
                self.source.places[(*at, key)] = self._place(key_node)
                into[key] = self._value(value_node, (*at, key))
        return into

    def _items(self, node: yaml.Node, at: Location, first: int) -> list[Any]:
        items = []
        for position, item in enumerate(node.value, first):
            self.source.places[(*at, position)] = self._place(item)
            items.append(self._value(item, (*at, position)))
        return items

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        match node.tag.rpartition(":")[2]:
            case "null":
                return None
            case "bool":
                return node.value.lower() == "true"
            case "int":
                return int(node.value)
            case "float":
                return float(node.value)
            case "str":
                return node.value
        raise ConfigError([f"{self._place(node)}: the YAML tag {node.tag} is not supported"])

    def _duplicate(self, at: Location, node: yaml.Node) -> None:
        name = ".".join(map(str, at))
        earlier = self.source.places[at]
        where = self._place(node)
        self.source.problems.append((where, f"{name} is written twice, first in {earlier}: remove one"))

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1)
