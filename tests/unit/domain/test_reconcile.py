"""A snapshot of everything that is open at the source closes what it does not list and opens what nobody told of."""

from typing import Any

import pytest

from service.domain.business_events import AgentNow, ConnectedLeg, SourceSnapshot, WaitingVisit
from service.domain.events import Event
from tests.unit.domain.build import event, ms
from tests.unit.domain.watched import Watched

QUEUED = event("visit.queued", 0)
ANSWERED = event("visit.answered", 20, agent_id="1001")


def snapshot(seconds: float, **lists: Any) -> SourceSnapshot:
    return SourceSnapshot(event_id=f"snapshot@{seconds}", occurred_at_ms=ms(seconds), **lists)


def waits(contact_id: str = "c", queue_id: str = "sales", **more: Any) -> WaitingVisit:
    return WaitingVisit(contact_id=contact_id, queue_id=queue_id, **more)


def connected(contact_id: str = "c", agent_id: str = "1001", **more: Any) -> ConnectedLeg:
    return ConnectedLeg(contact_id=contact_id, agent_id=agent_id, **more)


def test_who_is_not_listed_waits_no_longer() -> None:
    floor = Watched(QUEUED, snapshot(60, waiting=[]))
    assert (floor.waiting, floor.totals().cancelled) == ([], 1)
    assert [made.occurred_at_ms for made in floor.made if made.synthetic_reason == "snapshot"] == [ms(60)] * 2


def test_a_call_that_is_not_listed_has_ended() -> None:
    floor = Watched(QUEUED, ANSWERED, snapshot(60, connected=[]))
    assert (floor.totals().handled, floor.totals().talk_ms) == (1, 40_000)


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param({"waiting": [waits()]}, id="the visit is listed"),
        pytest.param({"waiting_contact_ids": ["c"]}, id="its contact is listed"),
        pytest.param({"connected": []}, id="nothing is said about waiting"),
        pytest.param({"waiting": [], "queues": ["service"]}, id="the snapshot is about another queue"),
        pytest.param({"waiting": [], "source": "another"}, id="it comes from another source"),
    ],
)
def test_who_waits_goes_on_waiting(listed: dict[str, Any]) -> None:
    floor = Watched(QUEUED, snapshot(60, **listed))
    assert floor.waiting == ["c/1"]
    assert floor.totals().offered == 1


def test_what_began_after_the_snapshot_is_not_touched() -> None:
    floor = Watched(event("visit.queued", 61), snapshot(60, waiting=[], connected=[]))
    assert floor.waiting == ["c/1"]


def test_an_answer_that_was_lost_is_told_by_the_snapshot() -> None:
    floor = Watched(QUEUED, snapshot(60, waiting=[], connected=[connected()]))
    assert (floor.totals().answered, floor.totals().cancelled, floor.waiting) == (1, 0, [])
    assert floor.states(100) == [(60, "on_contact")]


def test_a_visit_nobody_told_of_is_opened() -> None:
    floor = Watched(snapshot(60, waiting=[waits(visit_id="c/1", since_ms=ms(10))]))
    assert (floor.waiting, floor.totals().offered) == (["c/1"], 1)
    floor.tell(event("visit.abandoned", 70))
    assert floor.totals().abandon_wait_ms == 60_000


def test_a_call_nobody_told_of_is_opened() -> None:
    floor = Watched(snapshot(60, connected=[connected(queue_id="sales", since_ms=ms(30))]))
    assert floor.states(100) == [(30, "on_contact")]
    floor.tell(event("leg.ended", 90))
    assert floor.totals("agent:1001").talk_ms == 60_000


def test_a_visit_is_opened_once_whatever_the_snapshots() -> None:
    listed = [waits(visit_id="c/1", since_ms=ms(10))]
    floor = Watched(snapshot(60, waiting=listed), snapshot(120, waiting=listed), event("visit.queued", 10))
    assert (floor.waiting, floor.totals().offered) == (["c/1"], 1)


def test_only_the_partition_a_contact_belongs_to_opens_it() -> None:
    floor = Watched()
    floor.correlate.is_home = lambda contact_id: contact_id == "mine"
    floor.tell(snapshot(60, waiting=[waits("mine"), waits("theirs")]))
    assert floor.waiting == ["mine/sales"]


@pytest.mark.parametrize("later", [event("visit.abandoned", 50), event("visit.abandoned", 75)])
def test_the_sources_own_word_counts_whenever_it_comes(later: Event) -> None:
    floor = Watched(QUEUED, snapshot(60, waiting=[]), later)
    assert (floor.totals().abandoned, floor.totals().cancelled) == (1, 0)


def test_agents_are_what_the_snapshot_says() -> None:
    seats = [AgentNow(agent_id="1001", state="not_ready", reason="lunch"), AgentNow(agent_id="1002", state="ready")]
    floor = Watched(event("agent.login", 0), snapshot(60, agents=seats))
    assert floor.states(100) == [(0, "ready"), (60, "not_ready")]
    assert floor.states(100, "1002") == [(60, "ready")]


def test_an_agent_who_is_listed_as_connected_and_as_ready_goes_on_talking() -> None:
    seats = [AgentNow(agent_id="1001", state="ready")]
    floor = Watched(event("agent.login", 0), QUEUED, ANSWERED, snapshot(60, agents=seats, connected=[connected()]))
    floor.round_at(100)
    assert floor.states(100) == [(0, "ready"), (20, "on_contact")]


def test_a_snapshot_says_nothing_about_how_far_its_source_has_come() -> None:
    floor = Watched(QUEUED)
    made = Watched(QUEUED, snapshot(60, waiting=[])).made
    floor.tell(*made)
    assert floor.correlate.newest_ms() == ms(0)
