"""Apache Kafka of the tests in this folder: one node for the session, or the tests are skipped with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.apache_kafka import KafkaProcess, KafkaUnavailable
from tests.support.crash_run import HEADING, ROWS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the crash runs."""
    if ROWS:
        terminalreporter.write_sep("=", "faults injected and what became of the events")
        terminalreporter.write_line("\n".join([HEADING, *map(str, ROWS)]))


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaProcess]:
    """A running single-node cluster; tests share it, so each uses topics of its own and leaves it running."""
    process = KafkaProcess()
    try:
        process.start()
    except KafkaUnavailable as error:
        pytest.skip(str(error))
    try:
        yield process
    finally:
        process.stop()
