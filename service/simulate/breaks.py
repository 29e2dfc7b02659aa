"""The breaks of a shift, and how much of it an agent is there."""

from functools import cache
from itertools import accumulate
from typing import Final

_FULL_TIME_MINUTES: Final = 420
_BREAKS: Final = ((0.25, 12, "break"), (0.5, 30, "lunch"), (0.78, 12, "break"))
_SHORT_BREAKS: Final = ((0.5, 15, "break"),)
"""Where in the shift, how many minutes, why; the second for part-timers."""

STAGGERS: Final = tuple(range(-36, 37, 12))
"""By how many minutes colleagues move their breaks, so that not all are away at once."""


def breaks(shift_minutes: int, stagger: int) -> list[tuple[int, int, str]]:
    """The planned breaks: minutes after the shift's start, how many minutes, why."""
    table = _BREAKS if shift_minutes >= _FULL_TIME_MINUTES else _SHORT_BREAKS
    return [(int(part * shift_minutes) + stagger, length, reason) for part, length, reason in table]


def presence(shift_minutes: int, since: int, until: int) -> float:
    """How many of the minutes [since, until) after a shift's start its agent is at work, by plan; the mean over all
    ways to move the breaks.
    """
    worked = _worked(shift_minutes)
    first, last = (min(max(minute, 0), shift_minutes) for minute in (since, until))
    return worked[last] - worked[first]


@cache
def _worked(shift_minutes: int) -> list[float]:
    """Minutes at work until each minute of the shift."""
    there = [1.0] * shift_minutes
    for stagger in STAGGERS:
        for begin, length, _ in breaks(shift_minutes, stagger):
            for minute in range(begin, begin + length):
                there[minute] -= 1 / len(STAGGERS)
    return [0.0, *accumulate(there)]
