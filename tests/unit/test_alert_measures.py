"""What rules can ask of the live floor."""

from __future__ import annotations

from typing import Any

import pytest

from service.alert_floor import FORGOTTEN_MS, LiveFloor
from service.alert_measures import MEASURES, known_kpis
from service.alert_outlook import AlertOutlook
from service.config import Config
from service.domain.alert_record import Alert, fingerprint_of
from service.domain.business_hours import BusinessHours
from service.domain.causes import NOTHING_HANDLED
from service.domain.evaluator import Evaluator
from service.domain.kpis import KPIS_OF
from tests.unit.api.floors import Centre

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def floor_of(centre: Centre, **more: Any) -> LiveFloor:
    centre.flush()
    return LiveFloor(centre.state, more.pop("hours", {}), more.pop("sites", {}), **more)


def value(floor: LiveFloor, scope: str, kpi: str, window: str | None = None) -> float | None:
    return floor.values(scope).measure(kpi, window).value


def calls(centre: Centre, good: int, bad: int, ago_ms: int = 0) -> None:
    for number in range(good + bad):
        wait_ms = 5_000 if number < good else 60_000
        centre.call(f"c{ago_ms}-{number}", agent="1001", wait_ms=wait_ms, ago_ms=ago_ms)


def test_every_kpi_of_the_registry_can_be_asked_for() -> None:
    assert {kpi.name for kpi in KPIS_OF["queue"]} <= set(known_kpis("queue"))
    assert {kpi.name for kpi in KPIS_OF["agent"]} <= set(known_kpis("agent"))
    assert {name for name, row in MEASURES.items() if "team" in row.scopes} <= set(known_kpis("team"))
    assert known_kpis("source").keys() == {name for name, row in MEASURES.items() if "source" in row.scopes}


@pytest.mark.parametrize("kind", ["queue", "agent", "team", "site", "all", "class", "source"])
def test_what_can_be_asked_for_is_answered_or_undefined_on_every_scope(kind: str) -> None:
    centre = Centre()
    calls(centre, 3, 1)
    floor = floor_of(centre)
    scope = {
        "queue": "queue:sales", "agent": "agent:1001", "team": "team:blue", "site": "site:berlin", "all": "all",
        "class": "class:vip", "source": "source:pbx",
    }[kind]  # fmt: skip
    for kpi, windowed in known_kpis(kind).items():
        for asked in (scope, f"{kind}:nobody"):
            found = value(floor, asked, kpi, "15m" if windowed else None)
            assert found is None or isinstance(found, int | float), kpi


def test_a_service_level_comes_with_its_sample_and_variant() -> None:
    centre = Centre()
    calls(centre, 3, 1)
    centre.queued("late", ago_ms=30_000)
    found = floor_of(centre).values("queue:sales").measure("service_level_ratio", "15m")
    assert (found.value, found.sample, found.variant) == (0.6, 5, "abandon_ignored")


def test_the_budget_of_misses_burns_as_many_times_as_fast_as_the_share_of_misses_is_over_it() -> None:
    centre = Centre()
    calls(centre, 5, 5)
    assert value(floor_of(centre), "queue:sales", "burn_rate", "15m") == pytest.approx(0.5 / 0.2)


def test_a_roll_up_counts_all_its_queues() -> None:
    centre = Centre()
    centre.queued("c1", "sales", ago_ms=10_000)
    centre.queued("c2", "mail", ago_ms=20_000)
    floor = floor_of(centre)
    for scope in ("all", "site:berlin", "group:front"):
        assert (value(floor, scope, "waiting"), value(floor, scope, "oldest_wait_seconds")) == (2, 20)
    assert value(floor, "channel:email", "waiting") == 1


def forecast(centre: Centre, per_interval: float, aht_ms: int = 60_000, first: int = -4) -> None:
    """The same forecast for the hour before now and the one after."""
    for quarter in range(first, 4):
        start_ms = centre.now_ms + quarter * 15 * MINUTE_MS
        centre.event(
            "forecast.published", source="wfm", queue_id="sales", start_ms=start_ms, end_ms=start_ms + 15 * MINUTE_MS,
            volume=per_interval, aht_ms=aht_ms,
        )  # fmt: skip


