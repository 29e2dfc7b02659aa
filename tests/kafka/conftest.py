"""Apache Kafka of the tests in this folder: one node for the session, or the tests are skipped with the reason."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.apache_kafka import KafkaProcess, KafkaUnavailable


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
