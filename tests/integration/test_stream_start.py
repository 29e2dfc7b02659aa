"""Native topics, and workers that cannot start. On the embedded broker: nothing here depends on the kind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedBroker, free_port
from service.sealing import mask
from service.topics import Topic, create_topics
from tests.support.stream_run import ROOT, Source, StreamRun, run_report

GOLDEN = ROOT / "tests" / "golden" / "reports"
NATIVE = "pbx.queue_log"


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def native(tmp_path: Path) -> Source:
    """A queue_log whose configuration says that a topic carries its lines."""
    config = tmp_path / "native.yaml"
    text = (GOLDEN / "queue_log.yaml").read_text()
    named = text.replace("{format: asterisk-queue-log,", f"{{format: asterisk-queue-log, topic: {NATIVE},")
    assert named != text
    config.write_text(named)
    return Source([GOLDEN / "queue_log.txt"], "asterisk-queue-log", config)


async def test_a_native_topic_is_decoded(broker: EmbeddedBroker, native: Source, tmp_path: Path) -> None:
    report = run_report(native)
    create_topics(broker.bootstrap, 1, 1, topics=[Topic(NATIVE, "lines of a queue_log", {})])
    lines = [line for line in native.files[0].read_bytes().splitlines() if line.strip()]
    async with StreamRun(broker.bootstrap, native.config, tmp_path, embedded=True) as run:
        run.start_worker()
        await run.send([(None, line) for line in lines], topic=NATIVE)
        run.sent = report["quality"]["events"]
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(native, attribution) == []
        rejected = [dict(letter.headers) for letter in run.feed.dead_letters]
        assert len(rejected) == sum(report["quality"]["rejected"].values())
        assert all(headers["source_topic"] == NATIVE.encode() for headers in rejected)


@pytest.mark.crash
async def test_a_line_that_an_adapter_fails_on_is_set_aside(
    broker: EmbeddedBroker, native: Source, tmp_path: Path
) -> None:
    report = run_report(native)
    create_topics(broker.bootstrap, 1, 1, topics=[Topic(NATIVE, "lines of a queue_log", {})])
    lines = [line for line in native.files[0].read_bytes().splitlines() if line.strip()]
    poison = lines[5].replace(b"|", b"|POISON", 1)
    async with StreamRun(broker.bootstrap, native.config, tmp_path, embedded=True) as run:
        run.start_worker(module="tests.support.failing_worker")
        await run.send([(None, line) for line in [*lines[:5], poison, *lines[5:]]], topic=NATIVE)
        run.sent = report["quality"]["events"]
        await run.settle()
        assert await run.differences(native) == []
        found = [dict(letter.headers) | {"value": letter.value} for letter in run.feed.dead_letters]
        letter = next(letter for letter in found if letter["reason"] == b"poison")
        kept = mask(poison.decode()).encode()
        assert (letter["value"], letter["source_topic"], letter["source_offset"]) == (kept, NATIVE.encode(), b"5")
        assert b"does not understand itself" in letter["traceback"]


def start(bootstrap: str, folder: Path, *more: str) -> tuple[int, str]:
    """Exit code and standard error of a worker that should not start."""
    command = [sys.executable, "-m", "service.main", "worker", "--bootstrap", bootstrap]
    command += ["--data-dir", str(folder), *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def test_an_unreachable_broker_is_named(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    sentence = f"floorwalker: no Kafka broker answers at {address}: start one or correct the address\n"
    assert start(address, tmp_path) == (1, sentence)


def test_missing_topics_are_named_with_the_command_that_creates_them(broker: EmbeddedBroker, tmp_path: Path) -> None:
    code, error = start(broker.bootstrap, tmp_path, "--embedded")
    assert code == 1
    assert error.startswith("floorwalker: topics cti.events, cti.facts,")
    assert error.endswith("are missing: run `floorwalker topics create` first\n") and error.count("\n") == 1


def test_a_missing_native_topic_is_named(broker: EmbeddedBroker, native: Source, tmp_path: Path) -> None:
    create_topics(broker.bootstrap, 2, 1)
    code, error = start(broker.bootstrap, tmp_path, "--embedded", "--config", str(native.config))
    assert (code, error.count("\n")) == (1, 1)
    assert NATIVE in error


def test_a_wrong_configuration_is_named_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text("sites: {main: {timezone: UTC}}\nqueues:\n  sales: {service_level: {threshold_seconds: -1}}\n")
    code, error = start("127.0.0.1:9", tmp_path, "--config", str(config))
    assert (code, error.count("\n")) == (2, 1)
    assert f"{config}, line 3" in error


def test_a_setting_that_cannot_be_is_named(tmp_path: Path) -> None:
    code, error = start("127.0.0.1:9", tmp_path, "--session-timeout-seconds", "0")
    assert (code, error.count("\n")) == (2, 1)
    assert "--session-timeout-seconds" in error
