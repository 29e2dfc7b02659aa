"""What cannot be an event is counted with a reason, kept as a dead letter, and stops nothing. Embedded broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.embedded import EmbeddedBroker
from tests.support.stream_run import ROOT, Source, StreamRun

GOLDEN = ROOT / "tests" / "golden" / "reports"
SOURCE = Source([GOLDEN / "canonical.jsonl"], "canonical", GOLDEN / "canonical.yaml")
KEPT_BYTES = 1 << 20
GOOD: dict[str, Any] = {
    "event_id": "bad-1", "type": "visit.queued", "occurred_at_ms": 1_777_881_630_000, "contact_id": "bad",
    "visit_id": "bad/1", "queue_id": "sales",
}  # fmt: skip


def event(**changed: Any) -> bytes:
    """An event with some fields changed, or left out by None."""
    return json.dumps({name: value for name, value in (GOOD | changed).items() if value is not None}).encode()


BAD: list[tuple[str, bytes | None]] = [
    ("bad_json", b"{broken"),
    ("bad_json", event()[:60]),
    ("bad_json", b""),
    ("bad_json", None),
    ("missing_field", event(queue_id=None)),
    ("missing_field", event(occurred_at_ms=None)),
    ("unknown_type", event(type="visit.teleported")),
    ("bad_field", event(contact_id=7)),
    ("too_large", event(customer_ref="x" * 5_000_000)),
    ("bad_timestamp", event(occurred_at_ms=0)),
    ("bad_timestamp", event(occurred_at_ms=599_616_000_000)),
    ("bad_timestamp", event(occurred_at_ms=4_102_444_800_000)),
    ("bad_timestamp", event(occurred_at_ms="yesterday")),
    ("bad_encoding", event(queue_id="caf").replace(b"caf", b"caf\xe9")),
]


@pytest.fixture
def broker(embedded_broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: the topics' names are fixed."""
    with EmbeddedBroker() as running:
        yield running


async def test_bad_records_among_good_ones(broker: EmbeddedBroker, tmp_path: Path) -> None:
    async with StreamRun(broker.bootstrap, SOURCE.config, tmp_path, embedded=True) as run:
        run.start_worker()
        places = await run.send([(b"key-%d" % number, value) for number, (_, value) in enumerate(BAD)])
        await run.ingest(SOURCE)
        await run.send([(b"key", value) for _, value in BAD[:3]])
        await run.settle()
        assert await run.differences(SOURCE) == []

        reasons = Counter(reason for reason, _ in [*BAD, *BAD[:3]])
        counts = run.feed.counts()
        assert {word: count for word, count in counts.items() if word.startswith("rejected:")} == {
            f"rejected:{reason}": count for reason, count in reasons.items()
        }
        letters = {place_of(letter): letter for letter in run.feed.dead_letters}
        assert len(letters) == len(run.feed.dead_letters) == len(BAD) + 3
        for (reason, value), place in zip(BAD, places, strict=True):
            letter = letters[place]
            assert headers_of(letter)["reason"] == reason
            assert headers_of(letter)["detail"]
            assert letter.value == (value or b"")[:KEPT_BYTES]


def headers_of(letter: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in letter.headers}


def place_of(letter: Any) -> tuple[int, int]:
    headers = headers_of(letter)
    assert headers["source_topic"] == "cti.events"
    return int(headers["source_partition"]), int(headers["source_offset"])
