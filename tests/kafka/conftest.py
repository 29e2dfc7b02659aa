"""Apache Kafka of the tests in this folder: one node for the session, or clusters of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.topology.apache_kafka import KafkaUnavailable
from tests.support.apache_kafka import Guard, KafkaProcess
from tests.support.crash_run import HEADING, ROWS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the crash runs."""
    if ROWS:
        terminalreporter.write_sep("=", "faults injected and what became of the events")
        terminalreporter.write_line("\n".join([HEADING, *map(str, ROWS)]))


@contextmanager
def kafka_or_skip(nodes: int = 1, guard: Guard | None = None) -> Iterator[KafkaProcess]:
    """A running cluster, or the test is skipped with the reason why there can be none here."""
    process = KafkaProcess(nodes, guard)
    try:
        process.start()
    except KafkaUnavailable as error:
        pytest.skip(str(error))
    try:
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaProcess]:
    """A running single-node cluster; tests share it, so each uses topics of its own and leaves it running."""
    with kafka_or_skip() as running:
        yield running


@pytest.fixture
def nodes() -> int:
    """How many nodes `broker` has."""
    return 1


@pytest.fixture
def broker(nodes: int) -> Iterator[KafkaProcess]:
    """A cluster of the test's own: the topics' names are fixed."""
    with kafka_or_skip(nodes) as running:
        yield running
