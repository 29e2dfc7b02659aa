"""An agent who takes the next contact has left the one before, also where the transfer was never told of."""

from typing import Any

import pytest

from service.domain.contact_watch import CONTACTS_OF_AGENT
from service.domain.events import Event, LegEnded
from service.domain.settings import Agent, Floor, Watchdog
from tests.unit.domain.build import event, ms
from tests.unit.domain.watched import Watched, watched_floor

HOUR_S = 3_600


def call(name: str, queued_s: float, answered_s: float, queue: str = "sales", **more: Any) -> list[Event]:
    """A call that agent 1001 answers and nobody ends."""
    return [
        event("visit.queued", queued_s, contact_id=name, queue_id=queue),
        event("visit.answered", answered_s, contact_id=name, queue_id=queue, agent_id="1001", **more),
    ]


def handled(floor: Watched) -> list[int]:
    """[legs handled, seconds talked] of the agent."""
    totals = floor.totals("agent:1001")
    return [totals.handled, totals.talk_ms // 1000]


def test_a_call_whose_transfer_was_not_told_ends_when_the_agent_takes_the_next_one() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70))
    floor.round_at(79)
    assert floor.made == []
    floor.round_at(80)
    closed = [made for made in floor.made if isinstance(made, LegEnded)]
    assert [(c.contact_id, c.occurred_at_ms, c.synthetic_reason) for c in closed] == [("first", ms(70), "next_contact")]
    assert handled(floor) == [1, 60]
    assert floor.counts()["next_contact"] == 1


def test_the_agent_is_not_billed_until_the_customer_hangs_up() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70))
    floor.round_at(80)
    floor.tell(event("leg.ended", 170, contact_id="second"), event("contact.ended", HOUR_S, contact_id="first"))
    assert handled(floor) == [2, 160]
    assert floor.counts()["conflicts"] == 1


def test_a_call_among_many_that_were_handled_is_found_also_after_a_restart() -> None:
    floor = Watched(*call("first", 0, 10))
    for number in range(3 * CONTACTS_OF_AGENT):
        at_s = 1_000 + 10 * number
        floor.tell(*call(f"c{number}", at_s, at_s + 1), event("leg.ended", at_s + 2, contact_id=f"c{number}"))
    floor.restart()
    floor.tell(*call("second", 4_000, 4_001))
    floor.round_at(4_020)
    assert "first" in [made.contact_id for made in floor.made if isinstance(made, LegEnded)]


def test_an_end_that_comes_a_little_late_is_the_end() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70))
    floor.round_at(80)
    floor.tell(event("leg.ended", 72, contact_id="first"))
    assert handled(floor) == [1, 62]


def test_an_end_from_before_that_arrives_late_counts() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70))
    floor.round_at(80)
    floor.tell(event("leg.ended", 65, contact_id="first"))
    assert handled(floor) == [1, 55]


def test_a_talk_time_that_the_source_states_wins() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70))
    floor.round_at(80)
    floor.tell(event("leg.ended", HOUR_S, contact_id="first", talk_ms=1_800_000))
    assert handled(floor) == [1, 1_800]


@pytest.mark.parametrize("later_s", [65, 72, 3_600])
def test_the_order_of_arrival_does_not_matter(later_s: float) -> None:
    end = event("leg.ended", later_s, contact_id="first")
    first, then = Watched(*call("first", 0, 10), *call("second", 50, 70)), Watched(*call("first", 0, 10))
    first.round_at(80)
    first.tell(end)
    then.tell(end, *first.made)
    totals = [floor.totals("agent:1001") for floor in (first, then)]
    assert [t.talk_ms for t in totals] == [t.talk_ms for t in totals[:1]] * 2


def test_an_agent_who_becomes_ready_again_has_ended_the_call() -> None:
    floor = Watched(event("agent.login", 0), *call("first", 0, 10), event("agent.state_changed", 100, state="ready"))
    floor.round_at(110)
    assert handled(floor) == [1, 90]
    assert floor.states(200) == [(0, "ready"), (10, "on_contact"), (100, "ready")]


