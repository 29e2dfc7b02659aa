"""Open time equals the slow count of the oracle, minute by minute."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.domain.business_hours import BusinessHours, Opening
from tests.oracle.hours import Hours

ZONES = ("UTC", "Europe/Berlin", "America/Montreal", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia")
CHANGES = ("2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-05", "2026-10-04", "2018-11-04",
           "2018-02-18", "2011-12-30", "2026-11-20")  # fmt: skip
DAY_STARTS = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in CHANGES]


@st.composite
def openings(draw: st.DrawFn) -> list[Opening]:
    """Up to two openings of a day."""
    count = 2 * draw(st.integers(0, 2))
    edges = sorted(draw(st.sets(st.integers(0, 1440), min_size=count, max_size=count)))
    return list(zip(edges[::2], edges[1::2], strict=True))


@st.composite
def plans(draw: st.DrawFn) -> tuple[str, list[list[Opening]], dict[date, list[Opening]]]:
    week = [draw(openings()) for _ in range(7)]
    week[draw(st.integers(0, 6))] = [(9 * 60, 17 * 60)]
    days = draw(st.lists(st.tuples(st.sampled_from(DAY_STARTS), st.integers(-1, 1), openings()), max_size=2))
    return draw(st.sampled_from(ZONES)), week, {(day + timedelta(days=n)).date(): times for day, n, times in days}


spans = st.tuples(
    st.sampled_from(DAY_STARTS), st.integers(-36 * 3_600_000, 36 * 3_600_000), st.integers(1, 60 * 3_600_000)
).map(lambda drawn: (int(drawn[0].timestamp() * 1000) + drawn[1], drawn[2]))


@settings(max_examples=150, deadline=None)
@given(plans(), spans)
@example(
    ("Pacific/Apia", [[(0, 1440)]] * 7, {}), (int(DAY_STARTS[8].timestamp() * 1000) - 20 * 3_600_000, 50 * 3_600_000)
)
def test_open_time_is_what_a_count_by_the_minute_finds(plan, span):
    since_ms, until_ms = span[0], span[0] + span[1]
    assert BusinessHours(*plan).open_ms(since_ms, until_ms) == Hours("drawn", *plan).open_ms(since_ms, until_ms)


@settings(max_examples=200, deadline=None)
@given(plans(), spans, st.integers(0, 100 * 3_600_000))
def test_the_instant_found_is_the_first_by_which_so_much_time_has_passed(plan, span, open_ms):
    hours = BusinessHours(*plan)
    found_ms = hours.after_ms(span[0], open_ms)
    assert hours.open_ms(span[0], found_ms) == open_ms
    assert hours.open_ms(span[0], found_ms - 1) == max(0, open_ms - 1)


@settings(max_examples=200, deadline=None)
@given(plans(), spans, st.integers(0, 60 * 3_600_000))
def test_open_time_adds_up(plan, span, cut_ms):
    hours = BusinessHours(*plan)
    since_ms, until_ms = span[0], span[0] + span[1]
    middle_ms = since_ms + min(cut_ms, span[1])
    assert hours.open_ms(since_ms, until_ms) == hours.open_ms(since_ms, middle_ms) + hours.open_ms(middle_ms, until_ms)
