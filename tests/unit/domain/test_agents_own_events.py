"""An agent's own events in any order, told twice, told late, and between restarts."""

from itertools import permutations
from typing import Any

import pytest

from service.domain.events import Event
from service.domain.view import queues_served, staff_by_queue, state_of
from tests.unit.domain.agent_days import AGENT, CALL, LOGIN, LOGOUT, PAUSE, READY, agent_of, in_queue, line, seconds
from tests.unit.domain.build import aggregate, event, ms, scope_totals
from tests.unit.domain.watched import Watched


def ids_of(told: tuple[Event, ...]) -> str:
    return ", ".join(f"{type(e).__name__} {e.occurred_at_ms - ms(0)}" for e in told)


SHIFTS = [
    event("agent.logout", 60, login_ms=10_000),
    event("agent.login", 70),
    event("agent.logout", 100, login_ms=80_000),
]


@pytest.mark.parametrize("told", [*permutations(SHIFTS)], ids=ids_of)
def test_implied_logins_come_to_the_same_in_every_order(told: tuple[Event, ...]) -> None:
    assert seconds(list(told)) == {"login": 40, "available": 30}


@pytest.mark.parametrize("told", [*permutations([LOGIN, event("agent.logout", 50), SHIFTS[2]])], ids=ids_of)
def test_a_logout_heard_of_late_makes_the_next_one_imply_a_login(told: tuple[Event, ...]) -> None:
    assert seconds(list(told))["login"] == 100


STORY = [LOGIN, PAUSE, READY, *CALL, LOGOUT]


@pytest.mark.parametrize("late", range(len(STORY)))
def test_an_event_that_comes_last_is_folded_in_where_it_belongs(late: int) -> None:
    shuffled = [*STORY[:late], *STORY[late + 1 :], STORY[late]]
    assert line(shuffled, 200) == line(sorted(STORY, key=lambda told: told.occurred_at_ms), 200)


def test_events_in_reverse_give_the_same_totals() -> None:
    forwards, backwards = aggregate(STORY), aggregate(reversed(STORY))
    assert scope_totals(forwards, AGENT) == scope_totals(backwards, AGENT)
    assert scope_totals(forwards, AGENT, True) == scope_totals(backwards, AGENT, True)


@pytest.mark.parametrize("again", STORY, ids=[told.event_id.partition(":")[0] for told in STORY])
def test_events_told_twice_count_once(again: Event) -> None:
    assert scope_totals(aggregate([*STORY, again]), AGENT) == scope_totals(aggregate(STORY), AGENT)


def test_an_agents_event_told_twice_is_counted_as_duplicate() -> None:
    store = aggregate([LOGIN, PAUSE, LOGIN])
    assert [seen.counts for seen in store.scopes.sources.values()] == [{"duplicates": 1}]


def test_an_own_event_older_than_the_kept_minute_is_late_and_changes_nothing() -> None:
    ticks = [event("agent.heartbeat", n * 60) for n in range(1, 6)]
    store = aggregate([LOGIN, *ticks, PAUSE])
    assert [seen.counts for seen in store.scopes.sources.values()] == [{"late": 1}]
    assert state_of(agent_of(store), ms(1_000))[0] == "ready"


def test_an_own_event_within_the_kept_minute_is_folded_in() -> None:
    ticks = [event("agent.heartbeat", n * 50) for n in range(1, 9)]
    pause = event("agent.state_changed", 340, state="not_ready")
    assert line([LOGIN, *ticks, pause], 500) == [(0, 340, "ready"), (340, 500, "not_ready")]


@pytest.mark.parametrize(
    ("newest_s", "told_s", "late"),
    [
        pytest.param(120, 1, False, id="nothing is settled while the oldest open event is two minutes old"),
        pytest.param(120.001, 60.001, False, id="else all that is older than a minute"),
        pytest.param(120.001, 60, True, id="and what is told of then is late"),
    ],
)
def test_own_events_are_open_to_reordering_for_a_minute(newest_s: float, told_s: float, late: bool) -> None:
    pause = event("agent.state_changed", told_s, state="not_ready")
    store = aggregate([LOGIN, event("agent.heartbeat", newest_s), pause])
    assert bool(store.scopes.sources) == late
    assert (state_of(agent_of(store), ms(200))[0] == "ready") == late


BOTH = ["sales", "service"]


PAUSED = {"state": "not_ready", "reason": "break"}