def test_volume_is_compared_with_what_is_expected() -> None:
    centre = Centre()
    forecast(centre, 8)
    centre.now_ms += 5 * MINUTE_MS
    calls(centre, 12, 0)
    assert value(floor_of(centre), "queue:sales", "offered_per_expected", "15m") == pytest.approx(12 / 8)


def test_more_contacts_than_expected_are_told_from_chance() -> None:
    centre = Centre()
    forecast(centre, 9)
    centre.now_ms += 5 * MINUTE_MS
    calls(centre, 16, 0)
    found = floor_of(centre).values("queue:sales").measure("offered_deviations", "15m")
    assert found.value == pytest.approx(2 * (4 - 3) / 1.09**0.5, abs=0.01)
    assert found.sample is None
    assert value(floor_of(centre), "queue:mail", "offered_deviations", "15m") is None


def test_a_shortfall_is_told_from_chance_with_those_who_wait_beyond_the_threshold() -> None:
    centre = Centre()
    calls(centre, 5, 4)
    centre.queued("late", ago_ms=30_000)
    found = floor_of(centre).values("queue:sales").measure("service_level_deviations", "15m")
    assert found.value == pytest.approx((0.8 * 10 - 5) / 1.6**0.5)
    assert (found.sample, found.variant) == (None, "abandon_ignored")
    assert value(floor_of(centre), "queue:mail", "service_level_deviations", "15m") is None


def missed(window: str) -> Alert:
    return Alert(
        fingerprint="f", rule="service_level", kind="service_level", severity="page", scope="queue:sales",
        state="firing", since_ms=0, updated_ms=0, window=window,
    )  # fmt: skip


def test_a_missed_service_level_is_split_into_its_causes() -> None:
    centre = Centre()
    forecast(centre, 4)
    centre.now_ms += 5 * MINUTE_MS
    calls(centre, 6, 6)
    parts = floor_of(centre).cause(missed("15m"))
    assert parts is not None
    assert [part.part for part in parts] == ["volume", "handle_time", "staffing", "adherence", "unexplained"]
    assert sum(part.percentage_points or 0 for part in parts) == pytest.approx(100 * (0.8 - 0.5))
    assert next(part.text for part in parts if part.part == "volume") == "volume +200 %"


def test_handling_that_takes_no_time_leaves_a_cause_that_cannot_be_told() -> None:
    centre = Centre()
    forecast(centre, 4, aht_ms=0)
    centre.now_ms += 5 * MINUTE_MS
    for number in range(12):
        ids = {"contact_id": f"c{number}", "visit_id": f"v{number}", "queue_id": "sales"}
        leg = {**ids, "agent_id": "1001", "leg_id": f"l{number}"}
        centre.event("visit.queued", centre.now_ms - 60_000, **ids)
        centre.event("visit.answered", **leg)
        centre.event("leg.ended", **leg)
    parts = floor_of(centre).cause(missed("15m"))
    assert parts is not None
    assert [part.missing for part in parts] == [NOTHING_HANDLED] * 4 + [None]


def test_an_interval_that_has_just_begun_has_no_cause() -> None:
    centre = Centre()
    centre.now_ms -= centre.now_ms % (15 * MINUTE_MS)
    centre.queued("late", ago_ms=60_000)
    assert floor_of(centre).cause(missed("interval")) is None


