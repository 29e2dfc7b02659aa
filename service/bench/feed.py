"""A state feed made beforehand: what a worker would write for a load, without a worker beside what is measured."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from service.bench.latency import timed
from service.bench.load import Mix, Sender
from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.facts import FactBatch
from service.domain.settings import Floor
from service.floor_state import Record

FLUSH_MS: Final = 50
"""Between two flushes of a worker that is not behind."""

Flush = tuple[int, list[Record]]
"""(when the events were that it holds, the records of `cti.state`)."""


def flushes(mix: Mix, floor: Floor) -> Iterator[Flush]:
    """The flushes of a worker with one partition that reads the mix as it happens."""
    correlate, aggregate, due_ms = CorrelateStore(floor), AggregateStore(floor), 0
    for offset, (at_ms, (_, _, value)) in enumerate(timed(mix)):
        if at_ms >= due_ms:
            if due_ms:
                yield due_ms, _drained(correlate, aggregate)
            due_ms = at_ms + FLUSH_MS
        facts = correlate.take(value, at_ms, offset)
        aggregate.apply_batch(FactBatch(0, at_ms, [offset] * len(facts), facts))
        aggregate.pass_over(offset + 1)
    yield due_ms, _drained(correlate, aggregate)


def _drained(correlate: CorrelateStore, aggregate: AggregateStore) -> list[Record]:
    for fact in correlate.source_facts():
        aggregate.apply(fact)
    correlate.drain(0)
    aggregate.drain_closed()
    return aggregate.drain()


async def send_paced(bootstrap: str, feed: list[Flush]) -> int:
    """Write each flush when it is due, all into one partition; returns by how many ms one came too late at most."""
    late_ms = 0
    async with Sender(bootstrap, "cti.state") as sender:
        for due_ms, records in feed:
            await asyncio.sleep(max(0.0, due_ms / 1000 - time.time()))
            for key, value in records:
                await sender.add(0, key, value)
            await sender.send_open()
            late_ms = max(late_ms, round(time.time() * 1000) - due_ms)
        await sender.settle()
    return late_ms
