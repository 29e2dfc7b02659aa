"""An event with `corrects` takes the place of the one it names."""

from typing import Any

import pytest

from service.domain.events import Event
from tests.unit.domain.build import event
from tests.unit.domain.watched import Watched

QUEUED = event("visit.queued", 0, event_id="q")
ANSWERED = event("visit.answered", 20, agent_id="1001", event_id="a")
ENDED = event("leg.ended", 80, event_id="e")


def told(*events: Event) -> dict[str, Any]:
    """Queue and agents after these events."""
    floor = Watched(*events)
    shown: dict[str, Any] = {scope: floor.totals(scope) for scope in ("queue:sales", "queue:service", "agent:1001")}
    states = {id_: [s for s in floor.states(500, id_) if s[1] != "unknown"] for id_ in ("1001", "1002")}
    return shown | {"1002": floor.totals("agent:1002"), "states": states, "waiting": floor.waiting}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        pytest.param(QUEUED, event("visit.queued", 5, event_id="x"), id="queued later"),
        pytest.param(QUEUED, event("visit.queued", 0, queue_id="service", event_id="x"), id="in another queue"),
        pytest.param(ANSWERED, event("visit.answered", 30, agent_id="1001", event_id="x"), id="answered later"),
        pytest.param(ENDED, event("leg.ended", 95, event_id="x"), id="ended later"),
        pytest.param(ENDED, event("leg.ended", 60, event_id="x"), id="ended earlier"),
        pytest.param(ENDED, event("leg.ended", 80, talk_ms=9_000, event_id="x"), id="with its talk time"),
        pytest.param(ENDED, event("leg.transferred", 70, event_id="x"), id="a transfer instead of an end"),
    ],
)
def test_the_floor_is_as_if_only_the_right_one_had_been_told(wrong: Event, right: Event) -> None:
    events = [QUEUED, ANSWERED, ENDED]
    correction = type(right)(**{n: getattr(right, n) for n in right.__struct_fields__} | {"corrects": wrong.event_id})
    assert told(*events, correction) == told(*[right if e is wrong else e for e in events])


def corrected(kind: str, seconds: float, corrects: str, **fields: Any) -> Event:
    return event(kind, seconds, corrects=corrects, event_id="x", **fields)


def test_an_answer_by_another_agent_takes_the_first_ones_leg_back() -> None:
    other = corrected("visit.answered", 20, "a", agent_id="1002")
    assert told(QUEUED, ANSWERED, other) == told(QUEUED, event("visit.answered", 20, agent_id="1002"))


def test_a_leg_of_another_agent_takes_the_first_ones_back() -> None:
    wrong = event("leg.answered", 20, leg_id="L", event_id="w")
    right = corrected("leg.answered", 20, "w", leg_id="L", agent_id="1002")
    assert told(QUEUED, wrong, right) == told(QUEUED, event("leg.answered", 20, leg_id="L", agent_id="1002"))


def test_an_abandon_that_was_a_flow_out() -> None:
    gone = event("visit.abandoned", 30, event_id="g")
    out = corrected("visit.flowed_out", 30, "g", outcome_reason="timeout")
    assert told(QUEUED, gone, out) == told(QUEUED, event("visit.flowed_out", 30, outcome_reason="timeout"))


def test_a_hold_that_was_at_another_time() -> None:
    held = [event("leg.held", 30, event_id="h"), event("leg.retrieved", 40), event("leg.held", 50)]
    right = corrected("leg.held", 33, "h")
    assert told(QUEUED, ANSWERED, *held, right, ENDED) == told(
        QUEUED, ANSWERED, event("leg.held", 33), *held[1:], ENDED
    )


def test_corrections_are_counted() -> None:
    floor = Watched(QUEUED, corrected("visit.queued", 5, "q"))
    assert floor.counts() == {"corrections": 1}


def test_what_corrects_an_unknown_event_counts_as_any_other() -> None:
    floor = Watched(corrected("visit.queued", 5, "never heard of"))
    assert floor.waiting == ["c/1"]
    assert floor.counts() == {"corrections_unmatched": 1}


