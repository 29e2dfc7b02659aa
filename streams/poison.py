"""Poison: input on which our own code raises an error that is no judgement on the input, but a fault of the code.

The store may be half changed by then. So it is thrown away with everything that is not flushed, loaded from its
changelog, and the partition is read again from the mark on, without the poison: the same way as after a crash, which
loses and doubles nothing, but for one partition and in the same process.
"""

from __future__ import annotations

import logging
import time
from asyncio import Future
from collections.abc import Callable, Collection
from typing import Any

from faust.types import TP, EventT

from streams.contiguity import Contiguity
from streams.tables import BatchTable

log = logging.getLogger(__name__)


class Poisoned(Exception):
    """The record at `offset` failed with the exception this is raised from, and the store may be half changed.

    `index` is the part of the record that failed, None: all of it. `sent` is what was sent since the last `add` to the
    writer and must be acknowledged before the mark may pass, the dead letter included.
    """

    def __init__(self, offset: int, index: int | None, sent: list[Future[Any]]) -> None:
        super().__init__(f"poison at offset {offset}")
        self.offset = offset
        self.index = index
        self.sent = sent


class Quarantine:
    """What one stage does not apply any more, and the way back to the state before it."""

    def __init__(self, table: BatchTable[Any], contiguity: Contiguity, next_offset: Callable[[Any], int]) -> None:
        """`next_offset` reads the mark of a store, 0 if it has none."""
        self._table = table
        self._contiguity = contiguity
        self._next_offset = next_offset
        self._found: dict[TP, dict[int, set[int | None]]] = {}
        self._told: dict[TP, int] = {}

    def offsets(self, tp: TP) -> Collection[int]:
        """The offsets of records that are poison, or have a part that is."""
        return self._found.get(tp, ())

    def parts(self, tp: TP, offset: int) -> set[int | None]:
        """The poisonous parts of a record; None stands for the whole."""
        return self._found.get(tp, {}).get(offset, set())

    def told(self, tp: TP) -> int:
        """Before this offset, what is sent besides facts (dead letters, moved records) was sent by this process."""
        return self._told.get(tp, 0)

    async def roll_back(self, event: EventT[Any], found: Poisoned) -> None:
        """Undo what is not flushed and have it delivered again; `event` is the batch that was being applied."""
        tp = event.message.tp
        log.error("%s: the record at offset %d is poison, loading its state again", tp, found.offset, exc_info=found)
        started = time.monotonic()
        events, facts = await self._table.reload(tp.partition)
        marked = self._next_offset(self._table.store(tp.partition))
        places = self._found.setdefault(tp, {})
        places.setdefault(found.offset, set()).add(found.index)
        self._found[tp] = {offset: parts for offset, parts in places.items() if offset >= marked}
        self._told[tp] = max(self.told(tp), found.offset + 1)
        # the mark must not pass what was sent before it is acknowledged: the new writer's first flush waits for it
        self._table.writer(tp.partition).add(None, [*facts, *found.sent])
        await self._contiguity.start_again([*events, event], marked or None)
        log.warning("%s: loaded again in %.2f s, going on from offset %d", tp, time.monotonic() - started, marked)
