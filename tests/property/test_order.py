"""Neither the order of arrival nor redelivery changes what is counted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.events import Event
from service.domain.settings import Floor
from tests.property.lives import contacts, disordered, floors, picture
from tests.unit.domain.build import Story, standing, take


@settings(max_examples=150)
@given(st.data())
def test_a_contacts_events_may_come_in_any_order_and_twice(data: st.DataObject) -> None:
    events = data.draw(contacts())
    again = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=3))]))
    in_order, shuffled = Story(*events), Story(*again)
    assert shuffled.net() == in_order.net()
    assert standing(shuffled.facts) == standing(in_order.facts)


def floor_after(events: list[Event]) -> AggregateStore:
    correlate, store = CorrelateStore(Floor()), AggregateStore(Floor())
    for offset, told in enumerate(events):
        for fact in take(correlate, told, offset):
            store.apply(fact)
    return store


@settings(max_examples=60)
@given(st.data())
def test_a_disordered_repeating_feed_gives_the_same_floor(data: st.DataObject) -> None:
    events = data.draw(floors())
    assert picture(floor_after(data.draw(disordered(events)))) == picture(floor_after(events))
