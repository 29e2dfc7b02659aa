"""Drift of a queue against its expectation: EWMA for what creeps, CUSUM for what has shifted and stays.

Both work on standardised residuals of whole intervals, never on the raw values: those follow the time of day, which
would be a drift every morning. Levels of 3 for the EWMA and 5 for the CUSUM are the usual ones (Montgomery,
Introduction to Statistical Quality Control, chapter 9).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from service.domain.expectation import Expectation, aht_ms
from service.domain.service_level import service_level_share
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals

WEIGHT: Final = 0.3
"""Of the newest residual in the EWMA."""

SLACK: Final = 0.5
"""Standard deviations that the CUSUM forgives: it is made for shifts of twice as much."""

LEAST_CONTACTS: Final = 5
LEAST_WEEKS: Final = 2
LEVEL_SPREAD: Final = 0.1
"""By how much service levels of the same interval differ from week to week beyond chance; ours."""

HANDLE_SPREAD: Final = 0.1
_EDGE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a series has drifted for the worse, in standard deviations; `intervals` is how many were compared."""

    ewma: float
    cusum: float
    intervals: int


def drift(residuals: Iterable[float]) -> Drift | None:
    """The drift of standardised residuals in order of time, positive ones being bad; None without any."""
    mean = cusum = 0.0
    count = 0
    for residual in residuals:
        count += 1
        mean = (1 - WEIGHT) * mean + WEIGHT * residual
        cusum = max(0.0, cusum + residual - SLACK)
    if not count:
        return None
    spread = sqrt(WEIGHT / (2 - WEIGHT) * (1 - (1 - WEIGHT) ** (2 * count)))
    return Drift(mean / spread, cusum, count)


def level_residuals(parts: Sequence[tuple[Expectation, Totals]], level: ServiceLevel) -> list[float]:
    """How much lower the service level was than in past weeks, interval by interval."""
    found = []
    for expected, totals in parts:
        usual = expected.service_level_ratio
        hits, whole = service_level_share(totals, 0, level)
        if usual is not None and expected.weeks >= LEAST_WEEKS and whole >= LEAST_CONTACTS:
            inner = min(max(usual, _EDGE), 1 - _EDGE)
            found.append((usual - hits / whole) / sqrt(inner * (1 - inner) / whole + LEVEL_SPREAD**2))
    return found


def handle_residuals(parts: Sequence[tuple[Expectation, Totals]]) -> list[float]:
    """How much longer handling took than expected, interval by interval; single times vary about as much as their
    mean.
    """
    found = []
    for expected, totals in parts:
        took_ms = aht_ms(totals)
        if expected.aht_ms and took_ms is not None and totals.handled >= LEAST_CONTACTS:
            found.append((took_ms / expected.aht_ms - 1) / sqrt(1 / totals.handled + HANDLE_SPREAD**2))
    return found
