"""Totals that merge and can be taken back, and quantiles within one per cent."""

from random import Random

import pytest
from ddsketch import DDSketch

from service.domain.totals import GAMMA, LONGEST_KEPT, Totals, bump, keep_longest, quantile_ms, sketch_bin, total_of

WAITS = {
    "even": [Random(1).randrange(2, 600_000) for _ in range(3_000)],
    "skewed": [2 + int(Random(n).expovariate(1 / 30_000)) for n in range(3_000)],
    "few": [4_000, 20_000, 20_001, 60_000],
    "one": [12_345],
    "hours": [n * 3_600_000 for n in range(1, 50)],
}
SHAPES = pytest.mark.parametrize("waits", WAITS.values(), ids=WAITS.keys())


def sketch(values: list[int]) -> dict[int, int]:
    bins: dict[int, int] = {}
    for value in values:
        bump(bins, sketch_bin(value), 1)
    return bins


@SHAPES
@pytest.mark.parametrize("q", [0.0, 0.5, 0.9, 0.95, 1.0])
def test_a_quantile_is_within_one_per_cent_of_the_exact_one(waits: list[int], q: float) -> None:
    found = quantile_ms(sketch(waits), q)
    exact = sorted(waits)[int(q * (len(waits) - 1))]
    assert found == pytest.approx(exact, rel=0.01)


@SHAPES
def test_a_quantile_agrees_with_the_published_sketch(waits: list[int]) -> None:
    accuracy = (GAMMA - 1) / (GAMMA + 1)
    reference = DDSketch(accuracy)
    for wait in waits:
        reference.add(wait)
    for q in (0.5, 0.9, 0.95):
        assert quantile_ms(sketch(waits), q) == pytest.approx(reference.get_quantile_value(q), rel=2.1 * accuracy)


@SHAPES
def test_merged_sketches_are_the_sketch_of_the_whole(waits: list[int]) -> None:
    parts = [Totals(wait_sketch=sketch(waits[n::3])) for n in range(3)]
    assert total_of(parts).wait_sketch == sketch(waits)


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile_ms({}, 0.5) is None


@pytest.mark.parametrize("wait_ms", [0, 1])
def test_an_answer_at_once_is_a_wait_of_zero(wait_ms: int) -> None:
    assert quantile_ms(sketch([wait_ms]), 0.9) == 0.0


def test_a_total_of_parts_is_a_value_of_its_own() -> None:
    part = Totals(offered=1, wait_sketch={3: 1}, longest_waits_ms=[5], reasons={"refused:full": 1})
    merged = total_of([part, part])
    assert (merged.offered, merged.wait_sketch, merged.reasons) == (2, {3: 2}, {"refused:full": 2})
    assert part == Totals(offered=1, wait_sketch={3: 1}, longest_waits_ms=[5], reasons={"refused:full": 1})


def test_the_longest_waits_survive_corrections() -> None:
    longest: list[int] = []
    for value in range(100):
        keep_longest(longest, value, 1)
    for value in range(99, 99 - LONGEST_KEPT + 1, -1):
        keep_longest(longest, value, -1)
    assert longest == [100 - LONGEST_KEPT]


def test_a_wait_that_is_taken_back_is_not_among_the_longest_any_more() -> None:
    totals, waits_ms = Totals(), range(1_000, 1_000 + LONGEST_KEPT)
    for wait_ms in waits_ms:
        totals.add_wait(sketch_bin(wait_ms), wait_ms, 1)
    totals.add_wait(sketch_bin(waits_ms[0]), waits_ms[0], -1)
    assert totals.longest_waits_ms == [*waits_ms[1:]]


def test_a_count_that_comes_back_to_zero_is_gone() -> None:
    counts: dict[str, int] = {}
    bump(counts, "a", 1)
    bump(counts, "a", -1)
    assert counts == {}
