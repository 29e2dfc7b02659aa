"""The service-level variants, against the vectors of those who published them."""

from typing import get_args

import pytest

from service.domain.service_level import VARIANTS, closed, service_level
from service.domain.settings import GenesysSwitches, ServiceLevel, Variant
from service.domain.totals import Totals

ICMI = Totals(answered=1_000, abandoned=60, answered_in_threshold=860, abandoned_in_threshold=20, short_abandoned=10)
CISCO = Totals(answered=70, answered_in_threshold=70, abandoned=30, abandoned_in_threshold=10)
MIXED = Totals(
    answered=50, answered_in_threshold=40, abandoned=20, abandoned_in_threshold=8, short_abandoned=5, flowed_out=10,
    callback_requested=6, callback_in_threshold=4, cancelled=4,
)  # fmt: skip
LEVEL = ServiceLevel()


@pytest.mark.parametrize(
    ("variant", "percent"),
    [
        ("answered_only", 86.00),
        ("abandon_negative", 81.13),
        ("abandon_ignored", 82.69),
        ("abandon_positive", 83.02),
        ("short_positive", 82.08),
    ],
)
def test_published_vector_of_icmi(variant: Variant, percent: float) -> None:
    found = service_level(ICMI, 0, LEVEL, variant)
    assert found is not None and round(found * 100, 2) == percent


@pytest.mark.parametrize(
    ("variant", "percent"), [("abandon_ignored", 77.8), ("abandon_negative", 70.0), ("abandon_positive", 80.0)]
)
def test_published_vector_of_cisco(variant: Variant, percent: float) -> None:
    found = service_level(CISCO, 0, LEVEL, variant)
    assert found is not None and round(found * 100, 1) == percent


@pytest.mark.parametrize(
    ("switches", "whole"),
    [
        pytest.param(GenesysSwitches(True, True, False), 70, id="abandons"),
        pytest.param(GenesysSwitches(True, False, False), 65, id="abandons but the short ones"),
        pytest.param(GenesysSwitches(True, True, True), 80, id="abandons and flow-outs"),
        pytest.param(GenesysSwitches(False, True, False), 50, id="answers only"),
        pytest.param(GenesysSwitches(False, False, False), 50, id="shorts are not subtracted twice"),
    ],
)
def test_the_switches_of_genesys(switches: GenesysSwitches, whole: int) -> None:
    level = ServiceLevel(variant="genesys", genesys=switches)
    assert service_level(MIXED, 0, level) == pytest.approx(40 / whole)


def test_dequeued_divides_by_all_that_left() -> None:
    assert closed(MIXED) == 90
    assert service_level(MIXED, 0, LEVEL, "dequeued") == pytest.approx((40 + 8 + 4) / 90)


@pytest.mark.parametrize("variant", get_args(Variant))
def test_every_variant_has_a_formula_and_is_undefined_without_visits(variant: Variant) -> None:
    assert VARIANTS[variant].__doc__
    assert service_level(Totals(), 0, LEVEL, variant) is None


@pytest.mark.parametrize("variant", get_args(Variant))
def test_without_a_threshold_there_is_no_service_level(variant: Variant) -> None:
    assert service_level(MIXED, 3, ServiceLevel(threshold_ms=None), variant) is None


@pytest.mark.parametrize("variant", get_args(Variant))
def test_who_waits_beyond_the_threshold_counts_against_every_variant_but_answered_only(variant: Variant) -> None:
    now, then = service_level(MIXED, 10, LEVEL, variant), service_level(MIXED, 0, LEVEL, variant)
    assert now is not None and then is not None
    assert now == then if variant == "answered_only" else now < then


@pytest.mark.parametrize("variant", get_args(Variant))
def test_a_first_caller_beyond_the_threshold_is_a_service_level_of_zero(variant: Variant) -> None:
    assert service_level(Totals(), 1, LEVEL, variant) == (None if variant == "answered_only" else 0.0)
