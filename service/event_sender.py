"""Sends single canonical events to `cti.events` from a process that serves: one connection, made when first needed."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from service.domain.codec import encode_event, record_key
from service.domain.events import Event

EVENTS: Final = "cti.events"
ANSWER_SECONDS: Final = 5.0


class NotSent(Exception):
    """The broker did not take the event; whoever asked may try again."""


class EventSender:
    """A producer that begins to connect with the first event. `client` is further settings of aiokafka."""

    def __init__(self, bootstrap: str, **client: Any) -> None:
        self._bootstrap = bootstrap
        self._client = client
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def __call__(self, event: Event) -> None:
        """Send the event; returns once all replicas in sync have it. Raises NotSent."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                producer = await self._started()
                await producer.send_and_wait(EVENTS, encode_event(event), key=record_key(event).encode())
        except (TimeoutError, KafkaError, OSError) as error:
            raise NotSent(f"no answer from Kafka at {self._bootstrap}") from error

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                # the embedded broker has no producer ids, so there is no idempotence: an event sent twice has one id
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=False, **self._client
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def close(self) -> None:
        """Give up the connection, if there is one."""
        if self._producer is not None:
            await self._producer.stop()
