"""Sends records to Kafka from the command line: many in flight, in order, none given up silently."""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from service.errors import FailedError
from service.topics import describe_topics

CONNECT_TIMEOUT_MS: Final = 10_000
DELIVERY_TIMEOUT_MS: Final = 30_000
LARGEST_RECORD_BYTES: Final = 2 * 1024 * 1024
IN_FLIGHT: Final = 20_000


class EventProducer:
    """A producer as a context manager. `acknowledged` counts the records that the broker has, in their order.

    `client` is further settings of kafka-python.
    """

    def __init__(self, bootstrap: str, topics: tuple[str, ...], client: Mapping[str, Any] | None = None) -> None:
        self.acknowledged = 0
        self._bootstrap = bootstrap
        self._topics = topics
        self._client = client or {}
        self._waiting: deque[Any] = deque()
        self._producer: Any = None

    def __enter__(self) -> Self:
        """Connect. Raises FailedError if no broker answers or a topic is missing."""
        logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters arrives here as an exception
        there = {
            topic.name for topic in describe_topics(self._bootstrap, client=self._client) if topic.status != "missing"
        }
        missing = [topic for topic in self._topics if topic not in there]
        if missing:
            names = " and ".join(missing)
            raise FailedError(f"{self._bootstrap} lacks {names}: run `floorwalker topics create` first")
        try:
            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap.split(","),
                bootstrap_timeout_ms=CONNECT_TIMEOUT_MS,
                max_block_ms=CONNECT_TIMEOUT_MS,
                delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
                request_timeout_ms=CONNECT_TIMEOUT_MS,
                enable_idempotence=False,  # the embedded broker has none; one request in flight keeps the order as well
                max_in_flight_requests_per_connection=1,
                acks="all",
                linger_ms=20,
                batch_size=256 * 1024,
                max_request_size=LARGEST_RECORD_BYTES,
                **self._client,
            )
        except KafkaError as error:
            raise FailedError(f"no Kafka broker answers at {self._bootstrap}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._producer.close(timeout=0 if isinstance(error, FailedError) else CONNECT_TIMEOUT_MS / 1000)
        except KafkaError as trouble:
            if error is None:
                raise self._failed(trouble) from trouble

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> None:
        """Send one record; waits while too many are in flight. `partition` None: the key's. Raises FailedError.

        `timestamp_ms` None: now; a topic may set its own.
        """
        try:
            sent = self._producer.send(
                topic, key=key, value=value, headers=list(headers), partition=partition, timestamp_ms=timestamp_ms
            )
            self._waiting.append(sent)
        except KafkaError as error:
            raise self._failed(error) from error
        self.settle(at_most=IN_FLIGHT)

    def settle(self, at_most: int | None = None) -> None:
        """Count what was acknowledged; wait until at most so many records are in flight. None: do not wait."""
        while self._waiting and (self._waiting[0].is_done or (at_most is not None and len(self._waiting) > at_most)):
            try:
                self._waiting[0].get(timeout=2 * DELIVERY_TIMEOUT_MS / 1000)
            except KafkaError as error:
                raise self._failed(error) from error
            self._waiting.popleft()
            self.acknowledged += 1

    def _failed(self, error: KafkaError) -> FailedError:
        return FailedError(f"the broker at {self._bootstrap} stopped taking records: {error}")
