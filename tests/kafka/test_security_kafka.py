"""Kafka with TLS: by name and password, and by certificate. Every command that speaks to Kafka, on Apache Kafka."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from service.embedded import HOST, free_port
from service.processes import Processes
from tests.kafka.conftest import kafka_or_skip
from tests.support.apache_kafka import Guard, KafkaProcess
from tests.support.stream_run import ROOT

pytestmark = pytest.mark.kafka

EVENTS = ROOT / "tests" / "golden" / "reports" / "canonical.jsonl"
CONFIG = ROOT / "tests" / "golden" / "reports" / "canonical.yaml"
READY_S = 60


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    made = Guard(tmp_path_factory.mktemp("guard"))
    (made.folder / "password").write_text(made.password + "\n")
    (made.folder / "wrong-password").write_text("no idea\n")
    return made


@pytest.fixture(scope="module")
def broker(guard: Guard) -> Iterator[KafkaProcess]:
    """A broker of this file's own, with listeners that ask who is there."""
    with kafka_or_skip(guard=guard) as running:
        yield running


def by_password(broker: KafkaProcess, guard: Guard, file: str = "password") -> dict[str, str]:
    return {
        "BOOTSTRAP": f"{HOST}:{broker.nodes[0].password_port}",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_USER": guard.user,
        "KAFKA_PASSWORD_FILE": str(guard.folder / file),
        "KAFKA_CA": str(guard.folder / "ca.pem"),
    }


def by_certificate(broker: KafkaProcess, guard: Guard, name: str = "client") -> dict[str, str]:
    return {
        "BOOTSTRAP": f"{HOST}:{broker.nodes[0].certificate_port}",
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_CERT": str(guard.folder / f"{name}.pem"),
        "KAFKA_KEY": str(guard.folder / f"{name}.key"),
        "KAFKA_CA": str(guard.folder / "ca.pem"),
    }


def options(settings: Mapping[str, str]) -> list[str]:
    """The settings as options of a command."""
    return [word for name, value in settings.items() for word in (f"--{name.lower().replace('_', '-')}", value)]


def command(*words: str) -> tuple[int, str, str]:
    """Exit code, output and errors."""
    line = [sys.executable, "-m", "service.main", *words]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=90)
    return done.returncode, done.stdout, done.stderr


async def offered(port: int) -> int | None:
    """What the API says was offered today in all queues together; None while it is not ready."""
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}") as client:
        try:
            answer = await client.get("/v1/queues?windows=day")
        except httpx.TransportError:
            return None
    if answer.status_code != 200:
        return None
    return sum(queue["windows"]["day"]["offered"] for queue in answer.json()["items"])


async def whole_way(settings: Mapping[str, str], folder: Path, group: str) -> str:
    """Topics, worker, API, ingest and dead letters; returns all that the processes said."""
    known, port = options(settings), free_port()
    said = []
    for words in (["topics", "create", "--partitions", "2"], ["topics", "describe", "--json"]):
        code, output, error = command(*words, *known)
        assert (code, error) == (0, ""), error
    assert {topic["status"] for topic in json.loads(output)} == {"exists"}
    with Processes(folder) as processes:
        own = [*known, "--config", str(CONFIG), "--application-id", group, "--log-level", "debug"]
        worker = processes.start("worker", "worker", *own, "--data-dir", str(folder / "worker"))
        api = processes.start(
            "api", "api", *own, "--port", str(port), "--clock", "stream", "--data-dir", str(folder / "api")
        )
        code, output, error = command(
            "ingest", str(EVENTS), "--format", "canonical", "--config", str(CONFIG), "--data-dir", str(folder), *known
        )
        assert code == 0 and "events sent" in output, error
        async with asyncio.timeout(READY_S):
            while not await offered(port):
                processes.check()
                await asyncio.sleep(0.1)
        said += [worker.log_text(), api.log_text(), output, error]
    code, output, error = command("dead-letters", "list", "--json", *known)
    assert (code, error) == (0, "")
    return "\n".join([*said, output])


async def test_by_name_and_password_the_whole_way_of_an_event(
    broker: KafkaProcess, guard: Guard, tmp_path: Path
) -> None:
    said = await whole_way(by_password(broker, guard), tmp_path, "by-password")
    assert guard.password not in said, "not even at log level debug"


async def test_by_certificate_the_whole_way_of_an_event(broker: KafkaProcess, guard: Guard, tmp_path: Path) -> None:
    await whole_way(by_certificate(broker, guard), tmp_path, "by-certificate")


@pytest.mark.parametrize("words", [["topics", "describe"], ["worker"], ["dead-letters", "list"]], ids=" ".join)
def test_a_wrong_password_is_one_sentence(broker: KafkaProcess, guard: Guard, words: list[str], tmp_path: Path) -> None:
    own = ["--data-dir", str(tmp_path)] if words == ["worker"] else []
    code, output, error = command(*words, *own, *options(by_password(broker, guard, "wrong-password")))
    assert (code, output, error.count("\n")) == (1, "", 1), error
    assert f"refuses {guard.user}" in error and "password" in error
    assert "no idea" not in error


@pytest.mark.parametrize("change", ["stranger's certificate", "no certificate", "another authority"])
def test_a_certificate_that_is_not_trusted_is_one_sentence(broker: KafkaProcess, guard: Guard, change: str) -> None:
    settings = by_certificate(broker, guard, "stranger" if change == "stranger's certificate" else "client")
    if change == "no certificate":
        del settings["KAFKA_CERT"], settings["KAFKA_KEY"]
    if change == "another authority":
        del settings["KAFKA_CA"]
    code, output, error = command("topics", "describe", *options(settings))
    assert (code, output, error.count("\n")) == (1, "", 1), error
    assert "TLS" in error
