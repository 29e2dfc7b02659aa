"""Telephone numbers are planted wherever a feed could have them; after the run they are nowhere. Embedded broker.

Only what the senders themselves wrote has them: the native topic, and those records of `cti.events`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import TopicPartition

from service.embedded import EmbeddedBroker, free_port
from service.topic_reading import reading, until_the_end
from service.topics import TOPICS, Topic, create_topics
from tests.support import failing_worker
from tests.support.stream_run import EVENTS, ROOT, Record, StreamRun

pytestmark = pytest.mark.embedded

NATIVE = "native.calls"
AGENT = "1001"
TOLD = ("/v1/queues", "/v1/queues/sales/visits", "/v1/sources", f"/v1/agents/{AGENT}", "/metrics")
"""Paths that must have something to say."""

T0_MS = 1_777_881_630_000
CONFIG = f"""
queues: {{sales: {{}}}}
sources:
  calls:
    format: call-records
    topic: {NATIVE}
    mapping: {{header: [at, phone, wait, outcome], queue_id: sales, enqueue: [at], wait: wait, outcome: outcome,
              customer_ref: phone}}
  lines:
    format: canonical
"""
KEYS = {name: base64.b64encode(bytes([number]) * 32).decode() for number, name in enumerate(("k1", "d1"))}

Place = tuple[str, int, int]


class Numbers:
    """Makes telephone numbers, each another, and remembers them."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def plant(self, form: str = "+49{}") -> str:
        """A number as it would be written."""
        digits = f"{7_301_000_000 + 7919 * len(self.planted)}"
        spelt = form.format(digits) if "{}" in form else "-".join((digits[:3], digits[3:6], digits[6:]))
        self.planted += [digits, spelt]
        return spelt

    def found_in(self, data: bytes) -> list[str]:
        """Those that the data has."""
        return [number for number in self.planted if number.encode() in data]


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        create_topics(running.bootstrap, 3, 1, topics=[Topic(NATIVE, "calls", {})])
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "floor.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The files of keys, by name of key."""
    for name, secret in KEYS.items():
        (tmp_path / f"{name}.keys").write_text(f"{name}: {secret}\n")
    return {name: str(tmp_path / f"{name}.keys") for name in KEYS}


def event(kind: str, number: int, **fields: Any) -> bytes:
    told = {"event_id": f"{kind}-{number}", "type": kind, "occurred_at_ms": T0_MS + number, "source": "lines", **fields}
    if kind.startswith(("contact", "visit")):
        told["contact_id"] = f"c{number}"
    if kind == "visit.queued":
        told |= {"visit_id": f"c{number}/1", "queue_id": "sales"}
    return json.dumps(told).encode()


def events_of(numbers: Numbers, first: int) -> list[Record]:
    """Canonical records as a careless sender has them: good ones, misplaced ones, bad ones and poison."""
    told = [
        (b"c%d" % first, event("contact.started", first, customer_ref=numbers.plant())),
        (b"c%d" % first, event("visit.queued", first, customer_ref=numbers.plant("0049{}"), customer_class="gold")),
        (b"c%d" % (first + 1), event("visit.queued", first + 1, customer_ref=numbers.plant("split"))),
        (None, event("visit.queued", first + 2, customer_ref=numbers.plant())),
        (b"elsewhere", event("contact.started", first + 3, customer_ref=numbers.plant())),
        (AGENT.encode(), event("agent.state_changed", first, agent_id=AGENT, state="ready", phone=numbers.plant())),
        (b"bad", event("visit.teleported", first, customer_ref=numbers.plant())),
        (numbers.plant().encode(), b'{"caller": "%b", ' % numbers.plant("split").encode()),
        (b"x", event("visit.queued", first + 4, customer_ref=[numbers.plant()])),
        (b"x", event("visit.queued", first + 4, customer_ref=numbers.plant(), wait_ms=numbers.plant())),
    ]
    poisonous = event("visit.queued", first + 5, customer_ref=numbers.plant())
    told.append((b"c%d" % (first + 5), poisonous.replace(b"visit.queued-", b"poison-")))
    customer = numbers.plant()
    told.append(
        (customer.encode(), event("customer.class_changed", first, customer_ref=customer, customer_class="vip"))
    )
    return told


