"""Reads topics from their first record on and keeps reading: every partition, no group, positions in memory."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from service.feed_status import FeedStatus
from service.fetches import Batch, take_batches
from service.floor_state import Record
from service.topics import TOMBSTONES_KEPT_MS

FETCH_MAX_WAIT_MS: Final = 20
GATHERED_BYTES: Final = 1 << 20
"""What ends the gathering of records for a reader who looks seldom."""

SLICE: Final = 100
"""Records applied before other work gets its turn: about a millisecond."""

SILENT_MS: Final = 5_000
"""A broker that answered no fetch for this long is reported; so is a partition that ends before our position."""

_MAX_RECORDS: Final = 4_000
"""Taken of a partition at once. Of one that is followed closely it is a single record batch: a thousand records take
milliseconds to parse, for which everybody waits.
"""

_RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0)
log = logging.getLogger(__name__)


class Reader(Protocol):
    """Who takes what the tail reads."""

    feed: FeedStatus

    def settle(self, limit: int) -> bool:
        """Work off what was put aside while catching up; True once nothing is left."""

    def reset(self) -> None:
        """The topics will be read from the start again."""


class LogLost(Exception):
    """A topic no longer holds what was read from it: it was emptied or made anew."""


class TopicsMissing(Exception):
    """The broker answers, but lacks topics."""


class StateTail:
    """Tails topics into a reader for as long as `run` runs; whatever goes wrong is said in the reader's feed status.

    `apply` maps each topic to what takes its records, in the order of a partition. `client` is further settings of
    aiokafka (SASL, TLS). `wall_ms` is the clock that silence is measured with. `gather_ms`: how long the broker may let
    records gather, for a reader who looks seldom.
    """

    def __init__(
        self,
        bootstrap: str,
        apply: Mapping[str, Callable[[Sequence[Record]], None]],
        reader: Reader,
        wall_ms: Callable[[], int],
        *,
        client: Mapping[str, Any] | None = None,
        tombstones_kept_ms: int = TOMBSTONES_KEPT_MS,
        gather_ms: int = 0,
    ) -> None:
        self._bootstrap = bootstrap
        self._apply = apply
        self._reader = reader
        self._wall_ms = wall_ms
        self._client = dict(client or {})
        self._kept_ms = tombstones_kept_ms
        self._gathers = gather_ms > 0
        self._wait_ms = gather_ms or FETCH_MAX_WAIT_MS
        self._least_bytes = GATHERED_BYTES if gather_ms else 1
        self._next: dict[TopicPartition, int] = {}
        self._whole_ms: dict[TopicPartition, int] = {}
        self._short_since_ms: int | None = None
        self._began_ms = self._taken = 0

    async def run(self) -> None:
        """Read until cancelled; connects again, with growing pauses, after every failure."""
        failures = 0
        while True:
            before = sum(self._next.values())
            try:
                await self._read()
            except LogLost as error:
                log.error("%s: reading everything anew", error)
                self._next.clear()
                self._whole_ms.clear()
                self._reader.reset()
                self._reader.feed.problem = str(error)
            except TopicsMissing as error:
                self._reader.feed.problem = str(error)
            except (TimeoutError, KafkaError, OSError) as error:
                self._reader.feed.problem = f"no answer from Kafka at {self._bootstrap}: {_words(error)}"
                log.warning("%s", self._reader.feed.problem)
            failures = 0 if sum(self._next.values()) != before else failures + 1
            await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])

    async def _read(self) -> None:
        if missing := await self._missing_topics():
            names = " and ".join(missing)
            raise TopicsMissing(f"{self._bootstrap} lacks {names}: run `floorwalker topics create` first")
        consumer = AIOKafkaConsumer(
            *self._apply, **self._options(), auto_offset_reset="earliest", fetch_max_wait_ms=self._wait_ms,
            fetch_min_bytes=self._least_bytes, enable_auto_commit=False, request_timeout_ms=10_000,
        )  # fmt: skip
        try:
            await consumer.start()
            assigned = set(consumer.assignment())
            if self._next and assigned != set(self._next):
                raise LogLost("the topics have other partitions than before")
            for partition, offset in self._next.items():
                consumer.seek(partition, offset)
            self._next = {partition: self._next.get(partition, 0) for partition in assigned}
            now_ms = self._wall_ms()
            self._whole_ms = {partition: self._whole_ms.get(partition, now_ms) for partition in assigned}
            await self._follow(consumer)
        finally:
            await consumer.stop()

    async def _missing_topics(self) -> list[str]:
        """The topics that are not there. Asked without subscribing, which could create them with wrong settings."""
        consumer = AIOKafkaConsumer(**self._options())
        try:
            await consumer.start()
            there = await consumer.topics()
        finally:
            await consumer.stop()
        return [topic for topic in self._apply if topic not in there]

    def _options(self) -> dict[str, Any]:
        return {"bootstrap_servers": self._bootstrap, "client_id": "floorwalker-api", **self._client}

    async def _follow(self, consumer: Any) -> None:
        self._began_ms, self._taken = self._wall_ms(), 0
        while True:
            most = 1 if self._reader.feed.caught_up and not self._gathers else _MAX_RECORDS
            for partition, batch in (await _batches(consumer, self._wait_ms, most)).items():
                await self._take(partition, batch)
            await self._pass_over_gaps(consumer)
            self._look_back(consumer)
            if set(consumer.assignment()) != set(self._next):
                raise LogLost("the topics have other partitions than before")
            self._watch(consumer)
            if not self._reader.feed.caught_up and self._at_end(consumer):
                while not self._reader.settle(SLICE):
                    await asyncio.sleep(0)
                self._reader.feed.caught_up = True

    async def _take(self, partition: TopicPartition, batch: Batch) -> None:
        if partition not in self._next:
            raise LogLost(f"{partition.topic} has a partition {partition.partition} now")
        if batch.start_offset < self._next[partition]:
            raise LogLost(f"{partition.topic} partition {partition.partition} begins anew")
        apply = self._apply[partition.topic]
        for start in range(0, len(batch), SLICE):
            part = batch[start : start + SLICE]
            apply([(record.key or b"", record.value) for record in part])
            self._next[partition] = part[-1].offset + 1
            self._taken += len(part)
            await asyncio.sleep(0)

    async def _pass_over_gaps(self, consumer: Any) -> None:
        """Go on behind offsets without a record: compaction leaves them, also at the end of a partition."""
        for partition, offset in self._next.items():
            end = consumer.highwater(partition)
            if end is not None and offset < end:
                self._next[partition] = max(offset, await consumer.position(partition))

    def _look_back(self, consumer: Any) -> None:
        """Begin anew after so long a pause that the topics may have forgotten what was deleted meanwhile.

        A tombstone outlives every reader who gets from one end of a partition to the next one, or from its beginning to
        its end, while tombstones are kept. By the time of answers: without one nothing is read, and nothing missed.
        """
        for partition, position in self._next.items():
            answered_ms, end = consumer.last_poll_timestamp(partition), consumer.highwater(partition)
            if answered_ms is None or end is None:
                continue
            behind_ms = answered_ms - self._whole_ms[partition]
            if behind_ms > self._kept_ms:
                raise LogLost(
                    f"{partition.topic} was not read to its end for {behind_ms // 1000} s: deletions may be gone"
                )
            if position >= end:
                self._whole_ms[partition] = answered_ms

    def _at_end(self, consumer: Any) -> bool:
        """True once everything is read that was there at the newest fetch of each partition.

        The fetch's highwater is asked, not the offset of `ListOffsets`, which is short on the embedded broker.
        """
        ends = {partition: consumer.highwater(partition) for partition in self._next}
        return all(end is not None and self._next[partition] >= end for partition, end in ends.items())

    def _watch(self, consumer: Any) -> None:
        """Keep the feed's status: lag by partition, and whether the broker still answers."""
        feed = self._reader.feed
        short = False
        for partition, position in self._next.items():
            end = consumer.highwater(partition)
            if end is not None:
                feed.lag_records[partition.topic, partition.partition] = max(0, end - position)
                short = short or end < position
        now_ms = self._wall_ms()
        if now_ms > self._began_ms:
            feed.records_per_second = self._taken * 1000 / (now_ms - self._began_ms)
        self._short_since_ms = (self._short_since_ms or now_ms) if short else None
        if self._short_since_ms is not None and now_ms - self._short_since_ms > SILENT_MS:
            self._short_since_ms = None
            raise LogLost("a topic ends before what was read from it")
        answers = [consumer.last_poll_timestamp(partition) or 0 for partition in self._next]
        newest_ms = max(answers, default=0)
        if not newest_ms:
            return
        silent_ms = now_ms - newest_ms
        silence = f"no answer from Kafka at {self._bootstrap} for {silent_ms // 1000} s"
        feed.problem = silence if silent_ms > SILENT_MS else None


async def _batches(consumer: Any, wait_ms: int, max_records: int) -> dict[TopicPartition, Batch]:
    """What has arrived, record batch by record batch: `getmany` makes an object of every record, which costs more than
    putting it where it belongs.
    """
    with consumer._fetcher._subscriptions.fetch_context():
        return await take_batches(
            consumer._fetcher, lambda partition: True, wait=wait_ms / 1000, max_records=max_records,
            check_crcs=True,
        )  # fmt: skip


def _words(error: BaseException) -> str:
    """The error in words; Kafka's own begin with their class."""
    text = error.args[0] if isinstance(error, KafkaError) and error.args else str(error)
    return str(text) or type(error).__name__
