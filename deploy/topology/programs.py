"""What runs instead of each image: our own command, Debian's packages, Apache Kafka's jars."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from deploy.topology.apache_kafka import java_command
from deploy.topology.compose import Service
from deploy.topology.place import Place
from service.errors import FailedError
from service.processes import Child
from service.settings import PREFIX, ProcessSettings

FORMAT_TIMEOUT_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Program:
    """A program of another maker: what it may be called, and the arguments it has in its image."""

    names: tuple[str, ...]
    arguments: tuple[str, ...]


PROGRAMS: Final[Mapping[str, Program]] = {
    "prom/prometheus": Program(
        ("prometheus",),
        (
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--web.listen-address=0.0.0.0:9090",
        ),
    ),
    "prom/alertmanager": Program(
        ("prometheus-alertmanager", "alertmanager"),
        (
            "--config.file=/etc/alertmanager/alertmanager.yml",
            "--storage.path=/alertmanager",
            "--web.listen-address=0.0.0.0:9093",
            "--cluster.listen-address=",
        ),
    ),
}


def missing(service: Service) -> str | None:
    """Why a service of another maker cannot run here; None: it can."""
    program = PROGRAMS.get(service.image)
    if program is None:
        return f"nothing here stands in for the image {service.image}"
    if not any(map(shutil.which, program.names)):
        return f"there is no `{program.names[0]}` on the PATH"
    return None


def our_command(service: Service, replica: int, place: Place) -> list[str]:
    """The command line of our own image."""
    return [sys.executable, "-m", "service.main", *place.own_command(service.command, service, replica)]


def others_command(service: Service, replica: int, place: Place) -> list[str]:
    """The command line of another maker's program. Call `missing` first."""
    program = PROGRAMS[service.image]
    binary = next(found for name in program.names if (found := shutil.which(name)))
    return [binary, *(place.own(word, service, replica) for word in program.arguments)]


def environment(service: Service, replica: int, place: Place, more: Mapping[str, str]) -> dict[str, str]:
    """Our variables without those of Floorwalker, and those of the service. `more` is set as it is."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    own = {name: place.own(value, service, replica) for name, value in service.environment.items()}
    port = place.port(service.name, ProcessSettings().port, replica)
    return {**inherited, **own, f"{PREFIX}PORT": str(port), **more}


def kafka_command(service: Service, place: Place, start: Callable[[str, list[str]], Child]) -> list[str]:
    """Write the broker's properties from the variables of its image, have its folder prepared by `start` (a name and a
    command line), and return the broker's command line. Raises FailedError.
    """
    said = {name: place.own(value, service, 0) for name, value in service.environment.items()}
    root = place.folder(service.name, 0)
    root.mkdir(parents=True, exist_ok=True)
    properties = root / "server.properties"
    lines = [f"{_property(name)}={value}" for name, value in said.items() if name.startswith("KAFKA_")]
    properties.write_text("\n".join(lines) + "\n", "utf-8")
    tool = start(
        "kafka-format",
        java_command("kafka.tools.StorageTool", "format", "-t", said["CLUSTER_ID"], "-c", str(properties)),
    )
    if tool.wait(FORMAT_TIMEOUT_MS) != 0:
        raise FailedError(f"Apache Kafka's folder could not be prepared:\n{tool.log_tail()}")
    return java_command("kafka.Kafka", str(properties))


def _property(name: str) -> str:
    """KAFKA_LOG_DIRS -> log.dirs, as the image does; it has rules for other signs, which nothing here needs."""
    return name.removeprefix("KAFKA_").lower().replace("_", ".")
