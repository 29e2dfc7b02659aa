"""How far counts and shares lie beyond chance."""

import random
from math import exp

import pytest

from service.domain.chance import count_deviations, share_deviations


def _poisson(rng: random.Random, mean: float) -> int:
    count, product, limit = 0, rng.random(), exp(-mean)
    while product > limit:
        count, product = count + 1, product * rng.random()
    return count


@pytest.mark.parametrize("mean", [12, 40, 120])
def test_of_counts_that_a_forecast_meets_but_for_a_tenth_one_in_fifty_lies_two_above(mean: float) -> None:
    rng = random.Random(1)
    found = [count_deviations(_poisson(rng, rng.gauss(mean, mean / 10)), mean) or 0.0 for _ in range(20_000)]
    assert sum(each > 2 for each in found) / len(found) == pytest.approx(0.02, abs=0.01)


def test_what_is_expected_lies_at_zero() -> None:
    assert count_deviations(16, 16) == 0
    assert share_deviations(80, 100, 0.8) == 0


def test_four_times_the_contacts_say_more_in_a_large_queue_than_in_a_small_one() -> None:
    small, large = count_deviations(4, 1), count_deviations(100, 25)
    assert small is not None and large is not None
    assert large > 2 * small
    assert small == pytest.approx(2 / 1.01**0.5)


def test_a_forecast_is_off_by_a_tenth_so_that_the_largest_queues_are_as_sure_as_that() -> None:
    double = count_deviations(2_000_000, 1_000_000)
    assert double == pytest.approx(2 * (2**0.5 - 1) / 0.1, rel=0.01)


def test_an_expectation_of_few_weeks_says_less_than_a_forecast() -> None:
    told, seen_once = count_deviations(40, 20), count_deviations(40, 20, variance=20)
    assert told is not None and seen_once is not None and 0 < seen_once < told


def test_half_missed_of_few_is_less_certain_than_of_many() -> None:
    few, many = share_deviations(5, 10, 0.8), share_deviations(50, 100, 0.8)
    assert few == pytest.approx(3 / 1.6**0.5)
    assert many == pytest.approx(30 / 16**0.5)


def test_a_service_level_above_the_target_lies_below_zero() -> None:
    found = share_deviations(95, 100, 0.8)
    assert found is not None and found < 0


def test_without_an_expectation_contacts_or_room_for_misses_nothing_is_known() -> None:
    assert count_deviations(3, 0) is None
    assert share_deviations(0, 0, 0.8) is None
    assert share_deviations(3, 4, 1) is None
