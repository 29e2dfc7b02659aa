"""The expected wait against what came, on a day of a multi-skill centre."""

import pytest

from service.config import load_config
from service.wait_backtest import WaitErrors, backtest_waits
from tests.data.recorded import call_records, needs_data
from tests.data.reports import EXAMPLES

pytestmark = needs_data


@pytest.fixture(scope="module")
def behind_others() -> WaitErrors:
    """Those who came when somebody waited already."""
    events = call_records("vanad", "vanad-2014-01/1.csv").events
    return backtest_waits(events, load_config(EXAMPLES / "vanad.yaml").floor()).together(1)


def test_what_is_expected_is_neither_too_much_nor_too_little_on_the_whole(behind_others: WaitErrors) -> None:
    assert behind_others.cases > 200
    assert behind_others.expected_ms == pytest.approx(behind_others.actual_ms, rel=0.2)


def test_it_is_off_by_less_than_half_of_the_wait(behind_others: WaitErrors) -> None:
    assert behind_others.median_error_ms < behind_others.mean_error_ms < 0.5 * behind_others.actual_ms
