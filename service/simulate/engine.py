"""Simulated time: a heap of what happens next, and the events it leaves behind."""

import heapq
import math
import random
from collections.abc import Callable
from typing import Any, Final

from service.domain.events import Event
from service.simulate.options import SimulationOptions

SOURCE: Final = "sim"
Action = Callable[..., None]


class Engine:
    """The clock of one run. Actions run in order of time, those of one millisecond in the order they were planned."""

    def __init__(self, options: SimulationOptions) -> None:
        """Begin at the options' start."""
        self.options = options
        self.now_ms = options.start_ms
        self.rng = random.Random(f"{options.seed}/centre")
        self.emitted: list[Event] = []
        self._heap: list[tuple[int, int, Action, tuple[Any, ...]]] = []
        self._planned = 0
        self._events = 0
        self._contacts = 0

    def at(self, at_ms: int, action: Action, *args: object) -> None:
        """Plan an action; what is due in the past happens now."""
        self._planned += 1
        heapq.heappush(self._heap, (max(at_ms, self.now_ms), self._planned, action, args))

    def after(self, delay_ms: float, action: Action, *args: object) -> None:
        """Plan an action, in whole milliseconds from now."""
        self.at(self.now_ms + int(delay_ms), action, *args)

    def step(self) -> bool:
        """Run the next action; False: nothing is left before the end of the horizon."""
        if not self._heap or self._heap[0][0] >= self.options.end_ms:
            return False
        self.now_ms, _, action, args = heapq.heappop(self._heap)
        action(*args)
        return True

    def emit(self, kind: type[Event], site: str | None = None, **fields: object) -> None:
        """Leave an event that happens now; `seq` counts every event, so a lost one leaves a gap."""
        self._events += 1
        event_id = f"{self.options.ids}-{self._events}"
        build: Callable[..., Event] = kind  # the fields are checked by the tests, which decode every event
        self.emitted.append(
            build(event_id=event_id, occurred_at_ms=self.now_ms, source=SOURCE, site=site, seq=self._events, **fields)
        )

    def new_contact_id(self) -> str:
        """An id no other contact has."""
        self._contacts += 1
        return f"{self.options.ids}-c{self._contacts}"

    def chance(self, probability: float) -> bool:
        """Whether something of that probability happens."""
        return self.rng.random() < probability

    def log_normal(self, mean_ms: float, sigma: float) -> int:
        """A log-normal duration of that mean, at least a second."""
        return max(1_000, int(self.rng.lognormvariate(math.log(mean_ms) - sigma * sigma / 2, sigma)))
