"""The topics of Floorwalker as a table, and creating and describing them with kafka-python's admin client.

Works on Apache Kafka and on the embedded broker, which stores a topic's settings without obeying them.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import (
    CoordinatorNotAvailableError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NotCoordinatorError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from service.errors import FailedError, UsageError
from service.kafka_probe import check_entry

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# A flush of state is one record batch of up to 4 MiB that must not be split; the rest is room for its headers.
MAX_BATCH_BYTES = 8 * 1024 * 1024
_BOOTSTRAP_TIMEOUT_MS = 10_000
_SETTLE_SECONDS = 10
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Topic:
    """What a topic must be like. `partitions=None`: as many as the installation chose for everything that scales."""

    name: str
    help: str
    settings: Mapping[str, str]
    partitions: int | None = None


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What a topic is like. `partitions` and `replication` are None when it is missing.

    `deviations` maps what differs from the table to (wanted, found); found is None when the broker does not say.
    """

    name: str
    help: str
    status: Literal["created", "exists", "missing"]
    partitions: int | None
    replication: int | None
    settings: Mapping[str, str] = field(default_factory=dict)
    deviations: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)


class BrokerUnreachable(FailedError):
    """No broker answered at the address given, or it stopped answering."""


class TopicsRefused(FailedError):
    """The broker answered, and would not create a topic."""


class WrongPartitions(UsageError):
    """Topics exist with another number of partitions than asked for."""


def _kept(days: float, **more: str) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(int(days * DAY_MS)), **more}


def _latest_per_key(**more: str) -> dict[str, str]:
    return {"cleanup.policy": "compact", "max.message.bytes": str(MAX_BATCH_BYTES), **more}


TOMBSTONES_KEPT_MS = HOUR_MS
"""For so long after its first compaction a record that deletes a key stays in a changelog. Who has not read it by then
would keep the key for good, hence readers that paused for longer begin anew (`StateTail`, `BatchTable`).
"""

# Small segments, since the newest is never compacted and a recovering worker reads all that is left. Tombstones stay
# for an hour only, since expired panes leave many of them.
_CHANGELOG = _latest_per_key(
    **{
        "segment.bytes": str(64 * 1024 * 1024),
        "segment.ms": str(HOUR_MS),
        "min.cleanable.dirty.ratio": "0.2",
        "max.compaction.lag.ms": str(6 * HOUR_MS),
        "delete.retention.ms": str(TOMBSTONES_KEPT_MS),
    }
)
_LARGE = {"max.message.bytes": str(MAX_BATCH_BYTES)}

TOPICS: tuple[Topic, ...] = (
    # the broker's clock, not the feed's, says when an event arrived: skew is judged by it, and retention follows it
    Topic("cti.events", "canonical events", _kept(8, **{"message.timestamp.type": "LogAppendTime"}, **_LARGE)),
    Topic("cti.facts", "facts between the two stages", _kept(2, **_LARGE)),
    Topic("cti.contacts", "changelog: contacts in flight", _CHANGELOG),
    Topic("cti.state", "changelog: state of every scope, the feed of API and alerts", _CHANGELOG),
    Topic(
        "cti.intervals",
        "closed intervals with their revision",
        _latest_per_key(**{"cleanup.policy": "compact,delete", "retention.ms": str(400 * DAY_MS)}),
    ),
    Topic("cti.dead-letter", "rejected input with the reason", _kept(30, **_LARGE)),
    Topic("cti.config", "configuration, by the time it is valid from", _latest_per_key(), partitions=1),
    Topic("cti.alerts", "alerts", _latest_per_key(**{"segment.ms": str(DAY_MS)}), partitions=1),
    Topic(
        "cti.notifications",
        "what each receiver of alerts has confirmed",
        _latest_per_key(**{"segment.ms": str(DAY_MS)}),
        partitions=1,
    ),
    Topic("cti.ticks", "one tick a second; who owns it evaluates", _kept(0.25), partitions=1),
)

REMADE = ("cti.facts", "cti.contacts", "cti.state")
"""What is made from `cti.events` and from nothing else: `floorwalker rebuild` makes these topics anew."""


def create_topics(
    bootstrap: str,
    partitions: int,
    replication: int,
    *,
    client: Mapping[str, Any] | None = None,
    topics: Sequence[Topic] = TOPICS,
) -> list[TopicReport]:
    """Create the topics that are missing and report on all of them; what exists is left as it is.

    `client` is further settings of kafka-python (SASL, TLS). Raises WrongPartitions before anything is created,
    TopicsRefused, BrokerUnreachable, and UsageError when `bootstrap` is no address.
    """
    with connected_admin(bootstrap, client) as admin:
        there = {report.name: report for report in _describe(admin, topics) if report.status != "missing"}
        _refuse_other_partitions(topics, there, partitions)
        missing = [topic for topic in topics if topic.name not in there]
        if missing:
            _create(admin, missing, partitions, replication)
        created = {topic.name for topic in missing}
        reports = _describe_all(admin, topics)
        return [replace(report, status="created") if report.name in created else report for report in reports]


def delete_topics(admin: KafkaAdminClient, names: Sequence[str]) -> None:
    """Delete topics and return when the broker no longer lists them. Raises TopicsRefused."""
    if not names:
        return
    answers = patiently(lambda: admin.delete_topics(names, raise_errors=False)["topics"])
    for answer in answers:
        if answer["error_code"] not in (0, UnknownTopicOrPartitionError.errno):
            raise TopicsRefused(f"the Kafka broker refused to delete {answer['name']}: error {answer['error_code']}")
    deadline = time.monotonic() + _SETTLE_SECONDS
    while left := set(names) & set(patiently(admin.list_topics)):
        if time.monotonic() > deadline:
            raise TopicsRefused(f"{', '.join(sorted(left))}: deleted, and the Kafka broker lists it still")
        time.sleep(0.1)


