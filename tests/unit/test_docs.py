"""What the documents name exists: commands, make targets, settings, files, topics, KPIs, paths of the API, errors."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from api.app import create_app
from api.settings import ApiSettings
from floorwalker_client import RoutingClient
from service.cli import build_parser
from service.config import Config
from service.config_sections import AgentConfig, QueueConfig, ServiceLevelConfig, SiteConfig, SourceConfig
from service.domain.kpis import KPIS
from service.domain.settings import Floor
from service.floor_state import FloorState
from service.main import GROUPS, all_commands
from service.settings import ProcessSettings
from service.topics import TOPICS

ROOT = Path(__file__).parents[2]
NAMES = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/running.md",
    "docs/channels.md",
    "docs/security.md",
    "docs/notifications.md",
    "docs/routing.md",
    "docs/planning.md",
)
TEXTS = {name: (ROOT / name).read_text("utf-8") for name in NAMES}
RUNNING = TEXTS["docs/running.md"]
SECTIONS: tuple[type[BaseModel], ...] = (
    Config, ProcessSettings, SiteConfig, QueueConfig, AgentConfig, SourceConfig, ServiceLevelConfig,
)  # fmt: skip
SETTINGS = {f"FLOORWALKER_{name.upper()}" for name in (*ProcessSettings.model_fields, *ApiSettings.model_fields)}
OTHER_VARIABLES = {"FLOORWALKER_COMPILED", "FLOORWALKER_CONFIG", "FLOORWALKER_DATA", "FLOORWALKER_NO_SKIPS"}
OTHER_DURATIONS = {"staleness_seconds"}
TOP_FOLDERS = ("service", "streams", "api", "floorwalker_client", "deploy", "tests", "docs", ".ci")

each_text = pytest.mark.parametrize("name", NAMES)


def fenced(text: str) -> str:
    """The lines inside ``` fences, comments cut off."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(line.partition(" #")[0] for block in blocks for line in block.splitlines())


def quoted(text: str) -> list[str]:
    """What stands between backticks, double ones included; fences apart."""
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [a or b for a, b in re.findall(r"``([^\n]+?)``|`([^`\n]+)`", outside)]


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Every command, by its one or two words."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                inner = subcommands(sub)
                found |= {f"{word} {rest}": one for rest, one in inner.items()} or {word: sub}
    return found


PARSERS = subcommands(build_parser(all_commands(), GROUPS))


def command_lines(text: str) -> Iterator[str]:
    """The part after `floorwalker` of every command line."""
    lines = [part for line in fenced(text).splitlines() for part in line.split("|")] + quoted(text)
    for line in lines:
        found = re.match(r"\s*(?:\.venv/bin/)?floorwalker (?!-)(.+)", line)
        if found:
            yield found.group(1)


def command_of(line: str) -> str:
    words = line.split()
    two = " ".join(words[:2])
    return two if two in PARSERS else words[0]


@each_text
def test_every_command_line_names_a_command_and_its_options(name: str) -> None:
    for line in command_lines(TEXTS[name]):
        parser = PARSERS.get(command_of(line))
        assert parser is not None, f"floorwalker {line}"
        unknown = set(re.findall(r"(?<!\S)--[a-z-]+", line)) - set(parser._option_string_actions)
        assert not unknown, f"floorwalker {line}"


def test_the_readme_has_every_command() -> None:
    first_cells = re.findall(r"^\| (`.+?`) \|", TEXTS["README.md"], re.MULTILINE)
    listed = {command_of(words) for cell in first_cells for words in re.findall(r"`([^`]+)`", cell)}
    assert set(PARSERS) <= listed


@each_text
def test_every_option_named_alone_belongs_to_some_command(name: str) -> None:
    known = {option for parser in PARSERS.values() for option in parser._option_string_actions}
    assert {q.split()[0] for q in quoted(TEXTS[name]) if q.startswith("--")} <= known | {"--debug"}


@each_text
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    lines = [*fenced(TEXTS[name]).splitlines(), *quoted(TEXTS[name])]
    named = {found.group(1) for line in lines if (found := re.match(r"make ([a-z-]+)", line))}
    assert named <= targets


@each_text
def test_every_variable_is_a_setting(name: str) -> None:
    assert set(re.findall(r"FLOORWALKER_[A-Z_]+", TEXTS[name])) <= SETTINGS | OTHER_VARIABLES


def test_every_setting_is_documented() -> None:
    assert not SETTINGS - set(re.findall(r"FLOORWALKER_[A-Z_]+", RUNNING))


@pytest.mark.parametrize("field", ["application_id", "partitions", "replication", "session_timeout_seconds", "port"])
def test_the_defaults_of_settings_are_told_as_they_are(field: str) -> None:
    variable = f"`FLOORWALKER_{field.upper()}`"
    _, names, defaults, *_ = next(line for line in RUNNING.splitlines() if variable in line).split("|")
    told = dict(zip(names.split(","), defaults.split(","), strict=True))
    default = ProcessSettings.model_fields[field].default
    shown = {name.strip(): value.strip().strip("`") for name, value in told.items()}[variable]
    assert shown == (default if isinstance(default, str) else f"{default:g}")


@each_text
def test_every_file_that_is_named_exists(name: str) -> None:
    paths = [q for q in quoted(TEXTS[name]) if re.fullmatch(rf"({'|'.join(map(re.escape, TOP_FOLDERS))})/[\w./-]+", q)]
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXTS[name]) if "://" not in link]
    missing = [path for path in paths if not (ROOT / path).exists()]
    missing += [link for link in links if not ((ROOT / name).parent / link).exists()]
    assert not missing


