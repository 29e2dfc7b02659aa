"""Keeps the partitions of `cti.events` in step in a backlog: the one furthest behind in time goes next.

An agent's contacts lie in several partitions. Read out of step they come out of order, and what comes out of order
costs twice as much. A partition that has been read to its end holds nobody back, so a worker that is up to date never
waits. Only here: the broker gives this topic's records their time. By a producer's clock that is wrong, a partition
could be passed over for as long as there is a backlog.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import NamedTuple

from faust.types import TP

from service.fetches import Batch
from streams.misrouted import EVENTS

HOLD_S = 0.25
"""The longest that a partition holds the others back while its own records do not come: its broker may be away."""


class _Read(NamedTuple):
    at_ms: int
    next_offset: int
    wanted_since: float


class InStep:
    """How far each partition has been read. `now` is of a monotonic clock, in seconds."""

    def __init__(self, end_of: Callable[[TP], int | None]) -> None:
        """`end_of` tells the end of a partition as known; None: it has not been fetched yet."""
        self._end_of = end_of
        self._read: dict[TP, _Read] = {}

    def took(self, tp: TP, batch: Batch, now: float) -> None:
        """A batch was taken: Kafka's time of its last record says how far the partition has come."""
        known = self._read.get(tp)
        if known is not None:
            self._read[tp] = _Read(batch[-1].timestamp if batch else known.at_ms, batch.next_offset, now)

    def full(self, tps: Set[TP], now: float) -> None:
        """No more is wanted of these for now: what was taken of them waits to be worked off."""
        for tp in self._read.keys() & tps:
            self._read[tp] = self._read[tp]._replace(wanted_since=now)

    def restart(self, tps: Iterable[TP], now: float) -> None:
        """Partitions were assigned: of these nothing has been read."""
        self._read = {tp: _Read(0, 0, now) for tp in tps if tp.topic == EVENTS}

    def ahead(self, tp: TP, now: float) -> bool:
        """Whether `tp` has come further than another partition that has more, and should wait for it."""
        own = self._read.get(tp)
        return own is not None and any(
            read.at_ms < own.at_ms and now - read.wanted_since < HOLD_S and self._has_more(other, read)
            for other, read in self._read.items()
        )

    def _has_more(self, tp: TP, read: _Read) -> bool:
        end = self._end_of(tp)
        return end is None or read.next_offset < end
