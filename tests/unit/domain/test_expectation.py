"""What is expected of a queue's interval: by forecast, else as in past weeks."""

import itertools

import orjson
import pytest

from service.domain.aggregate import AggregateStore
from service.domain.codec import decode_event, encode_event
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.expectation import by_forecast, by_profile, expect, reforecast_factor
from service.domain.facts import FactBatch, Forecast
from service.domain.scopes import Scopes
from service.domain.settings import Floor, ServiceLevel
from service.domain.totals import Totals
from tests.unit.domain.build import T0, event

LEVEL = ServiceLevel(variant="abandon_negative")
MINUTE_MS = 60_000
QUARTER = (T0, T0 + 15 * MINUTE_MS)


def forecast(start: int, end: int, volume: float, aht_ms=200_000, agents=None, version=1, at=0) -> Forecast:
    """A forecast of minutes after T0."""
    order = (version, T0 + at, "f")
    return Forecast("queue:sales", T0 + start * MINUTE_MS, T0 + end * MINUTE_MS, order, volume, aht_ms, agents)


def week(offered: int, in_time: int, handle_ms: int = 100_000) -> Totals:
    return Totals(
        offered=offered, answered=offered, answered_in_threshold=in_time, handled=offered, talk_ms=offered * handle_ms
    )


def test_the_profile_is_the_median_of_contacts_and_sums_over_sums_of_the_rest():
    found = by_profile(*QUARTER, [week(10, 8), week(12, 6, 150_000), week(90, 0)], LEVEL)
    assert (found.offered, found.weeks, found.basis) == (12, 3, "profile")
    assert found.service_level_ratio == pytest.approx(14 / 112)
    assert found.aht_ms == pytest.approx((10 * 100_000 + 12 * 150_000 + 90 * 100_000) / 112)
    assert found.required_agents is None


def test_a_week_without_contacts_in_the_interval_counts_as_none():
    assert by_profile(*QUARTER, [week(10, 8), Totals(), Totals()], LEVEL).offered == 0


def test_a_profile_knows_how_long_customers_wait_before_they_give_up():
    weeks = [Totals(offered=5, abandoned=2, abandon_wait_ms=80_000), Totals(offered=5, wait_ms=40_000)]
    assert by_profile(*QUARTER, weeks, LEVEL).patience_ms == 60_000


def test_without_a_threshold_no_service_level_is_expected():
    assert by_profile(*QUARTER, [week(10, 8)], ServiceLevel(threshold_ms=None)).service_level_ratio is None


@pytest.mark.parametrize(
    ("forecasts", "offered"),
    [
        pytest.param([forecast(0, 15, 12)], 12, id="of the interval itself"),
        pytest.param([forecast(-15, 45, 48)], 12, id="of an hour: its quarter"),
        pytest.param([forecast(0, 5, 3), forecast(5, 15, 8)], 11, id="of parts"),
        pytest.param([forecast(0, 15, 12), forecast(0, 10, 20, version=2)], 24, id="a newer version, where it speaks"),
        pytest.param([forecast(0, 15, 12, at=1), forecast(0, 15, 10)], 12, id="published last, of equal versions"),
        pytest.param([forecast(0, 10, 12)], None, id="a part left open"),
        pytest.param([forecast(15, 30, 12), forecast(-15, 0, 12)], None, id="of its neighbours"),
        pytest.param([], None, id="none"),
    ],
)
def test_forecasts_are_taken_evenly_over_their_time(forecasts, offered):
    for order in itertools.permutations(forecasts):
        found = by_forecast(*QUARTER, order)
        assert (None if found is None else found.offered) == (offered and pytest.approx(offered))


def test_a_forecasts_handle_time_is_weighted_by_its_contacts_and_its_agents_by_time():
    parts = [forecast(0, 5, 30, 100_000, agents=6), forecast(5, 15, 10, 300_000, agents=3)]
    found = by_forecast(*QUARTER, parts)
    assert found.aht_ms == pytest.approx(150_000)
    assert found.required_agents == pytest.approx(4)
    assert found.agents_needed(LEVEL) == found.required_agents
    silent = by_forecast(*QUARTER, [parts[0], forecast(5, 15, 10)])
    assert silent.required_agents is None


def test_a_handle_time_of_nothing_is_not_known():
    told = expect(*QUARTER, [forecast(0, 15, 12, aht_ms=0)], [], LEVEL)
    assert (told.offered, told.aht_ms, told.agents_needed(LEVEL)) == (12, None, None)
    assert expect(*QUARTER, [forecast(0, 15, 0, aht_ms=0)], [], LEVEL).aht_ms is None
    assert expect(*QUARTER, [], [week(5, 5, handle_ms=0)], LEVEL).aht_ms is None


def test_the_agents_a_forecast_does_not_name_follow_from_erlang():
    found = by_forecast(T0, T0 + 30 * MINUTE_MS, [forecast(0, 30, 342, 430_000)])
    assert found.agents_needed(LEVEL) == 90


def test_a_forecast_goes_before_the_profile_which_still_tells_the_service_level():
    both = expect(*QUARTER, [forecast(0, 15, 50)], [week(10, 8), week(10, 6)], LEVEL)
    assert (both.basis, both.offered, both.weeks) == ("forecast", 50, 2)
    assert both.service_level_ratio == pytest.approx(0.7)
    assert expect(*QUARTER, [], [week(10, 8)], LEVEL).basis == "profile"
    assert expect(*QUARTER, [], [], LEVEL) is None


