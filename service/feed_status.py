"""How reading the state feed goes: its progress, its trouble, and how fresh what arrives is."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

LATENCY_EDGES_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class FeedStatus:
    """How the reader of the feed is doing. `problem` None: nothing is wrong.

    `refused` says why what was read must not be served at all; None: it may.
    """

    caught_up: bool = False
    problem: str | None = "the state feed has not been read yet"
    lag_records: dict[tuple[str, int], int] = field(default_factory=dict)
    unreadable: int = 0
    refused: str | None = None


class Latency:
    """Histogram in seconds, counted per edge (the last count is beyond all edges)."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_EDGES_SECONDS) + 1)
        self.sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one latency."""
        self.counts[bisect_left(LATENCY_EDGES_SECONDS, seconds)] += 1
        self.sum_seconds += seconds
