"""Where the bench runs: an embedded broker of its own, or a given one that has none of our topics."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from service.embedded import EmbeddedBroker
from service.errors import FailedError
from service.topics import create_topics, describe_topics

EMBEDDED: Final = "embedded"
DOCUMENTED_EVENTS, DOCUMENTED_FACTS = "bench-documented-events", "bench-documented-facts"
_OURS: Final = ("cti.", "bench-documented")


@dataclass(frozen=True, slots=True)
class Place:
    """A broker with the topics that the bench needs, all empty."""

    bootstrap: str
    embedded: bool
    partitions: int

    @property
    def worker_arguments(self) -> list[str]:
        """What a worker must be told of it."""
        return ["--bootstrap", self.bootstrap, *(["--embedded"] if self.embedded else [])]


@contextmanager
def prepared(broker: str, partitions: int) -> Iterator[Place]:
    """A place to measure in; afterwards the broker or the topics are gone. Raises FailedError for a broker in use."""
    if broker == EMBEDDED:
        with EmbeddedBroker() as own:
            _make_topics(own.bootstrap, partitions)
            yield Place(own.bootstrap, True, partitions)
        return
    present = [report.name for report in describe_topics(broker) if report.status != "missing"]
    if present:
        raise FailedError(f"{broker} has {present[0]} already: bench needs a broker that serves no Floorwalker")
    try:
        _make_topics(broker, partitions)
        yield Place(broker, False, partitions)
    finally:
        _delete_topics(broker)


def _make_topics(bootstrap: str, partitions: int) -> None:
    create_topics(bootstrap, partitions, 1)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        admin.create_topics([NewTopic(name, partitions, 1) for name in (DOCUMENTED_EVENTS, DOCUMENTED_FACTS)])
    finally:
        admin.close()


def _delete_topics(bootstrap: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    try:
        made = [name for name in admin.list_topics() if name.startswith(_OURS)]
        admin.delete_topics(made)
    finally:
        admin.close()