def rows_of(numbers: Numbers) -> list[bytes]:
    """Native records: a good one, one with its columns shifted, one too short, and poison."""
    good = f"2026-05-04T08:00:00Z,{numbers.plant()},5,abandoned"
    return [
        line.encode()
        for line in (
            good,
            f"2026-05-04T08:00:00Z,5,{numbers.plant()},abandoned",
            f"{numbers.plant()},5",
            f"2026-05-04T08:00:00Z,{numbers.plant()},5,{failing_worker.POISON_LINE.decode()}",
        )
    ]


async def command(*arguments: str) -> bytes:
    """All that a command says."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.main", *arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said


async def ingest(run: StreamRun, file: Path, format_name: str, *options: str) -> bytes:
    place = ("--bootstrap", run.bootstrap, "--config", str(run.config), "--data-dir", str(run.folder))
    said = await command("ingest", str(file), "--format", format_name, *place, *options)
    run.sent += int(said.split()[0])
    return said


async def everything(run: StreamRun) -> dict[Place, bytes]:
    """Keys, values and headers of every record of every topic."""
    topics = {topic.name: topic.partitions or run.partitions for topic in TOPICS} | {NATIVE: run.partitions}
    partitions = [TopicPartition(topic, number) for topic, count in topics.items() for number in range(count)]

    def read() -> dict[Place, bytes]:
        found: dict[Place, bytes] = {}
        with reading(run.bootstrap, partitions) as consumer:
            for record in until_the_end(consumer):
                headers = b"".join(name.encode() + b"=" + value for name, value in record.headers)
                raw = b"\0".join((record.key or b"", record.value or b"", headers))
                found[record.topic, record.partition, record.offset] = raw
        return found

    return await asyncio.to_thread(read)


async def answers(url: str) -> dict[str, bytes]:
    """What every path of the API says, with the agent's id for agents and `sales` for any other."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        names = [path for path, ways in paths.items() if "get" in ways and path != "/v1/stream"]
        plain = ["/v1/scopes/class/vip", "/v1/queues/sales/visits?limit=100", "/metrics"]
        for name in names:
            id_ = AGENT if name.startswith("/v1/agents/") else "sales"
            plain.append("/".join(id_ if part.startswith("{") else part for part in name.split("/")))
        found = {path: await client.get(path) for path in plain}
        assert {path: found[path].status_code for path in TOLD} == dict.fromkeys(TOLD, 200)
        return {path: answer.content for path, answer in found.items()}


