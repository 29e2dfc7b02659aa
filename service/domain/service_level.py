"""The service-level variants of shipping products, one function each (domain.md 2.1 names who uses which).

Each returns what counts as a success and what it is a part of, so that sums over sums can be made of several buckets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from service.domain.settings import GenesysSwitches, ServiceLevel, Variant
from service.domain.totals import Totals

Share = tuple[float, float]
"""(part, whole)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a model expects of visits, in the fields of `Totals` that a service level is made of; in any unit."""

    answered: float = 0.0
    answered_in_threshold: float = 0.0
    abandoned: float = 0.0
    abandoned_in_threshold: float = 0.0
    short_abandoned: float = 0.0
    flowed_out: float = 0.0
    callback_requested: float = 0.0
    callback_in_threshold: float = 0.0
    cancelled: float = 0.0


Outcomes = Totals | Expected


def ratio(part: float, whole: float) -> float | None:
    """Part / whole; None when there is nothing to divide by."""
    return part / whole if whole else None


def closed(t: Outcomes) -> float:
    """Visits that left the queue, however: what the definitions divide by where they say "offered"."""
    return t.answered + t.abandoned + t.flowed_out + t.callback_requested + t.cancelled


def answered_only(t: Outcomes, over: float, switches: GenesysSwitches) -> Share:
    """Answered in threshold / answered. Visits still waiting do not count."""
    return t.answered_in_threshold, t.answered


def abandon_negative(t: Outcomes, over: float, switches: GenesysSwitches) -> Share:
    """Answered in threshold / (answered + abandoned)."""
    return t.answered_in_threshold, t.answered + t.abandoned + over


def abandon_ignored(t: Outcomes, over: float, switches: GenesysSwitches) -> Share:
    """Answered in threshold / (answered + abandoned after the threshold)."""
    return t.answered_in_threshold, t.answered + t.abandoned - t.abandoned_in_threshold + over


def abandon_positive(t: Outcomes, over: float, switches: GenesysSwitches) -> Share:
    """(Answered + abandoned in threshold) / (answered + abandoned)."""
    return t.answered_in_threshold + t.abandoned_in_threshold, t.answered + t.abandoned + over


def short_positive(t: Outcomes, over: float, switches: GenesysSwitches) -> Share:
    """(Answered in threshold + short abandons) / (answered + abandoned)."""
    return t.answered_in_threshold + t.short_abandoned, t.answered + t.abandoned + over


def genesys(t: Outcomes, over: float, switches: GenesysSwitches) -> Share:
    """Answered in threshold / answered, with abandons, short abandons and flow-outs against it as switched; never below
    answered.
    """
    whole = t.answered
    if switches.abandons:
        whole += t.abandoned
    if not switches.short:
        whole -= t.short_abandoned
    if switches.flow_outs:
        whole += t.flowed_out
    return t.answered_in_threshold, max(whole, t.answered) + over


def dequeued(t: Outcomes, over: float, switches: GenesysSwitches) -> Share:
    """(Answered + abandoned + callbacks accepted in threshold) / visits that left the queue."""
    return t.answered_in_threshold + t.abandoned_in_threshold + t.callback_in_threshold, closed(t) + over


VARIANTS: Final[dict[Variant, Callable[[Outcomes, float, GenesysSwitches], Share]]] = {
    "answered_only": answered_only,
    "abandon_negative": abandon_negative,
    "abandon_ignored": abandon_ignored,
    "abandon_positive": abandon_positive,
    "short_positive": short_positive,
    "genesys": genesys,
    "dequeued": dequeued,
}


def service_level_share(t: Outcomes, over: float, level: ServiceLevel, variant: Variant | None = None) -> Share:
    """What counts as a success by the queue's own variant, or another, and what it is a part of."""
    return VARIANTS[variant or level.variant](t, over, level.genesys)


def service_level(t: Outcomes, over: float, level: ServiceLevel, variant: Variant | None = None) -> float | None:
    """The service level by the queue's own variant, or another; None without a threshold or without visits.

    `over` counts visits waiting beyond the threshold now: open windows pass it, closed intervals and reports pass 0.
    """
    if level.threshold_ms is None:
        return None
    return ratio(*service_level_share(t, over, level, variant))
