"""When customers come: a daily profile with noise, scaled by what a scenario injects."""

import math
import random
from typing import Final

from service.simulate.options import HOUR_MS, MINUTE_MS, SimulationOptions
from service.simulate.scenarios import Label, volume_factor

OPENS_HOUR: Final = 8
CLOSES_HOUR: Final = 20
_NIGHT: Final = 0.02
_BY_HOUR: Final = (0.6, 0.95, 1.25, 1.3, 1.05, 0.95, 1.1, 1.2, 1.1, 1.0, 0.85, 0.65)
_SLOT_MS: Final = 30 * MINUTE_MS
_NOISE: Final = 0.1
_HIGHEST_FACTOR: Final = 8.0


def profile(minute_of_day: int) -> float:
    """The volume at a local minute, relative to the mean over the opening hours; next to nothing at night."""
    hour = minute_of_day / 60 - OPENS_HOUR
    if not 0 <= hour < CLOSES_HOUR - OPENS_HOUR:
        return _NIGHT
    left = max(0, math.floor(hour - 0.5))
    right = min(len(_BY_HOUR) - 1, left + 1)
    weight = min(1.0, max(0.0, hour - 0.5 - left))
    return _BY_HOUR[left] * (1 - weight) + _BY_HOUR[right] * weight


def is_open(options: SimulationOptions, at_ms: int) -> bool:
    """Whether the lines are open at that time."""
    return OPENS_HOUR <= options.local(at_ms).hour < CLOSES_HOUR


class Arrivals:
    """The arrivals of one queue: a Poisson process with a changing rate, drawn by thinning."""

    def __init__(
        self, queue_id: str, contacts_per_hour: float, options: SimulationOptions, labels: list[Label]
    ) -> None:
        """`contacts_per_hour` is the mean over the opening hours, without what the labels add."""
        self._queue_id = queue_id
        self._options = options
        self._labels = [label for label in labels if queue_id in label.queues]
        self._per_ms = contacts_per_hour / HOUR_MS
        self._rng = random.Random(f"{options.seed}/arrivals/{queue_id}")
        self._slot = (-1, 0.0)

    def next_after(self, at_ms: float) -> float | None:
        """The next arrival after `at_ms`; None: none before the horizon's end."""
        highest = self._per_ms * _HIGHEST_FACTOR
        while at_ms < self._options.end_ms:
            at_ms += self._rng.expovariate(highest)
            if self._rng.random() * _HIGHEST_FACTOR < self._factor(int(at_ms)):
                return at_ms
        return None

    def _factor(self, at_ms: int) -> float:
        slot = at_ms // _SLOT_MS
        if slot != self._slot[0]:
            noise = random.Random(f"{self._options.seed}/noise/{self._queue_id}/{slot}").gauss(0, _NOISE)
            self._slot = (slot, math.exp(noise))
        local = self._options.local(at_ms)
        return profile(local.hour * 60 + local.minute) * self._slot[1] * volume_factor(self._labels, at_ms)
