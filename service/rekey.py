"""Another number of partitions: topics are made anew from their own records, each record at the partition of its key.

The records go through a second topic, and at every moment one of the two is complete. A setting of the second says when
it is, so that an interrupted run is repeated.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

import msgspec
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from service.errors import FailedError
from service.event_producer import EventProducer
from service.topic_reading import reading, until_the_end
from service.topics import (
    REMADE,
    TOPICS,
    Topic,
    TopicReport,
    create_topics,
    delete_topics,
    describe_topics,
    patiently,
)

COPIED_FROM: Final = "copied_from"
"""Header of an event that every partition is told, whatever its key."""

_EVENTS: Final = "cti.events"
KEPT: Final = tuple(topic for topic in TOPICS if topic.partitions is None and topic.name not in REMADE)
TIMESTAMPS: Final = "message.timestamp.type"
COMPLETE: Final = "LogAppendTime"
"""Of a topic on the way, which nobody writes to any more: all records are in it."""


def on_the_way(topic: Topic) -> Topic:
    """The topic that its records go through: with their own times, which the broker would set anew."""
    return replace(topic, name=f"{topic.name}.rekeyed", settings={**topic.settings, TIMESTAMPS: "CreateTime"})


class Rekeying:
    """One run of `rebuild` with the topics as they are at its start."""

    def __init__(self, bootstrap: str, admin: KafkaAdminClient, client: Mapping[str, Any] | None = None) -> None:
        self._bootstrap = bootstrap
        self._admin = admin
        self._client = client

    def repeat_interrupted(self) -> None:
        """Finish, or undo, what an earlier run left. Raises FailedError."""
        for topic in KEPT:
            passing = self._describe(on_the_way(topic))
            if passing.partitions is None:
                continue
            if passing.settings.get(TIMESTAMPS) != COMPLETE or self._is_back(topic, passing.partitions):
                self._delete(on_the_way(topic).name)
            else:
                self._bring_back(topic, passing.partitions, passing.replication or 1)

    def _is_back(self, topic: Topic, partitions: int) -> bool:
        """Whether the topic has everything again. Raises FailedError if it is one that was created meanwhile.

        A topic that the broker does not stamp looks the same half filled and filled, so it is never taken to be back:
        filling it once more does no harm, since workers refuse topics whose numbers of partitions differ.
        """
        there = self._describe(topic)
        if TIMESTAMPS not in topic.settings or there.partitions is None or TIMESTAMPS in there.deviations:
            return False
        passing = on_the_way(topic).name
        here, all_records = self._ends(topic.name, there.partitions), self._ends(passing, partitions)
        if sum(here.values()) < sum(all_records.values()):
            raise FailedError(
                f"an interrupted rebuild left the records of {topic.name} in {passing}, and {topic.name} was created "
                f"since: delete {topic.name} if nothing in it is needed, and repeat this"
            )
        return True

    def rekey(self, partitions: int) -> None:
        """Have all topics that are kept in so many partitions. Raises FailedError if one is written to meanwhile."""
        for topic in KEPT:
            there = self._describe(topic)
            if there.partitions is not None and there.partitions != partitions:
                passing = on_the_way(topic)
                self._create(passing, partitions, there.replication or 1)
                self._spread(topic.name, there.partitions, passing.name, partitions)
                self._set_timestamps(passing.name, COMPLETE)
                self._bring_back(topic, partitions, there.replication or 1)

    def _describe(self, topic: Topic) -> TopicReport:
        return describe_topics(self._bootstrap, client=self._client, topics=[topic])[0]

    def _create(self, topic: Topic, partitions: int, replication: int) -> None:
        create_topics(self._bootstrap, partitions, replication, client=self._client, topics=[topic])

    def _delete(self, name: str) -> None:
        delete_topics(self._admin, [name])

    def _spread(self, source: str, before: int, target: str, after: int) -> None:
        """Copy everything, by time, so that no partition is ahead of what another one tells later."""
        ends = self._ends(source, before)
        with EventProducer(self._bootstrap, (), self._client) as producer:
            for record, partition in _placed(self._by_time(source, before), after):
                producer.send(target, record.key, record.value, record.headers, partition, record.timestamp)
            producer.settle(at_most=0)
        if self._ends(source, before) != ends:
            self._delete(target)
            raise FailedError(f"{source} was written to while it was copied: stop what sends events, and repeat this")

    def _bring_back(self, topic: Topic, partitions: int, replication: int) -> None:
        """Make the topic anew from the complete one on the way."""
        passing = on_the_way(topic)
        if self._describe(topic).partitions is not None:
            self._delete(topic.name)
        self._create(replace(passing, name=topic.name), partitions, replication)
        with EventProducer(self._bootstrap, (), self._client) as producer:
            for record in self._by_time(passing.name, partitions):
                producer.send(topic.name, record.key, record.value, record.headers, record.partition, record.timestamp)
            producer.settle(at_most=0)
        if kept := topic.settings.get(TIMESTAMPS):
            self._set_timestamps(topic.name, kept)
        self._delete(passing.name)

    def _set_timestamps(self, name: str, who: str) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, name, {TIMESTAMPS: who})
        patiently(lambda: self._admin.alter_configs([resource]))

    def _ends(self, topic: str, partitions: int) -> Mapping[Any, int]:
        wanted = _partitions_of(topic, partitions)
        with reading(self._bootstrap, wanted, self._client) as consumer:
            ends: Mapping[Any, int] = consumer.end_offsets(wanted)
            return ends

    def _by_time(self, topic: str, partitions: int) -> Iterator[Any]:
        """All records, each partition's in its order, and of all partitions the one of the earliest time next."""
        with ExitStack() as stack:
            consumers = [
                stack.enter_context(reading(self._bootstrap, [tp], self._client))
                for tp in _partitions_of(topic, partitions)
            ]
            timed = (_timed(until_the_end(consumer), topic.startswith(_EVENTS)) for consumer in consumers)
            yield from (record for _, record in heapq.merge(*timed, key=itemgetter(0)))


def _partitions_of(topic: str, partitions: int) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(partitions)]


class _Happened(msgspec.Struct):
    """What is read of an event here."""

    occurred_at_ms: int


_happened: Final = msgspec.json.Decoder(_Happened).decode


def _timed(records: Iterator[Any], events: bool) -> Iterator[tuple[int, Any]]:
    """Records of one partition, each with its moment in ms: when the event happened, as far as that was not after its
    arrival. Of what is no event its arrival, but among `events` the moment before, so that it holds back none.

    Arrival alone says too little: a recording arrives all at once, and what one partition tells of an hour must not
    come behind what another one tells of the next.
    """
    moment_ms = 0
    for record in records:
        try:
            moment_ms = min(_happened(record.value or b"").occurred_at_ms, record.timestamp)
        except (msgspec.DecodeError, UnicodeDecodeError):
            moment_ms = moment_ms if events else record.timestamp
        yield moment_ms, record


def _placed(records: Iterator[Any], partitions: int) -> Iterator[tuple[Any, int | None]]:
    """Each record with its new partition; None: its key's. What every partition is told goes to all of them, once."""
    told: set[bytes] = set()
    for record in records:
        if _is_copy(record.headers):
            digest = blake2b(record.value or b"", digest_size=16).digest()
            if digest not in told:
                told.add(digest)
                yield from ((record, partition) for partition in range(partitions))
        else:
            yield record, None if record.key is not None else record.partition % partitions


def _is_copy(headers: Sequence[tuple[str, bytes]]) -> bool:
    return any(name == COPIED_FROM for name, _ in headers)
