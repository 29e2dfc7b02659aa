"""Why a service level fell short of what was expected: volume, handle time, staffing, adherence.

Erlang's model says what the service level is for each mixture of expected and actual conditions. How much of the
difference each condition makes depends on the order in which they are changed, since they act on each other: a queue
that just copes with more contacts does not cope with longer ones as well. So each gets its mean over all orders, the
Shapley value (Shapley 1953; for decompositions Shorrocks 2013), the one rule by which the parts sum to the whole, what
did not change gets nothing, and equal contributions count the same. What the model does not account for (chance,
skills, how contacts are routed) is a part of its own, so that all parts sum to the gap that was measured.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Final

from service.domain.alert_record import CausePart, Part
from service.domain.erlang import Load, performance
from service.domain.settings import ServiceLevel

PARTS: Final[tuple[Part, ...]] = ("volume", "handle_time", "staffing", "adherence")

MAIN_SHARE: Final = 0.2
"""A part with less than this share of the gap is not worth a word in the headline."""

NO_FORECAST: Final = "neither forecast nor history says what was to be expected"
NO_SCHEDULE: Final = "no schedule says who was to work"
NO_STAFF: Final = "it is not known who worked"
NOTHING_HANDLED: Final = "nothing was handled, so that no handle time is known"


@dataclass(frozen=True, slots=True)
class Compared:
    """One condition as it was expected and as it was; None: not known."""

    expected: float | None
    actual: float | None


@dataclass(frozen=True, slots=True)
class Heads:
    """Mean heads of a span: those the forecast requires, those on the schedule, those at work. None: not known."""

    required: float | None
    scheduled: float | None
    present: float | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Service level expected and reached over `contacts`, those the queue's variant divides by."""

    expected_ratio: float
    actual_ratio: float
    contacts: float

    @property
    def ratio(self) -> float:
        """What is missing; negative where more was reached than expected."""
        return self.expected_ratio - self.actual_ratio


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the service level of one span of a queue depends on. `patience_ms` None: nobody gives up."""

    span_ms: float
    volume: Compared
    aht_ms: Compared
    heads: Heads
    patience_ms: float | None = None


@dataclass(frozen=True, slots=True)
class _Factor:
    """A condition that can be changed from expected to actual, by itself: `missing` says why it cannot."""

    part: Part
    expected: float = 1.0
    actual: float = 1.0
    text: str = ""
    missing: str | None = None


def split_gap(gap: Gap, conditions: Conditions, level: ServiceLevel) -> list[CausePart]:
    """The parts of the gap, which sum to it: the four causes in a fixed order, then what stays unexplained."""
    factors = _factors(conditions)
    known = [factor for factor in factors if factor.missing is None]
    shares = shapley(len(known), _loss(conditions, known, level)) if known else []
    found = {factor.part: share for factor, share in zip(known, shares, strict=True)}
    parts = [
        CausePart(factor.part, None, None, missing=factor.missing)
        if factor.part not in found
        else _part(factor.part, found[factor.part], gap, factor.text)
        for factor in factors
    ]
    return [*parts, _part("unexplained", gap.ratio - sum(shares), gap, "chance, skills and routing")]


def headline(parts: list[CausePart]) -> str | None:
    """The causes that weigh most, the heaviest first, as in "volume +34 %, adherence 82 %"; None where none does."""
    lost = [(part.percentage_points, part) for part in parts if (part.percentage_points or 0) > 0]
    whole = sum(points or 0 for points, _ in lost)
    heavy = [(points or 0, part.text) for points, part in lost if part.part != "unexplained"]
    return ", ".join(text for points, text in sorted(heavy, reverse=True) if points >= MAIN_SHARE * whole) or None


def shapley(players: int, loss: Callable[[int], float]) -> list[float]:
    """Each player's share of loss(all) - loss(none); `loss` takes a set of players as the bits of a number."""
    losses = [loss(chosen) for chosen in range(1 << players)]
    shares = [0.0] * players
    for chosen in range(1 << players):
        size = chosen.bit_count()
        if size == players:
            continue
        weight = factorial(size) * factorial(players - size - 1) / factorial(players)
        for player in range(players):
            if not chosen >> player & 1:
                shares[player] += weight * (losses[chosen | 1 << player] - losses[chosen])
    return shares


def _factors(conditions: Conditions) -> list[_Factor]:
    """The four conditions. Where something is missing without which there is no model, all of them are."""
    aht_ms, heads = conditions.aht_ms, conditions.heads
    reason = NOTHING_HANDLED if aht_ms.expected is None and aht_ms.actual is None else None
    if heads.required is None and heads.scheduled is None and heads.present is None:
        reason = NO_STAFF
    if reason is not None:
        return [_Factor(part, missing=reason) for part in PARTS]
    return [
        _changed("volume", "volume", conditions.volume, NO_FORECAST),
        _changed("handle_time", "handle time", aht_ms, NO_FORECAST if aht_ms.expected is None else NOTHING_HANDLED),
        *_staff(heads),
    ]


def _changed(part: Part, name: str, compared: Compared, why_not: str) -> _Factor:
    expected, actual = compared.expected, compared.actual
    if expected is None or actual is None:
        return _Factor(part, missing=why_not)
    text = f"{name} {100 * (actual / expected - 1):+.0f} %" if expected else f"{name} {actual:.4g} instead of none"
    return _Factor(part, expected, actual, text)


def _staff(heads: Heads) -> tuple[_Factor, _Factor]:
    """Staffing as the heads themselves, adherence as the share of the scheduled ones at work. Without a schedule the
    two cannot be told apart, and staffing has both.
    """
    planned = heads.scheduled or None
    adherence = _Factor("adherence", missing=NO_SCHEDULE if heads.present is not None else NO_STAFF)
    if planned is not None and heads.present is not None:
        presence = heads.present / planned
        adherence = _Factor("adherence", 1.0, presence, f"adherence {100 * presence:.0f} %")
    there = heads.present if adherence.missing is not None and heads.present is not None else heads.scheduled
    return _changed("staffing", "staffing", Compared(heads.required, there), NO_FORECAST), adherence


def _loss(conditions: Conditions, factors: list[_Factor], level: ServiceLevel) -> Callable[[int], float]:
    """The service level lost when the chosen factors are as they were and the others as expected."""
    heads = conditions.heads
    known = {
        "volume": _known(conditions.volume.actual, conditions.volume.expected),
        "handle_time": _known(conditions.aht_ms.actual, conditions.aht_ms.expected),
        "staffing": _known(heads.required, heads.scheduled, heads.present),
        "adherence": 1.0,
    }

    def loss(chosen: int) -> float:
        now = dict(known)
        for index, factor in enumerate(factors):
            now[factor.part] = factor.actual if chosen >> index & 1 else factor.expected
        load = Load(now["volume"], now["handle_time"], conditions.span_ms, conditions.patience_ms)
        return -(performance(load, now["staffing"] * now["adherence"], level).service_level(level) or 0.0)

    return loss


def _known(*values: float | None) -> float:
    """The first value that is known; 0 where none is."""
    return next((value for value in values if value is not None), 0.0)


def _part(part: Part, share: float, gap: Gap, text: str) -> CausePart:
    return CausePart(part, share * gap.contacts, 100 * share, text)
