"""How reading the state feed goes: its progress, its trouble, and how fresh what arrives is."""

from bisect import bisect_left
from dataclasses import dataclass, field
from math import ceil
from typing import Final

LATENCY_EDGES_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class FeedStatus:
    """How the reader of the feed is doing. `problem` None: nothing is wrong.

    `refused` says why what was read must not be served at all; None: it may. `records_per_second` is how fast it was
    read since it was begun; None before that is known. `unreadable` counts values that could not be decoded when they
    came or, of those read late (`LateScopes`), when they were read.
    """

    caught_up: bool = False
    problem: str | None = "the state feed has not been read yet"
    lag_records: dict[tuple[str, int], int] = field(default_factory=dict)
    unreadable: int = 0
    refused: str | None = None
    records_per_second: float | None = None

    @property
    def to_go(self) -> int:
        """Records that are there and not read yet, over all partitions."""
        return sum(self.lag_records.values())

    @property
    def seconds_to_go(self) -> int | None:
        """How long reading them will take at the speed so far; None while that is not known."""
        return ceil(self.to_go / self.records_per_second) if self.records_per_second else None


class Latency:
    """Histogram in seconds, counted per edge (the last count is beyond all edges)."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_EDGES_SECONDS) + 1)
        self.sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one latency."""
        self.counts[bisect_left(LATENCY_EDGES_SECONDS, seconds)] += 1
        self.sum_seconds += seconds