@pytest.mark.parametrize(
    ("earlier", "later", "state", "served"),
    [
        pytest.param(
            ("agent.login", {"queues": ["sales"]}), ("agent.queue_joined", {"queue_id": "service"}), "ready", BOTH,
            id="who signs in joins queues then",
        ),
        pytest.param(
            ("agent.queue_joined", {}), ("agent.state_changed", {"state": "offline"}), "offline", ["sales"],
            id="a state is told of one who joined",
        ),
        pytest.param(
            ("agent.state_changed", {"state": "ready"}), ("agent.snapshot", PAUSED), "not_ready", [],
            id="a snapshot is taken of what is",
        ),
        pytest.param(
            ("agent.snapshot", {"state": "ready", "queues": BOTH}), ("agent.queue_left", {}), "ready", ["service"],
            id="a queue is left that was served",
        ),
        pytest.param(
            ("agent.state_changed", PAUSED), ("agent.logout", {}), "offline", [], id="who signs out does nothing more"
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("later_first", [False, True], ids=["in order", "told the other way round"])
def test_own_events_of_one_time_have_an_order_whatever_they_are_called(
    earlier: tuple[str, dict[str, Any]],
    later: tuple[str, dict[str, Any]],
    state: str,
    served: list[str],
    later_first: bool,
) -> None:
    told = [event(kind, 10, event_id=name, **fields) for name, (kind, fields) in (("z", earlier), ("a", later))]
    agent = agent_of(aggregate([*(reversed(told) if later_first else told)]))
    assert (state_of(agent, ms(20))[0], list(queues_served(agent.record))) == (state, served)


@pytest.mark.parametrize("number", [{"seq": 1}, {"event_id": "a"}], ids=["by the feed's number", "by their names"])
def test_own_events_of_one_time_and_kind_are_ordered(number: dict[str, Any]) -> None:
    first = event("agent.state_changed", 10, **({"event_id": "b", "state": "ready"} | number))
    second = event("agent.state_changed", 10, event_id="b", seq=number.get("seq", -1) + 1, **PAUSED)
    for told in ([LOGIN, first, second], [LOGIN, second, first]):
        assert line(told, 20) == [(0, 10, "ready"), (10, 20, "not_ready")]


def test_an_own_event_of_the_same_time_as_the_newest_settles_nothing() -> None:
    joined = in_queue("agent.queue_joined", 0, "sales")
    at_once = [event("agent.logout", 970), event("agent.heartbeat", 970)]
    pause = event("agent.state_changed", 1, state="not_ready")
    assert line([at_once[0], joined, at_once[1], pause], 980) == [
        (0, 1, "ready"), (1, 970, "not_ready"), (970, 980, "offline"),
    ]  # fmt: skip


def test_what_was_settled_stands_when_an_event_is_folded_in() -> None:
    ticks = [event("agent.heartbeat", n * 50) for n in range(1, 9)]
    told = [LOGIN, PAUSE, *ticks, in_queue("agent.queue_joined", 345, "sales")]
    assert line(told, 500) == [(0, 10, "ready"), (10, 500, "not_ready")]
    assert agent_of(aggregate(told)).record.own.queues == ("sales",)


def test_no_more_own_events_are_kept_than_those_of_some_minutes() -> None:
    ticks = [event("agent.heartbeat", n * 30) for n in range(1, 200)]
    assert len(agent_of(aggregate([LOGIN, *ticks])).record.events) <= 5


def test_an_agents_day_outlives_restarts_between_all_its_events() -> None:
    events = sorted(STORY, key=lambda told: told.occurred_at_ms)
    floor = Watched()
    for told in events:
        floor.tell(told).restart()
        agent = agent_of(floor.aggregate) if AGENT in floor.aggregate.scopes.agents else None
        if agent is not None:  # what a reader sees of it now is what its day says
            assert state_of(agent, told.occurred_at_ms)[0] == floor.states(200)[-1][1]
    assert floor.states(200) == Watched(*events).states(200)
    assert floor.totals(AGENT) == Watched(*events).totals(AGENT)


@pytest.mark.parametrize("since_s", [20, 10], ids=["the call is the newest", "the call began with what came last"])
def test_that_a_queues_contact_was_offered_outlives_a_restart(since_s: float) -> None:
    floor = Watched(LOGIN, event("agent.heartbeat", 10)).restart()
    offered = floor.tell(event("leg.alerting", since_s, queue_id="sales")).restart().aggregate
    assert staff_by_queue(offered.scopes.agents.values(), ms(30)) == {"sales": {"reserved": 1}}
