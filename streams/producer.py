"""Our own producer: facts with many in flight, and all records of one flush as one RecordBatch."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.protocol.produce import ProduceRequest
from mode import Service

from streams.crash import end_process
from streams.lease import Lease

MAX_BATCH_BYTES = 4 << 20
MAX_REQUEST_BYTES = 16 << 20

Record = tuple[bytes, bytes | None]
Headers = list[tuple[str, bytes]]
_Queued = tuple[bytes | None, bytes, Headers | None, "asyncio.Future[Any]"]


class FlushTooLarge(Exception):
    """The records of one flush do not fit into one RecordBatch. Cut the input: apply less between two flushes."""


class BatchProducer(Service):
    """Producer of facts and changelog flushes; every request is sent only while the lease holds."""

    def __init__(
        self, connection: Mapping[str, Any], lease: Lease, *, idempotent: bool, linger_ms: int = 0, **kwargs: Any
    ) -> None:
        """`connection` holds the servers and security settings that any aiokafka client takes."""
        super().__init__(**kwargs)
        self.connection = connection
        self._config = {**connection, "enable_idempotence": idempotent, "linger_ms": linger_ms}
        self._lease = lease
        self._producer: AIOKafkaProducer | None = None
        self._lanes: dict[tuple[str, int | None], deque[_Queued]] = {}
        self._pumps: set[asyncio.Task[None]] = set()

    async def on_start(self) -> None:
        """Connect."""
        producer = AIOKafkaProducer(
            acks="all", max_batch_size=MAX_BATCH_BYTES, max_request_size=MAX_REQUEST_BYTES, **self._config
        )
        self._await_lease_before_sending(producer)
        await producer.start()
        self._producer = producer

    async def on_stop(self) -> None:
        """Send what is queued and disconnect."""
        if self._producer is not None:
            await asyncio.gather(*self._pumps)
            await self._producer.stop()

    def _await_lease_before_sending(self, producer: AIOKafkaProducer) -> None:
        # at the client, since the sender repeats a request on its own long after the writer looked at the lease
        send = producer.client.send

        async def send_with_lease(node_id: int, request: Any, **kwargs: Any) -> Any:
            if isinstance(request, ProduceRequest):
                await self._lease.valid()
            return await send(node_id, request, **kwargs)

        producer.client.send = send_with_lease

    def send_facts(
        self, topic: str, partition: int | None, value: bytes, key: bytes | None = None, headers: Headers | None = None
    ) -> asyncio.Future[Any]:
        """Queue one record; the future is done when the broker has it. Records of a partition keep their order.

        `partition=None` lets the key decide. Not a coroutine, so that a caller can change its state and send the facts
        of that change without a point in between where a flush could happen. A failure ends the process, because the
        records behind the failed one would still be sent, and their reader would take the lost ones for known.
        """
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        lane = self._lanes.get((topic, partition))
        if lane is not None:
            lane.append((key, value, headers, done))
            return done
        self._lanes[topic, partition] = deque([(key, value, headers, done)])
        pump = asyncio.get_running_loop().create_task(self._pump(topic, partition))
        self._pumps.add(pump)
        pump.add_done_callback(self._pumps.discard)
        return done

    async def _pump(self, topic: str, partition: int | None) -> None:
        producer = self._ensure_started()
        lane = self._lanes[topic, partition]
        try:
            while lane:
                key, value, headers, done = lane.popleft()
                sent = await producer.send(topic, value=value, key=key, partition=partition, headers=headers)
                sent.add_done_callback(lambda sent, done=done: _settle(sent, done, topic, partition))
        except Exception as error:
            end_process(f"cannot send facts to {topic}[{partition}]", error)
        del self._lanes[topic, partition]

    async def send_batch(
        self, topic: str, partition: int, records: Sequence[Record], *, last_headers: Headers | None = None
    ) -> int:
        """Write all records as one RecordBatch, so that all of them are there or none; return the first one's offset.

        The last record carries `last_headers`. Raises FlushTooLarge, or KafkaError when the broker does not take it.
        """
        producer = self._ensure_started()
        batch = producer.create_batch()
        last = len(records) - 1
        for index, (key, value) in enumerate(records):
            headers = last_headers or [] if index == last else []
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                raise FlushTooLarge(
                    f"{len(records)} records for {topic}[{partition}] exceed {MAX_BATCH_BYTES} bytes at number {index}"
                )
        written = await (await producer.send_batch(batch, topic, partition=partition))
        base_offset: int = written.offset
        return base_offset

    def _ensure_started(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("the producer was used before it was started")
        return self._producer


def _settle(sent: asyncio.Future[Any], done: asyncio.Future[Any], topic: str, partition: int | None) -> None:
    error = None if sent.cancelled() else sent.exception()
    if sent.cancelled() or error is not None:
        # runs before the sender can go on: its next step needs more turns of the loop than this callback
        end_process(f"the broker did not take facts for {topic}[{partition}]", error)
    if not done.done():
        done.set_result(sent.result())
