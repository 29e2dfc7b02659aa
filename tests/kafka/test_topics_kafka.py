"""Topics on Apache Kafka, and that our clients speak to the broker that the tests run."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from service.topics import TOPICS, Topic, TopicsRefused, WrongPartitions, create_topics, describe_topics
from tests.support.apache_kafka import KafkaProcess

FOUR_MIB = 4 * 1024 * 1024


@pytest.fixture
def topics() -> Sequence[Topic]:
    """The table under names of this test's own, as the broker is shared."""
    prefix = f"topics-{uuid.uuid4().hex[:8]}."
    return [replace(topic, name=prefix + topic.name) for topic in TOPICS]


def test_every_topic_is_created_as_the_table_says(kafka: KafkaProcess, topics: Sequence[Topic]) -> None:
    reports = create_topics(kafka.bootstrap, 3, 1, topics=topics)
    assert {report.status for report in reports} == {"created"}
    assert [report.partitions for report in reports] == [topic.partitions or 3 for topic in topics]
    assert all(report.settings == topic.settings for report, topic in zip(reports, topics, strict=True))
    assert not any(report.deviations for report in reports)


def test_creating_twice_changes_nothing(kafka: KafkaProcess, topics: Sequence[Topic]) -> None:
    create_topics(kafka.bootstrap, 2, 1, topics=topics)
    again = create_topics(kafka.bootstrap, 2, 1, topics=topics)
    assert {report.status for report in again} == {"exists"}
    assert again == describe_topics(kafka.bootstrap, topics=topics)


def test_another_number_of_partitions_is_refused_by_name(kafka: KafkaProcess, topics: Sequence[Topic]) -> None:
    create_topics(kafka.bootstrap, 2, 1, topics=topics)
    with pytest.raises(WrongPartitions, match=f"{topics[0].name} has 2, not 5"):
        create_topics(kafka.bootstrap, 5, 1, topics=topics)


def test_more_copies_than_brokers_are_refused_with_the_broker_s_reason(
    kafka: KafkaProcess, topics: Sequence[Topic]
) -> None:
    with pytest.raises(TopicsRefused, match="only 1 broker"):
        create_topics(kafka.bootstrap, 2, 3, topics=topics)


async def test_a_group_reads_what_an_idempotent_producer_wrote(kafka: KafkaProcess, topics: Sequence[Topic]) -> None:
    create_topics(kafka.bootstrap, 2, 1, topics=topics)
    name, settings = topics[0].name, {"bootstrap_servers": kafka.bootstrap}
    async with AIOKafkaProducer(enable_idempotence=True, acks="all", **settings) as producer:
        for number in range(100):
            await producer.send_and_wait(name, str(number).encode(), partition=number % 2)
    group = {"group_id": name, "auto_offset_reset": "earliest", **settings}
    async with AIOKafkaConsumer(name, **group) as consumer:
        read = [await consumer.getone() for _ in range(100)]
    assert sorted(int(record.value) for record in read) == list(range(100))
    assert all(record.timestamp_type == 1 for record in read), "the broker's clock says when an event arrived"


async def test_a_flush_of_four_mebibytes_is_one_batch(kafka: KafkaProcess, topics: Sequence[Topic]) -> None:
    create_topics(kafka.bootstrap, 1, 1, topics=topics)
    name = next(topic.name for topic in topics if topic.name.endswith("cti.state"))
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, max_batch_size=FOUR_MIB, max_request_size=2 * FOUR_MIB, acks="all"
    )
    async with producer:
        batch = producer.create_batch()
        while batch.append(key=str(batch.record_count()).encode(), value=b"x" * 100_000, timestamp=None) is not None:
            pass
        written = batch.record_count()
        sent = await producer.send_batch(batch, name, partition=0)
        assert (await sent).offset == 0
    assert written == 41


def test_a_killed_broker_comes_back_with_its_topics(topics: Sequence[Topic]) -> None:
    with KafkaProcess() as own:
        create_topics(own.bootstrap, 2, 1, topics=topics)
        own.kill()
        own.restart()
        assert {report.status for report in describe_topics(own.bootstrap, topics=topics)} == {"exists"}


def test_three_brokers_keep_three_copies_and_go_on_without_one(topics: Sequence[Topic]) -> None:
    with KafkaProcess(nodes=3) as own:
        reports = create_topics(own.bootstrap, 2, own.replication, topics=topics)
        assert {report.replication for report in reports} == {3}
        own.kill(node=1)
        assert {report.status for report in describe_topics(own.bootstrap, topics=topics)} == {"exists"}
