"""Brokers of the integration tests: one embedded broker for the session, found or the tests are skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.embedded import EmbeddedBroker, EmbeddedBrokerMissing, UnsupportedPlatform


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """A running embedded broker; tests share it, so each uses topics of its own."""
    broker = EmbeddedBroker()
    try:
        broker.start()
    except (EmbeddedBrokerMissing, UnsupportedPlatform) as error:
        pytest.skip(str(error))
    try:
        yield broker
    finally:
        broker.stop()
