"""The watchdog in a running worker: what never ends in the feed ends by events that stand on `cti.events` for all."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from service.domain.codec import decode_event, record_key
from service.domain.events import Event, LegEnded
from service.embedded import EmbeddedBroker
from tests.support.stream_run import EVENTS, Record, StreamRun

CONFIG = """
queues: {sales: {channel: voice}}
watchdog: {limits: {voice: {waiting_seconds: 200, ringing_seconds: 30}}}
"""
TIMEOUT_S = 60.0
START_MS = 1_763_370_000_000
"""2025-11-17T09:00:00Z."""


def told(kind: str, seconds: float, **fields: Any) -> dict[str, Any]:
    """An event so many seconds after the beginning."""
    at_ms = START_MS + round(seconds * 1000)
    return {"event_id": f"{kind}-{seconds}", "type": kind, "occurred_at_ms": at_ms, "source": "pbx", **fields}


def answered(contact_id: str, seconds: float) -> dict[str, Any]:
    visit = {"contact_id": contact_id, "visit_id": contact_id, "queue_id": "sales"}
    return told("visit.answered", seconds, agent_id="1001", **visit)


def queued(contact_id: str, seconds: float) -> dict[str, Any]:
    return told("visit.queued", seconds, contact_id=contact_id, visit_id=contact_id, queue_id="sales")


STORY = [
    queued("first", 0), answered("first", 10), queued("waits", 50), queued("second", 60), answered("second", 70),
    queued("rings", 80), told("leg.alerting", 85, contact_id="rings", visit_id="rings", agent_id="1002"),
    queued("last", 290),
]  # fmt: skip
PULSE = [told("agent.heartbeat", 291 + number / 1000, agent_id=f"a{number}") for number in range(30)]
"""So that event time has come this far in every partition."""

SNAPSHOT = told(
    "source.snapshot", 295, waiting=[{"contact_id": "lost", "queue_id": "sales", "since_ms": START_MS + 292_000}]
)


def record(event: dict[str, Any]) -> Record:
    raw = json.dumps(event).encode()
    return record_key(decode_event(raw)).encode(), raw


async def synthetic_events(bootstrap: str) -> list[Event]:
    """All synthetic events about contacts that stand on the topic."""
    consumer = AIOKafkaConsumer(EVENTS, bootstrap_servers=bootstrap, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        batches = await consumer.getmany(timeout_ms=2_000)
        events = [decode_event(found.value) for batch in batches.values() for found in batch]
    finally:
        await consumer.stop()
    return [event for event in events if event.synthetic and hasattr(event, "contact_id")]


async def test_what_never_ends_is_closed_on_the_topic_and_the_api_tells(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    config = tmp_path / "floor.yaml"
    config.write_text(CONFIG)
    closed = {"next_contact": 1, "waiting": 2, "ringing": 1}
    with EmbeddedBroker() as broker:
        async with StreamRun(broker.bootstrap, config, tmp_path, embedded=True) as run:
            run.start_worker()
            async with httpx.AsyncClient(base_url=run.start_api(), timeout=10) as client:
                await run.send([record(event) for event in STORY + PULSE])
                await until(run, partial(shown, client), {"synthetic": closed, "waiting": 1, "cancelled": 2})
                await run.send([record(SNAPSHOT)])
                reconciled = closed | {"snapshot": 2}
                await until(run, partial(shown, client), {"synthetic": reconciled, "waiting": 1, "cancelled": 3})
            made = await synthetic_events(broker.bootstrap)
    assert len({event.event_id for event in made}) == len(made) == 6
    (ended,) = [event for event in made if event.synthetic_reason == "next_contact"]
    assert (type(ended), record_key(ended), ended.occurred_at_ms - START_MS) == (LegEnded, "first", 70_000)


async def shown(client: httpx.AsyncClient) -> dict[str, Any] | None:
    """What the API tells of the feed and of the queue; None while it is not ready."""
    sources, queue = await client.get("/v1/sources"), await client.get("/v1/queues/sales")
    if sources.is_error or queue.is_error:
        return None
    synthetic = [source["synthetic"] for source in sources.json()["items"] if source["source"] == "pbx"]
    now, day = queue.json()["now"], queue.json()["windows"]["day"]
    return {"synthetic": synthetic[0] if synthetic else {}, "waiting": now["waiting"], "cancelled": day["cancelled"]}


async def until(run: StreamRun, look: Callable[[], Awaitable[Any]], expected: Any) -> None:
    """Return once that is seen."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            found = await look()
        except httpx.TransportError as error:  # the API starts
            found = error
        if found == expected:
            return
        assert time.monotonic() < deadline, f"{found}\n{run.logs()}"
        await run.feed.read()  # a moment, and no more than that
        run.check()
