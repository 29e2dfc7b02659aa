"""`floorwalker ingest` and `floorwalker topics` against the embedded broker, with good and bad input."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition

from service.embedded import EmbeddedBroker
from service.main import main

ROOT = Path(__file__).parents[2]
START_MS = 1_795_305_600_000
DEAD_BROKER = "127.0.0.1:9"  # the discard port: nobody listens there


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker of the test's own, since every test writes to the same topics."""
    with EmbeddedBroker() as running:
        assert main(["topics", "create", "--bootstrap", running.bootstrap, "--partitions", "4"]) == 0
        yield running


def queued(number: int, **changes: Any) -> bytes:
    event = {
        "event_id": f"e-{number}",
        "type": "visit.queued",
        "occurred_at_ms": START_MS + number * 1_000,
        "contact_id": f"c-{number}",
        "visit_id": f"c-{number}/1",
        "queue_id": "sales",
        **changes,
    }
    return json.dumps({key: value for key, value in event.items() if value is not None}).encode()


def write(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def read(broker: EmbeddedBroker, topic: str) -> list[Any]:
    """Return all records of a topic."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", group_id=None)
    try:
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(parts)
        ends = consumer.end_offsets(parts)
        records: list[Any] = []
        while any(consumer.position(part) < ends[part] for part in parts):
            records += [record for batch in consumer.poll(timeout_ms=200).values() for record in batch]
        return records
    finally:
        consumer.close()


def values(broker: EmbeddedBroker, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in read(broker, topic)]


def ingest(broker: EmbeddedBroker, tmp_path: Path, *words: object) -> int:
    given = [str(word) for word in words]
    return main(["ingest", *given, "--bootstrap", broker.bootstrap, "--data-dir", str(tmp_path / "data")])


def test_events_arrive_under_the_key_of_their_contact_and_in_order(broker, tmp_path, capsys):
    lines = [queued(number, contact_id=f"c-{number % 7}") for number in range(500)]
    path = write(tmp_path / "a.jsonl", *reversed(lines))
    assert ingest(broker, tmp_path, path, "--format", "canonical") == 0
    records = read(broker, "cti.events")
    assert len(records) == 500
    for contact in range(7):
        times = [json.loads(r.value)["occurred_at_ms"] for r in records if r.key == f"c-{contact}".encode()]
        assert times == sorted(times)
        assert len(times) == len({json.loads(line)["event_id"] for line in lines[contact::7]})
    assert f"500 events sent to cti.events at {broker.bootstrap}\n" in capsys.readouterr().out


BAD_LINES = [
    pytest.param(b'{"event_id": "x", ', "bad_json", id="broken JSON"),
    pytest.param(queued(1, queue_id=None), "missing_field", id="a missing field"),
    pytest.param(queued(1, contact_id=7), "bad_field", id="a number as contact"),
    pytest.param(queued(1, type="visit.teleported"), "unknown_type", id="an unknown type"),
    pytest.param(queued(1, queue_id="x" * 5_000_000), "too_large", id="a record of 5 MB"),
    pytest.param(queued(1, occurred_at_ms=1_000), "bad_timestamp", id="an event of 1970"),
    pytest.param(queued(1, occurred_at_ms=START_MS * 2), "bad_timestamp", id="an event of the far future"),
    pytest.param(queued(1, queue_id="sales").replace(b"sales", b"\xff\xfe"), "bad_encoding", id="a wrong encoding"),
]


def test_bad_lines_go_to_the_dead_letters_with_their_reason_and_stop_nobody(broker, tmp_path, capsys):
    bad = [case.values[0] for case in BAD_LINES]
    path = write(tmp_path / "a.jsonl", queued(1), *bad, queued(2))
    assert ingest(broker, tmp_path, path, "--format", "canonical") == 0
    assert {event["event_id"] for event in values(broker, "cti.events")} == {"e-1", "e-2"}
    letters = sorted((dict(record.headers) for record in read(broker, "cti.dead-letter")), key=lambda h: int(h["line"]))
    assert [int(letter["line"]) for letter in letters] == list(range(2, 2 + len(bad)))
    allowed = [
        {"bad_json", "bad_encoding"} if case.values[1] == "bad_encoding" else {case.values[1]} for case in BAD_LINES
    ]
    assert all(letter["reason"].decode() in reasons for letter, reasons in zip(letters, allowed, strict=True))
    assert f"{len(bad)} records rejected to cti.dead-letter (" in capsys.readouterr().out


def test_a_file_that_ends_in_the_middle_of_a_line_loses_that_line_only(broker, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(queued(1) + b"\n" + queued(2)[:40])
    assert ingest(broker, tmp_path, path, "--format", "canonical") == 0
    assert [event["event_id"] for event in values(broker, "cti.events")] == ["e-1"]
    assert [dict(r.headers)["reason"] for r in read(broker, "cti.dead-letter")] == [b"bad_json"]


def test_an_empty_file_is_nothing_to_send(broker, tmp_path, capsys):
    assert ingest(broker, tmp_path, write(tmp_path / "a.jsonl"), "--format", "canonical") == 0
    assert "0 events sent" in capsys.readouterr().out


def test_a_missing_file_ends_with_2(broker, tmp_path, capsys):
    assert ingest(broker, tmp_path, tmp_path / "no.jsonl", "--format", "canonical") == 2
    assert "no.jsonl: there is no such recording" in capsys.readouterr().err


def test_naive_times_without_a_zone_end_with_2(broker, tmp_path, capsys):
    row = b'{"time": "2026-11-21 13:00:00", "callid": "1", "queuename": "q", "agent": "NONE", "event": "ENTERQUEUE"}'
    path = write(tmp_path / "a.jsonl", row)
    assert ingest(broker, tmp_path, path, "--format", "asterisk-queue-log") == 2
    assert "time zone" in capsys.readouterr().err
    assert ingest(broker, tmp_path, path, "--format", "asterisk-queue-log", "--timezone", "Europe/Berlin") == 0


def test_the_recording_is_moved_to_end_now_and_sent_in_step(broker, tmp_path):
    path = write(tmp_path / "a.jsonl", queued(0), queued(60))
    assert ingest(broker, tmp_path, path, "--format", "canonical", "--shift-to-now", "--speed", "120") == 0
    records = sorted(read(broker, "cti.events"), key=lambda record: record.timestamp)
    first, last = (json.loads(record.value)["occurred_at_ms"] for record in records)
    assert last - first == 60_000
    assert abs(records[1].timestamp - last) < 5_000
    assert records[1].timestamp - records[0].timestamp >= 490


def test_an_interrupted_ingest_continues_where_it_stopped(broker, tmp_path, capsys):
    path = write(tmp_path / "a.jsonl", b"broken", *(queued(number * 60) for number in range(20)))
    words = ["--format", "canonical", "--speed", "120", "--shift-to-now"]
    command = [sys.executable, "-m", "service.main", "ingest", str(path), *words, "--bootstrap", broker.bootstrap]
    with subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "data")], cwd=ROOT, stderr=subprocess.PIPE
    ) as process:
        while not values(broker, "cti.events"):
            assert process.poll() is None
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"interrupted: run the same command again to send the rest" in err
    sent = len(values(broker, "cti.events"))
    assert 0 < sent < 20
    assert ingest(broker, tmp_path, path, "--format", "canonical", "--shift-to-now") == 0
    assert f"{sent + 1} sent before" in capsys.readouterr().out
    events = values(broker, "cti.events")
    assert len(events) == len({event["event_id"] for event in events}) == 20
    assert len({event["occurred_at_ms"] - START_MS - int(event["event_id"][2:]) * 1_000 for event in events}) == 1
    assert len(read(broker, "cti.dead-letter")) == 1


def test_a_finished_ingest_can_be_repeated(broker, tmp_path):
    path = write(tmp_path / "a.jsonl", queued(1))
    assert [ingest(broker, tmp_path, path, "--format", "canonical") for _ in range(2)] == [0, 0]
    assert len(values(broker, "cti.events")) == 2


@contextmanager
def following(broker: EmbeddedBroker, path: Path) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Run `ingest --follow`; yields a function that waits until something is so. Ends it by SIGTERM, which it obeys."""
    command = [sys.executable, "-m", "service.main", "ingest", str(path), "--format", "canonical", "--follow"]
    command += ["--bootstrap", broker.bootstrap, "--state", str(path.with_suffix(".state"))]
    with subprocess.Popen(command, cwd=ROOT) as process:

        def wait_until(so: Callable[[], bool]) -> None:
            while not so():
                assert process.poll() is None

        try:
            yield wait_until
        finally:
            process.terminate()
        assert process.wait(timeout=30) == 0


def test_a_growing_file_is_followed_and_continued_later(broker, tmp_path, capfd):
    path = write(tmp_path / "a.jsonl", queued(1))
    with following(broker, path) as wait_until:
        wait_until(lambda: len(read(broker, "cti.events")) == 1)
        with path.open("ab") as file:
            file.write(queued(2) + b"\nbroken\n")
        wait_until(lambda: len(read(broker, "cti.dead-letter")) == 1)
    assert "2 events sent" in capfd.readouterr().out
    with path.open("ab") as file:
        file.write(queued(3) + b"\n")
    with following(broker, path) as wait_until:
        wait_until(lambda: len(read(broker, "cti.events")) == 3)
    printed = capfd.readouterr()
    assert "1 events sent" in printed.out and "3 sent before" in printed.out
    assert sorted(event["event_id"] for event in values(broker, "cti.events")) == ["e-1", "e-2", "e-3"]


def test_a_broker_without_the_topics_is_told_apart(tmp_path, capsys):
    with EmbeddedBroker() as bare:
        assert ingest(bare, tmp_path, write(tmp_path / "a.jsonl", queued(1)), "--format", "canonical") == 1
    assert "run `floorwalker topics create` first" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["topics", "describe"], ["ingest", "pyproject.toml", "--format", "canonical"]])
def test_a_broker_that_is_not_there_is_one_sentence_and_1(words):
    command = [sys.executable, "-m", "service.main", *words, "--bootstrap", DEAD_BROKER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == f"floorwalker: no Kafka broker answers at {DEAD_BROKER}: start one or correct the address\n"


def test_topics_are_created_once_and_described(broker, capsys):
    assert main(["topics", "create", "--bootstrap", broker.bootstrap, "--partitions", "4", "--json"]) == 0
    assert main(["topics", "create", "--bootstrap", broker.bootstrap, "--partitions", "5"]) == 2
    printed = capsys.readouterr()
    assert "cti.events has 4, not 5" in printed.err
    topics = {topic["name"]: topic for topic in json.loads(printed.out[printed.out.index("[") :])}
    assert (topics["cti.events"]["status"], topics["cti.events"]["partitions"]) == ("exists", 4)
