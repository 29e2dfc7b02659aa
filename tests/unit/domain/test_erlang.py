"""Erlang C and A against published values, another program's, and a queue simulated contact by contact."""

from math import exp, inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.erlang import Load, agents_needed, blocking, patience_ms, performance, waiting_probability
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals
from tests.support.queue_simulation import simulate

HALF_HOUR_MS = 1_800_000
NEGATIVE = ServiceLevel(variant="abandon_negative")
ORACLE = Load(100, 180_000, HALF_HOUR_MS)
PATIENT = Load(100, 180_000, HALF_HOUR_MS, patience_ms=300_000)


@pytest.mark.parametrize(
    ("load", "agents", "waiting", "level", "asa_ms", "occupancy"),
    [
        pytest.param(ORACLE, 14, 0.1741319336, 0.8883500192, 7835.9370, 0.7142857, id="100 calls in half an hour"),
        pytest.param(Load(1000, 120_000, 3_600_000), 40, 0.190737, 0.937211, 3433.27, 0.83333, id="1000 calls an hour"),
    ],
)
def test_erlang_c_has_its_published_values(load, agents, waiting, level, asa_ms, occupancy):
    found = performance(load, agents, NEGATIVE)
    assert found.waiting == pytest.approx(waiting, rel=3e-6)
    assert found.service_level(NEGATIVE) == pytest.approx(level, rel=1e-6)
    assert found.mean_wait_ms == pytest.approx(asa_ms, rel=1e-6)
    assert found.occupancy == pytest.approx(occupancy, rel=5e-6)
    assert found.abandonment == 0


def test_erlang_a_has_its_published_values():
    found = performance(PATIENT, 14, NEGATIVE)
    assert found.waiting == pytest.approx(0.14526, abs=5e-6)
    assert found.abandonment == pytest.approx(0.013984, abs=5e-7)
    assert found.occupancy == pytest.approx(0.704297, abs=5e-7)
    assert found.service_level(NEGATIVE) == pytest.approx(0.916792, abs=5e-7)


PYWORKFORCE = [
    # contacts, span, handle time, threshold, target, most occupancy -> agents, service level, occupancy, P(wait)
    (100, 1800, 180, 20, 0.8, 0.85, 14, 0.8883500191794669, 0.7142857142857143, 0.1741319335950498),
    (1000, 3600, 120, 20, 0.8, 1.0, 38, 0.8468032831678703, 0.8771929824561404, 0.3334525592974717),
    (342, 1800, 430, 20, 0.8, 1.0, 90, 0.814523721445271, 0.9077777777777778, 0.27286400123537874),
    (20, 1800, 300, 30, 0.9, 1.0, 7, 0.9575434538363005, 0.47619047619047616, 0.06126126655953294),
    (900, 1800, 360, 20, 0.8, 1.0, 191, 0.8291579585705703, 0.9424083769633508, 0.3147726103914191),
    (100, 1800, 180, 20, 0.8, 0.7, 15, 0.9414528428690223, 0.6666666666666666, 0.10204236700798798),
]
"""What pyworkforce 0.5.1 prints; it is no dependency, since it brings a solver and a data frame library with it."""


@pytest.mark.parametrize("row", PYWORKFORCE)
def test_staffing_agrees_with_another_program(row):
    contacts, span, aht, threshold, target, most, agents, level_ratio, occupancy, waiting = row
    load = Load(contacts, aht * 1000, span * 1000)
    level = ServiceLevel(threshold_ms=threshold * 1000, target_ratio=target)
    assert agents_needed(load, level, most) == agents
    found = performance(load, agents, level)
    assert found.service_level(level) == pytest.approx(level_ratio, rel=1e-12)
    assert (found.occupancy, found.waiting) == pytest.approx((occupancy, waiting), rel=1e-12)


