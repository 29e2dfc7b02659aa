"""The watchdog's shell: whose clock counts, and where synthetic events are sent."""

from __future__ import annotations

from asyncio import Future
from typing import Any, cast

from service.domain.correlate import BY_KEY, EVERYWHERE, HERE, CorrelateStore
from service.domain.settings import Floor
from streams.producer import BatchProducer
from streams.synthetic import at_home, send_made
from streams.watch import Clocks
from tests.unit.domain.build import event


def test_a_silent_feed_goes_on_at_the_walls_pace_from_its_newest_event() -> None:
    wall = iter([1_000, 4_000, 9_000, 9_500])
    clocks = Clocks(lambda: next(wall))
    assert clocks.now_ms(("a",), 500_000) == 500_000
    assert clocks.now_ms(("a",), 500_000) == 503_000
    assert clocks.now_ms(("a",), 700_000) == 700_000
    assert clocks.now_ms(("b",), 100_000) == 100_000


class Sent:
    """Stands where the producer stands, and remembers."""

    def __init__(self) -> None:
        self.records: list[tuple[int | None, bytes | None, bool]] = []

    def send_facts(
        self, topic: str, partition: int | None, value: bytes, key: bytes | None = None, headers: Any = None
    ) -> Future[Any] | None:
        self.records.append((partition, key, bool(headers)))
        return None


def test_each_synthetic_event_goes_where_it_belongs() -> None:
    sent = Sent()
    made = [
        (HERE, event("leg.ended", 0)),
        (BY_KEY, event("agent.snapshot", 0, state="ready")),
        (EVERYWHERE, event("source.snapshot", 0, source="pbx")),
    ]
    send_made(cast(BatchProducer, sent), made, 1, 3)
    everywhere = [(partition, b"pbx", True) for partition in range(3)]
    assert sent.records == [(1, b"c", False), (None, b"1001", False), *everywhere]


def test_every_contact_is_at_home_in_one_partition() -> None:
    stores = [at_home(CorrelateStore(Floor()), partition, 3) for partition in range(3)]
    for number in range(50):
        assert sum(store.is_home(f"c{number}") for store in stores) == 1
