"""Apache Kafka without its distribution: the jars, which Maven gets, the command line, and whether a broker answers.

`python -m deploy.topology.apache_kafka` gets the jars.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

KAFKA_DIR: Final = Path(__file__).parents[1] / "kafka"
JARS: Final = KAFKA_DIR / "target" / "libs"
_JARS_STAMP: Final = JARS.parent / "jars.stamp"
_JVM: Final = (
    "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=INFO",
    "-Djava.awt.headless=true",
)  # fmt: skip
"""A broker that lives for minutes, on two cores that it shares with who is measured: translating its code as well as
possible, or collecting garbage beside its work (G1, with a heap that grows), takes more of them than it saves.
"""


class KafkaUnavailable(Exception):
    """Apache Kafka cannot run here: Java, Maven or the jars are missing; the text says which."""


def ensure_jars() -> None:
    """Have Maven copy the broker's jars, unless it did since pom.xml changed. Raises KafkaUnavailable."""
    if shutil.which("java") is None:
        raise KafkaUnavailable("Apache Kafka needs Java 17 or newer, and there is no `java` on the PATH")
    pom = KAFKA_DIR / "pom.xml"
    with _only_one_process(pom):
        if _JARS_STAMP.exists() and _JARS_STAMP.stat().st_mtime >= pom.stat().st_mtime:
            return
        if shutil.which("mvn") is None:
            raise KafkaUnavailable(
                "the jars of Apache Kafka are missing, and there is no `mvn` on the PATH to get them"
            )
        shutil.rmtree(JARS, ignore_errors=True)  # two versions on one class path would be neither
        command = ["mvn", "--quiet", "--batch-mode", "--file", str(pom), "package"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KafkaUnavailable(f"Maven could not get the jars of Apache Kafka: {done.stdout[-800:]}")
        _JARS_STAMP.touch()


@contextmanager
def _only_one_process(path: Path) -> Iterator[None]:
    with path.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def java_command(*arguments: str) -> list[str]:
    """The command line that runs a class of the jars."""
    return [shutil.which("java") or "java", *_JVM, "-cp", f"{JARS}{os.sep}*", *arguments]


def known_brokers(bootstrap: str) -> int:
    """How many brokers the one at this address knows; 0 while it does not answer."""
    host, port = bootstrap.split(":")
    with socket.socket() as probe:  # the client would go on trying for two seconds
        if probe.connect_ex((host, int(port))) != 0:
            return 0
    clients: list[Any] = []

    def connected(**settings: Any) -> Any:
        clients.append(KafkaNetClient(**settings))
        return clients[-1]

    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap, request_timeout_ms=5_000, bootstrap_timeout_ms=2_000, kafka_client=connected
        )
    except KafkaError:
        for client in clients:  # given up half made, with its socket and its thread
            client.close()
            client._net.stop()
        return 0
    try:
        return len(admin.describe_cluster()["brokers"])
    except KafkaError:
        return 0
    finally:
        admin.close()


if __name__ == "__main__":
    try:
        ensure_jars()
    except KafkaUnavailable as error:
        sys.exit(f"error: {error}")