def test_the_end_of_a_pause_during_a_call_does_not_end_the_call() -> None:
    floor = Watched(
        *call("first", 0, 10),
        event("agent.state_changed", 50, state="not_ready"),
        event("agent.state_changed", 90, state="ready"),
    )
    floor.round_at(200)
    assert floor.made == []


def test_an_agents_snapshot_that_says_free_ends_the_call() -> None:
    floor = Watched(*call("first", 0, 10), event("agent.snapshot", 100, state="not_ready"))
    floor.round_at(110)
    assert handled(floor) == [1, 90]


def test_on_chat_an_agent_has_several_contacts_at_once() -> None:
    floor = Watched(*call("first", 0, 10, "chats"), *call("second", 50, 70, "chats"), floor=watched_floor(chats="chat"))
    assert floor.round_at(200) == []


def test_an_agent_with_room_for_two_calls_has_left_none() -> None:
    busy = Floor(agents={"1001": Agent("1001", capacity={"voice": 2})}, watchdog=Watchdog())
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70), floor=busy)
    floor.round_at(200)
    assert [made for made in floor.made if isinstance(made, LegEnded)] == []


def test_a_feed_may_say_itself_that_it_is_a_chat() -> None:
    chats = [event("visit.queued", 0, contact_id=name, channel="chat") for name in ("first", "second")]
    floor = Watched(*chats, call("first", 0, 10)[1], call("second", 50, 70)[1])
    floor.round_at(200)
    assert [made for made in floor.made if isinstance(made, LegEnded)] == []


def test_a_chat_taken_during_a_call_ends_no_call_and_a_call_no_chat() -> None:
    floor = Watched(*call("first", 0, 10), *call("chat", 50, 70, "chats"), floor=watched_floor(chats="chat"))
    floor.round_at(100)
    floor.tell(event("leg.ended", 105, contact_id="first"), *call("third", 110, 120))
    floor.round_at(200)
    assert [made for made in floor.made if isinstance(made, LegEnded)] == []


def test_a_second_leg_of_the_same_contact_ends_nothing() -> None:
    floor = Watched(*call("first", 0, 10), event("leg.answered", 50, contact_id="first", leg_id="again"))
    floor.round_at(200)
    assert [made for made in floor.made if isinstance(made, LegEnded)] == []


def test_both_calls_of_one_instant_go_on() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 0, 10))
    floor.round_at(200)
    assert [made for made in floor.made if isinstance(made, LegEnded)] == []


def test_an_end_that_was_only_late_raises_no_suspicion() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70), event("leg.ended", 70, contact_id="first"))
    assert floor.round_at(200) == []


def test_calls_that_overlap_for_a_moment_are_left_as_told() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70), event("leg.ended", 75, contact_id="first"))
    floor.round_at(200)
    assert [made for made in floor.made if isinstance(made, LegEnded)] == []


def test_a_next_call_that_was_soon_over_counts_as_well() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70), event("leg.ended", 72, contact_id="second"))
    floor.round_at(80)
    assert handled(floor) == [2, 62]


def test_each_of_several_calls_ends_with_the_one_after_it() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 11, 12), *call("third", 13, 15))
    floor.round_at(200)
    assert handled(floor) == [2, 5]


def test_what_a_restart_forgot_is_noticed_with_the_next_contact() -> None:
    floor = Watched(*call("first", 0, 10), *call("second", 50, 70)).restart()
    assert floor.round_at(100) == []
    floor.tell(*call("third", 150, 170))
    floor.round_at(200)
    assert sorted(made.contact_id for made in floor.made if isinstance(made, LegEnded)) == ["first", "second"]
    assert handled(floor)[0] == 2


def test_the_rule_can_be_switched_off() -> None:
    off = Floor(watchdog=Watchdog(next_contact=False))
    assert Watched(*call("first", 0, 10), *call("second", 50, 70), floor=off).round_at(200) == []
