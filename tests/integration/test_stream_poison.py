"""A record that our own code fails on costs nothing but itself. On the embedded broker, with faults put in.

The material is a simulated morning; the poison changes state before it raises (tests/support/failing_worker.py).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.domain.facts import decode_batch
from service.embedded import EmbeddedBroker
from service.processes import Child
from tests.support import failing_worker as faults
from tests.support.mornings import CONFIG, Event, record, simulated
from tests.support.stream_run import Source, StreamRun

pytestmark = pytest.mark.embedded


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="module")
def morning() -> list[Event]:
    return simulated(contacts_per_hour=700)


def recording(events: list[Event], folder: Path) -> Source:
    file = folder / "recording.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    return Source([file], "canonical", CONFIG)


def poison_event(near: Event, number: int) -> Event:
    """It opens a second visit of a contact that is in flight."""
    return {
        "event_id": f"poison-{number}", "type": "visit.queued", "occurred_at_ms": near["occurred_at_ms"],
        "contact_id": near["contact_id"], "visit_id": f"poison-visit-{number}", "queue_id": faults.OTHER_QUEUE,
        "source": near["source"],
    }  # fmt: skip


def event_with_poison_fact(near: Event, number: int) -> Event:
    return {
        "event_id": f"fact-{number}", "type": "visit.queued", "occurred_at_ms": near["occurred_at_ms"],
        "contact_id": f"fact-{number}", "visit_id": f"fact-{number}/1", "queue_id": faults.POISON_QUEUE,
        "source": near["source"],
    }  # fmt: skip


def with_poison(morning: list[Event]) -> tuple[list[Any], list[bytes]]:
    """The morning's records, with poison put between them, and the poison events' bytes.

    Two pieces of poison stand next to each other, with a record that is merely bad in front of them: what was done for
    that one before the roll back must not be done again.
    """
    records: list[Any] = []
    contacts = [index for index, event in enumerate(morning) if "contact_id" in event]
    places = {contacts[len(contacts) * part // 10]: part for part in (2, 5, 8)}
    for index, event in enumerate(morning):
        records.append(record(event))
        if (part := places.get(index)) is not None:
            if part == 5:
                records.append((record(event)[0], b"{bad"))
            records.append(record(poison_event(event, part)))
            records.append(record(event_with_poison_fact(event, part)))
            if part == 5:
                records.append(record(poison_event(event, 55)))
    return records, [value for _, value in records if b'"poison-' in value]


def start(run: StreamRun) -> Child:
    return run.start_worker(module="tests.support.failing_worker")


def letters_of(run: StreamRun, topic: str) -> list[tuple[bytes, dict[str, str]]]:
    """Value and headers of the poison that came from the topic."""
    found = [
        (letter.value, {name: value.decode() for name, value in letter.headers}) for letter in run.feed.dead_letters
    ]
    return [(value, headers) for value, headers in found if headers["source_topic"] == topic]


async def test_poison_is_set_aside_and_everything_else_is_counted(
    broker: EmbeddedBroker, morning: list[Event], tmp_path: Path
) -> None:
    records, poison = with_poison(morning)
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        start(run)
        await run.send(records)
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(recording(morning, tmp_path), attribution) == []

        events = letters_of(run, "cti.events")
        assert Counter(headers["reason"] for _, headers in events) == {"poison": len(poison), "bad_json": 1}
        assert sorted(value for value, headers in events if headers["reason"] == "poison") == sorted(poison)
        assert all("half of the contact" in headers["traceback"] for value, headers in events if value in poison)
        facts = letters_of(run, "cti.facts")
        scopes = [[fact.scope for fact in decode_batch(value).facts] for value, _ in facts]
        assert scopes == [[f"queue:{faults.POISON_QUEUE}"]] * 3, "the fact alone, and each once"
        assert all("half of the state" in headers["traceback"] for _, headers in facts)
        places = [(headers["source_partition"], headers["source_offset"]) for _, headers in events]
        assert len(set(places)) == len(places)


@pytest.mark.crash
async def test_a_worker_killed_while_it_undoes_poison_loses_and_doubles_nothing(
    broker: EmbeddedBroker, morning: list[Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, poison = with_poison(morning)
    half = len(records) * 2 // 5
    async with StreamRun(broker.bootstrap, CONFIG, tmp_path, embedded=True) as run:
        monkeypatch.setenv(faults.DIE, "1")
        dying = start(run)
        await run.send(records[:half])
        await run.until_taken(half)  # so that there is something to load
        await run.send(records[half:])
        assert await run.until_ended(dying) == -9
        monkeypatch.delenv(faults.DIE)
        start(run)
        await run.settle()
        for attribution in ("outcome", "arrival"):
            assert await run.differences(recording(morning, tmp_path), attribution) == []
        told = Counter(value for value, headers in letters_of(run, "cti.events") if headers["reason"] == "poison")
        assert set(told) == set(poison)
        assert set(told.values()) <= {1, 2}
        assert len(letters_of(run, "cti.facts")) in range(3, 7)
