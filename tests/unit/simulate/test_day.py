"""A simulated day is one that a centre could have had."""

from collections import defaultdict

import pytest

from service.domain.codec import EVENT_TYPES, TYPE_OF, decode_event, encode_event
from service.domain.events import (
    AgentLogin,
    AgentLogout,
    AgentStateChanged,
    ContactEnded,
    ContactEvent,
    ContactStarted,
    Event,
    LegAlerting,
    LegEnded,
    LegEvent,
    LegHeld,
    LegMissed,
    LegRetrieved,
    LegTransferred,
    LegWrapupEnded,
    LegWrapupStarted,
    VisitAnswered,
    VisitEvent,
    VisitQueued,
)
from service.simulate.centre import simulate
from service.simulate.options import DAY_MS, HOUR_MS, SimulationOptions
from service.simulate.plan import build_plan
from tests.unit.simulate.days import OPENING_MS, day, figures

CALM = SimulationOptions()
TWO_SITES = SimulationOptions(
    queues=12, agents=60, seed=4, scenario="outage", sites=("berlin", "lyon"), timezone="Europe/Berlin"
)
SNOWBALL = SimulationOptions(queues=5, agents=30, seed=9, scenario="snowball")
DAYS = [
    pytest.param(CALM, id="calm"),
    pytest.param(TWO_SITES, id="outage of one of two sites"),
    pytest.param(SNOWBALL, id="snowball"),
]
TERMINAL = {"visit.answered", "visit.abandoned", "visit.flowed_out", "visit.callback_requested", "visit.refused"}


@pytest.mark.parametrize("options", DAYS)
def test_events_come_in_order_of_time_within_the_horizon_with_ids_of_their_own(options: SimulationOptions) -> None:
    events = day(options)
    times = [event.occurred_at_ms for event in events]
    assert times == sorted(times)
    assert options.start_ms <= times[0] and times[-1] < options.end_ms
    assert len({event.event_id for event in events}) == len(events)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("options", DAYS)
def test_every_event_is_valid_on_the_wire(options: SimulationOptions) -> None:
    for event in day(options):
        assert decode_event(encode_event(event)) == event


def test_the_same_options_give_the_same_bytes_and_another_seed_others() -> None:
    short = SimulationOptions(start_ms=CALM.start_ms + 9 * HOUR_MS, duration_ms=HOUR_MS)
    first = [encode_event(event) for event in day.__wrapped__(short)]
    assert first == [encode_event(event) for event in day.__wrapped__(short)]
    other = SimulationOptions(start_ms=short.start_ms, duration_ms=HOUR_MS, seed=2, prefix="s1")
    assert first != [encode_event(event) for event in day(other)]


@pytest.mark.parametrize("options", DAYS)
def test_a_visit_begins_once_and_ends_at_most_once(options: SimulationOptions) -> None:
    lives: dict[str, list[str]] = defaultdict(list)
    for event in day(options):
        if isinstance(event, VisitEvent):
            lives[event.visit_id].append(TYPE_OF[type(event)])
    for life in lives.values():
        assert life[0] in ("visit.queued", "visit.refused")
        assert sum(step in TERMINAL for step in life) <= 1
        assert life.count("visit.queued") <= 1


@pytest.mark.parametrize("options", DAYS)
def test_a_contact_starts_before_and_ends_after_everything_else_of_it(options: SimulationOptions) -> None:
    talking = (ContactStarted, VisitEvent, LegAlerting, LegMissed, LegEnded, LegHeld, LegRetrieved, LegTransferred)
    started, ended = set[str](), set[str]()
    for event in day(options):
        if isinstance(event, ContactStarted):
            assert event.contact_id not in started
            started.add(event.contact_id)
        elif isinstance(event, ContactEvent):
            assert event.contact_id in started
        if isinstance(event, talking):
            assert event.contact_id not in ended
        if isinstance(event, ContactEnded):
            assert event.contact_id not in ended
            ended.add(event.contact_id)


@pytest.mark.parametrize("options", DAYS)
def test_no_agent_is_on_two_voice_contacts_or_three_chats_too_many(options: SimulationOptions) -> None:
    limits = {agent.agent_id: agent.concurrency for agent in build_plan(options).agents}
    legs: dict[str, dict[str | None, int]] = defaultdict(dict)
    for event in day(options):
        if isinstance(event, LegAlerting | VisitAnswered | LegWrapupStarted) and event.agent_id:
            legs[event.agent_id][event.leg_id] = event.occurred_at_ms
            assert len(legs[event.agent_id]) <= limits[event.agent_id]
        elif isinstance(event, LegMissed | LegEnded | LegTransferred | LegWrapupEnded):
            legs[event.agent_id].pop(event.leg_id)


@pytest.mark.parametrize("options", DAYS)
def test_a_leg_takes_as_long_as_it_says(options: SimulationOptions) -> None:
    answered: dict[str | None, int] = {}
    for event in day(options):
        if isinstance(event, VisitAnswered):
            answered[event.leg_id] = event.occurred_at_ms
        elif isinstance(event, LegEnded | LegTransferred):
            assert event.talk_ms is not None and event.hold_ms is not None
            assert event.talk_ms + event.hold_ms == event.occurred_at_ms - answered[event.leg_id]


