"""Additive totals of one scope in one bucket: a zero value, `add`, and nothing that cannot be taken back."""

from bisect import insort
from math import ceil, exp, log
from typing import Final, TypeVar

from msgspec import Struct, field
from msgspec.structs import fields

K = TypeVar("K")

GAMMA: Final = 1.02
"""Width of a sketch bin: a quantile is off by at most (GAMMA - 1) / (GAMMA + 1) < 1 % (DDSketch, Masson et al. 2019).
"""

_LOG_GAMMA: Final = log(GAMMA)
LONGEST_KEPT: Final = 8
"""How many of the longest durations a bucket remembers, so that the maximum survives corrections."""


UNSTATED: Final = "unstated"
"""What stands for the reason of being not ready where none was given."""


class Totals(Struct, array_like=True, gc=False):
    """What happened in one bucket: counts, sums in milliseconds, a quantile sketch of waits (bin -> count) and the
    longest durations.

    A queue uses the visit and leg fields, an agent the leg and state fields; the rest stays zero.
    Every field is a sum over facts, so merging in any order and taking a fact back are exact.
    """

    offered: int = 0
    answered: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    flowed_out: int = 0
    callback_requested: int = 0
    cancelled: int = 0
    refused: int = 0
    answered_in_threshold: int = 0
    abandoned_in_threshold: int = 0
    callback_in_threshold: int = 0
    offered_again: int = 0
    wait_ms: int = 0
    abandon_wait_ms: int = 0
    flowed_out_wait_ms: int = 0
    waited_before_ms: int = 0
    missed: int = 0
    rung: int = 0
    ring_ms: int = 0
    handled: int = 0
    handled_contacts: int = 0
    held: int = 0
    holds: int = 0
    transferred_out: int = 0
    transferred_in: int = 0
    consulted: int = 0
    conferenced: int = 0
    talk_ms: int = 0
    hold_ms: int = 0
    acw_ms: int = 0
    available_ms: int = 0
    reserved_ms: int = 0
    on_contact_ms: int = 0
    acw_state_ms: int = 0
    not_ready_ms: int = 0
    login_ms: int = 0
    identified: int = 0
    returned: int = 0
    followed: int = 0
    wait_sketch: dict[int, int] = field(default_factory=dict)
    longest_waits_ms: list[int] = field(default_factory=list)
    longest_abandon_waits_ms: list[int] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    handle_sketch: dict[int, int] = field(default_factory=dict)
    not_ready_by_reason: dict[str, int] = field(default_factory=dict)
    adherence_ms: dict[str, int] = field(default_factory=dict)
    """Of agents with a schedule: sums named in `service/domain/adherence.py`."""

    def add_wait(self, index: int, wait_ms: int, sign: int) -> None:
        """Count a wait, of that bin, in the sketch and among the longest, or take it back."""
        sketch, longest = self.wait_sketch, self.longest_waits_ms
        count = sketch.get(index, 0) + sign
        if count:
            sketch[index] = count
        else:
            del sketch[index]
        if sign < 0 or len(longest) < LONGEST_KEPT or wait_ms > longest[0]:
            keep_longest(longest, wait_ms, sign)

    def add(self, other: "Totals") -> None:
        """Merge `other` into this one."""
        for name in COUNTERS:
            value = getattr(other, name)
            if value:
                setattr(self, name, getattr(self, name) + value)
        for index, count in other.wait_sketch.items():
            bump(self.wait_sketch, index, count)
        for index, count in other.handle_sketch.items():
            bump(self.handle_sketch, index, count)
        for reason, count in other.reasons.items():
            bump(self.reasons, reason, count)
        for reason, time_ms in other.not_ready_by_reason.items():
            bump(self.not_ready_by_reason, reason, time_ms)
        for key, time_ms in other.adherence_ms.items():
            bump(self.adherence_ms, key, time_ms)
        for longest, values in (
            (self.longest_waits_ms, other.longest_waits_ms),
            (self.longest_abandon_waits_ms, other.longest_abandon_waits_ms),
        ):
            for value in values:
                keep_longest(longest, value, 1)


COUNTERS: Final = tuple(each.name for each in fields(Totals) if each.type is int)
"""Names of the plain integer fields."""


def bump(counts: dict[K, int], key: K, amount: int) -> None:
    """Add to one count; a count of zero is not kept."""
    value = counts.get(key, 0) + amount
    if value:
        counts[key] = value
    else:
        counts.pop(key, None)


def shift(counts: dict[K, int], before: K, after: K, amount: int) -> None:
    """Count under `after` what was counted under `before`, which is another key; a count of zero is not kept."""
    count = counts.get(before, 0) - amount
    if count:
        counts[before] = count
    else:
        del counts[before]
    count = counts.get(after, 0) + amount
    if count:
        counts[after] = count
    else:
        del counts[after]


def keep_longest(longest: list[int], value_ms: int, sign: int) -> None:
    """Remember (sign 1) or forget (sign -1) a duration among the longest, kept in ascending order."""
    if sign > 0:
        if len(longest) < LONGEST_KEPT:
            insort(longest, value_ms)
        elif value_ms > longest[0]:
            del longest[0]
            insort(longest, value_ms)
    elif value_ms in longest:
        longest.remove(value_ms)


def sketch_bin(value_ms: int) -> int:
    """The sketch bin of a duration; everything up to one millisecond shares bin 0."""
    return ceil(log(value_ms) / _LOG_GAMMA) if value_ms > 1 else 0


def quantile_ms(sketch: dict[int, int], q: float) -> float | None:
    """The q-quantile (0 to 1) of a sketch in milliseconds, at most 1 % off; None when it is empty."""
    count = sum(sketch.values())
    if count <= 0:
        return None
    rank = q * (count - 1)
    seen = 0
    for index in sorted(sketch):
        seen += sketch[index]
        if seen > rank:
            return 2 * exp(index * _LOG_GAMMA) / (GAMMA + 1) if index else 0.0
    return None


def total_of(parts: "list[Totals]") -> Totals:
    """The merge of several totals, as a new value."""
    result = Totals()
    for part in parts:
        result.add(part)
    return result
