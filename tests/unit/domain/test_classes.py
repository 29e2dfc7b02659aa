"""Customer classes: totals by class, and customers moved to another class while they wait."""

from collections import Counter

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.events import Event
from service.domain.facts import AnyFact
from service.domain.settings import Floor
from service.domain.state_keys import class_scope
from service.domain.totals import Totals, total_of
from tests.unit.domain.build import NEVER_LATE_MS, aggregate, event, ms, net, take


def queued(seconds: float, contact_id: str = "c", **fields: object) -> Event:
    return event("visit.queued", seconds, contact_id=contact_id, **{"customer_ref": "h:ann", **fields})


def moved(seconds: float, customer_class: str = "vip", ref: str = "h:ann") -> Event:
    return event("customer.class_changed", seconds, customer_ref=ref, customer_class=customer_class)


def classes(store: AggregateStore, queue_id: str = "sales") -> dict[str, Totals]:
    parts = store.scopes.classes_of.get(queue_id, {})
    return {name: total_of([i.outcome for i in part.intervals.values()]) for name, part in parts.items()}


def offered(*events: Event, queue_id: str = "sales") -> Counter[str]:
    found = classes(aggregate(events), queue_id)
    return Counter({name: totals.offered for name, totals in found.items() if totals.offered})


def waiting(*events: Event) -> Counter[str]:
    found: Counter[str] = Counter()
    for parts in aggregate(events).scopes.classes_of.values():
        for name, part in parts.items():
            found[name] += sum(visit.net for visit in part.waiting.values())
    return +found


def test_a_visit_counts_for_its_class_in_its_queue_as_it_counts_for_the_queue():
    events = [
        queued(0, customer_class="vip"),
        event("visit.answered", 12, agent_id="1001"),
        event("leg.held", 20),
        event("leg.retrieved", 30),
        event("leg.ended", 60),
        event("leg.wrapup_started", 60),
        event("leg.wrapup_ended", 90),
    ]
    store = aggregate(events)
    whole = total_of([i.outcome for i in store.scopes.queues["queue:sales"].intervals.values()])
    assert classes(store) == {"vip": whole}
    assert (whole.offered, whole.answered, whole.handled, whole.holds, whole.acw_ms) == (1, 1, 1, 1, 30_000)


def test_what_has_no_class_is_no_scopes_business_but_the_queues():
    store = aggregate([queued(0, customer_ref=None), event("visit.answered", 5, agent_id="1001")])
    assert store.scopes.classes == {}
    assert aggregate([queued(0)]).scopes.classes == {}, "nor is a customer whose class nobody told"


def test_the_class_told_at_the_contacts_start_holds_where_the_visit_states_none():
    started = event("contact.started", 0, customer_class="vip")
    assert offered(started, queued(1)) == {"vip": 1}
    assert offered(queued(1), started) == {"vip": 1}, "in whatever order they come"
    assert offered(started, queued(1, customer_class="gold")) == {"gold": 1}


@pytest.mark.parametrize("stated", [None, "standard"])
def test_a_move_applies_at_once_to_what_waits_in_every_queue_and_to_what_comes_later(stated):
    before = [queued(0, "c1", customer_class=stated), queued(1, "c2", queue_id="mail", customer_class=stated)]
    other = queued(2, "c3", customer_ref="h:bob", customer_class=stated)
    rest = {stated: 1} if stated else {}
    assert waiting(*before, other, moved(10)) == {"vip": 2} | rest
    assert waiting(*before, other, moved(10), queued(20, "c4", customer_class=stated)) == {"vip": 3} | rest
    assert offered(*before, moved(10), queue_id="mail") == {"vip": 1}


def test_what_has_ended_keeps_the_class_it_ended_with():
    events = [queued(0, customer_class="standard"), event("visit.answered", 5, agent_id="1001"), moved(10)]
    assert offered(*events) == {"standard": 1}
    assert offered(*events, event("leg.ended", 60)) == {"standard": 1}
    assert classes(aggregate([*events, event("leg.ended", 60)]))["standard"].handled == 1


def test_a_contact_that_ended_while_it_waited_keeps_its_class_too():
    assert offered(queued(0, customer_class="standard"), event("contact.ended", 5), moved(10)) == {"standard": 1}


def test_a_move_back_takes_the_class_away_again():
    assert waiting(queued(0), moved(5), moved(6, "standard")) == {"standard": 1}


def test_a_transferred_contact_has_in_each_queue_the_class_of_that_time():
    events = [
        queued(0, customer_class="standard"),
        event("visit.flowed_out", 5),
        moved(7),
        queued(9, visit_id="c/2", queue_id="service", customer_class="standard"),
    ]
    assert offered(*events) == {"standard": 1}
    assert offered(*events, queue_id="service") == {"vip": 1}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0), (0, 2, 1), (1, 0, 2)])
