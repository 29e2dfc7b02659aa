"""`floorwalker simulate` and the sample configuration of its floor."""

import argparse
import json
from pathlib import Path

import pytest

from service.config import load_config
from service.domain.business_events import Activity, ScheduleChanged, SchedulePublished
from service.domain.codec import decode_event
from service.domain.events import LegEnded
from service.errors import UsageError
from service.simulate import cli
from service.simulate.options import SimulationOptions
from service.simulate.pacing import Pacing
from service.simulate.plan import build_plan
from service.simulate.sample import sample_yaml

SAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "simulated-centre.yaml"


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args(words))


def test_an_hour_goes_to_standard_output_as_canonical_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert _run("--start", "2026-11-23T10:00", "--duration", "1h", "--timezone", "Europe/Berlin") == 0
    events = [decode_event(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert len(events) > 500
    assert events[0].occurred_at_ms == 1_795_424_400_000
    assert {event.source for event in events} == {"sim"}


def test_a_live_run_ends_now_and_differs_from_the_last_one(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    words = ("--speed", "1", "--warm-up", "20m", "--duration", "20m")
    outputs = []
    for _ in range(2):
        assert _run(*words) == 0
        outputs.append([decode_event(line) for line in capfdbinary.readouterr().out.splitlines()])
    first, second = outputs
    assert first[-1].occurred_at_ms - first[0].occurred_at_ms <= 20 * 60_000
    assert not {e.event_id for e in first} & {e.event_id for e in second}


def test_labels_say_what_was_injected(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file = tmp_path / "labels.json"
    assert _run("--scenario", "surge", "--duration", "9h", "--inject-after", "8h", "--labels", str(file)) == 0
    (label,) = json.loads(file.read_text())
    assert label["kind"] == "surge" and label["to_ms"] - label["from_ms"] == 45 * 60_000
    assert capfdbinary.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--queues", "0"), "the number of queues must be 1 to 10000, not 0"),
        (("--speed", "-1"), "--speed must be 0 or more"),
        (("--warm-up", "5m"), "--warm-up needs --speed"),
        (("--start", "soon"), "--start is 'soon'"),
        (("--queues", "80", "--agents", "4"), "80 queues need at least 34 agents"),
    ],
)
def test_what_cannot_be_simulated_is_wrong_usage(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        _run(*words)


def test_at_double_speed_durations_halve_with_the_times() -> None:
    pacing = Pacing(from_ms=1_000, wall_ms=50_000, speed=2)
    ended = LegEnded(event_id="e", occurred_at_ms=3_000, contact_id="c", agent_id="a", talk_ms=800)
    assert pacing.shifted(ended) == LegEnded(
        event_id="e", occurred_at_ms=51_000, contact_id="c", agent_id="a", talk_ms=400
    )
    plan = SchedulePublished(
        event_id="e",
        occurred_at_ms=1_000,
        agent_id="a",
        intervals=[Activity(start_ms=2_000, end_ms=4_000, activity="work")],
    )
    shifted = pacing.shifted(plan)
    assert isinstance(shifted, ScheduleChanged)  # the days of a fast run share one day of the clock
    assert (shifted.intervals[0].start_ms, shifted.intervals[0].end_ms) == (50_500, 51_500)
    assert isinstance(Pacing(from_ms=1_000, wall_ms=50_000, speed=1).shifted(plan), SchedulePublished)


def test_the_sample_configuration_is_current_and_valid() -> None:
    options = SimulationOptions()
    assert SAMPLE.read_text(encoding="utf-8") == sample_yaml(options)
    config = load_config(SAMPLE)
    assert not config.warnings
    floor = config.floor()
    plan = build_plan(options)
    for queue in plan.queues:
        known = floor.queues[queue.queue_id]
        assert (known.site, known.channel, known.service_level.threshold_ms) == (
            queue.site,
            queue.channel,
            queue.threshold_ms,
        )
    assert {agent.agent_id: agent.team for agent in plan.agents} == {k: a.team for k, a in floor.agents.items()}
