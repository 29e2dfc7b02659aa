"""The projected end of the day against what came, in two months of a bank."""

import pytest

from service.backtest import Hour, backtest
from service.config import load_config
from service.domain.projection import CONFIDENCE
from tests.data.recorded import call_records, needs_data
from tests.data.reports import EXAMPLES

pytestmark = needs_data


@pytest.fixture(scope="module")
def total() -> Hour:
    events = call_records("anonymous-bank", "anonymous-bank/*.txt").events
    found = backtest(events, load_config(EXAMPLES / "anonymous-bank.yaml").floor())
    assert found.days > 90
    return found.total


def test_the_projection_is_better_than_the_level_so_far(total: Hour) -> None:
    assert total.error < 0.8 * total.error_of_level_so_far


def test_the_day_ends_within_the_bounds_about_as_often_as_they_say(total: Hour) -> None:
    assert total.within / total.cases == pytest.approx(CONFIDENCE, abs=0.06)
