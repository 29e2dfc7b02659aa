"""Creating and describing topics on the embedded broker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from service.embedded import EmbeddedBroker, free_port
from service.errors import UsageError
from service.topics import TOPICS, BrokerUnreachable, Topic, WrongPartitions, create_topics, describe_topics


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker without any topic, for one test alone."""
    with EmbeddedBroker() as running:
        yield running


def test_every_topic_is_created_as_the_table_says(broker: EmbeddedBroker) -> None:
    reports = create_topics(broker.bootstrap, partitions=3, replication=1)
    assert [(report.name, report.status) for report in reports] == [(topic.name, "created") for topic in TOPICS]
    assert [report.partitions for report in reports] == [topic.partitions or 3 for topic in TOPICS]
    assert all(report.settings == topic.settings for report, topic in zip(reports, TOPICS, strict=True))
    assert not any(report.deviations for report in reports)


def test_creating_twice_changes_nothing(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, partitions=2, replication=1)
    again = create_topics(broker.bootstrap, partitions=2, replication=1)
    assert {report.status for report in again} == {"exists"}
    assert again == describe_topics(broker.bootstrap)


def test_missing_topics_are_added_to_those_that_are_there(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, partitions=2, replication=1, topics=TOPICS[:2])
    statuses = [report.status for report in create_topics(broker.bootstrap, partitions=2, replication=1)]
    assert statuses == ["exists"] * 2 + ["created"] * (len(TOPICS) - 2)


def test_another_number_of_partitions_is_refused_by_name_and_nothing_is_created(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, partitions=2, replication=1, topics=TOPICS[:1])
    with pytest.raises(WrongPartitions, match="cti.events has 2, not 4"):
        create_topics(broker.bootstrap, partitions=4, replication=1)
    assert [r.name for r in describe_topics(broker.bootstrap) if r.status == "exists"] == ["cti.events"]


def test_a_topic_that_is_missing_or_set_otherwise_is_reported(broker: EmbeddedBroker) -> None:
    asked: Sequence[Topic] = [replace(TOPICS[0], settings={"retention.ms": "1000"})]
    create_topics(broker.bootstrap, partitions=2, replication=1, topics=asked)
    events, facts = describe_topics(broker.bootstrap, topics=TOPICS[:2])
    assert events.deviations["retention.ms"] == ("691200000", "1000")
    assert events.deviations["cleanup.policy"] == ("delete", None)
    assert (facts.status, facts.partitions, facts.replication) == ("missing", None, None)


def test_no_broker_is_one_clear_sentence() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(BrokerUnreachable, match=f"no Kafka broker answers at {nowhere}"):
        describe_topics(nowhere)


def test_an_address_without_a_port_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="'kafka' is no address of a Kafka broker: write host:port"):
        describe_topics("kafka")


async def test_a_changelog_gives_back_what_was_written_with_tombstones(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, partitions=2, replication=1)
    written = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None)]
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for key, value in written:
            await producer.send_and_wait("cti.state", value, key=key, partition=1)
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition("cti.state", 1)])
    async with consumer:
        read = [await consumer.getone() for _ in written]
    assert [(record.key, record.value) for record in read] == written
