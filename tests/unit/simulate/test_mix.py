"""The bench's load mix: five events a contact, in time order, an agent on one contact at a time."""

from collections import defaultdict

import pytest

from service.domain.codec import TYPE_OF, decode_event, record_key
from service.domain.events import AgentEvent, Event, LegEvent, VisitAnswered, VisitEvent
from service.simulate.mix import Record, five_event_mix

START_MS = 1_795_305_600_000
SIZES = [
    pytest.param(3_000, 60, 1_500, 20_000, id="a big floor"),
    pytest.param(3_000, 7, 5, 40, id="more queues than agents"),
    pytest.param(300, 1, 1, 100, id="one agent"),
    pytest.param(500, 4, 900, 1, id="an idle floor"),
]


def _mix(contacts: int, queues: int, agents: int, rate: float, seed: int = 7) -> list[Record]:
    return list(five_event_mix(contacts, queues, agents, seed, START_MS, rate))


@pytest.mark.parametrize(("contacts", "queues", "agents", "rate"), SIZES)
def test_every_contact_has_its_five_events_in_order(contacts: int, queues: int, agents: int, rate: float) -> None:
    events = [decode_event(value) for _, value in _mix(contacts, queues, agents, rate)]
    assert len({event.event_id for event in events}) == len(events) == 5 * contacts
    assert [event.occurred_at_ms for event in events] == sorted(event.occurred_at_ms for event in events)
    lives: dict[str, list[str]] = defaultdict(list)
    for event in events:
        lives[event.event_id.rsplit("-", 1)[0]].append(TYPE_OF[type(event)])
    assert set(map(tuple, lives.values())) == {
        ("visit.queued", "visit.answered", "leg.ended", "leg.wrapup_ended", "agent.state_changed")
    }


@pytest.mark.parametrize(("contacts", "queues", "agents", "rate"), SIZES)
def test_an_agent_serves_one_contact_at_a_time(contacts: int, queues: int, agents: int, rate: float) -> None:
    busy: dict[str, str] = {}
    for _, value in _mix(contacts, queues, agents, rate):
        event = decode_event(value)
        if isinstance(event, VisitAnswered):
            assert event.agent_id and event.agent_id not in busy
            busy[event.agent_id] = event.contact_id
        elif isinstance(event, LegEvent):
            assert busy[event.agent_id] == event.contact_id
        elif isinstance(event, AgentEvent):
            del busy[event.agent_id]
    assert not busy


@pytest.mark.parametrize(("contacts", "queues", "agents", "rate"), SIZES)
def test_keys_are_the_codecs_and_every_queue_is_used(contacts: int, queues: int, agents: int, rate: float) -> None:
    seen: list[Event] = []
    for key, value in _mix(contacts, queues, agents, rate):
        event = decode_event(value)
        assert key.decode() == record_key(event)
        seen.append(event)
    assert len({event.queue_id for event in seen if isinstance(event, VisitEvent)}) == queues


def test_the_rate_is_the_one_asked_for() -> None:
    events = [decode_event(value) for _, value in _mix(20_000, 10, 200, 1_000)]
    seconds = (events[-1].occurred_at_ms - events[0].occurred_at_ms) / 1000
    assert len(events) / seconds == pytest.approx(1_000, rel=0.02)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert _mix(500, 3, 9, 100) == _mix(500, 3, 9, 100)
    assert _mix(500, 3, 9, 100) != _mix(500, 3, 9, 100, seed=8)


def test_a_floor_too_small_for_the_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="2 agents cannot carry 10000 events a second"):
        _mix(10, 1, 2, 10_000)
    with pytest.raises(ValueError, match="positive"):
        _mix(10, 0, 2, 10)
