"""The intervals of the past have their adherence, however late a schedule or an event is."""

from service.domain.calendar import Calendars
from service.domain.settling import SETTLED_AT_ONCE
from service.domain.view import FloorView
from tests.unit.domain.schedules import MINUTE_MS, Shift, activity, at, call, excepted, published, state

DAY = 24 * 60
PLAN = published(activity(0, 120), activity(120, 150, "break"), activity(150, 480))


def reach(shift: Shift, minutes: float) -> None:
    """Event time goes on: somebody else is heard of, and everything is written."""
    shift.tell(state(minutes, "ready", agent_id="2002"))
    shift.flush()


def day_sums(shift: Shift, minutes: float) -> dict[str, float]:
    """What a reader says of the day so far, in minutes."""
    view = FloorView(shift.floor, Calendars(shift.floor), at(minutes))
    return {key: time / MINUTE_MS for key, time in view.agent_totals(shift.agent, "day").adherence_ms.items()}


def kept(shift: Shift, minutes: float) -> dict[str, float]:
    """What the state has of the interval that begins then, in minutes."""
    interval = shift.agent.intervals.get(at(minutes))
    sums = {} if interval is None else interval.common.adherence_ms
    return {key: time / MINUTE_MS for key, time in sums.items()}


def test_an_interval_is_settled_once_event_time_has_passed_it() -> None:
    shift = Shift(PLAN, state(-5, "ready"), state(5, "offline"), state(10, "ready"))
    reach(shift, 14)
    assert kept(shift, 0) == {}
    reach(shift, 15)
    assert kept(shift, 0) == {
        "scheduled": 15, "out": 5, "planned_on_queue": 15, "on_queue": 10, "paid_beyond_login": 5, "lost:absent": 5,
    }  # fmt: skip


def test_who_does_not_come_is_out_in_every_interval_of_the_shift() -> None:
    shift = Shift(PLAN, state(-600, "offline"))
    for minutes in range(0, 500, 7):
        reach(shift, minutes)
    assert [kept(shift, start).get("out") for start in (0, 105, 120, 135, 150, 465)] == [15, 15, None, None, 15, 15]
    assert (kept(shift, 480), kept(shift, -15)) == ({}, {})
    assert shift.closed[0] == (1, {key: round(time * MINUTE_MS) for key, time in kept(shift, 0).items()})


def test_at_any_time_settled_and_unsettled_together_are_the_whole() -> None:
    shift = Shift(PLAN, state(-60, "ready"), state(33, "offline"), state(47, "ready"), *call("c", 50, 51, 125, 128))
    for minutes in range(130, 300, 11):
        reach(shift, minutes)
        assert day_sums(shift, minutes) == shift.sums(-600, minutes)


def test_a_plan_published_late_is_measured_backwards_and_raises_the_revision() -> None:
    shift = Shift(PLAN, state(0, "not_ready", reason="training"))
    reach(shift, 60)
    before = shift.closed[15][0]
    assert kept(shift, 15)["out"] == 15
    shift.tell(published(activity(0, 480, "training"), version=2, minutes=60))
    shift.flush()
    assert kept(shift, 15)["scheduled"] == 15 and "out" not in kept(shift, 15)
    assert shift.closed[15][0] == before + 1
    shift.tell(published(version=3, minutes=61, from_ms=at(-600), to_ms=at(600)))
    shift.flush()
    assert kept(shift, 15) == {} and day_sums(shift, 61) == {}


def test_a_late_exception_excuses_what_is_settled() -> None:
    shift = Shift(PLAN, state(-600, "offline"))
    reach(shift, 60)
    shift.tell(excepted(0, 20, "sick", minutes=60))
    shift.flush()
    assert (kept(shift, 0).get("out"), kept(shift, 15)["out"], kept(shift, 30)["out"]) == (None, 10, 15)
    assert kept(shift, 0)["lost:sick"] == 15


def test_a_late_event_of_the_agent_corrects_what_is_settled() -> None:
    shift = Shift(PLAN, state(0, "offline"), state(29.9, "not_ready"))
    reach(shift, 45)
    assert kept(shift, 15)["out"] == 15
    shift.tell(state(29, "ready"))
    shift.flush()
    assert kept(shift, 15)["out"] == 14.1


def test_calls_told_late_correct_what_is_settled_again_and_again() -> None:
    shift = Shift(PLAN, state(0, "offline"))
    reach(shift, 60)
    for number, start in enumerate((3, 1, 5)):
        for told in call(f"c{number}", start, start + 0.5, start + 1):
            shift.tell(told)
    shift.flush()
    assert kept(shift, 0)["out"] == 12
    assert day_sums(shift, 60) == shift.sums(-600, 60)


def test_a_restart_changes_nothing() -> None:
    one, other = (Shift(PLAN, state(-600, "offline")) for _ in range(2))
    for minutes in range(0, 600, 13):
        for shift in (one, other):
            reach(shift, minutes)
        other.restart()
    intervals = [{start: i.common.adherence_ms for start, i in s.agent.intervals.items()} for s in (one, other)]
    assert intervals[0] == intervals[1]
    assert day_sums(one, 200) == day_sums(other, 200)


def test_plans_are_forgotten_after_two_days_and_what_is_settled_stays() -> None:
    shift = Shift(PLAN, state(-600, "offline"))
    for minutes in range(0, 3 * DAY, 60):
        reach(shift, minutes)
    assert shift.agent.days == {}
    assert (shift.closed[15][1]["out"], shift.closed[15][0]) == (15 * MINUTE_MS, 1)
    days = [key for key, value in dict(shift.records).items() if key.startswith(b"s|") and value is not None]
    assert days == []


def test_what_is_told_of_a_day_long_past_is_late() -> None:
    shift = Shift(state(0, "ready"))
    reach(shift, 4 * DAY)
    shift.tell(published(activity(0, 60), version=2, minutes=4 * DAY))
    shift.tell(excepted(0, 60, minutes=4 * DAY))
    assert shift.agent.days == {}
    assert shift.aggregate.scopes.sources["source:", -1].counts == {"late": 2}


def test_many_agents_are_settled_a_few_at_a_time() -> None:
    shift = Shift(*(state(-5, "offline", agent_id=f"a{number}") for number in range(SETTLED_AT_ONCE + 1)))
    for number in range(SETTLED_AT_ONCE + 1):
        shift.tell(published(activity(0, 60), agent_id=f"a{number}"))
    agents = [agent for name, agent in shift.aggregate.scopes.agents.items() if name.startswith("agent:a")]
    settled = []
    for minutes in (61, 62, 63):
        reach(shift, minutes)
        settled.append(sum(agent.live.settled_ms > 0 for agent in agents))
    assert settled[-1] == SETTLED_AT_ONCE + 1 and SETTLED_AT_ONCE in settled


def test_what_is_settled_is_no_sign_of_the_agent() -> None:
    shift = Shift(PLAN, state(-600, "offline"))
    heard_ms = shift.agent.newest_ms
    for minutes in range(0, 300, 60):
        reach(shift, minutes)
        shift.restart()
    assert len(shift.agent.intervals) > 10
    assert shift.agent.newest_ms <= heard_ms


def test_intervals_of_an_agent_away_for_long_expire_like_others() -> None:
    days = [published(*(activity(DAY * day, DAY * day + 60) for day in range(9)))]
    shift = Shift(*days, state(-600, "offline"))
    for minutes in range(0, 9 * DAY, 120):
        reach(shift, minutes)
    assert max(shift.agent.intervals) - min(shift.agent.intervals) <= 2 * DAY * MINUTE_MS
