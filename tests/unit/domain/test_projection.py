"""Where a service level will end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.erlang import Load, performance
from service.domain.expectation import Expectation
from service.domain.projection import Slot, outlook, project, recovery
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals
from tests.unit.domain.build import T0

LEVEL = ServiceLevel(variant="abandon_negative")
QUARTER_MS = 900_000


def at(quarter: float) -> int:
    return T0 + round(quarter * QUARTER_MS)


def expected(quarter: int, offered: float = 20, level: float | None = 0.8, weeks: int = 4, **more) -> Expectation:
    return Expectation(at(quarter), at(quarter + 1), offered, 180_000, "profile", weeks, level, **more)


def came(answered: int, in_time: int) -> Totals:
    return Totals(offered=answered, answered=answered, answered_in_threshold=in_time)


def day(*actual: Totals | None, agents: float | None = None, **more) -> list[Slot]:
    """Four quarter-hours of 20 contacts, of which 80 % are served in time in other weeks."""
    known = (*actual, *(None for _ in range(4 - len(actual))))
    return [
        Slot(at(n), at(n + 1), expected(n, **more), totals, None if totals else agents)
        for n, totals in enumerate(known)
    ]


def test_a_day_like_all_others_ends_like_them():
    found = outlook(day(came(20, 16), came(20, 16)), at(2), LEVEL)
    assert found.factor == 1
    assert found.completed == 2
    assert [each.offered for each in found.slots] == [None, None, 20, 20]
    assert found.day.ratio == pytest.approx(0.8)
    assert found.day.remaining == 40


def test_what_is_to_come_follows_the_volume_of_the_day_so_far():
    found = outlook(day(came(30, 24), came(20, 16)), at(2), LEVEL)
    assert found.factor == 1.25
    assert found.day.remaining == 50


def test_half_of_todays_difference_stays_and_that_of_the_last_hour_fades():
    short = day(came(20, 0), came(20, 0))
    ratios = [each.ratio for each in outlook(short, at(2), LEVEL).slots[2:]]
    assert 0.5 < ratios[0] == ratios[1] < 0.8, "the last hour is the whole day: nothing of its own fades"
    worse_lately = [Slot(at(n - 8), at(n - 7), expected(n - 8), came(20, 16 if n < 6 else 0)) for n in range(8)]
    slots = [*worse_lately, *(Slot(at(n), at(n + 1), expected(n)) for n in range(16))]
    later = [each.ratio for each in outlook(slots, at(0), LEVEL).slots[8:]]
    assert later == sorted(later)
    assert later[0] < later[-1] < 0.8


def test_with_heads_on_the_schedule_erlang_says_how_well_they_serve():
    found = outlook(day(came(20, 16), agents=6.5), at(1), LEVEL)
    modelled = performance(Load(20, 180_000, QUARTER_MS), 6.5, LEVEL).service_level(LEVEL)
    assert [each.ratio for each in found.slots[1:]] == pytest.approx([modelled] * 3)


def test_the_agents_needed_follow_the_volume_of_the_day():
    calm, busy = (outlook(day(came(n, n)), at(1), LEVEL).slots[1].required_agents(LEVEL) for n in (20, 40))
    assert calm < busy
    assert outlook(day(came(20, 16)), at(1), LEVEL).slots[0].required_agents(LEVEL) is None, "it is over"


def test_the_open_interval_has_the_rest_of_its_time_to_come():
    found = outlook(day(came(20, 16), came(6, 6)), at(1.75), LEVEL)
    assert found.interval.remaining == pytest.approx(5)
    assert found.interval.ratio == pytest.approx((6 + 5 * 0.8) / 11, abs=0.03)
    assert found.day.remaining == pytest.approx(45)


def test_those_who_wait_too_long_already_count_as_missed():
    calm = outlook(day(came(20, 16), came(6, 6)), at(1.75), LEVEL)
    waiting = outlook(day(came(20, 16), came(6, 6)), at(1.75), LEVEL, over=4)
    assert waiting.interval.ratio < calm.interval.ratio
    assert waiting.day.ratio < calm.day.ratio


def test_without_a_past_the_level_so_far_goes_on():
    slots = [Slot(s.start_ms, s.end_ms, expected(n, level=None), s.actual) for n, s in enumerate(day(came(20, 10)))]
    assert outlook(slots, at(1), LEVEL).day.ratio == pytest.approx(0.5)


def test_without_expectations_only_what_happened_counts():
    slots = [Slot(s.start_ms, s.end_ms, None, s.actual) for s in day(came(20, 10))]
    found = outlook(slots, at(1), LEVEL)
    assert (found.factor, found.completed, found.interval) == (None, 0, None)
    assert (found.day.ratio, found.day.low, found.day.high, found.day.needed_ratio) == (0.5, 0.5, 0.5, None)
    assert outlook(day(), at(0), ServiceLevel(threshold_ms=None)).day is None


@pytest.mark.parametrize(
    ("so_far", "remaining", "needed", "lost"),
    [
        pytest.param((60, 80), 20, 1.0, False, id="just possible"),
        pytest.param((59, 80), 20, 1.05, True, id="lost"),
        pytest.param((70, 80), 20, 0.5, False, id="well ahead"),
        pytest.param((100, 100), 10, 0.0, False, id="safe whatever comes"),
        pytest.param((10, 80), 0, None, False, id="nothing remains"),
    ],
)
def test_the_recovery_figure_says_what_must_still_be_served_in_time(so_far, remaining, needed, lost):
    assert recovery(so_far, remaining, 0.8) == (needed and pytest.approx(needed))
    assert project(so_far, [(remaining * 0.5, remaining)], LEVEL).lost == lost


COUNTS = st.integers(0, 200)


@given(COUNTS, COUNTS, st.floats(0, 300), st.floats(0, 1))
def test_a_projection_lies_between_its_bounds_and_these_within_what_is_possible(hits, missed, remaining, level):
    found = project((hits, hits + missed), [(remaining * level, remaining)], LEVEL)
    if found is None:
        assert hits + missed + remaining == 0
        return
    total = hits + missed + remaining
    assert hits / total - 1e-9 <= found.low <= found.ratio + 1e-9
    assert found.ratio - 1e-9 <= found.high <= (hits + remaining) / total + 1e-9


@given(st.floats(0, 1), st.floats(1, 300))
def test_serving_the_needed_share_reaches_the_target_exactly(level, remaining):
    so_far = (level * 100, 100.0)
    needed = recovery(so_far, remaining, 0.8)
    if 0 < needed <= 1:
        assert project(so_far, [(needed * remaining, remaining)], LEVEL).ratio == pytest.approx(0.8)
