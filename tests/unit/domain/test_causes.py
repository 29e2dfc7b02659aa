"""Why a service level fell short: the parts sum to the gap, and blame what changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.alert_record import CausePart
from service.domain.causes import (
    NO_FORECAST,
    NO_SCHEDULE,
    NO_STAFF,
    NOTHING_HANDLED,
    PARTS,
    Compared,
    Conditions,
    Gap,
    Heads,
    headline,
    shapley,
    split_gap,
)
from service.domain.erlang import Load, performance
from service.domain.settings import ServiceLevel

LEVEL = ServiceLevel(variant="abandon_negative")
QUARTER_MS = 900_000
AS_PLANNED = Conditions(QUARTER_MS, Compared(50, 50), Compared(180_000, 180_000), Heads(14, 14, 14), 300_000)


def conditions(volume=(50, 50), aht_ms=(180_000, 180_000), heads=(14, 14, 14), patience_ms=300_000):
    return Conditions(QUARTER_MS, Compared(*volume), Compared(*aht_ms), Heads(*heads), patience_ms)


def parts_of(changed: Conditions, gap: Gap) -> dict[str, CausePart]:
    return {part.part: part for part in split_gap(gap, changed, LEVEL)}


def modelled_gap(contacts: float, aht_ms: float, heads: float) -> Gap:
    before = performance(Load(50, 180_000, QUARTER_MS, 300_000), 14, LEVEL).service_level(LEVEL)
    after = performance(Load(contacts, aht_ms, QUARTER_MS, 300_000), heads, LEVEL).service_level(LEVEL)
    return Gap(before, after, contacts)


@pytest.mark.parametrize(
    ("cause", "changed", "gap", "text"),
    [
        pytest.param("volume", conditions((50, 67)), modelled_gap(67, 180_000, 14), "volume +34 %", id="a surge"),
        pytest.param(
            "handle_time", conditions(aht_ms=(180_000, 243_000)), modelled_gap(50, 243_000, 14), "handle time +35 %",
            id="contacts take longer",
        ),
        pytest.param("staffing", conditions(heads=(14, 10, 10)), modelled_gap(50, 180_000, 10), "staffing -29 %",
                     id="too few on the schedule"),
        pytest.param("adherence", conditions(heads=(14, 14, 10.5)), modelled_gap(50, 180_000, 10.5), "adherence 75 %",
                     id="scheduled and not there"),
    ],
)  # fmt: skip
def test_a_gap_with_one_cause_is_all_its_own(cause, changed, gap, text):
    parts = parts_of(changed, gap)
    assert parts[cause].percentage_points == pytest.approx(100 * gap.ratio)
    assert parts[cause].contacts == pytest.approx(gap.ratio * gap.contacts)
    assert all(parts[other].percentage_points == pytest.approx(0) for other in {*PARTS, "unexplained"} - {cause})
    assert headline(list(parts.values())) == parts[cause].text == text


def test_causes_that_act_on_each_other_share_what_they_do_together():
    both = parts_of(conditions((50, 60), (180_000, 216_000)), modelled_gap(60, 216_000, 14))
    alone = parts_of(conditions((50, 60)), modelled_gap(60, 180_000, 14))
    assert both["volume"].percentage_points > alone["volume"].percentage_points
    assert both["volume"].percentage_points == pytest.approx(both["handle_time"].percentage_points, rel=0.15)


def test_what_the_model_does_not_account_for_is_said():
    parts = parts_of(AS_PLANNED, Gap(0.9, 0.7, 100))
    assert parts["unexplained"].percentage_points == pytest.approx(20)
    assert parts["unexplained"].contacts == pytest.approx(20)
    assert headline(list(parts.values())) is None


def test_a_part_that_helped_is_negative():
    parts = parts_of(conditions((50, 67), heads=(14, 16, 16)), Gap(0.8, 0.7, 67))
    assert parts["volume"].percentage_points > 0 > parts["staffing"].percentage_points
    assert headline(list(parts.values())).startswith("volume +34 %")


def test_the_heaviest_cause_comes_first_and_trifles_are_not_named():
    parts = [
        CausePart("volume", 5, 5, "volume +10 %"),
        CausePart("handle_time", 14, 14, "handle time +25 %"),
        CausePart("staffing", 1, 1, "staffing -2 %"),
        CausePart("adherence", None, None, missing=NO_SCHEDULE),
        CausePart("unexplained", -2, -2, "chance"),
    ]
    assert headline(parts) == "handle time +25 %, volume +10 %"


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        pytest.param(conditions(volume=(None, 67)), {"volume": NO_FORECAST}, id="no expected volume"),
        pytest.param(conditions(aht_ms=(None, 1e5)), {"handle_time": NO_FORECAST}, id="no expected handle time"),
        pytest.param(conditions(aht_ms=(1e5, None)), {"handle_time": NOTHING_HANDLED}, id="nothing handled"),
        pytest.param(conditions(heads=(14, None, 10)), {"adherence": NO_SCHEDULE}, id="no schedule"),
        pytest.param(conditions(heads=(14, 0, 10)), {"adherence": NO_SCHEDULE}, id="nobody scheduled"),
        pytest.param(conditions(heads=(14, 12, None)), {"adherence": NO_STAFF}, id="staff unknown"),
        pytest.param(conditions(heads=(None, 12, 10)), {"staffing": NO_FORECAST}, id="no required heads"),
        pytest.param(conditions(heads=(None, None, 10)), {"staffing": NO_FORECAST, "adherence": NO_SCHEDULE}, id="who"),
        pytest.param(conditions(heads=(None, None, None)), dict.fromkeys(PARTS, NO_STAFF), id="no staff at all"),
        pytest.param(conditions(aht_ms=(None, None)), dict.fromkeys(PARTS, NOTHING_HANDLED), id="no handle time"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_told_says_why_and_the_rest_still_sums(changed, missing):
    gap = Gap(0.85, 0.6, 80)
    parts = parts_of(changed, gap)
    assert {name: part.missing for name, part in parts.items() if part.missing} == missing
    assert sum(part.percentage_points or 0 for part in parts.values()) == pytest.approx(25)


def test_without_a_schedule_staffing_has_what_adherence_would():
    gap = modelled_gap(50, 180_000, 10)
    known = parts_of(conditions(heads=(14, 14, 10)), gap)
    unknown = parts_of(conditions(heads=(14, None, 10)), gap)
    assert unknown["staffing"].percentage_points == pytest.approx(known["adherence"].percentage_points)


MAYBE_HEADS = st.one_of(st.none(), st.floats(0, 60))
HANDLE_MS = st.one_of(st.none(), st.floats(20_000, 900_000))
ANY = st.builds(
    Conditions,
    st.just(QUARTER_MS),
    st.builds(Compared, st.one_of(st.none(), st.floats(0, 300)), st.floats(0, 300)),
    st.builds(Compared, HANDLE_MS, HANDLE_MS),
    st.builds(Heads, MAYBE_HEADS, MAYBE_HEADS, MAYBE_HEADS),
    st.one_of(st.none(), st.floats(10_000, 1_000_000)),
)
RATIO = st.floats(0, 1)


@given(ANY, RATIO, RATIO, st.floats(0, 500))
def test_the_parts_always_sum_to_the_gap(any_conditions, expected, actual, contacts):
    parts = split_gap(Gap(expected, actual, contacts), any_conditions, LEVEL)
    assert [part.part for part in parts] == [*PARTS, "unexplained"]
    assert sum(part.percentage_points or 0 for part in parts) == pytest.approx(100 * (expected - actual), abs=1e-9)
    assert sum(part.contacts or 0 for part in parts) == pytest.approx(contacts * (expected - actual), abs=1e-9)
    assert all((part.percentage_points is None) == (part.missing is not None) for part in parts)


@given(st.floats(1, 4))
def test_more_contacts_than_expected_never_help(factor):
    parts = parts_of(conditions((50, 50 * factor)), Gap(0.8, 0.7, 100))
    assert parts["volume"].percentage_points >= -1e-9


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=4))
def test_players_who_do_not_act_on_each_other_get_what_they_do_alone(worth):
    def loss(chosen: int) -> float:
        return sum(value for player, value in enumerate(worth) if chosen >> player & 1)

    assert shapley(len(worth), loss) == pytest.approx(worth)


def test_players_who_are_needed_both_share_evenly():
    assert shapley(2, lambda chosen: 6.0 * (chosen == 3)) == [3.0, 3.0]
