"""The back-test of the expected wait, and its command."""

from pathlib import Path

import pytest

from service.domain.codec import encode_event
from service.domain.events import Event
from service.domain.settings import Floor
from service.main import main
from service.wait_backtest import BANDS, backtest_waits
from tests.unit.domain.build import event

HANDLE, EVERY = 60, 60


def line_of_one(calls: int, behind: int) -> list[Event]:
    """One agent serves a call a minute, and a call comes a minute: each finds `behind` others waiting."""
    found = [event("agent.state_changed", 0, state="ready", queues=["sales"])]
    for number in range(calls):
        ids = {"contact_id": f"c{number}", "visit_id": f"c{number}/1"}
        came = 1 + number * EVERY
        served = 2 + (number + behind) * EVERY
        legs = {"agent_id": "1001", "leg_id": f"c{number}/1/1"}
        found += [
            event("visit.queued", came, queue_id="sales", **ids),
            event("visit.answered", served, queue_id="sales", **legs, **ids),
            event("leg.ended", served + HANDLE - 1, queue_id="sales", **legs, **ids),
        ]
    return sorted(found, key=lambda each: each.occurred_at_ms)


def test_in_a_queue_that_moves_evenly_the_expected_wait_is_off_by_less_than_one_call() -> None:
    steady = backtest_waits(line_of_one(60, behind=4), Floor()).bands[3, 5]
    assert steady.cases > 40
    assert steady.actual_ms == pytest.approx((4 * EVERY + 1) * 1000)
    assert steady.expected_ms > steady.actual_ms, "the next one is about to be served each time"
    assert steady.mean_error_ms == pytest.approx(steady.median_error_ms)
    assert steady.mean_error_ms < HANDLE * 1000


def test_visits_are_judged_by_how_many_waited_when_they_came() -> None:
    found = backtest_waits(line_of_one(60, behind=1), Floor())
    assert found.bands[1, 1].cases > 40
    assert found.together().cases == sum(found.bands[band].cases for band in BANDS)
    assert found.together(1).cases == found.together().cases - found.bands[0, 0].cases


def test_who_gave_up_has_no_wait_to_be_judged_by_and_who_came_before_the_first_call_was_over_no_expectation() -> None:
    gone = [
        event("visit.queued", 100, contact_id="g", visit_id="g/1", queue_id="sales"),
        event("visit.abandoned", 110, contact_id="g", visit_id="g/1", queue_id="sales"),
    ]
    events = sorted([*line_of_one(10, behind=3), *gone], key=lambda each: each.occurred_at_ms)
    found = backtest_waits(events, Floor())
    assert found.not_answered == 1
    assert found.unknown > 0
    assert found.unknown + found.together().cases == 10


def test_the_command_prints_the_errors_by_length_of_the_queue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "line.jsonl"
    recording.write_bytes(b"\n".join(map(encode_event, line_of_one(60, behind=4))) + b"\n")
    assert main(["backtest", "--waits", str(recording), "--format", "canonical"]) == 0
    printed = capsys.readouterr().out
    assert "3 to 5" in printed and "0 were not answered" in printed


def test_a_recording_in_which_nothing_could_be_expected_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "one.jsonl"
    recording.write_bytes(b"\n".join(map(encode_event, line_of_one(1, behind=0))) + b"\n")
    assert main(["backtest", "--waits", str(recording), "--format", "canonical"]) == 1
    assert "nothing to judge" in capsys.readouterr().err