def test_a_fault_of_the_model_costs_the_cause_and_not_the_alert(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(AlertOutlook, "cause", fail)
    assert floor_of(Centre()).cause(missed("15m")) is None
    assert "service_level about queue:sales" in caplog.text


def test_handling_that_takes_longer_than_forecast_has_drifted() -> None:
    centre = Centre()
    forecast(centre, 6, aht_ms=10_000)
    centre.now_ms += 1
    for quarter in range(4, 0, -1):
        for number in range(6):
            name, end_ms = f"d{quarter}-{number}", centre.now_ms - quarter * 15 * MINUTE_MS + 5 * MINUTE_MS
            ids = {"contact_id": name, "visit_id": name, "queue_id": "sales", "agent_id": "1001", "leg_id": name}
            centre.event("visit.queued", end_ms - 60_000, contact_id=name, visit_id=name, queue_id="sales")
            centre.event("visit.answered", end_ms - 30_000, **ids)
            centre.event("leg.ended", end_ms, **ids)
    floor = floor_of(centre)
    found = floor.values("queue:sales").measure("aht_cusum", None)
    assert (found.sample, value(floor, "queue:sales", "service_level_cusum")) == (4, None), "no past weeks are known"
    assert found.value is not None
    assert found.value > 10


def test_without_an_expectation_volume_is_compared_with_the_two_hours_before() -> None:
    centre = Centre()
    for quarter in range(8, 0, -1):
        calls(centre, 4, 0, ago_ms=quarter * 15 * MINUTE_MS + MINUTE_MS)
    calls(centre, 10, 0)
    found = value(floor_of(centre), "queue:sales", "offered_per_expected", "15m")
    assert found == pytest.approx(10 / 4)


def test_the_time_before_the_lines_opened_says_nothing_of_a_queues_pace() -> None:
    centre = Centre()
    for quarter in range(5, 0, -1):
        calls(centre, 4, 0, ago_ms=quarter * 15 * MINUTE_MS + MINUTE_MS)
    calls(centre, 10, 0)
    found = value(floor_of(centre), "queue:sales", "offered_per_expected", "15m")
    assert found == pytest.approx(10 / (20 * 15 / 61), rel=0.01)


def test_a_young_queue_has_no_pace_to_compare_with() -> None:
    centre = Centre()
    calls(centre, 10, 0)
    assert value(floor_of(centre), "queue:sales", "offered_per_expected", "15m") is None


def test_how_long_an_agent_has_been_in_a_state() -> None:
    centre = Centre()
    centre.agent_state("1001", "not_ready", reason="break", ago_ms=90_000)
    floor = floor_of(centre)
    assert value(floor, "agent:1001", "seconds_not_ready") == 90
    assert value(floor, "agent:1001", "seconds_acw") is None


def test_work_without_a_break_counts_from_the_last_one() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready", ago_ms=3 * HOUR_MS)
    centre.agent_state("1001", "not_ready", reason="break", ago_ms=2 * HOUR_MS)
    centre.agent_state("1001", "ready", ago_ms=HOUR_MS)
    assert value(floor_of(centre), "agent:1001", "seconds_without_break") == 3600
    centre.agent_state("1001", "not_ready", reason="break")
    assert value(floor_of(centre), "agent:1001", "seconds_without_break") is None


def test_an_agent_whose_source_still_shows_a_call_that_is_over() -> None:
    centre = Centre()
    centre.agent_state("1001", "on_contact", ago_ms=400_000)
    assert value(floor_of(centre), "agent:1001", "seconds_dead") == 400


def test_silence_means_something_only_while_somebody_is_there_or_waits() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready")
    floor = floor_of(centre)
    centre.now_ms += 100_000
    floor.begin()
    assert value(floor, "source:pbx", "silence_seconds") == 100
    centre.agent_state("1001", "offline")
    centre.flush()
    centre.now_ms += 100_000
    floor.begin()
    assert value(floor, "source:pbx", "silence_seconds") is None


def test_a_source_that_has_been_gone_for_a_day_is_no_longer_expected() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready")
    floor = floor_of(centre)
    assert floor.sources_of("queue:sales") == ["pbx"]
    centre.now_ms += FORGOTTEN_MS
    floor.begin()
    assert value(floor, "source:pbx", "silence_seconds") is None
    assert floor.sources_of("queue:sales") == []


def test_silence_is_measured_in_the_sources_usual_distance_between_events() -> None:
    centre = Centre()
    centre.agent_state("1001", "on_contact")
    floor = floor_of(centre)
    for _ in range(30):
        centre.now_ms += 4_000
        centre.event("agent.heartbeat", agent_id="1001")
        centre.flush()
        floor.begin()
    centre.now_ms += 20_000
    floor.begin()
    assert value(floor, "source:pbx", "silent_gaps") == pytest.approx(5, rel=0.1)


def test_agents_who_have_signed_in_and_wait_for_the_first_call_are_silent() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready")
    floor = heard(centre)
    centre.now_ms += 200_000
    floor.begin()
    assert value(floor, "source:pbx", "silence_seconds") == 200
    assert value(floor, "source:pbx", "silent_gaps") is None
    centre.queued("first")
    centre.flush()
    centre.now_ms += 200_000
    floor.begin()
    assert value(floor, "source:pbx", "silent_gaps") == pytest.approx(20, rel=0.2)


def test_when_the_lines_close_the_last_contact_is_not_expected_to_send_as_much_as_all_of_them() -> None:
    centre = Centre()
    agents = ("1001", "1002", "1003", "1004")
    for agent in agents:
        centre.agent_state(agent, "on_contact")
    floor = heard(centre)
    for agent in agents[:-1]:
        centre.agent_state(agent, "ready")
    centre.flush()
    centre.now_ms += 200_000
    floor.begin()
    assert value(floor, "source:pbx", "silent_gaps") == pytest.approx(50 / 4, rel=0.1)


def heard(centre: Centre, **more: Any) -> LiveFloor:
    """A floor that has heard of the source for two minutes, every four seconds."""
    floor = floor_of(centre, **more)
    for _ in range(30):
        centre.now_ms += 4_000
        centre.event("agent.heartbeat", agent_id="1001")
        centre.flush()
        floor.begin()
    return floor


def test_a_floor_of_another_configuration_knows_the_pace_of_the_sources_from_the_one_before() -> None:
    centre = Centre()
    centre.agent_state("1001", "on_contact")
    before = heard(centre)
    before.changed()
    centre.now_ms += 200_000
    after = floor_of(centre, before=before)
    assert value(after, "source:pbx", "silent_gaps") == pytest.approx(50, rel=0.1)
    centre.state.reset()
    centre.state.apply(centre.records)
    assert value(floor_of(centre, before=before), "source:pbx", "silent_gaps") is None, "what was read anew counts anew"


def test_an_alert_about_a_silent_source_goes_on_with_an_evaluator_that_knows_no_pace() -> None:
    centre = Centre()
    centre.agent_state("1001", "on_contact")
    floor, evaluator = heard(centre), Evaluator(Config().alert_rules())
    centre.now_ms += 240_000
    evaluator.tick(floor.begin(), floor)
    after, floor = Evaluator(Config().alert_rules()), floor_of(centre)
    after.restore(evaluator.alerts.values())
    stale = fingerprint_of("feed_stale", "source:pbx")
    for _ in range(10):
        centre.now_ms += 10_000
        after.tick(floor.begin(), floor)
    assert (evaluator.alerts[stale].state, after.alerts[stale].state) == ("firing", "firing")
    assert after.alerts[stale].clear_since_ms is None
    centre.event("agent.heartbeat", agent_id="1001")
    for _ in range(5):
        centre.flush()
        after.tick(floor.begin(), floor)
        centre.now_ms += 10_000
    assert after.alerts[stale].state == "resolved"


def test_sources_that_say_nothing_are_looked_at_when_somebody_comes_and_the_last_one_goes() -> None:
    centre = Centre()
    centre.agent_state("1001", "offline")
    floor = floor_of(centre)
    floor.changed()
    for state, looked in (("ready", True), ("not_ready", False), ("offline", True), ("offline", False)):
        centre.event("agent.state_changed", source="chat", agent_id="1002", state=state, queues=["sales"])
        centre.flush()
        assert ("source:pbx" in floor.changed()) is looked


def test_a_source_says_how_often_it_lost_events() -> None:
    centre = Centre()
    centre.event("source.gap", reason="restart")
    assert value(floor_of(centre), "source:pbx", "gaps") == 1


def test_a_site_hangs_on_its_own_source_where_the_configuration_says_so() -> None:
    centre = Centre()
    centre.queued("c1")
    centre.event("visit.queued", source="chat", contact_id="c2", visit_id="v2", queue_id="mail")
    centre.event("forecast.published", source="wfm", queue_id="sales", start_ms=0, end_ms=1, volume=1.0, aht_ms=1)
    assert set(floor_of(centre).sources_of("queue:sales")) == {"chat", "pbx"}, (
        "who sends plans does not tell of the floor"
    )
    assert floor_of(centre, sites={"pbx": "berlin"}).sources_of("queue:sales") == ["pbx"]
    assert floor_of(centre, sites={"pbx": "paris"}).sources_of("queue:sales") == ["chat"]


def test_only_what_changed_is_told_with_the_roll_ups_it_belongs_to() -> None:
    centre = Centre()
    floor = floor_of(centre)
    assert {"queue:sales", "queue:mail", "agent:1001", "all", "team:blue", "site:berlin"} <= floor.changed()
    assert floor.changed() == set()
    centre.queued("c1")
    centre.flush()
    assert floor.changed() == {"queue:sales", "all", "site:berlin", "group:front", "channel:voice", "source:pbx"}


def test_without_agents_in_the_feed_nobody_knows_whether_somebody_is_there() -> None:
    centre = Centre()
    centre.queued("c1")
    assert value(floor_of(centre), "queue:sales", "agents_staffed") is None
    centre.agent_state("1002", "ready", queues=("mail",))
    assert value(floor_of(centre), "queue:sales", "agents_staffed") == 0


def test_the_next_wait_over_its_threshold_is_foreseen() -> None:
    centre = Centre()
    centre.queued("c1", ago_ms=15_000)
    centre.queued("c2", ago_ms=90_000)
    floor = floor_of(centre)
    assert floor.next_over_ms("queue:sales") == centre.now_ms + 5_001, "the other is over already"
    assert floor.next_over_ms("queue:mail") is None


def test_business_hours_are_the_queues_own_else_its_sites() -> None:
    centre = Centre()
    at_night = BusinessHours("UTC", [[(0, 60)] for _ in range(7)], {})
    always = BusinessHours("UTC", [[(0, 1440)] for _ in range(7)], {})
    floor = floor_of(centre, hours={"site:berlin": at_night, "queue:sales": always})
    assert [floor.is_open(scope) for scope in ("queue:sales", "queue:mail", "agent:1001")] == [True, False, False]
    assert floor_of(centre).is_open("queue:mail")


@pytest.mark.parametrize("window", ["30m", "60m", "day"])
def test_an_agents_kpis_are_the_same_added_up_as_far_as_a_rule_reads_them(window: str) -> None:
    """Time in state and in adherence is most of the work, and few rules ask for it."""
    centre = Centre()
    centre.agent_state("1001", "ready", ago_ms=1_000_000)
    for number in range(3):
        centre.call(f"c{number}", agent="1001", ago_ms=300_000 * number)
    centre.flush()
    view, agent = centre.state.view(), centre.state.agent("1001")
    assert agent is not None
    sums, totals = view.agent_sums(agent, window), view.agent_totals(agent, window)
    assert totals.login_ms > 0 and totals.answered == 3
    for kpi in KPIS_OF["agent"]:
        assert kpi.value(view.agent_now(agent, sums)) == kpi.value(view.agent_now(agent, totals)), kpi.name


def test_where_the_service_level_of_interval_and_day_will_end() -> None:
    """6 of 10 so far; 8 contacts an interval are forecast, and go on to be served like those before."""
    centre = Centre()
    forecast(centre, 8, first=0)
    centre.now_ms += 5 * MINUTE_MS
    calls(centre, 6, 4)
    floor = floor_of(centre)
    found = floor.values("queue:sales").measure("service_level_projected_ratio", "day")
    assert (found.value, found.sample) == (pytest.approx(0.6), 10)
    assert value(floor, "queue:sales", "service_level_projected_ratio", "interval") == pytest.approx(0.6)
    left = 8 * 10 / 15
    needed = (0.8 * (10 + left) - 6) / left
    assert value(floor, "queue:sales", "recovery_ratio", "interval") == pytest.approx(needed)
    assert needed > 1, "the interval's target is lost"
    left += 3 * 8
    assert value(floor, "queue:sales", "recovery_ratio", "day") == pytest.approx((0.8 * (10 + left) - 6) / left)
    centre.now_ms += 5 * MINUTE_MS
    calls(centre, 10, 0, ago_ms=1)
    centre.flush()
    floor.begin()
    assert value(floor, "queue:sales", "service_level_projected_ratio", "interval") == pytest.approx(
        (16 + 8 / 3 * 0.6) / (20 + 8 / 3)
    ), "what has happened is of now, what is to come as it was found out in this interval"


def test_without_an_expectation_nothing_is_projected() -> None:
    centre = Centre()
    calls(centre, 6, 4)
    floor = floor_of(centre)
    for kpi in ("service_level_projected_ratio", "recovery_ratio"):
        assert [value(floor, "queue:sales", kpi, window) for window in ("interval", "day", "15m")] == [None] * 3
