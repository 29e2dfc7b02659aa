"""The API as a process of its own over the embedded broker: start, catching up, live records, restarts, signals."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from service.embedded import EmbeddedBroker, free_port
from service.topics import create_topics
from tests.integration.api_process import ApiProcess
from tests.unit.api.floors import Centre

PARTITIONS = 2
CONFIG = """
sites: {berlin: {timezone: Europe/Berlin}}
queues:
  sales: {site: berlin, group: front}
  mail: {site: berlin, channel: email, group: front}
agents: {"1001": {team: blue}}
"""


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker without any topic, for one test alone."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "floor.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


def produce(bootstrap: str, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> None:
    """Append records, each to the partition of its key."""

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
            sent = [
                await producer.send(topic, value, key=key, partition=sum(key.split(b"|")[-1]) % PARTITIONS)
                for key, value in records
            ]
            await asyncio.gather(*sent)

    asyncio.run(send())


def a_centre() -> Centre:
    """One answered call a quarter of an hour ago and one caller who waits since ten seconds, by the wall clock."""
    centre = Centre()
    centre.now_ms = time.time_ns() // 1_000_000
    centre.agent_state("1001", "ready", ago_ms=1_800_000)
    centre.call("c1", agent="1001", ago_ms=1_200_000)
    centre.queued("c2", ago_ms=10_000)
    centre.flush()
    return centre


def publish(broker: EmbeddedBroker, centre: Centre) -> None:
    """Write what the centre changed to the topics, and forget that it did."""
    produce(broker.bootstrap, "cti.state", centre.records)
    produce(broker.bootstrap, "cti.intervals", centre.closed)
    centre.records, centre.closed = [], []


def test_it_serves_what_was_there_and_what_comes(broker: EmbeddedBroker, tmp_path: Path, config: Path) -> None:
    create_topics(broker.bootstrap, PARTITIONS, 1)
    centre = a_centre()
    publish(broker, centre)
    with ApiProcess(broker.bootstrap, tmp_path / "api.log", config) as api:
        assert api.until("/readyz").json()["lag_records"] == 0
        sales = api.client.get("/v1/queues/sales?windows=60m").json()
        assert (sales["now"]["waiting"], sales["windows"]["60m"]["answered"]) == (1, 1)
        assert 10 <= sales["now"]["oldest_wait_seconds"] < 60
        assert [q["id"] for q in api.client.get("/v1/queues").json()["items"]] == ["sales", "mail"]
        assert api.client.get("/v1/agents/1001").json()["team"] == "blue"
        assert "floorwalker_queue_offered_total" in api.client.get("/metrics").text
        assert "<title>Floorwalker" in api.client.get("/").text
        for number in range(3):
            centre.queued(f"d{number}", "mail")
        centre.flush()
        publish(broker, centre)
        api.until("/v1/queues/mail?windows=5m&fields=waiting", now={"waiting": 3})
        lag = 'floorwalker_consumer_lag_records{topic="cti.state",partition="0"} 0.0'
        assert lag in api.client.get("/metrics").text


def test_a_live_stream_over_the_network_shows_a_change_within_a_second(
    broker: EmbeddedBroker, tmp_path: Path, config: Path
) -> None:
    create_topics(broker.bootstrap, PARTITIONS, 1)
    centre = a_centre()
    publish(broker, centre)
    with ApiProcess(broker.bootstrap, tmp_path / "api.log", config) as api:
        api.until("/readyz")
        with api.client.stream("GET", "/v1/stream?scopes=queue:mail") as answer:
            data = (orjson.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
            first = next(body for body in data if body.get("id") == "mail")
            assert first["now"]["waiting"] == 0
            centre.queued("m1", "mail")
            centre.flush()
            publish(broker, centre)
            began = time.monotonic()
            assert next(body for body in data if body.get("id") == "mail")["now"]["waiting"] == 1
            assert time.monotonic() - began < 1.5


def test_without_a_broker_it_lives_and_says_what_it_waits_for(tmp_path: Path, config: Path) -> None:
    port = free_port()
    with ApiProcess(f"127.0.0.1:{port}", tmp_path / "api.log", config) as api:
        assert api.until("/healthz").json() == {"status": "alive"}
        api.until("/readyz", 503)
        for path in ("/v1/queues", "/metrics", "/v1/stream"):
            assert api.client.get(path).status_code == 503
        with EmbeddedBroker(port) as broker:
            missing = "cti.state and cti.intervals and cti.alerts and cti.config"
            reason = f"{broker.bootstrap} lacks {missing}: run `floorwalker topics create` first"
            api.until("/readyz", 503, detail=f"not ready: {reason}")
            create_topics(broker.bootstrap, PARTITIONS, 1)
            api.until("/readyz")
            assert [q["now"]["waiting"] for q in api.client.get("/v1/queues").json()["items"]] == [0, 0]


def test_a_broker_that_lost_everything_is_noticed_and_read_anew(tmp_path: Path, config: Path) -> None:
    port = free_port()
    with EmbeddedBroker(port) as broker:
        create_topics(broker.bootstrap, PARTITIONS, 1)
        publish(broker, a_centre())
        with ApiProcess(broker.bootstrap, tmp_path / "api.log", config) as api:
            api.until("/v1/queues/sales?windows=5m&fields=waiting", now={"waiting": 1})
            broker.kill()
            assert api.client.get("/v1/queues/sales").json()["now"]["waiting"] == 1  # what is known is still served
            with EmbeddedBroker(port) as successor:
                create_topics(successor.bootstrap, PARTITIONS, 1)
                api.until("/v1/queues/sales?windows=5m&fields=waiting", timeout_s=40, now={"waiting": 0})


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_even_with_a_live_stream_open(
    broker: EmbeddedBroker, tmp_path: Path, how: signal.Signals
) -> None:
    create_topics(broker.bootstrap, PARTITIONS, 1)
    publish(broker, a_centre())
    with ApiProcess(broker.bootstrap, tmp_path / "api.log") as api:
        api.until("/readyz")
        with api.client.stream("GET", "/v1/stream") as answer:
            lines = answer.iter_lines()
            next(lines)
            api.process.send_signal(how)
            assert api.process.wait(10) == 0
        told = api.log.read_text("utf-8")
        assert "no tokens are asked for: whoever can use this machine sees everything" in told
        assert "Traceback" not in told


def test_a_taken_port_is_one_sentence_and_exit_code_one(broker: EmbeddedBroker, tmp_path: Path) -> None:
    with ApiProcess(broker.bootstrap, tmp_path / "api.log", port=broker.port) as api:
        assert api.process.wait(20) == 1
        wanted = f"floorwalker: port {broker.port} of 127.0.0.1 is taken: choose another one with --port\n"
        assert api.log.read_text("utf-8") == wanted


def test_a_setting_that_makes_no_sense_is_exit_code_two(broker: EmbeddedBroker, tmp_path: Path) -> None:
    with ApiProcess(broker.bootstrap, tmp_path / "api.log", FLOORWALKER_HISTORY_DAYS="many") as api:
        assert api.process.wait(20) == 2
        assert api.log.read_text("utf-8").startswith("floorwalker: FLOORWALKER_HISTORY_DAYS is 'many': input should be")
