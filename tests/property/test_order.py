"""Neither the order of arrival nor redelivery changes what a contact comes to."""

from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.codec import decode_event
from service.domain.events import Event
from service.domain.journey import journey
from service.domain.leg_context import context_of
from service.domain.leg_facts import leg_facts
from tests.property.calls import contacts
from tests.support.examples import examples
from tests.unit.domain.build import T0, Story, standing


def told_by(data: st.DataObject) -> list[Event]:
    return [decode_event(msgspec.json.encode(told)) for told in data.draw(contacts("c", T0))]


@settings(max_examples=examples(60))
@given(st.data())
def test_a_contacts_events_may_come_in_any_order_and_twice(data: st.DataObject) -> None:
    events = told_by(data)
    again = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=3))]))
    in_order, shuffled = Story(*events), Story(*again)
    assert shuffled.net() == in_order.net()
    assert standing(shuffled.facts) == standing(in_order.facts)


@settings(max_examples=examples(150))
@given(st.data())
def test_after_every_event_what_was_sent_is_what_the_records_mean(data: st.DataObject) -> None:
    """Only what an event reaches is made anew, which must equal making everything anew."""
    story, events = Story(), told_by(data)
    for told in data.draw(st.one_of(st.just(events), st.permutations(events))):
        story.tell(told)
        contact, record = story.contact, story.contact.record
        assert contact.said_of_legs == [leg_facts(leg, context_of(record, leg)) for leg in record.legs]
        assert contact.said_of_journey == journey(record)
        meant = [*contact.said_of_visits.values(), contact.said_of_journey]
        meant += [part for leg in contact.said_of_legs for part in (leg.rang, leg.handled, leg.after_call)]
        assert story.net() == Counter(fact for part in meant for fact in part)
