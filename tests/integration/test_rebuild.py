"""`floorwalker rebuild` and state of another schema. Embedded broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition

from service.domain.correlate import MARK_KEY, CorrelateMark
from service.domain.state_keys import SCHEMA
from service.embedded import EmbeddedBroker
from service.event_producer import EventProducer
from service.rebuild import EVENTS, rebuild
from service.rekey import Rekeying
from service.topic_reading import reading, until_the_end
from service.topics import create_topics, describe_topics
from streams.kafka_hash import partitions_of
from tests.integration.test_stream_start import start
from tests.support import rebuild_scenarios as scenarios
from tests.support.mornings import CONFIG, record, simulated
from tests.support.stream_run import StreamRun


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


async def test_rebuilt_state_is_the_state_before(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        await scenarios.the_same_state(run, simulated(), tmp_path)


async def test_a_new_number_of_partitions_changes_no_number(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        await scenarios.the_same_state(run, simulated(), tmp_path, partitions=5)


async def test_nothing_is_rebuilt_while_a_worker_runs(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        await run.until_ready([run.start_worker()])
        await run.send([record(event) for event in simulated()[:100]])
        await run.settle()
        before = scenarios.latest(broker.bootstrap, "cti.state")
        code, error = scenarios.rebuild(broker.bootstrap, "--yes")
        assert (code, error.count("\n")) == (1, 1)
        assert "workers of the group 'floorwalker' are running: stop all of them first" in error
        assert scenarios.latest(broker.bootstrap, "cti.state") == before != {}


def records_of(broker: EmbeddedBroker, topic: str, partitions: int) -> list[Any]:
    with reading(broker.bootstrap, [TopicPartition(topic, number) for number in range(partitions)]) as consumer:
        return list(until_the_end(consumer))


def test_what_is_no_event_holds_back_none(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, 2, 1)
    with EventProducer(broker.bootstrap, (EVENTS.name,)) as producer:
        for partition, values in enumerate([(b"broken at once", 10, b"broken", 30), (20, 40)]):
            for value in values:
                sent = value if isinstance(value, bytes) else b'{"occurred_at_ms": %d}' % value
                producer.send(EVENTS.name, None, sent, (), partition, 1_000)
        producer.settle(at_most=0)
    rebuild(broker.bootstrap, "a-group", partitions=1)
    values = [record.value.rpartition(b" ")[2].rstrip(b"}") for record in records_of(broker, EVENTS.name, 1)]
    assert values == [b"once", b"10", b"broken", b"20", b"30", b"40"]


@pytest.mark.parametrize(
    ("step", "call"),
    [
        pytest.param("_set_timestamps", 1, id="the copy is not known to be complete"),
        pytest.param("_create", 2, id="the topic is deleted and not made anew"),
        pytest.param("_set_timestamps", 2, id="the topic is filled again and not finished"),
        pytest.param("_by_time", 4, id="a topic that the broker does not stamp is made anew and not filled"),
    ],
)
def test_an_interrupted_change_of_partitions_is_finished_by_the_next_run(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    create_topics(broker.bootstrap, 2, 1)
    sent = {f"contact-{number}".encode(): f"event {number}".encode() for number in range(500)}
    with EventProducer(broker.bootstrap, (EVENTS.name,)) as producer:
        for key, value in sent.items():
            producer.send(EVENTS.name, key, value)
            producer.send("cti.intervals", key, value)
        producer.settle(at_most=0)
    original, calls = getattr(Rekeying, step), 0

    def interrupted(self: Rekeying, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise InterruptedError
        return original(self, *args)

    monkeypatch.setattr(Rekeying, step, interrupted)
    with pytest.raises(InterruptedError):
        rebuild(broker.bootstrap, "a-group", partitions=5)
    assert len(rebuild(broker.bootstrap, "a-group", partitions=5).begins) == 5
    homes = partitions_of(sent, 5)
    for topic in (EVENTS.name, "cti.intervals"):
        records = records_of(broker, topic, 5)
        assert sorted((record.key, record.value) for record in records) == sorted(sent.items())
        assert all(record.partition == homes[record.key] for record in records)
    assert not [report.deviations for report in describe_topics(broker.bootstrap) if report.deviations]


def test_without_yes_it_says_what_it_would_delete(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, 2, 1)
    code, error = scenarios.rebuild(broker.bootstrap)
    assert (code, error.count("\n")) == (2, 1)
    assert "this deletes cti.facts, cti.contacts, cti.state" in error and "--yes" in error


def test_without_events_there_is_nothing_to_rebuild(broker: EmbeddedBroker) -> None:
    code, error = scenarios.rebuild(broker.bootstrap, "--yes")
    assert (code, error.count("\n")) == (1, 1)
    assert "lacks cti.events" in error
    assert {report.status for report in describe_topics(broker.bootstrap)} == {"missing"}


async def test_a_worker_refuses_state_of_another_schema_and_names_the_way_out(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        older = msgspec.msgpack.encode(CorrelateMark(schema=SCHEMA - 1))
        await run.send_to([(MARK_KEY, older, 1)], topic="cti.contacts")
        code, error = start(broker.bootstrap, tmp_path, "--embedded")
        assert (code, error.count("\n")) == (1, 1)
        assert f"hold schema {SCHEMA - 1}, not {SCHEMA}: stop all workers and run `floorwalker rebuild`" in error
