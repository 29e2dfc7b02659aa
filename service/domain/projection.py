"""Where a queue's service level will end: at the end of an interval and of the business day.

What is still to come is the expectation, re-forecast by how the day has run, and how well it will be served: by Erlang
where the heads are scheduled; else as in past weeks, moved by how today differs from them: half of the day's difference
stays, and what the last hour adds to it fades by half every hour. Back-tested (`floorwalker backtest`), this beat the
day's level so far, past weeks alone, and Erlang with as many agents as the level so far would take.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from service.domain.erlang import Load, agents_needed, performance
from service.domain.expectation import Expectation, reforecast_factor
from service.domain.service_level import Share, ratio, service_level_share
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals

CONFIDENCE: Final = 0.9
QUANTILE: Final = 1.645
"""Of the normal distribution, for CONFIDENCE on both sides together."""

DAY_TO_DAY: Final = 0.24
"""Standard deviation of the service level of what remains, beyond chance: that of the recordings back-tested."""

SLOT_PRIOR: Final = 8.0
"""Contacts of the whole day that an interval's own past is mixed with: a few contacts say little."""

DAY_PRIOR, RECENT_PRIOR = 50.0, 20.0
"""Contacts of today that weigh as much as the past: of the day so far, and of the last hour."""

LASTING: Final = 0.5
RECENT_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Slot:
    """One interval of the day: what is expected of it, what has happened in it, and the mean of the heads that are
    scheduled and will be there. None: not known, or it is yet to come.
    """

    start_ms: int
    end_ms: int
    expectation: Expectation | None = None
    actual: Totals | None = None
    agents: float | None = None


@dataclass(frozen=True, slots=True)
class Projection:
    """A service level at the end of a span, with the bounds between which it ends in CONFIDENCE of the cases.

    `remaining` is the number of contacts still expected. `needed_ratio` is the recovery figure: the share of them that
    must be served in time for the target; above 1 the target is lost.
    """

    ratio: float
    low: float
    high: float
    remaining: float
    needed_ratio: float | None

    @property
    def lost(self) -> bool:
        """Whether the target can no longer be reached."""
        return self.needed_ratio is not None and self.needed_ratio > 1


@dataclass(frozen=True, slots=True)
class SlotOutlook:
    """What is to be expected of one interval now: contacts, the load they are, the service level of those to come.

    None where nothing says so, and for an interval that is over.
    """

    slot: Slot
    offered: float | None = None
    load: Load | None = None
    ratio: float | None = None

    def required_agents(self, level: ServiceLevel) -> int | None:
        """The agents that the load needs for the target; it takes a while, for many intervals."""
        return None if self.load is None else agents_needed(self.load, level)


@dataclass(frozen=True, slots=True)
class Outlook:
    """A queue's day at one moment. `factor` is that of the re-forecast over `completed` intervals; None: no interval
    with an expectation is over yet. A projection is None where nothing has happened and nothing is expected.
    """

    slots: list[SlotOutlook]
    factor: float | None
    completed: int
    interval: Projection | None
    day: Projection | None


@dataclass(frozen=True, slots=True)
class _Difference:
    """How today's service level differs from that of past weeks: over the day, and beyond that in the last hour."""

    day: float = 0.0
    recent: float = 0.0

    def at(self, ahead_ms: int) -> float:
        """What of it is to be expected so far ahead."""
        fading: float = 0.5 ** (ahead_ms / RECENT_MS)
        return LASTING * self.day + self.recent * fading


def outlook(slots: Sequence[Slot], now_ms: int, level: ServiceLevel, over: int = 0) -> Outlook:
    """The day's outlook from its intervals in order; `over` visits wait beyond the threshold now."""
    done = [slot for slot in slots if slot.end_ms <= now_ms]
    expected = {slot.start_ms: slot.expectation.offered for slot in done if slot.expectation is not None}
    factor = reforecast_factor(
        expected, {slot.start_ms: slot.actual.offered for slot in done if slot.actual is not None}
    )
    past = _past_ratios(slots)
    difference = _difference(done, past, now_ms, level)
    so_far = _sum([_share(slot.actual, level) for slot in slots])
    found = [_slot_outlook(slot, now_ms, level, factor, past, difference, ratio(*so_far)) for slot in slots]
    this = [each for each in found if each.slot.start_ms <= now_ms < each.slot.end_ms]
    begun = _sum([_share(each.slot.actual, level) for each in this])
    return Outlook(
        found, factor, len(expected),
        project((begun[0], begun[1] + over), remaining(this, now_ms), level),
        project((so_far[0], so_far[1] + over), remaining(found, now_ms), level),
    )  # fmt: skip


