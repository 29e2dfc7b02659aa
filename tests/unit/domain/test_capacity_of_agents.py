"""Agents with room for several contacts: who can be given one more, and that occupancy is the union."""

import pytest

from service.domain.events import Event
from service.domain.scopes import AgentScope
from service.domain.settings import Agent, Floor, Queue
from service.domain.totals import Totals
from service.domain.view import add_states, can_take, free_by_channel, staff_by_queue, staff_of_agent
from tests.unit.domain.build import aggregate, event, ms

QUEUES = {name: Queue(name, channel=channel) for name, channel in
          (("help", "chat"), ("mail", "email"), ("sales", "voice"))}  # fmt: skip
READY = event("agent.state_changed", 0, state="ready", queues=list(QUEUES))


def floor(**capacity: int) -> Floor:
    return Floor(queues=dict(QUEUES), agents={"1001": Agent("1001", capacity=capacity)})


def contact(name: str, seconds: float, queue: str = "help", until: float | None = None) -> list[Event]:
    """A contact answered by agent 1001, over again at `until`."""
    ids = {"contact_id": name, "visit_id": name + "/1"}
    told = [
        event("visit.queued", seconds, queue_id=queue, **ids),
        event("visit.answered", seconds, queue_id=queue, agent_id="1001", **ids),
    ]
    return told if until is None else [*told, event("leg.ended", until, **ids)]


def agent(*events: Event, here: Floor | None = None) -> AgentScope:
    return aggregate([READY, *events], here or floor(chat=3)).scopes.agents["agent:1001"]


def free(*events: Event, at: float = 100, here: Floor | None = None) -> dict[str, int] | None:
    here = here or floor(chat=3)
    return free_by_channel(here, agent(*events, here=here), ms(at))


@pytest.mark.parametrize(("chats", "left"), [(0, 3), (1, 2), (2, 1), (3, 0)])
def test_room_for_three_chats_fills_up_one_by_one(chats, left):
    events = [each for number in range(chats) for each in contact(f"c{number}", 10 + number)]
    assert free(*events) == {"chat": left, "email": 0 if chats else 1, "voice": 0 if chats else 1}


def test_a_chat_that_is_over_makes_room():
    assert (free(*contact("a", 10, until=20), *contact("b", 15)) or {})["chat"] == 2


def test_an_offer_takes_room_until_it_is_missed():
    offered = event("leg.offered", 10, contact_id="a", queue_id="help")
    missed = event("leg.missed", 30, contact_id="a", queue_id="help")
    assert (free(offered) or {})["chat"] == 2
    assert (free(offered, missed) or {})["chat"] == 3


def test_after_call_work_takes_room_until_it_ends():
    chat = contact("a", 10, until=20)
    wrapup = event("leg.wrapup_started", 20, contact_id="a")
    done = event("leg.wrapup_ended", 50, contact_id="a")
    assert (free(*chat, wrapup, *contact("b", 15)) or {})["chat"] == 1
    assert (free(*chat, wrapup, *contact("b", 15), done) or {})["chat"] == 2


def test_a_queue_told_after_the_offer_moves_the_contact_to_its_channel():
    offered = event("leg.offered", 10, contact_id="a", visit_id="a/1")
    queue_told = event("visit.queued", 5, contact_id="a", queue_id="help", visit_id="a/1")
    found = agent(offered, queue_told)
    assert found.record.contacts == {"chat": 1}
    ended = event("leg.missed", 20, contact_id="a", visit_id="a/1")
    assert agent(offered, queue_told, ended).record.contacts == {}


@pytest.mark.parametrize("state", ["not_ready", "offline", "acw"])
def test_an_agent_who_is_not_ready_takes_nothing_more(state):
    own = event("agent.state_changed", 50, state=state, reason="break")
    assert set((free(*contact("a", 10), own) or {}).values()) <= {0}


def test_a_pause_in_one_queue_leaves_room_for_the_others():
    here = floor(chat=3, email=5)
    pause = event("agent.state_changed", 50, state="not_ready", queue_id="help")
    assert free(*contact("a", 10), pause, here=here) == {"chat": 0, "email": 5, "voice": 0}


def test_routing_counts_a_busy_agent_with_room_and_the_queue_an_agent_on_contact():
    here = floor(chat=3)
    busy = agent(*contact("a", 10), here=here)
    staff = staff_of_agent(here, busy, ms(100))
    assert staff["help"] == {"on_contact": 1, "with_room": 1, "more_slots": 2}
    assert staff["sales"] == {"on_contact": 1}
    assert (can_take(staff["help"]), can_take(staff["sales"])) == (1, 0)
    assert staff_by_queue([busy], ms(100))["help"] == {"on_contact": 1}


def test_an_available_agent_counts_once():
    here = floor(chat=3)
    assert staff_of_agent(here, agent(here=here), ms(100))["help"] == {"available": 1, "more_slots": 2}


def test_contacts_at_once_are_no_more_time_than_there_is():
    found = agent(*contact("a", 10, until=50), *contact("b", 20, until=60), *contact("c", 20, until=30))
    totals = Totals()
    add_states(totals, found, ms(0), ms(100))
    assert (totals.on_contact_ms, totals.available_ms) == (50_000, 50_000)


def test_who_takes_one_contact_at_a_time_is_not_counted_by_channel():
    here = floor()
    busy = agent(*contact("a", 10), here=here)
    assert busy.record.contacts == {}
    assert free_by_channel(here, busy, ms(100)) is None
    assert staff_of_agent(here, busy, ms(100)) == staff_by_queue([busy], ms(100))


def test_a_contact_without_a_queue_counts_for_the_channel_queues_have_by_default():
    assert agent(event("leg.answered", 10, contact_id="a")).record.contacts == {"voice": 1}