@pytest.mark.parametrize(("moved_s", "expected"), [(4.999, "vip"), (5, "vip"), (5.001, "standard")])
def test_only_when_it_happened_matters_and_not_when_it_was_told(order, moved_s, expected):
    events = [queued(0, customer_class="standard"), event("visit.answered", 5), moved(moved_s)]
    assert offered(*[events[index] for index in order]) == {expected: 1}


def test_classes_and_the_customer_hear_of_a_move_and_the_queue_itself_does_not():
    store = CorrelateStore(Floor(), NEVER_LATE_MS, NEVER_LATE_MS)
    store.apply(queued(0, customer_class="standard"), NEVER_LATE_MS)
    said = store.apply(moved(5), NEVER_LATE_MS)
    assert [(fact.scope, fact.sign) for fact in said] == [
        (class_scope("standard", "sales"), -1),
        (class_scope("vip", "sales"), 1),
        ("customer:h:ann", -1),
        ("customer:h:ann", 1),
    ]


def test_the_same_move_again_is_a_duplicate_and_says_nothing():
    store = CorrelateStore(Floor(), NEVER_LATE_MS, NEVER_LATE_MS)
    store.apply(queued(0), NEVER_LATE_MS)
    assert store.apply(moved(5), NEVER_LATE_MS)
    assert store.apply(moved(5), NEVER_LATE_MS) == []
    assert store.mark.sources[""].counts["duplicates"] == 1


class TestCopies:
    """A move is told to every partition, since the customer's contacts may be in any."""

    def test_a_move_is_to_be_copied_once(self):
        store = CorrelateStore(Floor())
        store.apply(moved(5), ms(6))
        (copy,) = store.copies()
        assert (copy.customer_ref, copy.customer_class, copy.occurred_at_ms, copy.synthetic) == (
            "h:ann",
            "vip",
            ms(5),
            True,
        )
        assert store.copies() == []

    def test_a_copy_does_the_same_and_is_neither_copied_nor_counted(self):
        first, second = CorrelateStore(Floor()), CorrelateStore(Floor())
        second.apply(queued(0), ms(0))
        first.apply(moved(5), ms(6))
        said = second.apply(first.copies()[0], ms(6))
        assert {fact.scope for fact in said} == {class_scope("vip", "sales"), "customer:h:ann"}
        assert second.copies() == []
        assert "customer.class_changed" not in second.mark.sources[""].counts

    def test_a_copy_of_a_move_from_the_future_tells_the_time_it_counts_as(self):
        store = CorrelateStore(Floor(), max_skew_ms=1000)
        store.apply(moved(100), ms(6))
        (copy,) = store.copies()
        assert copy.occurred_at_ms == ms(7)

    def test_a_move_told_again_is_not_copied_again(self):
        store = CorrelateStore(Floor())
        for _ in range(2):
            store.apply(moved(5), ms(6))
        assert len(store.copies()) == 1


class TestRestart:
    """A worker that takes over knows who was moved, and whose contacts are in flight."""

    def restarted(self, *events: Event) -> tuple[CorrelateStore, list[AnyFact]]:
        store = CorrelateStore(Floor())
        facts = [fact for each in events for fact in store.apply(each, each.occurred_at_ms)]
        store.pass_over(len(events))
        after = CorrelateStore(Floor())
        after.load(store.drain())
        return after, facts

    @pytest.mark.parametrize("watched_first", [False, True])
    @pytest.mark.parametrize("at", range(5))
    def test_it_goes_on_as_if_nothing_had_happened(self, at, watched_first):
        events = [
            queued(0, customer_class="standard"), moved(5), queued(6, "c2"), event("visit.answered", 9),
            moved(8, "gold"),
        ]  # fmt: skip
        store, facts = self.restarted(*events[:at])
        if watched_first:
            assert store.stuck(lambda *_: ms(9)) == []
        for number, each in enumerate(events[at:]):
            facts += take(store, each, at + number)
        whole = CorrelateStore(Floor())
        assert net(facts) == net([f for each in events for f in whole.apply(each, each.occurred_at_ms)])

    def test_a_move_is_stored_with_the_contacts_and_written_again_when_asked(self):
        store = CorrelateStore(Floor())
        store.apply(moved(5), ms(5))
        store.pass_over(1)
        records = dict(store.drain())
        (key,) = [key for key in records if key.startswith(b"k")]
        assert store.pending_keys() == 0
        store.touch([key, b"k" + b"nobody"])
        again = dict(store.drain())
        assert again[key] == records[key]
        assert again[b"knobody"] is None
