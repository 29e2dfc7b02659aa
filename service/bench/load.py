"""The load of the bench: the five-event mix, spread over partitions as Kafka's own clients do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from service.simulate.mix import EVENTS_PER_CONTACT, five_event_mix

TURN_SECONDS: Final = 60
"""Event time from one contact of an agent to the next: what an agent of a busy floor needs for a call."""

_BATCH_RECORDS: Final = 500
_BATCH_BYTES: Final = 1 << 20

Record = tuple[int, bytes, bytes]
"""(partition, key, value)."""


@dataclass(frozen=True, slots=True)
class Mix:
    """`events` of `agents` on `queues`, from `start_ms` on, at `events_per_second` of event time; equal ones are equal
    bytes.
    """

    events: int
    queues: int
    agents: int
    seed: int
    start_ms: int
    events_per_second: float
    partitions: int

    def records(self) -> Iterator[Record]:
        """The events by event time."""
        contacts = self.events // EVENTS_PER_CONTACT
        mix = five_event_mix(contacts, self.queues, self.agents, self.seed, self.start_ms, self.events_per_second)
        for key, value in mix:
            yield partition_of(key, self.partitions), key, value

    def shortened(self, events: int) -> "Mix":
        """The same, but fewer events of other contacts."""
        return replace(self, events=events, seed=self.seed + 100)


def past_mix(events: int, queues: int, agents: int, seed: int, now_ms: int, partitions: int) -> Mix:
    """A backlog that ends before now, at the pace of that many agents at work."""
    rate = agents * EVENTS_PER_CONTACT / TURN_SECONDS
    length_ms = int(events / rate * 1000) + 2 * TURN_SECONDS * 1000
    whole = events // EVENTS_PER_CONTACT * EVENTS_PER_CONTACT
    return Mix(whole, queues, agents, seed, now_ms - length_ms, rate, partitions)


def warm_up(number: int) -> int:
    """How many of so many events, or facts, warm up broker, interpreter and memory: no contender is timed before."""
    return number // 4


def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's own clients put a key."""
    partition: int = (murmur2(key) & 0x7FFFFFFF) % partitions
    return partition


class Sender:
    """Sends records in batches built by hand: the load must not cost what it is to measure. A context manager."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Nothing is connected yet."""
        self._topic = topic
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=bootstrap, max_batch_size=_BATCH_BYTES, max_request_size=2 * _BATCH_BYTES, linger_ms=0
        )
        self._open: dict[int, Any] = {}

    async def __aenter__(self) -> "Sender":
        await self._producer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._producer.stop()

    async def add(self, partition: int, key: bytes, value: bytes | None) -> None:
        """Put a record into its partition's open batch, which is sent when it is full."""
        batch = self._open.get(partition)
        if batch is None:
            batch = self._open[partition] = self._producer.create_batch()
        batch.append(key=key, value=value, timestamp=None)
        if batch.record_count() >= _BATCH_RECORDS:
            del self._open[partition]
            await self._producer.send_batch(batch, self._topic, partition=partition)

    async def send_open(self) -> None:
        """Send the open batches as they are."""
        opened, self._open = self._open, {}
        for partition, batch in opened.items():
            await self._producer.send_batch(batch, self._topic, partition=partition)

    async def settle(self) -> None:
        """Send everything and wait until the broker has it."""
        await self.send_open()
        await self._producer.flush()


async def produce(bootstrap: str, topic: str, mix: Mix) -> None:
    """Put the whole mix into the topic."""
    async with Sender(bootstrap, topic) as sender:
        for partition, key, value in mix.records():
            await sender.add(partition, key, value)
        await sender.settle()