def _describe_all(admin: KafkaAdminClient, topics: Sequence[Topic]) -> list[TopicReport]:
    """Describe topics that exist: the broker asked may hear of new ones a moment after the one that created them."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    reports = _describe(admin, topics)
    while any(report.status == "missing" for report in reports) and time.monotonic() < deadline:
        time.sleep(0.1)
        reports = _describe(admin, topics)
    return reports


def describe_topics(
    bootstrap: str, *, client: Mapping[str, Any] | None = None, topics: Sequence[Topic] = TOPICS
) -> list[TopicReport]:
    """Report on the topics of the table, missing ones included. Raises BrokerUnreachable, UsageError."""
    with connected_admin(bootstrap, client) as admin:
        return _describe(admin, topics)


@contextmanager
def connected_admin(bootstrap: str, client: Mapping[str, Any] | None) -> Iterator[KafkaAdminClient]:
    """kafka-python's admin client. What it raises inside becomes BrokerUnreachable."""
    addresses = bootstrap.split(",")
    unreachable = BrokerUnreachable(f"no Kafka broker answers at {bootstrap}: start one or correct the address")
    # the client would try for its whole timeout, and leave a socket open for each time nobody listened
    if not any(map(_listening, addresses)):
        raise unreachable
    if client:
        check_entry(addresses, client)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=addresses, bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS, **(client or {})
        )
    except (KafkaConnectionError, KafkaTimeoutError) as error:
        raise unreachable from error
    try:
        yield admin
    except KafkaError as error:
        raise BrokerUnreachable(f"the Kafka broker at {bootstrap} did not answer as it should: {error}") from error
    finally:
        admin.close()


def _listening(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{address!r} is no address of a Kafka broker: write host:port")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_BOOTSTRAP_TIMEOUT_MS / 1000).close()
    except OSError:
        return False
    return True


def _create(admin: KafkaAdminClient, topics: Sequence[Topic], partitions: int, replication: int) -> None:
    # acks=all means all *in sync*: with copies to spare, at least two must have a record before it counts as written
    durable = {"min.insync.replicas": "2"} if replication >= 3 else {}
    wanted = [
        NewTopic(t.name, t.partitions or partitions, replication, None, {**t.settings, **durable}) for t in topics
    ]
    answers = patiently(lambda: admin.create_topics(wanted, raise_errors=False)["topics"])
    # "exists" is no failure: two processes start at once, and the report shows what the other one made
    refused = [answer for answer in answers if answer["error_code"] not in (0, TopicAlreadyExistsError.errno)]
    if refused:
        reason = refused[0]["error_message"] or f"error {refused[0]['error_code']}"
        raise TopicsRefused(f"the Kafka broker refused to create the topic {refused[0]['name']}: {reason}")
    admin.wait_for_topics([topic.name for topic in topics])


def _refuse_other_partitions(topics: Sequence[Topic], there: Mapping[str, TopicReport], partitions: int) -> None:
    wanted = {topic.name: topic.partitions or partitions for topic in topics}
    different = [report for report in there.values() if report.partitions != wanted[report.name]]
    wrong = [f"{report.name} has {report.partitions}, not {wanted[report.name]}" for report in different]
    if wrong:
        raise WrongPartitions(
            f"wrong number of partitions: {'; '.join(wrong)}. It is fixed when a topic is created: ask for the number "
            "that is there, or change it with `floorwalker rebuild --partitions N`"
        )


def patiently(ask: Callable[[], T]) -> T:
    """Ask again while a connection fails, or the group's coordinator is being elected.

    The client may have chosen a broker that just died, though others live.
    """
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            return ask()
        except (KafkaConnectionError, CoordinatorNotAvailableError, NotCoordinatorError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _describe(admin: KafkaAdminClient, topics: Sequence[Topic]) -> list[TopicReport]:
    return patiently(lambda: _describe_once(admin, topics))


def _describe_once(admin: KafkaAdminClient, topics: Sequence[Topic]) -> list[TopicReport]:
    there = set(admin.list_topics())  # asked for by name, a missing topic would be created where brokers do that
    names = [topic.name for topic in topics if topic.name in there]
    found = {entry["name"]: entry["partitions"] for entry in admin.describe_topics(names)} if names else {}
    settings = _settings(admin, names)
    return [_report(topic, found.get(topic.name), settings.get(topic.name, {})) for topic in topics]


def _settings(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    # "all": the embedded broker marks what was set as default
    described = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {name: {key: entry["value"] for key, entry in entries.items()} for name, entries in described.items()}


def _report(topic: Topic, partitions: Sequence[Mapping[str, Any]] | None, settings: Mapping[str, str]) -> TopicReport:
    if partitions is None:
        return TopicReport(topic.name, topic.help, "missing", None, None)
    shown = {key: settings[key] for key in topic.settings if key in settings}
    deviations = {key: (want, settings.get(key)) for key, want in topic.settings.items() if settings.get(key) != want}
    if topic.partitions is not None and topic.partitions != len(partitions):
        deviations["partitions"] = (str(topic.partitions), str(len(partitions)))
    replication = min((len(entry["replica_nodes"]) for entry in partitions), default=0)
    return TopicReport(topic.name, topic.help, "exists", len(partitions), replication, shown, deviations)
