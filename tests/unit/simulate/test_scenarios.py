"""Each scenario does what its name says, where and when its labels say so."""

from collections import Counter

import pytest

from service.domain.business_events import CampaignAnnounced, CampaignStarted, IncidentClosed, IncidentOpened
from service.domain.events import AgentStateChanged, ContactStarted, LegAlerting, LegEnded
from service.domain.settings import Floor
from service.recordings import Recording
from service.report import build_report
from service.report_options import ReportOptions
from service.simulate.centre import labels
from service.simulate.options import HOUR_MS, MINUTE_MS, Scenario, SimulationOptions
from service.simulate.scenarios import Label, handle_factor, volume_factor
from tests.unit.simulate.days import day, figures


def _day_of(scenario: Scenario, sites: tuple[str, ...] = ("main",)) -> tuple[SimulationOptions, list[Label]]:
    options = SimulationOptions(queues=6, agents=60, seed=5, scenario=scenario, sites=sites)
    return options, labels(options)


def _calm() -> SimulationOptions:
    return _day_of("calm")[0]


def test_a_calm_day_has_no_labels() -> None:
    assert labels(_calm()) == []


def test_a_surge_brings_three_times_the_volume_to_some_queues_for_45_minutes() -> None:
    options, (label,) = _day_of("surge")
    assert label.kind == "surge" and label.to_ms - label.from_ms == 45 * MINUTE_MS
    span = (label.from_ms, label.to_ms)
    surged, calm = (_started(o, *span) for o in (options, _calm()))
    assert surged / calm > 1.7  # of six queues two have three times as many
    assert figures(options, *span, label.queues).service_level < 0.5
    later = (label.to_ms + 2 * HOUR_MS, options.end_ms)
    assert figures(options, *later).service_level > 0.6


def test_a_build_up_grows_evenly_to_three_times_the_volume() -> None:
    options, (label,) = _day_of("build-up")
    half_ms = (label.from_ms + label.to_ms) // 2
    times = (label.from_ms - 1, label.from_ms, half_ms, label.to_ms - 1, label.to_ms)
    assert [volume_factor([label], at) for at in times] == pytest.approx([1, 1, 2, 3, 1], abs=0.001)
    first, second = (
        _started(options, *span) / _started(_calm(), *span)
        for span in ((label.from_ms, half_ms), (half_ms, label.to_ms))
    )
    assert 1 < first < second


def test_a_campaign_is_announced_and_its_contacts_carry_its_number() -> None:
    options, (label,) = _day_of("campaign")
    told = [e for e in day(options) if isinstance(e, CampaignAnnounced | CampaignStarted)]
    assert [type(e) for e in told] == [CampaignAnnounced, CampaignStarted]
    assert told[0].occurred_at_ms == label.from_ms - 2 * HOUR_MS and told[1].occurred_at_ms == label.from_ms
    tagged = [e for e in day(options) if isinstance(e, ContactStarted) and e.campaign_id]
    assert len(tagged) > 50
    assert all(label.covers(e.occurred_at_ms) and e.dnis for e in tagged)


def test_in_an_outage_six_of_ten_agents_of_the_pool_drop_out_and_the_service_level_falls() -> None:
    options, (label,) = _day_of("outage")
    _nobody_gone_is_offered_anything(options, label)
    span = (label.from_ms, label.to_ms)
    calm = figures(_calm(), *span, label.queues).service_level
    assert figures(options, *span, label.queues).service_level < calm - 0.3


def test_a_dark_site_has_nobody_at_work() -> None:
    options, (label,) = _day_of("outage", ("north", "south"))
    assert label.site == "south" and label.queues == ("chat",)
    _nobody_gone_is_offered_anything(options, label)


def test_after_a_fault_the_same_customers_call_again_and_again() -> None:
    options, (fault, snowball) = _day_of("snowball")
    assert (fault.kind, snowball.kind) == ("fault", "snowball")
    told = [e.occurred_at_ms for e in day(options) if isinstance(e, IncidentOpened | IncidentClosed)]
    assert told == [fault.from_ms, fault.to_ms]
    assert _factor(options, snowball) > _factor(_calm(), snowball) + 0.15


