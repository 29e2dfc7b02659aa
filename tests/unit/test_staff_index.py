"""Agents by state in roll-ups of queues."""

import pytest

from service.domain.calendar import Calendars
from service.domain.events import Event
from service.domain.settings import Agent, Floor, Queue
from service.staff_index import StaffIndex
from tests.unit.domain.build import aggregate, event, ms

JOINED = [event("agent.queue_joined", 0, queue_id=queue) for queue in ("sales", "service")]


def index_after(*events: Event) -> StaffIndex:
    index = StaffIndex(floor := Floor(), Calendars(floor))
    for agent in aggregate([*JOINED, *events]).scopes.agents.values():
        index.update(agent, ms(100))
    return index


@pytest.mark.parametrize(
    ("paused", "both"),
    [
        pytest.param([], {"available": 1}, id="ready in both queues"),
        pytest.param(["sales"], {"available": 1}, id="paused in one"),
        pytest.param(["service"], {"available": 1}, id="paused in the other"),
        pytest.param(["sales", "service"], {"not_ready": 1}, id="paused in both"),
    ],
)
def test_an_agent_counts_once_in_a_roll_up_and_is_paused_there_only_if_paused_in_all_of_it(
    paused: list[str], both: dict[str, int]
) -> None:
    index = index_after(*(event("agent.state_changed", 10, state="not_ready", queue_id=queue) for queue in paused))
    assert index.of_queues(["sales", "service"]) == both
    for queue_id in ("sales", "service"):
        assert index.of_queues([queue_id]) == index.of_queue(queue_id)


def test_what_an_agent_has_room_for_counts_once_in_a_roll_up() -> None:
    chats = {name: Queue(name, channel="chat") for name in ("sales", "service")}
    index = StaffIndex(
        floor := Floor(queues=chats, agents={"1001": Agent("1001", capacity={"chat": 3})}), Calendars(floor)
    )
    for agent in aggregate(JOINED, floor).scopes.agents.values():
        index.update(agent, ms(100))
    assert index.of_queues(["sales", "service"]) == {"available": 1, "more_slots": 2}