def test_an_open_interval_expects_its_share_of_the_time():
    found = by_forecast(*QUARTER, [forecast(0, 15, 30)])
    minutes = (-5, 0, 5, 15, 20)
    assert [found.offered_until(T0 + m * MINUTE_MS) for m in minutes] == pytest.approx([0, 0, 10, 30, 30])


def test_the_day_is_forecast_anew_by_what_came_against_what_was_expected():
    assert reforecast_factor({1: 10, 2: 30}, {1: 15, 2: 35, 3: 99}) == 1.25
    assert reforecast_factor({1: 10, 2: 30}, {1: 10}) == 0.25, "an interval without contacts counts"
    assert reforecast_factor({}, {1: 10}) is None


PUBLISHED = [
    event("forecast.published", 0, queue_id="sales", start_ms=T0, end_ms=T0 + 1000, volume=1.0, aht_ms=1, version=1),
    event("forecast.published", 5, queue_id="sales", start_ms=T0, end_ms=T0 + 1000, volume=2.0, aht_ms=1, version=2),
    event("forecast.published", 9, queue_id="sales", start_ms=T0, end_ms=T0 + 2000, volume=3.0, aht_ms=1, version=1),
    event("forecast.published", 5, queue_id="sales", start_ms=T0 + 9, end_ms=T0 + 99, volume=4.0, aht_ms=1),
]


def told(events) -> AggregateStore:
    """A store that has applied the events, each as one batch."""
    correlate, store = CorrelateStore(Floor()), AggregateStore(Floor())
    for offset, each in enumerate(events):
        facts = correlate.take(encode_event(each), each.occurred_at_ms, offset)
        store.apply_batch(FactBatch(0, correlate.newest_ms(), [offset] * len(facts), facts))
    return store


def test_the_highest_version_counts_in_whatever_order_forecasts_come():
    for order in itertools.permutations(PUBLISHED):
        kept = told(order).scopes.queues["queue:sales"].forecasts
        found = {start - T0: (f.volume, f.end_ms - T0) for start, f in kept.items()}
        assert found == {0: (2, 1000), 9: (4, 99), 1000: (1.5, 2000)}, "half of the longer one, beyond the higher one"


def test_a_finer_forecast_of_the_same_start_leaves_the_rest_of_the_longer_one():
    hour, quarter = T0 + 60 * MINUTE_MS, T0 + 15 * MINUTE_MS
    both = [
        event("forecast.published", 0, queue_id="sales", start_ms=T0, end_ms=hour, volume=40, aht_ms=1, version=1),
        event("forecast.published", 5, queue_id="sales", start_ms=T0, end_ms=quarter, volume=25, aht_ms=1, version=2),
    ]
    for published in (both, both[::-1], [*both, *both]):
        kept = told(published).scopes.queues["queue:sales"].forecasts.values()
        spans = [(T0, quarter), (quarter, quarter + 15 * MINUTE_MS), (T0, hour), (T0, hour + 1)]
        found = [by_forecast(*span, kept) for span in spans]
        assert [told_of and told_of.offered for told_of in found] == [25, 10, 55, None]


def test_a_reader_of_the_state_feed_has_the_same_forecasts():
    store, read = told(PUBLISHED), Scopes()
    for key, value in store.drain():
        read.put(key, value)
    assert read.queues["queue:sales"].forecasts == store.scopes.queues["queue:sales"].forecasts
    again = AggregateStore(Floor())
    again.load(told(PUBLISHED).drain())
    assert again.scopes.queues["queue:sales"].forecasts == store.scopes.queues["queue:sales"].forecasts


def test_forecasts_of_long_ago_go_when_new_ones_come():
    store, read = told(PUBLISHED), Scopes()
    for key, value in store.drain():
        read.put(key, value)
    days_later = 3 * 86_400
    start_ms = T0 + days_later * 1000
    fresh = event("forecast.published", days_later, queue_id="sales", start_ms=start_ms, end_ms=start_ms + 9, volume=1,
                  aht_ms=1)  # fmt: skip
    late = event(
        "forecast.published", days_later, queue_id="sales", start_ms=T0 + 50, end_ms=T0 + 60, volume=1, aht_ms=1
    )
    correlate = CorrelateStore(Floor())
    for offset, each in enumerate((fresh, late, fresh), 10):
        facts = correlate.take(encode_event(each), each.occurred_at_ms, offset)
        store.apply_batch(FactBatch(0, correlate.newest_ms(), [offset] * len(facts), facts))
    for key, value in store.drain():
        read.put(key, value)
    assert list(store.scopes.queues["queue:sales"].forecasts) == [start_ms]
    assert list(read.queues["queue:sales"].forecasts) == [start_ms]


@pytest.mark.parametrize(
    "wrong", [{"end_ms": T0}, {"volume": -1}, {"required_agents": -0.5}, {"aht_ms": -1}, {"start_ms": "nine"}]
)
def test_a_forecast_that_makes_no_sense_is_rejected(wrong):
    right = {"type": "forecast.published", "event_id": "f", "occurred_at_ms": T0, "queue_id": "sales", "start_ms": T0,
             "end_ms": T0 + 1, "volume": 1, "aht_ms": 1}  # fmt: skip
    assert decode_event(orjson.dumps(right)).volume == 1
    with pytest.raises(InvalidEvent, match="bad_field"):
        decode_event(orjson.dumps(right | wrong))
