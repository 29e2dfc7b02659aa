"""Closures by the watchdog: made once however the floor is looked at, and undone by the source in any order."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.business_events import AgentMovedOn
from service.domain.contact_record import CALLBACK_DUE
from service.domain.events import Event
from service.domain.settings import Floor, Watchdog
from tests.property.lives import AGENTS, HORIZON_S, contacts, picture
from tests.unit.domain.build import ms
from tests.unit.domain.watched import Watched

FOUR_DAYS_S = 4 * 86_400

moments = st.lists(st.integers(0, HORIZON_S), max_size=6)


def looked_at(events: list[Event], looks_s: list[int], restarts: list[int]) -> Watched:
    """The events in order, with rounds of the watchdog at these seconds and restarts before these events."""
    floor = Watched(floor=Floor(watchdog=Watchdog(next_contact=False)))
    looks = sorted(looks_s)
    for number, told in enumerate(events):
        while looks and ms(looks[0]) <= told.occurred_at_ms:
            floor.round_at(looks.pop(0))
        if number in restarts:
            floor.restart()
        floor.tell(told)
    floor.round_at(FOUR_DAYS_S)
    floor.round_at(FOUR_DAYS_S)
    return floor


def closed(floor: Watched) -> dict[str, int]:
    """Id -> how often each closure of a limit was made."""
    made = [event.event_id for event in floor.made if event.synthetic_reason in ("connected", "after_call", "waiting")]
    return {event_id: made.count(event_id) for event_id in made}


@settings(max_examples=40)
@given(st.data(), moments, st.lists(st.integers(0, 40), max_size=4))
def test_what_is_stuck_is_closed_once_however_often_it_is_looked_at(
    data: st.DataObject, looks_s: list[int], restarts: list[int]
) -> None:
    calls = [told for number in range(3) for told in data.draw(contacts(f"c{number}"))]
    calls.sort(key=lambda told: told.occurred_at_ms)
    seldom, often = looked_at(calls, [], []), looked_at(calls, looks_s, restarts)
    assert closed(often) == closed(seldom)
    assert set(closed(often).values()) <= {1}
    for floor in (seldom, often):
        open_now = [kept.record for kept in floor.correlate.contacts.values() if not isinstance(kept, bytes)]
        assert all(record.closed or record.callback in CALLBACK_DUE for record in open_now)
        assert all(not queue.waiting for queue in floor.aggregate.scopes.queues.values())


def durable(floor: Watched) -> dict[Any, Any]:
    """What can be read from a floor for ever. Panes are not: a closure a day later has them expire; nor is since when
    nothing has been known of an agent.
    """
    found = {key: value for key, value in picture(floor.aggregate).items() if "pane" not in key}
    for key, value in found.items():
        if "segments" in key:
            found[key] = [segment for segment in value if segment.state != "unknown" or segment.logged_in]
    return {key: value for key, value in found.items() if value}


@settings(max_examples=100)
@given(st.data())
def test_a_closure_may_come_before_or_after_what_the_source_still_tells(data: st.DataObject) -> None:
    events = data.draw(contacts())
    known = data.draw(st.integers(1, len(events)))
    at_s = data.draw(st.integers(1, 300)) + (events[known - 1].occurred_at_ms - ms(0)) / 1000
    before, after = Watched(*events[:known]), Watched(*events)
    if data.draw(st.booleans()):
        before.round_at(FOUR_DAYS_S)
    for agent_id in AGENTS:
        moved_on = AgentMovedOn(
            event_id="m", occurred_at_ms=ms(at_s), synthetic=True, synthetic_reason="next_contact", agent_id=agent_id
        )
        before.tell(moved_on)
    after.tell(*before.made)
    before.tell(*data.draw(st.permutations(events[known:])))
    assert durable(before) == durable(after)
