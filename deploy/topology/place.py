"""Where things are when there are no containers: each service's own network and files become ports of the loopback
interface and folders of the run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.topology.compose import Service
from service.embedded import HOST, free_port

_OWN: Final = r"(?:(?<=://)|0\.0\.0\.0|127\.0\.0\.1)"
"""The host of an address that a container listens on."""

_PATH: Final = re.compile(r"(?<![^=])/(?=\w)")
_SECRETS: Final = "/run/secrets/"


class Place:
    """Translates what the configuration says for containers. A port is chosen when it is first asked for."""

    def __init__(self, services: Mapping[str, Service], folder: Path) -> None:
        self._services = services
        self._folder = folder
        self._ports: dict[tuple[str, int, int], int] = {}
        self._address = re.compile(rf"((?<![\w.-])(?:{'|'.join(services)})|{_OWN}):(\d+)\b")
        self._on_host = {
            f"{HOST}:{port}": (service.name, inside, replica)
            for service in services.values()
            for inside, ports in service.published.items()
            for replica, port in enumerate(ports)
        }

    def port(self, service: str, inside: int, replica: int = 0) -> int:
        """The port that stands for the container's."""
        key = (service, inside, replica)
        if key not in self._ports:
            self._ports[key] = free_port()
        return self._ports[key]

    def address(self, service: str, inside: int, replica: int = 0) -> str:
        """`host:port` of the same."""
        return f"{HOST}:{self.port(service, inside, replica)}"

    def folder(self, service: str, replica: int) -> Path:
        """What the container has as `/`."""
        return self._folder / f"{service}-{replica + 1}"

    def own(self, text: str, service: Service, replica: int) -> str:
        """A word of a service's command, its environment or its health check."""

        def address(found: re.Match[str]) -> str:
            return self.address(*self._whose(found[1], service, replica, int(found[2])))

        text = HOST if text == "0.0.0.0" else self._address.sub(address, text)
        return _PATH.sub(f"{self.folder(service.name, replica)}/", text)

    def own_command(self, words: tuple[str, ...], service: Service, replica: int) -> list[str]:
        """The words of a command; a number after an option such as --metrics-port is a port of its own."""
        found = [self.own(word, service, replica) for word in words]
        for place, (option, word) in enumerate(pairwise(words), 1):
            if option.endswith("-port"):
                found[place] = str(self.port(service.name, int(word), replica))
        return found

    def _whose(self, host: str, service: Service, replica: int, inside: int) -> tuple[str, int, int]:
        """A neighbour's first replica, or the service itself."""
        return (host, inside, 0) if host in self._services else (service.name, inside, replica)

    def lay_out(self, service: Service, replica: int, secrets: Mapping[str, str]) -> None:
        """Put the mounted files and the secrets where the service looks for them."""
        root = self.folder(service.name, replica)
        for target, source in service.mounts.items():
            for path in (source,) if source.is_file() else source.rglob("*"):
                if path.is_file():
                    there = root / target.lstrip("/") / path.relative_to(source)
                    there.parent.mkdir(parents=True, exist_ok=True)
                    there.write_text(self._mounted(path.read_text("utf-8"), root), "utf-8")
        for name, text in secrets.items():
            there = root / _SECRETS.lstrip("/") / name
            there.parent.mkdir(parents=True, exist_ok=True)
            there.touch(0o600)
            there.write_text(text, "utf-8")

    def _mounted(self, text: str, root: Path) -> str:
        """A configuration file: what it names of other services and of this machine, and its secrets."""

        def address(found: re.Match[str]) -> str:
            host, inside = found[1], int(found[2])
            there = (host, inside, 0) if host in self._services else self._on_host.get(found[0])
            return found[0] if there is None else self.address(*there)

        text = self._address.sub(address, text.replace(_SECRETS, f"{root}{_SECRETS}"))
        return self._without_dns(text) if "dns_sd_configs" in text else text

    def _without_dns(self, text: str) -> str:
        """Prometheus' configuration with the replicas of each name listed, since no server knows the names here."""
        config: dict[str, Any] = yaml.safe_load(text)
        for job in config["scrape_configs"]:
            targets = [
                self.address(name, found["port"], replica)
                for found in job.pop("dns_sd_configs", ())
                for name in found["names"]
                for replica in range(self._services[name].replicas)
            ]
            job["static_configs"] = [{"targets": targets}]
        return yaml.safe_dump(config, sort_keys=False)
