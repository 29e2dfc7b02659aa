"""Reading a changelog partition outside of Faust's recovery, while the worker goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from service.fetches import Batch, take_batches
from streams.batch_app import FloorwalkerApp
from streams.producer import Record

STALLED_S = 30.0
_TAKEN_AT_ONCE = 5000


async def read_changelog(app: FloorwalkerApp, tp: TP, end: int, load: Callable[[Sequence[Record]], None]) -> None:
    """Give all records before the offset `end` to `load`, in order; `end` must be where our own last flush ended.

    Raises TimeoutError if the broker delivers nothing for half a minute, KafkaError when it refuses.
    """
    if end == 0:
        return
    connection = app.batch_producer.connection
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False, **connection)
    await consumer.start()
    try:
        source = TopicPartition(*tp)
        consumer.assign([source])
        await consumer.seek_to_beginning(source)
        reached, deadline = 0, time.monotonic() + STALLED_S
        while reached < end:
            with consumer._fetcher._subscriptions.fetch_context():
                taken: dict[TP, Batch] = await take_batches(
                    consumer._fetcher, lambda tp: True, wait=1.0, max_records=_TAKEN_AT_ONCE, check_crcs=True
                )
            for batch in taken.values():
                load([(record.key or b"", record.value) for record in batch if record.offset < end])
                reached, deadline = batch.next_offset, time.monotonic() + STALLED_S
            if time.monotonic() > deadline:
                raise TimeoutError(f"{tp}: the changelog cannot be read beyond offset {reached}, its end is {end}")
    finally:
        await consumer.stop()
