"""What poison must not do, the same on every broker; the broker's own test files call these.

The poison changes state before it raises (tests/support/failing_worker.py).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from service.domain.facts import decode_batch
from service.processes import Child
from tests.support import failing_worker as faults
from tests.support.mornings import Event, record, recording
from tests.support.stream_run import StreamRun


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


async def set_aside(run: StreamRun, morning: list[Event], folder: Path) -> None:
    """Poison is in the dead letters once and nowhere else, and everything else is counted once."""
    records, poison = with_poison(morning)
    start(run)
    await run.send(records)
    await run.settle()
    for attribution in ("outcome", "arrival"):
        assert await run.differences(recording(morning, folder), attribution) == []

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


async def killed_in_reload(run: StreamRun, morning: list[Event], folder: Path) -> None:
    """A worker killed while it undoes poison loses and doubles nothing; dead letters may be there twice."""
    records, poison = with_poison(morning)
    wholesome = next(at for at, (_, value) in enumerate(records) if value in poison)
    os.environ[faults.DIE] = "1"
    dying = start(run)
    del os.environ[faults.DIE]
    await run.send(records[:wholesome])
    await run.until_taken(wholesome)  # so that there is something to load
    await run.send(records[wholesome:])
    assert await run.until_ended(dying) == -9
    start(run)
    await run.settle()
    for attribution in ("outcome", "arrival"):
        assert await run.differences(recording(morning, folder), attribution) == []
    told = Counter(value for value, headers in letters_of(run, "cti.events") if headers["reason"] == "poison")
    assert set(told) == set(poison)
    assert set(told.values()) <= {1, 2}
    assert len(letters_of(run, "cti.facts")) in range(3, 7)
