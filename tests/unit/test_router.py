"""Facts on their way: queues hear that facts about their customers are to follow, what cannot be encoded is named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from service.domain.facts import FactBatch, Forecast, Reached, decode_batch
from service.domain.state_keys import class_scope
from streams.router import FactRouter, Unencodable, partition_of

RIGHT = Forecast("queue:a", 1, 2, (1, 1, "e1"), 5.0, 60_000, None)
HUGE = Forecast("queue:a", 1, 10**25, (1, 1, "e2"), 5.0, 60_000, None)


class Sink:
    """A producer that keeps what it is to send."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.batches: dict[int, FactBatch] = {}

    def send_facts(self, topic: str, partition: int, value: bytes) -> asyncio.Future[Any]:
        self.values.append(value)
        self.batches[partition] = decode_batch(value)
        return asyncio.get_running_loop().create_future()


async def test_facts_that_cannot_be_encoded_name_their_record_and_nothing_is_sent() -> None:
    router, sink = FactRouter(0, 4), Sink()
    router.add(6, [RIGHT, Forecast("queue:elsewhere", 1, 2, (1, 1, "e3"), 5.0, 60_000, None)])
    router.add(7, [HUGE])
    with pytest.raises(Unencodable) as raised:
        router.send(sink, 0)  # type: ignore[arg-type]
    assert raised.value.offset == 7
    assert isinstance(raised.value.__cause__, OverflowError)
    assert sink.values == [], "what went out half would be counted without the rest"


async def test_facts_are_sent_once() -> None:
    router, sink = FactRouter(0, 4), Sink()
    router.add(6, [RIGHT])
    assert len(router.send(sink, 9)) == 1  # type: ignore[arg-type]
    (value,) = sink.values
    assert (decode_batch(value).newest_ms, decode_batch(value).offsets) == (9, [6])
    assert router.send(sink, 9) == []  # type: ignore[arg-type]


async def test_a_customers_queue_and_class_hear_that_facts_are_to_follow() -> None:
    router, sink, partitions = FactRouter(3, 64), Sink(), 64
    reached = Reached("customer:h:ann", 5, 5, 1, "c1", "sales", "vip")
    router.add(7, [reached])
    router.send(sink, 99)  # type: ignore[arg-type]
    assert sink.batches == {
        partition_of("customer:h:ann", partitions): FactBatch(3, 99, [7], [reached]),
        partition_of("queue:sales", partitions): FactBatch(3, 99, [], [], awaits=True),
        partition_of(class_scope("vip", "sales"), partitions): FactBatch(3, 99, [], [], awaits=True),
    }