def test_a_feed_loss_withholds_a_stretch_and_leaves_a_gap_in_the_numbers() -> None:
    options, (label,) = _day_of("feed-loss")
    calm = day(_calm())
    assert day(options) == tuple(event for event in calm if not label.covers(event.occurred_at_ms))
    assert len(day(options)) < len(calm)
    seqs = [event.seq or 0 for event in day(options)]
    assert sum(later - earlier > 1 for earlier, later in zip(seqs, seqs[1:], strict=False)) == 1


def test_in_an_absence_some_agents_are_not_where_their_schedule_wants_them() -> None:
    options, (label,) = _day_of("absence")
    _nobody_gone_is_offered_anything(options, label)
    reported = build_report(
        Recording(list(day(options))), Floor(), ReportOptions("UTC", from_ms=label.from_ms, to_ms=label.to_ms)
    )["agents"]
    ratios = {name: row["total"]["adherence_ratio"] for name, row in reported.items()}
    gone = [ratio for name, ratio in ratios.items() if name in label.agents and ratio is not None]
    there = [ratio for name, ratio in ratios.items() if name not in label.agents and ratio is not None]
    assert len(gone) > 5 and max(gone) < 0.3  # their breaks are all that they keep to
    assert min(there) > 0.7


def test_slow_handling_creeps_up_to_talks_twice_as_long() -> None:
    options, (label,) = _day_of("slow-handling")
    assert [handle_factor([label], label.queues[0], at) for at in (label.from_ms - 1, label.from_ms)] == [1.0, 1.0]
    assert handle_factor([label], label.queues[0], label.to_ms - 1) == pytest.approx(2, abs=0.001)
    assert handle_factor([label], "chat", label.to_ms - 1) == 1
    first, last = (_talk_ms(options, label, hour) for hour in (0, 2))
    assert last / first > 1.3


def _talk_ms(options: SimulationOptions, label: Label, hour: int) -> float:
    """The mean talk of the contacts of its queues that ended in one hour of the trouble."""
    from_ms = label.from_ms + hour * HOUR_MS
    ended = [e for e in day(options) if isinstance(e, LegEnded) and e.queue_id in label.queues]
    talks = [e.talk_ms for e in ended if from_ms <= e.occurred_at_ms < from_ms + HOUR_MS and e.talk_ms is not None]
    return sum(talks) / len(talks)


@pytest.mark.parametrize(
    "scenario", ["surge", "build-up", "outage", "campaign", "snowball", "absence", "slow-handling"]
)
def test_before_the_scenario_begins_the_day_is_the_calm_one(scenario: Scenario) -> None:
    options, injected = _day_of(scenario)
    until_ms = injected[0].from_ms - 2 * HOUR_MS  # a campaign is announced two hours before
    assert _before(options, until_ms) == _before(_calm(), until_ms)


def test_the_beginning_of_the_scenario_can_be_chosen() -> None:
    options = SimulationOptions(scenario="surge", inject_after_ms=5 * MINUTE_MS)
    assert labels(options)[0].from_ms == options.start_ms + 5 * MINUTE_MS


def _started(options: SimulationOptions, from_ms: int, to_ms: int) -> int:
    return figures(options, from_ms, to_ms).counts["contact.started"]


def _before(options: SimulationOptions, until_ms: int) -> list[object]:
    return [event for event in day(options) if event.occurred_at_ms < until_ms]


def _factor(options: SimulationOptions, label: Label) -> float:
    """Contacts by customer while the label is on."""
    refs = Counter(
        e.customer_ref for e in day(options) if isinstance(e, ContactStarted) and label.covers(e.occurred_at_ms)
    )
    return refs.total() / len(refs)


def _nobody_gone_is_offered_anything(options: SimulationOptions, label: Label) -> None:
    gone = {
        e.agent_id: e.occurred_at_ms
        for e in day(options)
        if isinstance(e, AgentStateChanged) and e.reason == label.kind and label.covers(e.occurred_at_ms)
    }
    assert gone and set(gone) <= set(label.agents)
    for event in day(options):
        if isinstance(event, LegAlerting) and event.agent_id in gone:
            assert not gone[event.agent_id] <= event.occurred_at_ms < label.to_ms
