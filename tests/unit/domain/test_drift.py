"""What creeps and what shifts, against what is usual at that time of the week."""

from __future__ import annotations

from itertools import pairwise

import pytest

from service.domain.drift import drift, handle_residuals, level_residuals
from service.domain.expectation import Expectation
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals

USUAL = Expectation(0, 900_000, 50, 180_000.0, "profile", weeks=4, service_level_ratio=0.8)


def interval(ratio: float, answered: int = 50, aht_ms: int = 180_000) -> Totals:
    hits = round(answered * ratio)
    return Totals(answered=answered, answered_in_threshold=hits, handled=answered, talk_ms=answered * aht_ms)


def test_without_anything_to_compare_there_is_no_drift() -> None:
    assert drift([]) is None


def test_what_is_as_usual_drifts_nowhere() -> None:
    found = drift(level_residuals([(USUAL, interval(0.8))] * 20, ServiceLevel()))
    assert found is not None
    assert (found.ewma, found.cusum, found.intervals) == (pytest.approx(0), 0, 20)


def test_better_than_usual_is_no_drift_for_the_worse() -> None:
    found = drift(level_residuals([(USUAL, interval(0.95))] * 20, ServiceLevel()))
    assert found is not None
    assert found.cusum == 0
    assert found.ewma < 0


def test_a_shift_of_one_deviation_is_found_by_the_cusum_in_its_eleventh_interval() -> None:
    tenth, eleventh = (drift([0.0] * 20 + [1.0] * shifted) for shifted in (10, 11))
    assert tenth is not None
    assert eleventh is not None
    assert tenth.cusum <= 5 < eleventh.cusum


def test_the_ewma_of_one_residual_is_that_residual() -> None:
    found = drift([2.5])
    assert found is not None
    assert found.ewma == pytest.approx(2.5)


def test_the_lower_the_service_level_the_further_it_has_drifted() -> None:
    found = [drift(level_residuals([(USUAL, interval(ratio))] * 4, ServiceLevel())) for ratio in (0.7, 0.6, 0.5)]
    assert all(a is not None and b is not None and a.ewma < b.ewma for a, b in pairwise(found))


@pytest.mark.parametrize(
    "part",
    [
        (USUAL, interval(0.2, answered=4)),
        (Expectation(0, 900_000, 50, None, "profile", weeks=1, service_level_ratio=0.8), interval(0.2)),
        (Expectation(0, 900_000, 50, None, "forecast"), interval(0.2)),
    ],
    ids=["few contacts", "one week", "no past"],
)
def test_what_says_little_is_not_compared(part: tuple[Expectation, Totals]) -> None:
    assert level_residuals([part], ServiceLevel()) == []


def test_handle_time_drifts_when_it_gets_longer() -> None:
    usual, longer = (drift(handle_residuals([(USUAL, interval(0.8, aht_ms=ms))] * 6)) for ms in (180_000, 240_000))
    assert usual is not None
    assert longer is not None
    assert (usual.cusum, longer.cusum > 5) == (0, True)