@each_text
def test_every_module_that_is_to_be_run_exists(name: str) -> None:
    modules = re.findall(r"python -m ([\w.]+)", " ".join(quoted(TEXTS[name])))
    own = [module for module in modules if module.split(".")[0] in TOP_FOLDERS]
    assert not [module for module in own if not (ROOT / f"{module.replace('.', '/')}.py").exists()]


@each_text
def test_every_topic_exists(name: str) -> None:
    known = {topic.name for topic in TOPICS}
    assert set(re.findall(r"cti\.[a-z-]+", TEXTS[name])) <= known


def test_the_table_of_topics_is_complete_and_tells_how_long_they_are_kept() -> None:
    lines = [line for line in RUNNING.splitlines() if line.startswith("| `cti.")]
    rows = {topic: line for line in lines for topic in re.findall(r"cti\.[a-z-]+", line)}
    assert set(rows) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        days = int(topic.settings.get("retention.ms", "0")) // 86_400_000
        assert not days or f"{days} days" in rows[topic.name]


@each_text
def test_every_ratio_and_duration_is_a_kpi_or_a_setting(name: str) -> None:
    named = {word for q in quoted(TEXTS[name]) for word in re.findall(r"\b[a-z][a-z0-9_]*_(?:ratio|seconds)\b", q)}
    settings = {field for section in SECTIONS for field in section.model_fields}
    client = set(inspect.signature(RoutingClient).parameters)
    assert named <= {kpi.name for kpi in KPIS} | settings | client | OTHER_DURATIONS


@each_text
def test_every_path_of_the_api_exists(name: str) -> None:
    floor = Floor()
    known = set(create_app(FloorState(floor), floor).openapi()["paths"])
    patterns = [re.compile(re.sub(r"\\\{\w+\\\}", r"(?:[^/?]+|\\{\\w+\\})", re.escape(path))) for path in known]
    named = [q.partition("?")[0] for q in quoted(TEXTS[name]) if q.startswith("/v1/")]
    assert not [path for path in named if not any(pattern.fullmatch(path) for pattern in patterns)]


def sentences_of_the_code() -> list[str]:
    """Every text in the sources, what is filled in replaced by an ellipsis."""
    found = []
    for path in (
        path for folder in ("service", "streams", "api", "floorwalker_client") for path in (ROOT / folder).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"%[sd]", "…", node.value))
    return found


def test_every_error_that_is_explained_can_occur() -> None:
    told = re.findall(r"``([^\n]+?)``", RUNNING)
    texts = sentences_of_the_code()
    assert told
    for sentence in told:
        parts = [re.escape(part) for part in sentence.split("…")]
        assert any(re.search(".*".join(parts), text, re.DOTALL) for text in texts), sentence


def test_architecture_stays_short() -> None:
    assert len(TEXTS["ARCHITECTURE.md"].splitlines()) <= 120
