"""Starts the services in the order of their needs, starts those again that end, and stops them all."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.topology.apache_kafka import KafkaUnavailable, ensure_jars, known_brokers
from deploy.topology.compose import Service, read_services
from deploy.topology.place import Place
from deploy.topology.programs import environment, kafka_command, missing, others_command, our_command
from service.access import Role
from service.embedded import EmbeddedBroker
from service.errors import FailedError
from service.processes import Child, ChildDied, Interrupted, NotInTime
from service.tokens import new_token

KAFKA, KAFKA_PORT = "kafka", 9092
TOKENS: Final[dict[str, Role]] = {"wallboard": "admin", "prometheus": "viewer"}
"""The tokens of a run: id -> role."""

READY_TIMEOUT_MS: Final = 120_000
STOP_TIMEOUT_MS: Final = 20_000
_LOOK_MS: Final = 200
_HEALTH_TIMEOUT_S: Final = 10


@dataclass(slots=True)
class Part:
    """One replica of a service, and how often it was started."""

    service: Service
    replica: int
    child: Child
    starts: int = 1

    @property
    def name(self) -> str:
        """`api-1` is the first replica of the API."""
        return f"{self.service.name}-{self.replica + 1}"


class Topology:
    """All services of deploy/compose.yaml as a context manager. What they write is in `folder`, which is the caller's.

    `left_out` says why a service does not run here; `broker` what the broker is.
    """

    def __init__(self, folder: Path, stopping: threading.Event | None = None) -> None:
        """`stopping`: when it is set, every wait ends with Interrupted."""
        self.folder = folder
        self.services = read_services()
        self.place = Place(self.services, folder)
        self.parts: list[Part] = []
        self.left_out: dict[str, str] = {}
        self.broker = "Apache Kafka"
        self.token = ""
        self._secrets: dict[str, str] = {}
        self._session_key = secrets.token_hex(32)
        self._embedded: EmbeddedBroker | None = None
        self._stopping = stopping or threading.Event()

    def start(self) -> Self:
        """Start everything; returns once each service's health check passes. Raises FailedError, Interrupted."""
        self._make_tokens()
        waiting = dict(self.services)
        while waiting:
            service = next(s for s in waiting.values() if not waiting.keys() & s.needs.keys())
            del waiting[service.name]
            for other, condition in service.needs.items():
                self._await(other, condition)
            self._start(service)
        for name, service in self.services.items():
            if name not in self.left_out and service.restart == "unless-stopped":
                self._await(name, "service_healthy")
        return self

    def replicas(self, service: str) -> list[Part]:
        """The replicas of one service; none if it is left out."""
        return [part for part in self.parts if part.service.name == service]

    def tend(self) -> list[str]:
        """Start again what has ended, as its restart policy says; returns what was done. Raises FailedError."""
        if self._embedded is not None and self._embedded.pid is None:
            raise FailedError(f"the embedded broker ended by itself:\n{self._embedded.log}")
        done = []
        for part in self.parts:
            code = part.child.exit_code
            if code is None or part.service.restart == "on-failure" and code == 0:
                continue
            part.starts += 1
            part.child = self._child(part.name, part.service, part.replica, part.starts)
            done.append(f"{part.name} ended with code {code} and was started again")
        return done

    def pause(self, seconds: float) -> None:
        """Let time pass. Raises Interrupted."""
        if self._stopping.wait(seconds):
            raise Interrupted

    def stop(self) -> None:
        """End everything, the broker last."""
        others = [part for part in self.parts if part.service.name != KAFKA]
        for part in others:
            part.child.terminate()
        for part in (*others, *self.replicas(KAFKA)):
            part.child.stop(STOP_TIMEOUT_MS)
        if self._embedded is not None:
            self._embedded.stop()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- starting ---------------------------------------------------------------------------------------------------

    def _make_tokens(self) -> None:
        made = {name: new_token(role, name, [], None, None) for name, role in TOKENS.items()}
        self.token = made["wallboard"][0]
        lines = "".join(f"{line}\n" for _, line in made.values())
        self._secrets = {"tokens": lines, "prometheus-token": made["prometheus"][0]}

    def _start(self, service: Service) -> None:
        if service.name == KAFKA:
            self._start_broker(service)
            return
        if not service.ours and (why := missing(service)):
            self.left_out[service.name] = why
            return
        for replica in range(service.replicas):
            self.place.lay_out(service, replica, self._secrets)
            part = Part(service, replica, self._child(f"{service.name}-{replica + 1}", service, replica, 1))
            self.parts.append(part)

    def _start_broker(self, service: Service) -> None:
        try:
            ensure_jars()
        except KafkaUnavailable as error:
            self.broker = f"the embedded broker, since {error}"
            self._embedded = EmbeddedBroker(self.place.port(KAFKA, KAFKA_PORT)).start()
        else:
            self.parts.append(Part(service, 0, self._child(KAFKA, service, 0, 1)))

    def _child(self, name: str, service: Service, replica: int, starts: int) -> Child:
        """Start one replica."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        if service.name == KAFKA:
            command = kafka_command(service, self.place, lambda name, words: Child(name, words, logs / f"{name}.log"))
        elif service.ours:
            command = our_command(service, replica, self.place)
            if self._embedded is not None and service.name == "worker":
                command.append("--embedded")
        else:
            command = others_command(service, replica, self.place)
        more = {"FLOORWALKER_SESSION_KEY": self._session_key}
        env = environment(service, replica, self.place, more)
        return Child(name, command, logs / f"{name}.{starts}.log", env)

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _await(self, name: str, condition: str) -> None:
        if name in self.left_out or condition == "service_started":
            return
        if condition == "service_completed_successfully":
            self._until(lambda: all(part.child.exit_code == 0 for part in self.replicas(name)), f"`{name}`")
        else:
            self._until(lambda: self._healthy(name), f"a healthy `{name}`")

    def _healthy(self, name: str) -> bool:
        service = self.services[name]
        if name == KAFKA:  # its own check is a script that the jars do not bring
            return known_brokers(self.place.address(KAFKA, KAFKA_PORT)) > 0
        return service.health is None or all(self._passes(service, part.replica) for part in self.replicas(name))

    def _passes(self, service: Service, replica: int) -> bool:
        """Whether the service's own health check does."""
        words = [self.place.own(word, service, replica) for word in service.health or ()]
        words[0] = sys.executable if words[0] == "python" else words[0]
        env = environment(service, replica, self.place, {})
        try:
            done = subprocess.run(words, env=env, capture_output=True, timeout=_HEALTH_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_MS / 1000
        while not holds():
            self.pause(_LOOK_MS / 1000)
            for part in self.parts:
                if part.child.exit_code:
                    code = part.child.exit_code
                    raise ChildDied(f"{part.name} ended with code {code}:\n{part.child.log_tail()}")
            if time.monotonic() > deadline:
                logs = "\n".join(part.child.log_tail() for part in self.parts)
                raise NotInTime(f"{what} took longer than {READY_TIMEOUT_MS // 1000} s:\n{logs}")