def test_an_event_that_was_corrected_before_it_came_is_ignored() -> None:
    floor = Watched(corrected("visit.queued", 5, "q"), QUEUED)
    assert floor.totals() == Watched(event("visit.queued", 5)).totals()
    assert floor.counts()["duplicates"] == 1


def test_a_correction_that_is_delivered_twice_corrects_once() -> None:
    again = corrected("leg.ended", 95, "e")
    floor = Watched(QUEUED, ANSWERED, ENDED, again, again)
    assert floor.totals("agent:1001").talk_ms == 75_000
    assert floor.counts() == {"corrections": 1, "duplicates": 1}


def test_a_correction_survives_a_restart() -> None:
    floor = Watched(QUEUED, ANSWERED, ENDED).restart()
    floor.tell(corrected("leg.ended", 95, "e"))
    floor.restart()
    floor.tell(ENDED)
    assert floor.totals("agent:1001").talk_ms == 75_000


LOGIN = event("agent.login", 0, event_id="l")
PAUSE = event("agent.state_changed", 30, state="not_ready", reason="lunch", event_id="p")
BACK = event("agent.state_changed", 50, state="ready", event_id="b")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        pytest.param(LOGIN, event("agent.login", 10, event_id="x"), id="signed in later"),
        pytest.param(PAUSE, event("agent.state_changed", 35, state="not_ready", event_id="x"), id="paused later"),
        pytest.param(PAUSE, event("agent.state_changed", 20, state="not_ready", event_id="x"), id="paused earlier"),
        pytest.param(BACK, event("agent.state_changed", 50, state="not_ready", event_id="x"), id="not back at all"),
    ],
)
def test_an_agents_day_is_as_if_only_the_right_one_had_been_told(wrong: Event, right: Event) -> None:
    events = [LOGIN, PAUSE, BACK]
    correction = type(right)(**{n: getattr(right, n) for n in right.__struct_fields__} | {"corrects": wrong.event_id})
    assert told(*events, correction) == told(*[right if e is wrong else e for e in events])
    assert told(*events, correction, wrong, correction) == told(*events, correction)


def test_corrections_of_agents_events_are_counted() -> None:
    floor = Watched(LOGIN, corrected("agent.login", 5, "l"), event("agent.login", 6, corrects="?", event_id="y"))
    found = floor.aggregate.scopes.sources["source:", -1].counts
    assert found == {"corrections": 1, "corrections_unmatched": 1}


def test_a_correction_told_twice_and_what_it_corrects_told_again_are_duplicates() -> None:
    right = corrected("agent.state_changed", 35, "p", state="not_ready")
    floor = Watched(LOGIN, PAUSE, right, right, PAUSE)
    assert floor.aggregate.scopes.sources["source:", -1].counts == {"corrections": 1, "duplicates": 2}


def test_after_a_correction_ordinary_events_are_no_corrections() -> None:
    floor = Watched(LOGIN, PAUSE, corrected("agent.state_changed", 35, "p", state="not_ready"), BACK)
    assert floor.aggregate.scopes.sources["source:", -1].counts == {"corrections": 1}


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
def test_an_agents_event_told_after_its_correction_is_ignored(restart: bool) -> None:
    floor = Watched(LOGIN, corrected("agent.state_changed", 35, "p", state="not_ready"))
    if restart:
        floor.restart()
    assert floor.tell(PAUSE).states(40) == [(0, "ready"), (35, "not_ready")]
    assert floor.totals("agent:1001").available_ms == 35_000


def test_what_an_agent_told_of_itself_outlives_a_restart() -> None:
    floor = Watched(event("agent.login", 0, queues=["sales"]), event("agent.state_changed", 10, state="not_ready"))
    assert floor.restart().tell(event("agent.queue_joined", 20, queue_id="service")).states(30)[-1] == (10, "not_ready")
    own = floor.aggregate.scopes.agent("agent:1001").record.own
    assert (own.login, own.state, own.queues) == (True, "not_ready", ("sales", "service"))