@pytest.mark.parametrize("options", DAYS)
def test_only_agents_who_are_signed_in_and_ready_are_offered_contacts(options: SimulationOptions) -> None:
    state: dict[str, str] = {}
    for event in day(options):
        if isinstance(event, AgentLogin):
            assert state.get(event.agent_id, "gone") == "gone"
            state[event.agent_id] = "in"
        elif isinstance(event, AgentStateChanged):
            assert state[event.agent_id] != event.state
            state[event.agent_id] = event.state
        elif isinstance(event, AgentLogout):
            assert state[event.agent_id] != "gone"
            state[event.agent_id] = "gone"
        elif isinstance(event, LegAlerting):
            assert state[event.agent_id] == "ready"


@pytest.mark.parametrize("options", DAYS)
def test_every_event_of_a_leg_names_its_visit_and_queue(options: SimulationOptions) -> None:
    for event in day(options):
        if isinstance(event, LegEvent):
            assert event.leg_id and event.visit_id and event.queue_id and event.leg_id.startswith(event.visit_id)


def test_a_transfer_is_a_new_visit_of_the_same_contact_in_the_other_queue() -> None:
    moved = {(e.contact_id, e.to_queue_id) for e in day(CALM) if isinstance(e, LegTransferred)}
    came = {(e.contact_id, e.queue_id) for e in day(CALM) if isinstance(e, VisitQueued) and e.initiation == "transfer"}
    assert came and came <= moved


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("queues", "agents"), [(6, 40), (2, 10), (15, 150)])
def test_a_calm_day_is_good_but_not_perfect(seed: int, queues: int, agents: int) -> None:
    options = SimulationOptions(queues=queues, agents=agents, seed=seed, duration_ms=DAY_MS)
    assert 0.5 < figures(options).service_level < 0.98
    assert 0.005 < figures(options).abandon_share < 0.2


def test_the_service_level_moves_over_the_day() -> None:
    levels = [
        figures(CALM, CALM.start_ms + OPENING_MS + hour * HOUR_MS, CALM.start_ms + OPENING_MS + (hour + 1) * HOUR_MS)
        for hour in range(12)
    ]
    assert max(level.service_level for level in levels) - min(level.service_level for level in levels) > 0.15
    busiest = max(range(12), key=lambda hour: levels[hour].counts["visit.queued"])
    assert 1 < busiest < 9


def test_the_agents_follow_from_the_rate() -> None:
    options = SimulationOptions(contacts_per_hour=600, seed=3)
    assert 60 < len(build_plan(options).agents) < 200
    per_hour = figures(options).counts["contact.started"] / 12
    assert per_hour == pytest.approx(600, rel=0.15)
    assert 0.5 < figures(options).service_level < 0.98


def test_a_bad_day_shows_nearly_all_that_can_happen_to_a_contact() -> None:
    wide = SimulationOptions(agents=80, seed=3, scenario="surge")
    seen = {TYPE_OF[type(event)] for event in day(wide)}
    kinds = {name for name in EVENT_TYPES if name.split(".")[0] in ("contact", "visit", "leg", "callback")}
    assert kinds - seen == {"visit.cancelled", "leg.offered", "leg.answered", "leg.rejected", "callback.expired"}


def test_what_cannot_be_simulated_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="80 queues need at least 34 agents, not 4"):
        build_plan(SimulationOptions(queues=80, agents=4))
    with pytest.raises(ValueError, match="IANA"):
        SimulationOptions(timezone="Berlin")
    with pytest.raises(ValueError, match="different names"):
        SimulationOptions(sites=("a", "a"))


def _login_hours(options: SimulationOptions) -> set[int]:
    return {options.local(e.occurred_at_ms).hour for e in day(options) if isinstance(e, AgentLogin)}


def test_agents_come_and_go_by_local_time() -> None:
    berlin = SimulationOptions(timezone="Europe/Berlin", agents=12, queues=2)
    assert _login_hours(berlin) <= set(range(7, 17))


def test_a_simulation_that_starts_at_noon_finds_agents_at_work() -> None:
    noon = SimulationOptions(start_ms=CALM.start_ms + 12 * HOUR_MS, duration_ms=HOUR_MS)
    first = [event for event in day(noon) if event.occurred_at_ms < noon.start_ms + 1_000]
    assert sum(isinstance(event, AgentLogin) for event in first) > 15


def _durations(event: Event) -> list[int]:
    names = ("wait_ms", "ring_ms", "talk_ms", "hold_ms", "acw_ms")
    return [value for name in names if (value := getattr(event, name, None)) is not None]


@pytest.mark.parametrize("options", DAYS)
def test_no_duration_is_negative(options: SimulationOptions) -> None:
    assert all(duration >= 0 for event in day(options) for duration in _durations(event))


def test_a_month_is_simulated_as_it_is_read() -> None:
    month = SimulationOptions(duration_ms=30 * DAY_MS, contacts_per_hour=5_000)
    first = next(simulate(month))
    assert first.occurred_at_ms < month.start_ms + HOUR_MS