@pytest.mark.parametrize(
    ("load", "agents"),
    [
        pytest.param(PATIENT, 14, id="enough staff"),
        pytest.param(PATIENT, 9, id="too few agents"),
        pytest.param(Load(200, 300_000, HALF_HOUR_MS, patience_ms=60_000), 30, id="impatient customers"),
        pytest.param(ORACLE, 12, id="nobody gives up"),
    ],
)
def test_a_simulated_queue_behaves_as_the_formulas_say(load, agents):
    contacts = 120_000
    seen = simulate(load, agents, 20_000, contacts, seed=7)
    found = performance(load, agents, NEGATIVE)
    shares = {
        "waiting": (seen.waited, found.waiting),
        "abandonment": (seen.abandoned, found.outcomes.abandoned),
        "abandoned in threshold": (seen.abandoned_in_threshold, found.outcomes.abandoned_in_threshold),
        "answered in threshold": (seen.answered_in_threshold, found.outcomes.answered_in_threshold),
    }
    for name, (count, share) in shares.items():
        # neighbours share a queue, so that they say less than as many contacts on their own: five times the error
        slack = 5 * sqrt(share * (1 - share) / contacts) * 3 + 1e-9
        assert count / contacts == pytest.approx(share, abs=slack), name
    assert seen.wait_ms / contacts == pytest.approx(found.mean_wait_ms, rel=0.06)
    assert seen.busy_ms / seen.end_ms / agents == pytest.approx(found.occupancy, rel=0.02)


def test_customers_of_endless_patience_wait_as_in_erlang_c():
    endless = performance(Load(100, 180_000, HALF_HOUR_MS, patience_ms=1e15), 14, NEGATIVE)
    nobody_leaves = performance(ORACLE, 14, NEGATIVE)
    assert endless.waiting == pytest.approx(nobody_leaves.waiting, rel=1e-3)
    assert endless.service_level(NEGATIVE) == pytest.approx(nobody_leaves.service_level(NEGATIVE), rel=1e-3)


def test_thousands_of_agents_are_no_matter():
    load = Load(50_000, 180_000, HALF_HOUR_MS)
    needed = agents_needed(load, NEGATIVE)
    assert 5_000 < needed < 5_100
    assert performance(load, needed, NEGATIVE).service_level(NEGATIVE) >= 0.8
    assert performance(load, needed - 1, NEGATIVE).service_level(NEGATIVE) < 0.8
    overloaded = performance(Load(50_000, 180_000, HALF_HOUR_MS, patience_ms=300_000), 500, NEGATIVE)
    assert overloaded.abandonment == pytest.approx(0.9), "500 of 5,000 Erlangs are served"
    assert overloaded.occupancy == pytest.approx(1.0)
    assert overloaded.service_level(NEGATIVE) == pytest.approx(0.0, abs=1e-9)


def test_too_few_agents_for_customers_who_never_give_up_means_an_endless_queue():
    found = performance(ORACLE, 10, NEGATIVE)
    assert (found.waiting, found.mean_wait_ms, found.occupancy) == (1.0, inf, 1.0)
    assert found.service_level(NEGATIVE) == 0


def test_without_agents_everybody_gives_up_or_waits_for_ever():
    assert performance(ORACLE, 0, NEGATIVE).service_level(NEGATIVE) == 0
    found = performance(PATIENT, 0, NEGATIVE)
    assert (found.abandonment, found.mean_wait_ms) == (1.0, 300_000)
    assert found.outcomes.abandoned_in_threshold == pytest.approx(1 - exp(-20 / 300))
    assert found.service_level(NEGATIVE) == 0


def test_without_contacts_nobody_is_needed_and_nobody_waits():
    idle = Load(0, 180_000, HALF_HOUR_MS)
    assert agents_needed(idle, NEGATIVE) == 0
    assert performance(idle, 3, NEGATIVE).waiting == 0
    assert performance(Load(0, 180_000, HALF_HOUR_MS, 60_000), 1, NEGATIVE).waiting == 0


