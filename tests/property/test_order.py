"""Neither the order of arrival nor redelivery changes what is counted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.lives import contacts, disordered, floors, picture
from tests.unit.domain.build import Story, aggregate, standing


@settings(max_examples=100)
@given(st.data())
def test_a_contacts_events_may_come_in_any_order_and_twice(data: st.DataObject) -> None:
    events = data.draw(contacts())
    again = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=3))]))
    in_order, shuffled = Story(*events), Story(*again)
    assert shuffled.net() == in_order.net()
    assert standing(shuffled.facts) == standing(in_order.facts)


@settings(max_examples=50)
@given(st.data())
def test_a_disordered_repeating_feed_gives_the_same_floor(data: st.DataObject) -> None:
    events = data.draw(floors())
    assert picture(aggregate(data.draw(disordered(events)), live=True)) == picture(aggregate(events, live=True))
