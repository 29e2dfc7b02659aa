"""Reading topics from the command line up to where they end now."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from service.errors import FailedError

STALLED_S: Final = 30.0


@contextmanager
def reading(bootstrap: str, partitions: list[TopicPartition], client: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """A consumer without a group that stands at the beginning of the partitions. Raises FailedError for Kafka's own.

    `client` is further settings of kafka-python.
    """
    try:
        consumer: Any = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","), enable_auto_commit=False, **(client or {})
        )
        try:
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            yield consumer
        finally:
            consumer.close()
    except KafkaError as error:
        raise FailedError(f"the Kafka broker at {bootstrap} did not answer as it should: {error}") from error


def until_the_end(consumer: Any) -> Iterator[Any]:
    """All records up to where the partitions ended when they were first fetched.

    Raises FailedError if nothing comes for half a minute, though there is more; the caller's own time does not count.
    """
    ends: dict[Any, int] = {}
    partitions = consumer.assignment()
    deadline = time.monotonic() + STALLED_S
    while any(tp not in ends or consumer.position(tp) < ends[tp] for tp in partitions):
        polled = consumer.poll(timeout_ms=200)
        for tp in partitions:
            # of a fetch: the embedded broker's own answer for the end lies inside the last batch
            if tp not in ends and (end := consumer.highwater(tp)) is not None:
                ends[tp] = end
        for records in polled.values():
            yield from records
        if polled:
            deadline = time.monotonic() + STALLED_S
        elif time.monotonic() > deadline:
            topics = " and ".join(sorted({tp.topic for tp in partitions}))
            raise FailedError(f"{topics} cannot be read: the broker delivers nothing")