def test_without_a_threshold_no_number_of_agents_is_right():
    unset = ServiceLevel(threshold_ms=None)
    assert agents_needed(ORACLE, unset) is None
    assert performance(ORACLE, 14, unset).service_level(unset) is None


def test_a_mean_of_heads_lies_between_the_whole_numbers():
    thirteen, half, fourteen = (performance(PATIENT, n, NEGATIVE) for n in (13, 13.5, 14))
    assert half.waiting == pytest.approx((thirteen.waiting + fourteen.waiting) / 2)
    assert half.abandonment == pytest.approx((thirteen.abandonment + fourteen.abandonment) / 2)
    assert performance(ORACLE, 10.5, NEGATIVE).mean_wait_ms == inf, "half of the time the queue grows for ever"


@pytest.mark.parametrize(
    ("totals", "expected_ms"),
    [
        pytest.param(Totals(abandoned=4, abandon_wait_ms=60_000, wait_ms=340_000), 100_000, id="all who waited count"),
        pytest.param(Totals(abandoned=1, flowed_out_wait_ms=5_000), 5_000, id="those who left for elsewhere too"),
        pytest.param(Totals(wait_ms=340_000), None, id="nobody gave up"),
        pytest.param(Totals(abandoned=2), None, id="nobody waited"),
    ],
)
def test_patience_is_the_time_waited_for_each_abandonment(totals, expected_ms):
    assert patience_ms(totals) == expected_ms


def test_patience_is_found_again_in_a_simulated_queue():
    seen = simulate(PATIENT, 11, 20_000, 100_000, seed=11)
    totals = Totals(abandoned=seen.abandoned, wait_ms=round(seen.wait_ms))
    assert patience_ms(totals) == pytest.approx(300_000, rel=0.05)


LOADS = st.builds(
    Load,
    contacts=st.floats(0.1, 2_000),
    aht_ms=st.floats(10_000, 1_200_000),
    span_ms=st.sampled_from((900_000.0, 3_600_000.0)),
    patience_ms=st.one_of(st.none(), st.floats(5_000, 3_600_000)),
)


@given(LOADS, st.integers(0, 400), st.sampled_from(("abandon_negative", "abandon_positive", "abandon_ignored")))
def test_one_agent_more_never_makes_a_wait_longer(load, agents, variant):
    level = ServiceLevel(variant=variant)
    fewer, more = performance(load, agents, level), performance(load, agents + 1, level)
    assert more.waiting <= fewer.waiting + 1e-9
    assert more.mean_wait_ms <= fewer.mean_wait_ms + 1e-6
    assert more.abandonment <= fewer.abandonment + 1e-9
    if variant != "abandon_positive":  # there, who gives up early counts as served well
        assert more.service_level(level) >= fewer.service_level(level) - 1e-9


@given(LOADS, st.floats(0, 400))
def test_shares_are_shares(load, agents):
    found = performance(load, agents, NEGATIVE)
    shares = found.outcomes
    assert 0 <= shares.answered_in_threshold <= shares.answered + 1e-9 <= 1 + 2e-9
    assert 0 <= shares.abandoned_in_threshold <= shares.abandoned + 1e-9
    assert shares.short_abandoned <= shares.abandoned_in_threshold + 1e-9
    assert shares.answered + shares.abandoned == pytest.approx(1.0) or agents < 1
    assert 0 <= found.occupancy <= 1 + 1e-9


@given(LOADS, st.floats(0.5, 0.99))
def test_the_agents_needed_suffice_and_one_fewer_does_not(load, target):
    level = ServiceLevel(target_ratio=target, variant="abandon_negative")
    needed = agents_needed(load, level)
    assert performance(load, needed, level).service_level(level) >= target
    if needed > 1:
        assert performance(load, needed - 1, level).service_level(level) < target


@given(st.floats(0.1, 500), st.integers(1, 600))
def test_waiting_is_likelier_than_being_turned_away(erlangs, agents):
    assert blocking(erlangs, agents) <= waiting_probability(erlangs, agents) <= 1