def project(so_far: Share, remaining: Sequence[Share], level: ServiceLevel) -> Projection | None:
    """The service level at the end, from what was reached and, for each part to come, (contacts in time, contacts);
    None without a threshold or any contacts.

    The bounds allow for chance (binomial) and for how days differ.
    """
    hits, whole = so_far
    good, left = _sum(remaining)
    total = whole + left
    if level.threshold_ms is None or not total:
        return None
    end = (hits + good) / total
    mean = good / left if left else 0.0
    spread = sqrt(DAY_TO_DAY**2 + mean * (1 - mean) / left) * left / total if left else 0.0
    best, worst = (hits + left) / total, hits / total
    low, high = max(end - QUANTILE * spread, worst), min(end + QUANTILE * spread, best)
    return Projection(end, low, high, left, recovery(so_far, left, level.target_ratio))


def recovery(so_far: Share, remaining: float, target_ratio: float) -> float | None:
    """The share of the remaining contacts that must be served in time: (target x total - hits) / remaining; above 1 the
    target is lost, 0 where it is safe whatever comes; None where nothing remains.
    """
    hits, whole = so_far
    needed = ratio(target_ratio * (whole + remaining) - hits, remaining)
    return None if needed is None else max(needed, 0.0)


def _share(totals: Totals | None, level: ServiceLevel) -> Share:
    return (0.0, 0.0) if totals is None else service_level_share(totals, 0, level)


def _sum(shares: Sequence[Share]) -> Share:
    return sum(part for part, _ in shares), sum(whole for _, whole in shares)


def _past_ratios(slots: Sequence[Slot]) -> dict[int, float]:
    """The service level of past weeks by interval, that of few contacts drawn towards the whole day's."""
    known = {
        e.start_ms: (e.service_level_ratio, e.offered * e.weeks)
        for e in (slot.expectation for slot in slots)
        if e is not None and e.service_level_ratio is not None
    }
    mean = ratio(sum(level * contacts for level, contacts in known.values()), sum(n for _, n in known.values()))
    if mean is None:
        return {}
    ratios = {
        start_ms: (level * contacts + mean * SLOT_PRIOR) / (contacts + SLOT_PRIOR)
        for start_ms, (level, contacts) in known.items()
    }
    return {slot.start_ms: ratios.get(slot.start_ms, mean) for slot in slots}


def _difference(done: Sequence[Slot], past: dict[int, float], now_ms: int, level: ServiceLevel) -> _Difference:
    """How the intervals that are over differ from past weeks."""
    if not past:
        return _Difference()
    day, day_weight = _mean_difference(done, past, level)
    lately, weight = _mean_difference([slot for slot in done if slot.start_ms >= now_ms - RECENT_MS], past, level)
    recent = (lately - day) * weight / (weight + RECENT_PRIOR)
    return _Difference(day * day_weight / (day_weight + DAY_PRIOR), recent)


def _mean_difference(slots: Sequence[Slot], past: dict[int, float], level: ServiceLevel) -> Share:
    """(mean difference, contacts)."""
    shares = [(slot.start_ms, *_share(slot.actual, level)) for slot in slots]
    whole = sum(each for *_, each in shares)
    if not whole:
        return 0.0, 0.0
    return sum(hits - past[start_ms] * each for start_ms, hits, each in shares) / whole, whole


def _slot_outlook(
    slot: Slot,
    now_ms: int,
    level: ServiceLevel,
    factor: float | None,
    past: dict[int, float],
    difference: _Difference,
    so_far: float | None,
) -> SlotOutlook:
    """What is to be expected of an interval that is not over."""
    expected = slot.expectation
    if expected is None or slot.end_ms <= now_ms:
        return SlotOutlook(slot)
    offered = expected.offered * (1.0 if factor is None else factor)
    load = None
    if expected.aht_ms is not None:
        load = Load(offered, expected.aht_ms, slot.end_ms - slot.start_ms, expected.patience_ms)
    if load is not None and slot.agents is not None:
        served = performance(load, slot.agents, level).service_level(level)
    elif past:
        served = min(max(past[slot.start_ms] + difference.at(max(slot.start_ms - now_ms, 0)), 0.0), 1.0)
    else:
        served = so_far
    return SlotOutlook(slot, offered, load, served)


def remaining(found: Sequence[SlotOutlook], now_ms: int) -> list[Share]:
    """(contacts in time, contacts) of what is still to come; of the open interval, the rest of its time."""
    result = []
    for each in found:
        if each.offered is not None and each.ratio is not None:
            slot = each.slot
            left = each.offered * (slot.end_ms - max(slot.start_ms, now_ms)) / (slot.end_ms - slot.start_ms)
            result.append((left * each.ratio, left))
    return result
