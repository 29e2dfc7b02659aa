"""What `make fuzz` tries for minutes, on what it begins with and on a thousand spoilt copies of it."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.scopes import Interval
from service.domain.settings import Floor
from tests.fuzz.targets import TARGETS, records, written

SPOILT = 1_000


def spoilt(raw: bytes, rng: random.Random) -> bytes:
    """The bytes with one to four of them changed, left out, doubled or cut."""
    found = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        found[at : at + rng.choice((0, 1, 1, 8))] = rng.choice((b"", rng.randbytes(1), b'"', b"\n", b"-1", b"9" * 20))
    return bytes(found)


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_survives_what_it_begins_with_and_spoilt_copies_of_it(name: str) -> None:
    target, rng = TARGETS[name], random.Random(name)
    seeds = target.seeds()
    for seed in seeds:
        target.run(seed)
    for _ in range(SPOILT // 20 if name == "floor" else SPOILT):
        target.run(spoilt(rng.choice(seeds), rng)[: target.longest])


def test_records_are_read_as_they_were_written() -> None:
    found = [(b"p|1|queue:a", b"value"), (b"", None), (b"k", b"")]
    assert records(written(found)) == found


def test_an_agent_in_a_state_that_there_is_not_is_unreadable() -> None:
    """Found by atheris."""
    value = base64.b64decode("kpPNUgjNeRjOAAJN2JOXAsDDAQAAAJcCwMMAAQAAlwrAwwAAAAA=")
    TARGETS["state"].run(written([(b"t|5926276|agent:a1", value)]))


def test_a_state_that_began_in_another_year_counts_for_its_last_hundred_days() -> None:
    """Found by atheris: 22,000 intervals took a quarter of a minute, since all were looked at for each of them."""
    looked_at = 0

    class Starts(dict[int, Interval]):
        def __iter__(self) -> Iterator[int]:
            nonlocal looked_at
            looked_at += len(self)
            return super().__iter__()

    aggregate = AggregateStore(Floor())
    agent = aggregate.scopes.agent("agent:a2")
    agent.intervals = Starts()
    year_ms = 366 * 86_400_000
    for at_ms, state in ((1_757_884_000_000, "ready"), (1_757_884_000_000 + year_ms, "not_ready")):
        raw = b'{"event_id":"%d","type":"agent.state_changed","occurred_at_ms":%d,"agent_id":"a2","state":"%s"}'
        correlate = CorrelateStore(Floor())
        facts = correlate.take(raw % (at_ms, at_ms, state.encode()), at_ms + 1_000, 0)
        for fact in facts:
            aggregate.apply(fact)
    assert len(agent.intervals) == 100 * 96 + 1
    assert sum(each.common.available_ms for each in agent.intervals.values()) == 100 * 86_400_000
    assert looked_at < 10 * len(agent.intervals)
