"""Reading what somebody else wrote into a changelog partition that is ours."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from streams.batch_app import FloorwalkerApp

GENERATION_HEADER = "g"
READ_TIMEOUT_S = 10.0


async def read_intrusion(app: FloorwalkerApp, tp: TP, start: int, end: int) -> tuple[list[bytes], int | None]:
    """Return the keys written at offsets [start, end) and the highest group generation named there, None if none is.

    Raises TimeoutError if the broker does not deliver them.
    """
    settings = app.batch_producer.connection
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", enable_auto_commit=False, **settings)
    await consumer.start()
    try:
        source = TopicPartition(*tp)
        consumer.assign([source])
        consumer.seek(source, start)
        return await asyncio.wait_for(_read(consumer, source, end), READ_TIMEOUT_S)
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, source: TopicPartition, end: int) -> tuple[list[bytes], int | None]:
    keys: dict[bytes, None] = {}
    newest: int | None = None
    while await consumer.position(source) < end:
        for record in (await consumer.getmany(source, timeout_ms=200)).get(source, []):
            if record.offset >= end:
                break
            keys[record.key] = None
            for name, value in record.headers:
                if name == GENERATION_HEADER:
                    newest = int(value) if newest is None else max(newest, int(value))
    return list(keys), newest
