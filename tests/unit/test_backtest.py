"""The back-test of the projection, and its command."""

from pathlib import Path

import pytest

from service.backtest import backtest
from service.domain.codec import encode_event
from service.domain.events import Event
from service.domain.settings import Floor, Queue, ServiceLevel
from service.main import main
from tests.unit.domain.build import T0, event

DAY = 86_400


def calls(day: int, waits: tuple[int, int] = (5, 30), hours: int = 8, an_hour: int = 20) -> list[Event]:
    """A day of calls from 09:00 on, evenly: they wait as long as `waits` says, in turn."""
    events = []
    for number in range(hours * an_hour):
        at = day * DAY + number * 3_600 // an_hour
        name, wait = f"d{day}c{number}", waits[number % 2]
        ids = {"contact_id": name, "visit_id": name + "/1"}
        events += [
            event("visit.queued", at, **ids),
            event("visit.answered", at + wait, agent_id="1", leg_id=name + "/1/1", **ids),
        ]
    return sorted(events, key=lambda each: each.occurred_at_ms)


def test_a_day_like_the_one_a_week_before_is_projected_exactly() -> None:
    found = backtest([*calls(0), *calls(7)], Floor())
    assert found.days == 1, "the first week has no past"
    assert found.total.cases == 7, "from 10:00 to 16:00, with twenty calls to come"
    assert found.total.error == pytest.approx(0, abs=0.02)
    assert found.total.within == 7


def test_a_day_that_turns_is_projected_better_than_by_its_level_so_far() -> None:
    turning = [*calls(0, (5, 5), 4), *_later(calls(0, (30, 30), 4))]
    again = [*calls(7, (5, 5), 4), *_later(calls(7, (30, 30), 4))]
    total = backtest([*turning, *again], Floor()).total
    assert total.error < 0.3 * total.error_of_level_so_far


def _later(events: list[Event]) -> list[Event]:
    """The same calls, others to the floor, four hours later."""
    moved = []
    for each in events:
        fields = {name: getattr(each, name) for name in each.__struct_fields__}
        for name in ("contact_id", "visit_id", "leg_id"):
            if fields.get(name):
                fields[name] = "later-" + fields[name]
        fields["event_id"] += "-later"
        fields["occurred_at_ms"] += 4 * 3_600_000
        moved.append(type(each)(**fields))
    return moved


def test_a_quiet_day_is_not_judged() -> None:
    assert backtest([*calls(0, an_hour=5), *calls(7, an_hour=5)], Floor()).days == 0


def test_events_that_the_report_passes_over_do_not_end_the_back_test() -> None:
    days = [*calls(0), *calls(7)]
    refused = event("customer.class_changed", -9, customer_ref="+49301234", customer_class="vip")
    assert backtest([refused, *days], Floor()) == backtest(days, Floor())


def test_a_service_level_that_holds_from_a_moment_on_is_the_one_that_is_projected() -> None:
    days = [*calls(0), *calls(7)]
    sales = Queue("sales", service_level=ServiceLevel(None), later_levels=((T0 - DAY * 1000, ServiceLevel()),))
    assert backtest(days, Floor(queues={"sales": sales})) == backtest(days, Floor())


def test_the_command_prints_the_error_of_each_hour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "two_fridays.jsonl"
    recording.write_bytes(b"\n".join(encode_event(each) for each in [*calls(0), *calls(7)]) + b"\n")
    assert main(["backtest", str(recording), "--format", "canonical"]) == 0
    printed = capsys.readouterr().out
    assert "days of queues: 1" in printed
    assert "100%" in printed


def test_a_recording_without_a_past_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording = tmp_path / "one_day.jsonl"
    recording.write_bytes(b"\n".join(encode_event(each) for each in calls(0)) + b"\n")
    assert main(["backtest", str(recording), "--format", "canonical"]) == 1
    assert "same weekday before it" in capsys.readouterr().err
