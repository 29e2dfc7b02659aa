"""What the bench's figures rest on: the whole load is sent, and the watcher's tally counts between two looks."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from service.bench.latency import _send_paced, make_probes
from service.bench.load import Record, warm_up
from service.bench.watch import _Look, _Tally
from service.domain.facts import SourceSeen


class Sent:
    """What a sender was given."""

    def __init__(self) -> None:
        self.keys: list[bytes] = []

    async def add(self, partition: int, key: bytes, value: bytes | None) -> None:
        self.keys.append(key)

    async def send_open(self) -> None:
        """Nothing is held back."""


async def test_contacts_under_way_at_the_end_are_told_to_their_end_and_no_probe_comes_after_it() -> None:
    begun = time.time()
    due: list[tuple[int, Record]] = [
        (int((begun + at) * 1000), (0, b"contact-%d" % number, b"{}")) for number, at in enumerate((0, 0.05, 0.25))
    ]
    sent, probes = Sent(), make_probes("test", 2)
    await _send_paced(sent, due, probes, begun + 0.1)  # type: ignore[arg-type]
    assert [key for key in sent.keys if key.startswith(b"contact")] == [b"contact-0", b"contact-1", b"contact-2"]
    assert all(begun <= at < begun + 0.1 for probe in probes for at in probe.sent)
    assert any(probe.sent for probe in probes)


def look(at: float, used: float, *counted: int) -> _Look:
    """A look at which the feed said that so many events were counted."""
    values = [
        msgspec.msgpack.encode(SourceSeen("source:pbx", 0, {"visit.queued": n, "late": 7}, 0, 0)) for n in counted
    ]
    records: list[Any] = [SimpleNamespace(key=b"o|0|source:pbx", value=value) for value in values]
    return _Look(at, {"correlate": used}, [records])


def test_the_rate_is_of_the_events_between_the_first_look_after_the_warm_up_and_the_last() -> None:
    tally = _Tally(1_000, look(10.0, 1.0))
    assert warm_up(1_000) == 250
    for each in (look(11.0, 2.0, 100, 249), look(12.0, 4.0, 300), look(14.0, 6.0, 600), look(16.0, 11.0, 1_000)):
        tally.take(each)
    found = tally.result()
    assert tally.events == 1_000
    assert found.events_per_second == pytest.approx(700 / 4.0)
    assert found.cpu_seconds_per_event == {"correlate": pytest.approx(7.0 / 700)}
    assert found.state_records == 5


def test_when_the_first_look_finds_all_events_the_start_is_part_of_the_time() -> None:
    tally = _Tally(1_000, look(10.0, 1.0))
    tally.take(look(15.0, 2.0, 1_000))
    assert tally.result().events_per_second == pytest.approx(1_000 / 5.0)
