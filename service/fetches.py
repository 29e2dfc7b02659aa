"""Taking whole fetch results out of aiokafka's fetcher, record batch by record batch, without a ConsumerRecord each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException

TP = TypeVar("TP", bound=NamedTuple)
"""(topic, partition), as aiokafka or Faust names it."""

Taken = TypeVar("Taken")
"""What is made of a fetch result."""


class RawRecord(Protocol):
    """One record as aiokafka's parser gives it."""

    @property
    def offset(self) -> int:
        """Its offset."""

    @property
    def timestamp(self) -> int:
        """Kafka's timestamp in ms."""

    @property
    def key(self) -> bytes | None:
        """Its key."""

    @property
    def value(self) -> bytes | None:
        """Its value; None is a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Its headers."""


class Batch(list[RawRecord]):
    """Consecutive records of one partition: all that exist in [start_offset, next_offset).

    Offsets without a record (compacted away, control records) are covered, so two batches follow each other exactly
    when the second one's `start_offset` is the first one's `next_offset`.
    """

    __slots__ = ("next_offset", "start_offset")

    def __init__(self, start_offset: int) -> None:
        super().__init__()
        self.start_offset = start_offset
        self.next_offset = start_offset


async def take_batches(
    fetcher: Any, wanted: Callable[[TP], bool], *, wait: float, max_records: int, check_crcs: bool
) -> dict[TP, Batch]:
    """Return what the fetcher holds of the wanted partitions; wait up to `wait` seconds for something.

    A batch ends with the record batch that reaches `max_records`. Runs in the loop that owns the fetcher. Raises what
    the fetcher met: KafkaError, CorruptRecordException.
    """
    return await _take(fetcher, wanted, wait, lambda result, tp: _read(result, tp, max_records, check_crcs))


async def take_unread(
    fetcher: Any, wanted: Callable[[TP], bool], *, wait: float
) -> dict[TP, list[Iterable[RawRecord]]]:
    """As `take_batches`, but nobody looks into the record batches: whoever iterates over one has it parsed then.

    For partitions read from their beginning on, of which no control batches and no checksums matter.
    """
    return await _take(fetcher, wanted, wait, _leave_unread)


async def _take(
    fetcher: Any, wanted: Callable[[TP], bool], wait: float, read: Callable[[FetchResult, TP], Taken | None]
) -> dict[TP, Taken]:
    deadline = time.monotonic() + wait
    while True:
        if fetcher._subscriptions.reassignment_in_progress:
            await fetcher._subscriptions.wait_for_assignment()
        taken = _take_now(fetcher, wanted, read)
        left = deadline - time.monotonic()
        if taken or left <= 0:
            return taken
        waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=left)
        if not waiter.done():
            waiter.cancel()
        elif not waiter.cancelled():
            waiter.result()  # authorisation errors


def _take_now(
    fetcher: Any, wanted: Callable[[TP], bool], read: Callable[[FetchResult, TP], Taken | None]
) -> dict[TP, Taken]:
    taken: dict[TP, Taken] = {}
    for tp, result in list(fetcher._records.items()):
        if not fetcher._subscriptions.is_assigned(tp):
            del fetcher._records[tp]
        elif wanted(tp):
            if not isinstance(result, FetchResult):
                if taken:
                    continue  # deliver the others first; the error is raised by the next call
                _release(fetcher, tp)
                result.check_raise()
            batch = read(result, tp)
            if not result.has_more():
                _release(fetcher, tp)
            if batch is not None:
                taken[tp] = batch
    return taken


def _release(fetcher: Any, tp: TP) -> None:
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)  # the partition may be fetched again


def _read(result: FetchResult, tp: TP, max_records: int, check_crcs: bool) -> Batch | None:
    """Move record batches from the result into one Batch; None if the position was changed since the fetch."""
    if not result.has_more() or not result.check_assignment(tp):
        return None
    source = result._partition_records
    batch = Batch(source.next_fetch_offset)
    while len(batch) < max_records and source._records.has_next():
        record_batch = source._records.next_batch()
        if check_crcs and not record_batch.validate_crc():
            raise CorruptRecordException(f"wrong checksum in {tp} at or after offset {batch.next_offset}")
        if not record_batch.is_control_batch:
            records = list(record_batch)
            if records and records[0].offset < batch.next_offset:  # we start inside the record batch
                records = [record for record in records if record.offset >= batch.next_offset]
            batch.extend(records)
        # not the last record's offset + 1: compaction may have removed the end of the record batch
        batch.next_offset = max(batch.next_offset, record_batch.next_offset)
    source.next_fetch_offset = batch.next_offset
    result._update_position()
    if not source._records.has_next():
        result._partition_records = None
    return batch if batch.next_offset > batch.start_offset else None


def _leave_unread(result: FetchResult, tp: Any) -> list[Iterable[RawRecord]] | None:
    """Move record batches from the result as they are; None if the position was changed since the fetch."""
    if not result.has_more() or not result.check_assignment(tp):
        return None
    source = result._partition_records
    found: list[Any] = []
    while source._records.has_next():
        found.append(source._records.next_batch())
    if found:
        source.next_fetch_offset = found[-1].next_offset
    result._update_position()
    result._partition_records = None
    return found or None
