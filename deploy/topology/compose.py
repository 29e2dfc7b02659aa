"""Reads what deploy/compose.yaml and the Dockerfile say of the services."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
COMPOSE: Final = ROOT / "deploy" / "compose.yaml"
DOCKERFILE: Final = ROOT / "Dockerfile"
OUR_IMAGE: Final = "floorwalker"


@dataclass(frozen=True, slots=True)
class Service:
    """One service, with what its image brings. `health` None: nothing says how it is."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    needs: Mapping[str, str]
    """Another service -> the condition it has to meet before this one starts."""
    mounts: Mapping[str, Path]
    """Path in the container -> file or folder of the repository."""
    replicas: int
    published: Mapping[int, tuple[int, ...]]
    """Port in the container -> ports of this machine, one a replica."""
    health: tuple[str, ...] | None
    restart: str

    @property
    def ours(self) -> bool:
        """Whether it runs our own image."""
        return self.image == OUR_IMAGE


def read_services(compose: Path = COMPOSE, dockerfile: Path = DOCKERFILE) -> dict[str, Service]:
    """The services by name, those of every profile."""
    environment, health = _read_image(dockerfile.read_text("utf-8"))
    found = {}
    for name, said in yaml.safe_load(compose.read_text("utf-8"))["services"].items():
        ours = said["image"].startswith(OUR_IMAGE + ":")
        found[name] = Service(
            name,
            said["image"].partition(":")[0],
            tuple(str(word) for word in said.get("command", ())),
            {**(environment if ours else {}), **said.get("environment", {})},
            {other: how["condition"] for other, how in said.get("depends_on", {}).items()},
            _mounts(said.get("volumes", ()), compose.parent),
            said.get("deploy", {}).get("replicas", 1),
            dict(_published(port) for port in said.get("ports", ())),
            _health(said.get("healthcheck"), health if ours else None),
            said.get("restart", "no"),
        )
    return found


def _mounts(volumes: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Those of files; a named volume is an empty folder of its own anyway."""
    pairs = [mount.split(":")[:2] for mount in volumes if mount.startswith(".")]
    return {target: (folder / source).resolve() for source, target in pairs}


def _published(port: str) -> tuple[int, tuple[int, ...]]:
    _, ours, inside = port.split(":")
    first, _, last = ours.partition("-")
    return int(inside), tuple(range(int(first), int(last or first) + 1))


def _health(said: Mapping[str, Any] | None, of_image: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if said is None:
        return of_image
    return None if said.get("disable") else tuple(said["test"][1:])


def _read_image(dockerfile: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Our own settings among the last stage's variables, and its health check."""
    last = re.sub(r"\\\n\s*", " ", dockerfile).rpartition("\nFROM ")[2]
    pairs = [word.partition("=") for line in re.findall(r"^ENV (.*)$", last, re.M) for word in shlex.split(line)]
    checks = re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", last, re.M)
    return {name: value for name, _, value in pairs if name.startswith("FLOORWALKER_")}, tuple(json.loads(checks[0]))
