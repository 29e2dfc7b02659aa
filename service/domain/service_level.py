"""The service-level variants of shipping products, one function each (domain.md 2.1 names who uses which)."""

from collections.abc import Callable
from typing import Final

from service.domain.settings import GenesysSwitches, ServiceLevel, Variant
from service.domain.totals import Totals


def ratio(part: float, whole: float) -> float | None:
    """Part / whole; None when there is nothing to divide by."""
    return part / whole if whole else None


def closed(t: Totals) -> int:
    """Visits that left the queue, however: what the definitions divide by where they say "offered"."""
    return t.answered + t.abandoned + t.flowed_out + t.callback_requested + t.cancelled


def answered_only(t: Totals, over: int, switches: GenesysSwitches) -> float | None:
    """Answered in threshold / answered. Visits still waiting do not count."""
    return ratio(t.answered_in_threshold, t.answered)


def abandon_negative(t: Totals, over: int, switches: GenesysSwitches) -> float | None:
    """Answered in threshold / (answered + abandoned)."""
    return ratio(t.answered_in_threshold, t.answered + t.abandoned + over)


def abandon_ignored(t: Totals, over: int, switches: GenesysSwitches) -> float | None:
    """Answered in threshold / (answered + abandoned after the threshold)."""
    return ratio(t.answered_in_threshold, t.answered + t.abandoned - t.abandoned_in_threshold + over)


def abandon_positive(t: Totals, over: int, switches: GenesysSwitches) -> float | None:
    """(Answered + abandoned in threshold) / (answered + abandoned)."""
    return ratio(t.answered_in_threshold + t.abandoned_in_threshold, t.answered + t.abandoned + over)


def short_positive(t: Totals, over: int, switches: GenesysSwitches) -> float | None:
    """(Answered in threshold + short abandons) / (answered + abandoned)."""
    return ratio(t.answered_in_threshold + t.short_abandoned, t.answered + t.abandoned + over)


def genesys(t: Totals, over: int, switches: GenesysSwitches) -> float | None:
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
    return ratio(t.answered_in_threshold, max(whole, t.answered) + over)


def dequeued(t: Totals, over: int, switches: GenesysSwitches) -> float | None:
    """(Answered + abandoned + callbacks accepted in threshold) / visits that left the queue."""
    return ratio(t.answered_in_threshold + t.abandoned_in_threshold + t.callback_in_threshold, closed(t) + over)


VARIANTS: Final[dict[Variant, Callable[[Totals, int, GenesysSwitches], float | None]]] = {
    "answered_only": answered_only,
    "abandon_negative": abandon_negative,
    "abandon_ignored": abandon_ignored,
    "abandon_positive": abandon_positive,
    "short_positive": short_positive,
    "genesys": genesys,
    "dequeued": dequeued,
}


def service_level(t: Totals, over: int, level: ServiceLevel, variant: Variant | None = None) -> float | None:
    """The service level by the queue's own variant, or another; None without a threshold or without visits.

    `over` counts visits waiting beyond the threshold now: open windows pass it, closed intervals and reports pass 0.
    """
    if level.threshold_ms is None:
        return None
    return VARIANTS[variant or level.variant](t, over, level.genesys)
