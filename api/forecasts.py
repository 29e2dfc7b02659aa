"""The plan of a queue's day: forecast against actual, what is to come, whom it needs, and where it will end."""

from collections.abc import Sequence
from typing import Any

from service.domain.expectation import Expectation, aht_ms
from service.domain.projection import CONFIDENCE, Outlook, Projection, SlotOutlook
from service.domain.service_level import ratio, service_level
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals
from service.timetext import format_moment


def forecast_view(found: Outlook, heads: Sequence[float] | None, level: ServiceLevel, now_ms: int) -> dict[str, Any]:
    """The outlook as JSON; `heads` are those scheduled. It works out the agents needed, which takes a while."""
    scheduled: Sequence[float | None] = heads or [None] * len(found.slots)
    intervals = [slot_view(each, of, level, now_ms) for each, of in zip(found.slots, scheduled, strict=True)]
    return {
        "reforecast": {"factor": found.factor, "completed_intervals": found.completed},
        "projection": {
            "confidence_ratio": CONFIDENCE,
            "interval": projection_view(found.interval),
            "day": projection_view(found.day),
        },
        "intervals": intervals,
    }


def projection_view(found: Projection | None) -> dict[str, Any] | None:
    """Where a service level will end. `needed_ratio` of the remaining contacts must be served in time for the target:
    above 1 it is lost.
    """
    if found is None:
        return None
    return {
        "service_level_ratio": found.ratio,
        "low_ratio": found.low,
        "high_ratio": found.high,
        "remaining_contacts": found.remaining,
        "needed_ratio": found.needed_ratio,
        "lost": found.lost,
    }


def slot_view(each: SlotOutlook, scheduled: float | None, level: ServiceLevel, now_ms: int) -> dict[str, Any]:
    """One interval: what was expected, what happened (null while it is to come), what is to come (null once over).

    `scheduled_agents` is null while nobody who serves the queue has a schedule.
    """
    slot, expected = each.slot, each.slot.expectation
    return {
        "start": format_moment(slot.start_ms),
        "end": format_moment(slot.end_ms),
        "open": slot.start_ms <= now_ms < slot.end_ms,
        **_expected(expected),
        **_actual(slot.actual, level),
        "forecast_deviation_ratio": _deviation(expected, slot.actual, now_ms),
        "reforecast_offered": each.offered,
        "required_agents": each.required_agents(level),
        "scheduled_agents": scheduled,
        "projected_service_level_ratio": each.ratio,
    }


def _expected(expected: Expectation | None) -> dict[str, Any]:
    if expected is None:
        names = ("expected_offered", "expected_aht_seconds", "expected_service_level_ratio", "forecast_agents")
        return {"basis": None, "weeks": 0, **dict.fromkeys(names)}
    return {
        "basis": expected.basis,
        "weeks": expected.weeks,
        "expected_offered": expected.offered,
        "expected_aht_seconds": None if expected.aht_ms is None else expected.aht_ms / 1000,
        "expected_service_level_ratio": expected.service_level_ratio,
        "forecast_agents": expected.required_agents,
    }


def _actual(actual: Totals | None, level: ServiceLevel) -> dict[str, Any]:
    if actual is None:
        return dict.fromkeys(("offered", "aht_seconds", "service_level_ratio"))
    mean_ms = aht_ms(actual)
    return {
        "offered": actual.offered,
        "aht_seconds": None if mean_ms is None else mean_ms / 1000,
        "service_level_ratio": service_level(actual, 0, level),
    }


def _deviation(expected: Expectation | None, actual: Totals | None, now_ms: int) -> float | None:
    """(Offered - expected) / expected, of an open interval so far."""
    if expected is None or actual is None:
        return None
    so_far = expected.offered_until(now_ms)
    return ratio(actual.offered - so_far, so_far)