@pytest.mark.parametrize("keyed", [True, False], ids=["hashed", "dropped"])
async def test_a_planted_number_is_nowhere_but_where_its_sender_wrote_it(
    keyed: bool, broker: EmbeddedBroker, config: Path, files: dict[str, str], tmp_path: Path
) -> None:
    numbers, port = Numbers(), free_port()
    options = ["--customer-key-file", files["k1"]] if keyed else []
    async with StreamRun(broker.bootstrap, config, tmp_path, embedded=True) as run:
        worker = ("--metrics-port", str(port), "--log-level", "debug", *options)
        child = run.start_worker(*worker, module="tests.support.failing_worker")
        url = run.start_api()
        await run.until_ready([child])
        own: set[Place] = {(EVENTS, *place) for place in await run.send(events_of(numbers, 100))}
        native = rows_of(numbers)
        own |= {(NATIVE, *place) for place in await run.send([(None, line) for line in native], NATIVE)}
        lines, calls = tmp_path / "lines.jsonl", tmp_path / "calls.csv"
        told = [value or b"" for _, value in events_of(numbers, 200)]
        lines.write_bytes(b"\n".join(value for value in told if b"poison-" not in value))
        calls.write_bytes(b"\n".join(rows_of(numbers)[:3]))
        said = await ingest(run, lines, "canonical", *options) + await ingest(run, calls, "call-records", *options)
        async with asyncio.timeout(60):
            while len(letters(run, NATIVE)) < 3:  # the native records are worked off
                await run.feed.read()
        run.sent += 1  # the native record that was good
        await run.settle()

        kept = await everything(run)
        heard = {
            "ingest": said,
            "listed": await command("dead-letters", "list", "--json", "--bootstrap", run.bootstrap),
        }
        heard |= {path.name: path.read_bytes() for path in tmp_path.glob("*.log")}
        heard |= await answers(url)
        async with httpx.AsyncClient() as client:
            heard["worker's metrics"] = (await client.get(f"http://127.0.0.1:{port}/metrics")).content

        assert all(numbers.found_in(kept[place]) for place in own), "they were planted"
        assert {
            place: hits for place, raw in kept.items() if place not in own and (hits := numbers.found_in(raw))
        } == {}
        assert {name: hits for name, data in heard.items() if (hits := numbers.found_in(data))} == {}
        assert len(letters(run, EVENTS)) >= 4 and b"poison" in heard["listed"]
        counts = run.feed.counts()
        if keyed:
            assert b"h:k1:" in b"".join(raw for (topic, *_), raw in kept.items() if topic == "cti.contacts")
            assert "customer_ref_dropped" not in counts and "rejected:no_customer_key" not in counts
        else:
            # five good events of each sender, and one good row
            assert counts["customer_ref_dropped"] == 5 + 5 + 1 + 1
            assert counts["rejected:no_customer_key"] == 1
            assert b"without their customer's number" in said
            assert b"floorwalker_events_customer_ref_dropped" in heard["/metrics"]


def letters(run: StreamRun, topic: str) -> list[Any]:
    return [letter for letter in run.feed.dead_letters if dict(letter.headers).get("source_topic") == topic.encode()]


async def test_an_encrypted_dead_letter_is_read_and_replayed_by_who_has_the_key(
    broker: EmbeddedBroker, config: Path, files: dict[str, str], tmp_path: Path
) -> None:
    number = Numbers().plant()
    bad = b'{"caller": "%b"' % number.encode()
    where = ("--bootstrap", broker.bootstrap, "--topic", EVENTS)
    key = ("--dead-letter-key-file", files["d1"])
    async with StreamRun(broker.bootstrap, config, tmp_path, embedded=True) as run:
        run.start_worker("--dead-letters", "encrypted", *key)
        await run.send([(b"key", bad)])
        await run.settle()
        (letter,) = run.feed.dead_letters
        assert (letter.key, dict(letter.headers)["encrypted_with"]) == (None, b"d1")
        assert number.encode() not in letter.value

        assert number.encode() not in await command("dead-letters", "list", "--json", *where)
        assert b"not 1: each is encrypted" in await command("dead-letters", "replay", *where)
        (row,) = json.loads(await command("dead-letters", "list", "--json", *where, *key))
        assert (row["key"], row["raw"]) == ("key", bad.decode())
        assert b"replayed 1 of 1" in await command("dead-letters", "replay", *where, *key)
        again = [raw for (topic, *_), raw in (await everything(run)).items() if topic == EVENTS]
        assert [raw.split(b"\0")[:2] for raw in again] == [[b"key", bad]] * 2


async def test_a_masked_dead_letter_is_not_replayed(broker: EmbeddedBroker, config: Path, tmp_path: Path) -> None:
    async with StreamRun(broker.bootstrap, config, tmp_path, embedded=True) as run:
        run.start_worker()
        await run.send([(b"key", b'{"caller": "%b"' % Numbers().plant().encode()), (b"key", b"{broken")])
        await run.settle()
        said = await command("dead-letters", "replay", "--bootstrap", run.bootstrap, "--topic", EVENTS)
        assert said.decode().splitlines() == [
            "replayed 1 of 2 dead letters",
            "not 1: each was masked when it was rejected, so its original is not here (docs/privacy.md)",
        ]
