"""Both stages with one partition, and a reader of what they write, in this process."""

from __future__ import annotations

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.facts import AnyFact, FactBatch, following_offset, following_partition
from service.domain.settings import Floor
from service.domain.state_feed import ClosedInterval
from service.floor_state import FloorState

Kept = dict[bytes, bytes]


class OneFloor:
    """`contacts` and `state` are what the compacted changelogs would hold; `reader` is a reader of the feed.

    `closed` is what the last batch sent to `cti.intervals`.
    """

    def __init__(self, floor: Floor) -> None:
        self.now_ms = 0
        self.correlate, self.aggregate = CorrelateStore(floor), AggregateStore(floor)
        self.contacts: Kept = {}
        self.state: Kept = {}
        self.closed: list[ClosedInterval] = []
        self.rejected = 0
        self.reader = FloorState(floor, history_days=1, wall_ms=lambda: self.now_ms)
        self.reader.settle(1)
        self._taken = 0

    def take(self, lines: list[bytes], received_ms: list[int]) -> None:
        """Work off one batch of events, which arrived at these times, and flush."""
        first, batch = self._taken, FactBatch(0, 0, [], [])
        for offset, (line, at_ms) in enumerate(zip(lines, received_ms, strict=True), first):
            self.now_ms = max(self.now_ms, at_ms)
            try:
                found: list[AnyFact] = self.correlate.take(line, at_ms, offset)
            except InvalidEvent:
                self.rejected += 1
                continue
            batch.offsets += [offset] * len(found)
            batch.facts += found
        self._taken += len(lines)
        batch.newest_ms = self.correlate.newest_ms()
        put(self.contacts, self.correlate.drain())
        self.aggregate.apply_batch(batch)
        self._follow(first)
        self.closed = self.aggregate.drain_closed()
        records = self.aggregate.drain(1 << 22)
        put(self.state, records)
        self.reader.apply(records)

    def _follow(self, first: int) -> None:
        """Apply what follows from the facts of a batch, as if it had come back from `cti.facts`."""
        following = self.aggregate.take_following()
        offsets = [following_offset(first, index) for index, _ in following]
        facts: list[AnyFact] = [fact for _, fact in following]
        self.aggregate.apply_batch(FactBatch(following_partition(0), self.correlate.newest_ms(), offsets, facts))


def put(kept: Kept, records: list[tuple[bytes, bytes | None]]) -> None:
    """What compaction makes of records that are appended."""
    for key, value in records:
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
