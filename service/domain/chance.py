"""How far something lies beyond chance, in standard deviations: 3 is seldom, 5 is no accident.

What is watched all day is looked at many times, and customers who wait, wait in bunches: levels for alerts are higher
than the 2 of a single look.
"""

from math import sqrt
from typing import Final

FORECAST_SPREAD: Final = 0.1
"""By how much volumes differ from a good forecast beyond chance; ours."""


def count_deviations(seen: float, expected: float, variance: float = 0.0) -> float | None:
    """How far a count lies above what was expected; None where nothing was.

    `variance`: that of the expectation, where it was estimated itself. Roots of Poisson counts have nearly the same
    standard deviation, 1/2, however large or small they are (Bartlett 1936), so that the same level serves all queues.
    """
    if expected <= 0:
        return None
    inflation = 1 + FORECAST_SPREAD**2 * expected + variance / expected
    return 2 * (sqrt(seen) - sqrt(expected)) / sqrt(inflation)


def share_deviations(hits: float, whole: float, target: float) -> float | None:
    """How far the hits of a whole fall short of the target (binomial); None without any, or a target of 0 or 1."""
    if whole <= 0 or not 0 < target < 1:
        return None
    return (target * whole - hits) / sqrt(whole * target * (1 - target))
