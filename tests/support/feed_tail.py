"""Reads what a worker writes: the state feed, closed intervals, dead letters, and how far the worker has come."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from service.domain.correlate import CorrelateMark
from service.domain.mark import Mark
from service.domain.scopes import Interval, Scopes
from service.domain.state_feed import MARK_KEY, ClosedInterval

EVENTS, FACTS, CONTACTS, STATE = "cti.events", "cti.facts", "cti.contacts", "cti.state"
INTERVALS, DEAD_LETTERS = "cti.intervals", "cti.dead-letter"

_correlate_mark = msgspec.msgpack.Decoder(CorrelateMark).decode
_aggregate_mark = msgspec.msgpack.Decoder(Mark).decode
_closed = msgspec.msgpack.Decoder(ClosedInterval).decode


class FeedTail:
    """State as a reader of the feed has it; `closed` has the intervals of `cti.intervals` by scope and start."""

    def __init__(self, bootstrap: str) -> None:
        self.scopes = Scopes()
        self.closed: dict[str, dict[int, Interval]] = {}
        self.dead_letters: list[Any] = []
        self._bootstrap = bootstrap
        self._marks: dict[tuple[str, int], int] = {}
        self._consumer: Any = None

    async def start(self) -> None:
        """Begin to read: of events and facts only where they end, of the rest everything."""
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, fetch_max_wait_ms=50)
        await self._consumer.start()
        found = [await self._partitions(topic) for topic in (EVENTS, FACTS, CONTACTS, STATE, INTERVALS, DEAD_LETTERS)]
        self._consumer.assign([partition for partitions in found for partition in partitions])
        await self._consumer.seek_to_end(*found[0], *found[1])
        await self._consumer.seek_to_beginning(*found[2], *found[3], *found[4], *found[5])

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        metadata = await self._consumer._client.fetch_all_metadata()
        return [TopicPartition(topic, number) for number in sorted(metadata.partitions_for_topic(topic))]

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    @property
    def taken(self) -> int:
        """How many records of `cti.events` the worker has turned into facts."""
        return sum(mark for (topic, _), mark in self._marks.items() if topic == CONTACTS)

    def intervals(self, scope: Any) -> dict[int, Interval]:
        """A queue's or agent's intervals by start: those closed long ago, and over them what the state holds."""
        return dict(sorted((self.closed.get(scope.scope, {}) | scope.intervals).items()))

    def counts(self) -> Counter[str]:
        """What all sources delivered, by event type and by finding."""
        total: Counter[str] = Counter()
        for seen in self.scopes.sources.values():
            total.update(seen.counts)
        return total

    async def until_applied(self, records: int, check: Callable[[], None], timeout_s: float) -> None:
        """Return when `records` records of `cti.events` are in the state, and everything written for them was read.

        The worker's own marks tell: contacts cover all events, then the state covers all facts, and what AGGREGATE
        said itself before that. `check` is called now
        and then to look after the processes. Raises TimeoutError.
        """
        deadline = time.monotonic() + timeout_s
        steps: list[tuple[str, tuple[str, ...], Callable[[], bool]]] = [
            ("events arrive", (EVENTS,), lambda: self._end_sum(EVENTS) >= records),
            ("events become facts", (EVENTS,), lambda: self._covered(CONTACTS, EVENTS)),
            ("facts become state", (FACTS,), lambda: self._covered(STATE, FACTS)),
            ("facts that follow become state", (FACTS,), lambda: self._covered(STATE, FACTS)),
            ("what was written is read", (STATE, INTERVALS, DEAD_LETTERS), lambda: True),
        ]
        for what, fresh, holds in steps:
            since_ms = time.time() * 1000
            while not (self._fresh(fresh, since_ms) and holds()):
                check()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{what}: not within {timeout_s} s; {self._state()}")
                await self.read()

    async def read(self) -> None:
        """Take what is there, or wait a moment for something."""
        for partition, records in (await self._consumer.getmany(timeout_ms=100)).items():
            take = {CONTACTS: self._contacts, STATE: self._put, INTERVALS: self._close, DEAD_LETTERS: self._letter}
            take.get(partition.topic, self._pass)(partition.partition, records)
        await asyncio.sleep(0)

    def _pass(self, partition: int, records: Sequence[Any]) -> None:
        """Events and facts are read for their number only."""

    def _contacts(self, partition: int, records: Sequence[Any]) -> None:
        for record in records:
            if record.key == MARK_KEY:
                self._marks[CONTACTS, partition] = _correlate_mark(record.value).next_offset

    def _put(self, partition: int, records: Sequence[Any]) -> None:
        for record in records:
            if record.key == MARK_KEY:
                self._marks[STATE, partition] = _aggregate_mark(record.value).next_offset
            else:
                self.scopes.put(record.key, record.value)

    def _close(self, partition: int, records: Sequence[Any]) -> None:
        for record in records:
            closed = _closed(record.value)
            self.closed.setdefault(closed.scope, {})[closed.start_ms] = closed.interval

    def _letter(self, partition: int, records: Sequence[Any]) -> None:
        self.dead_letters += records

    def _of(self, topic: str) -> list[TopicPartition]:
        return [partition for partition in self._consumer.assignment() if partition.topic == topic]

    def _end(self, partition: TopicPartition) -> int:
        # of the last fetch: the embedded broker's ListOffsets is wrong inside the last batch
        return self._consumer.highwater(partition) or 0

    def _end_sum(self, topic: str) -> int:
        return sum(map(self._end, self._of(topic)))

    def _covered(self, by: str, topic: str) -> bool:
        return all(self._marks.get((by, tp.partition), 0) >= self._end(tp) for tp in self._of(topic))

    def _fresh(self, topics: Sequence[str], since_ms: float) -> bool:
        """True when all partitions were fetched after `since_ms` and read to their end."""
        return all(
            (self._consumer.last_poll_timestamp(tp) or 0) > since_ms
            and self._consumer.highwater(tp) is not None
            and (self._consumer._subscription.subscription.assignment.state_value(tp).position or 0) >= self._end(tp)
            for topic in topics
            for tp in self._of(topic)
        )

    def _state(self) -> str:
        ends = {f"{tp.topic}[{tp.partition}]": self._end(tp) for tp in [*self._of(EVENTS), *self._of(FACTS)]}
        marks = {f"{topic}[{number}]": mark for (topic, number), mark in sorted(self._marks.items())}
        return f"ends {ends}, marks {marks}"
