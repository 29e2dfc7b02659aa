"""Does a batch of a source partition follow what has been processed? Kafka never skips, a rebalance race could."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from faust.types import TP, EventT

from streams.batch_app import FloorwalkerApp
from streams.transport import batch_of, consumer_of

log = logging.getLogger(__name__)


class Contiguity:
    """Checks the batches of one agent; `jumps` and `expired` count what was found, per partition, in records."""

    def __init__(self, app: FloorwalkerApp) -> None:
        """Nothing is expected yet."""
        self._app = app
        self._sought: dict[TP, int] = {}
        self._begins: dict[TP, int] = {}
        self.jumps: Counter[TP] = Counter()
        self.expired: Counter[TP] = Counter()

    async def accepts(self, event: EventT[Any], expected: int | None) -> bool:
        """Whether to process the batch; `expected` is the next offset by the mark, None if there is no mark.

        A batch behind the mark is accepted: the mark skips its records. If records are missing in front of the batch,
        they are fetched again and the answer is False: drop the batch, it comes again. If Kafka itself no longer has
        them (retention), that is logged and counted, and the batch is accepted.
        """
        tp, batch, consumer = event.message.tp, batch_of(event), consumer_of(self._app)
        expected = expected if expected is not None else self._begins.get(tp)
        if expected is None or batch.start_offset <= expected:
            self._sought.pop(tp, None)
            return True
        missing = batch.start_offset - expected
        earliest = (await consumer.earliest_offsets(tp))[tp]
        if earliest >= batch.start_offset:
            log.error("%s: %d records from offset %d on expired before they were read", tp, missing, expected)
            self.expired[tp] += missing
            return True
        consumer.discard(event.message)
        if self._sought.get(tp) != expected:  # batches already queued behind the jump show it again
            log.error("%s: expected offset %d, got %d: seeking back", tp, expected, batch.start_offset)
            self.jumps[tp] += missing
            self._sought[tp] = expected
            await consumer.seek_back(tp, expected)
        return False

    async def start_again(self, events: Sequence[EventT[Any]], marked: int | None) -> None:
        """Have a partition delivered again from the mark on, or from the first of these batches if there is no mark.

        `events` are all its batches that were delivered and not acknowledged, in their order; they are given up, as are
        those that are queued behind them.
        """
        tp, consumer = events[0].message.tp, consumer_of(self._app)
        start = marked if marked is not None else batch_of(events[0]).start_offset
        if marked is None:
            self._begins[tp] = start
        self._sought[tp] = start
        await consumer.seek_back(tp, start)  # before giving up the events, since a rebalance waits for those
        for event in events:
            consumer.discard(event.message)
