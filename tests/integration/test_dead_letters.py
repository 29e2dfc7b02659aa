"""Dead letters are shown, and sent again to where they came from. On the embedded broker; a worker rejects them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from service.dead_letters import DeadLetter, replay
from service.embedded import EmbeddedBroker
from service.errors import FailedError
from service.topics import Topic, create_topics
from streams.kafka_hash import partitions_of
from tests.support.mornings import CONFIG
from tests.support.stream_run import ROOT, StreamRun

pytestmark = pytest.mark.embedded

BAD = [(b"a", b"{broken"), (b"b", b'{"type": "visit.teleported"}'), (None, b"caf\xe9")]


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


def dead_letters(broker: EmbeddedBroker, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    command = [sys.executable, "-m", "service.main", "dead-letters", *arguments, "--bootstrap", broker.bootstrap]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def listed(broker: EmbeddedBroker, *arguments: str) -> list[dict[str, Any]]:
    code, output, error = dead_letters(broker, "list", "--json", *arguments)
    assert (code, error) == (0, "")
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


async def from_a_recording(broker: EmbeddedBroker) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=False) as producer:
        headers = [("reason", b"bad_line"), ("detail", b"2 fields"), ("file", b"queue_log"), ("line", b"7")]
        await producer.send_and_wait("cti.dead-letter", b"x|y", headers=headers)


async def copies(
    broker: EmbeddedBroker, partitions: int, topic: str = "cti.events"
) -> dict[tuple[int, bytes | None, bytes], bytes]:
    """Partition, key and value of the replayed records, and where in the dead letters they were."""
    found = {}
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
        consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
        await consumer.seek_to_beginning()
        while taken := await consumer.getmany(timeout_ms=500):
            for records in taken.values():
                for record in records:
                    if origin := dict(record.headers).get("replayed_from"):
                        found[record.partition, record.key, record.value] = origin
    return found


async def test_rejected_records_are_shown_and_sent_again(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        assert listed(broker) == []
        worker = run.start_worker()
        places = await run.send(BAD)
        await run.settle()
        run.kill(worker)
        await from_a_recording(broker)

        rows = {row["raw"]: row for row in listed(broker)}
        assert rows["{broken"]["reason"] == "bad_json"
        where = [
            (int(rows[raw]["source_partition"]), int(rows[raw]["source_offset"])) for raw in ("{broken", "caf\\xe9")
        ]
        assert where == [places[0], places[2]]
        assert rows["x|y"]["file"] == "queue_log"
        assert {row["raw"] for row in listed(broker, "--reason", "bad_json")} == {"{broken", "caf\\xe9"}
        assert len(listed(broker, "--limit", "2")) == 2
        assert len(listed(broker, "--topic", "cti.events")) == 3
        assert "queue_log:7" in dead_letters(broker, "list")[1]

        assert dead_letters(broker, "replay", "--topic", "cti.events", "--dry-run")[:2] == (
            0,
            "would replay 3 of 3 dead letters\n",
        )
        assert await copies(broker, 3) == {}
        chosen = ["--offset", rows["{broken"]["place"], "--offset", rows["caf\\xe9"]["place"]]
        assert dead_letters(broker, "replay", *chosen)[:2] == (0, "replayed 2 of 2 dead letters\n")
        assert await copies(broker, 3) == {
            (places[0][0], b"a", b"{broken"): rows["{broken"]["place"].encode(),
            (places[2][0], None, b"caf\xe9"): rows["caf\\xe9"]["place"].encode(),
        }
        code, output, _ = dead_letters(broker, "replay", "--reason", "bad_line")
        assert (code, output.splitlines()) == (
            0,
            ["replayed 0 of 1 dead letters", "not 1: each came from a recording: ingest that again"],
        )


def letter(key: bytes | None, topic: str, partition: int) -> DeadLetter:
    about = {"reason": "poison", "source_topic": topic, "source_partition": str(partition), "source_offset": "7"}
    return DeadLetter(0, partition, 0, key, b"as it came", about)


async def test_after_a_change_of_partitions_letters_find_their_way(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, 2, 1)
    create_topics(broker.bootstrap, 3, 1, topics=[Topic("pbx.raw", "native", {})])
    letters = [letter(key, "cti.events", partition) for key in (b"a", b"b", None) for partition in (5, 6)]
    replay(broker.bootstrap, [*letters, letter(b"c", "pbx.raw", 2), letter(b"c", "pbx.raw", 4)])
    homes = partitions_of([b"a", b"b"], 2)
    assert set(await copies(broker, 2)) == {
        (homes[b"a"], b"a", b"as it came"), (homes[b"b"], b"b", b"as it came"),
        (1, None, b"as it came"), (0, None, b"as it came"),
    }  # fmt: skip
    assert {place[:2] for place in await copies(broker, 3, "pbx.raw")} == {(2, b"c"), (1, b"c")}


def test_nothing_is_replayed_if_a_topic_is_gone(broker: EmbeddedBroker) -> None:
    create_topics(broker.bootstrap, 2, 1)
    with pytest.raises(FailedError, match=r"lacks pbx\.raw: nothing was replayed"):
        replay(broker.bootstrap, [letter(b"a", "cti.events", 0), letter(b"c", "pbx.raw", 0)])


def test_what_to_replay_has_to_be_said(broker: EmbeddedBroker) -> None:
    code, output, error = dead_letters(broker, "replay")
    assert (code, output) == (2, "")
    assert error == "floorwalker: say which dead letters to replay: --reason, --topic or --offset\n"


def test_a_place_that_is_none_is_named(broker: EmbeddedBroker) -> None:
    code, _, error = dead_letters(broker, "replay", "--offset", "12")
    assert code == 2
    assert "'12' is no place in the topic" in error


def test_missing_topics_are_named(broker: EmbeddedBroker) -> None:
    code, _, error = dead_letters(broker, "list")
    assert (code, error.count("\n")) == (1, 1)
    assert "lacks cti.dead-letter" in error
