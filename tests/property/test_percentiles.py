"""Percentiles: within one per cent of the exact ones, those of the published sketch, and the same however merged."""

from collections import Counter
from math import floor

import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from service.domain.totals import GAMMA, Totals, quantile_ms, sketch_bin, total_of

TEN_HOURS_MS = 36_000_000
DURATIONS = st.lists(
    st.one_of(st.integers(2, 2_000), st.integers(2, 600_000), st.integers(2, TEN_HOURS_MS)), min_size=1, max_size=200
)
QUANTILES = st.sampled_from([0.0, 0.5, 0.9, 0.95, 1.0]) | st.floats(0, 1)
BOUND = (GAMMA - 1) / (GAMMA + 1)


def sketch(durations: list[int]) -> dict[int, int]:
    return dict(Counter(map(sketch_bin, durations)))


@given(DURATIONS, QUANTILES)
def test_a_percentile_is_the_duration_of_its_rank_within_one_per_cent(durations: list[int], q: float) -> None:
    exact = sorted(durations)[floor(q * (len(durations) - 1))]
    assert BOUND < 0.01
    assert quantile_ms(sketch(durations), q) == pytest.approx(exact, rel=BOUND * (1 + 1e-9))


@given(DURATIONS, QUANTILES)
def test_a_percentile_is_that_of_the_published_sketch(durations: list[int], q: float) -> None:
    published = DDSketch(BOUND)
    for duration in durations:
        published.add(duration)
    assert quantile_ms(sketch(durations), q) == pytest.approx(published.get_quantile_value(q), rel=1e-9)


@given(st.lists(st.tuples(DURATIONS, DURATIONS), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_panes_queues_and_workers_merge_in_any_order(parts: list[tuple[list[int], list[int]]], random: object) -> None:
    totals = [Totals(wait_sketch=sketch(waits), handle_sketch=sketch(handled)) for waits, handled in parts]
    random.shuffle(totals)  # type: ignore[attr-defined]
    cut = random.randrange(len(totals) + 1)  # type: ignore[attr-defined]
    merged = total_of([total_of(totals[cut:]), total_of(totals[:cut])])
    assert merged.wait_sketch == sketch([wait for waits, _ in parts for wait in waits])
    assert merged.handle_sketch == sketch([duration for _, handled in parts for duration in handled])
