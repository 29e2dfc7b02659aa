"""Customers who come again: which contacts have returned, which were followed, in which queue that counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.facts import FactBatch, Reached, Refused, following_partition
from service.domain.returns import CONTACTS_KEPT, CORRECTED_MS, CustomerScope, ReturningCustomers
from service.domain.settings import Floor
from service.domain.totals import total_of
from tests.oracle.intake import Arrival
from tests.property.line import Line
from tests.property.logs import PARTITIONS
from tests.unit.domain.build import NEVER_LATE_MS, T0, aggregate, event, scope_totals

HOUR_S = 3_600
HOUR_MS = 3_600_000
WINDOW_MS = 24 * HOUR_MS
ANN = "customer:h:ann"


def call(hours: float, contact: str, queue: str = "sales", ref: str | None = "h:ann", **fields: object):
    return event(
        "visit.queued", hours * HOUR_S, contact_id=contact, visit_id=f"{contact}/1", queue_id=queue, customer_ref=ref,
        **fields,
    )  # fmt: skip


def standing(store: AggregateStore, queue: str = "sales") -> tuple[int, int, int]:
    """Contacts of known customers, those that had returned, those that were followed."""
    found = scope_totals(store, f"queue:{queue}")
    return found.identified, found.returned, found.followed


def test_a_call_within_a_day_of_the_last_one_is_a_return_and_a_later_one_is_not():
    assert standing(aggregate([call(0, "c1"), call(24, "c2"), call(49, "c3")])) == (3, 1, 1)


def test_each_contact_counts_in_the_queue_it_entered_first():
    store = aggregate([call(0, "c1", "sales"), call(1, "c2", "service")])
    assert (standing(store, "sales"), standing(store, "service")) == ((1, 0, 1), (1, 1, 0))


def test_a_transfer_to_another_queue_is_the_same_contact():
    again = event("visit.queued", HOUR_S, contact_id="c1", visit_id="c1/2", queue_id="service", customer_ref="h:ann")
    store = aggregate([call(0, "c1"), again])
    assert (standing(store, "sales"), standing(store, "service")) == ((1, 0, 0), (0, 0, 0))


def test_who_gives_no_number_is_not_counted():
    assert standing(aggregate([call(0, "c1", ref=None), call(1, "c2", ref=None)])) == (0, 0, 0)


def test_other_customers_do_not_matter():
    assert standing(aggregate([call(0, "c1"), call(1, "c2", ref="h:bob")])) == (2, 0, 0)


def test_the_earlier_contact_heard_of_later_still_makes_the_other_a_return():
    assert standing(aggregate([call(5, "c2"), call(0, "c1")])) == (2, 1, 1)


def test_the_window_is_configured():
    floor = Floor(return_window_ms=HOUR_MS)
    assert standing(aggregate([call(0, "c1"), call(1, "c2"), call(2.5, "c3")], floor)) == (3, 1, 1)


def test_a_class_hears_what_its_contacts_mean():
    store = aggregate([call(0, "c1", customer_class="vip"), call(1, "c2", customer_class="gold")])
    found = {
        name: total_of([interval.outcome for interval in part.intervals.values()])
        for name, part in store.scopes.classes_of["sales"].items()
    }
    assert {name: (t.identified, t.returned, t.followed) for name, t in found.items()} == {
        "vip": (1, 0, 1), "gold": (1, 1, 0),
    }  # fmt: skip


def test_what_follows_is_told_as_facts_of_their_own_and_once():
    correlate, store = CorrelateStore(Floor(), NEVER_LATE_MS, NEVER_LATE_MS), AggregateStore(Floor())
    for offset, each in enumerate([call(0, "c1"), call(1, "c2")]):
        facts = correlate.apply(each, NEVER_LATE_MS)
        store.apply_batch(FactBatch(0, 0, [offset] * len(facts), facts))
    told = [(fact.sign, fact.returned, fact.followed) for _, fact in store.take_following()]
    assert told == [(1, False, False), (-1, False, False), (1, False, True), (1, True, False)]
    assert store.take_following() == []


def test_customers_outlive_a_restart():
    before, after = ReturningCustomers(), ReturningCustomers()
    before.change(reached(HOUR_MS, "c1"), WINDOW_MS, 0)
    for scope, value in before.drain():
        after.load(scope, value)
    assert [f.returned for f in after.change(reached(2 * HOUR_MS, "c2"), WINDOW_MS, 0) if f.sign > 0] == [False, True]
    assert before.drain() == []


def test_a_customer_is_forgotten_when_nobody_can_follow_any_more():
    customers = ReturningCustomers()
    customers.change(reached(HOUR_MS, "c1"), WINDOW_MS, 0)
    late_ms = HOUR_MS + WINDOW_MS + CORRECTED_MS + 1
    for number in range(5_000):
        other = Reached(f"customer:{number}", late_ms, late_ms, 1, f"o{number}", "sales", None)
        customers.change(other, WINDOW_MS, late_ms)
    assert ANN not in customers.customers
    assert dict(customers.drain())[ANN] is None


def test_a_switchboard_that_calls_all_day_is_kept_small_and_still_returns():
    customer = CustomerScope(ANN)
    for number in range(100):
        said = customer.change(reached(1 + number * 60_000, f"c{number:03}"), WINDOW_MS)
    assert len(customer.record.contacts) == CONTACTS_KEPT
    assert [fact.returned for fact in said if fact.sign > 0] == [True, True]


def reached(at_ms: int, contact: str, sign: int = 1) -> Reached:
    return Reached(ANN, at_ms, at_ms, sign, contact, "sales", None)


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=12, unique_by=lambda each: each[1]),
    st.randoms(use_true_random=False),
)
def test_any_order_and_any_taking_back_gives_what_the_sorted_contacts_give(begun, rng):
    """The slow way: sort by time, look at both neighbours."""
    told = [(hour * HOUR_MS, f"c{number}") for hour, number in begun]
    taken_back = set(rng.sample(told, rng.randrange(len(told))))
    rng.shuffle(told)
    customer, sums = CustomerScope(ANN), [0, 0, 0]
    facts = [reached(*each) for each in told] + [reached(*each, sign=-1) for each in taken_back]
    for fact in facts:
        for said in customer.change(fact, WINDOW_MS):
            sums[0] += said.sign
            sums[1] += said.sign * said.returned
            sums[2] += said.sign * said.followed
    left = sorted(at_ms for at_ms, _ in set(told) - taken_back)
    close = sum(after - before <= WINDOW_MS for before, after in zip(left, left[1:], strict=False))
    assert sums == [len(left), close, close]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("restarted", [False, True])
def test_of_a_backlog_of_days_every_contact_is_judged_though_its_customer_is_kept_elsewhere(order, restarted):
    """The partition with the queue has taken in all days before the one with the customer takes in the first."""
    line, hours = Line(Floor()), 5 * 24
    for number in range(hours):
        told = {
            "type": "visit.queued", "event_id": f"e{number}", "source": "acd", "contact_id": f"c{number}",
            "visit_id": f"c{number}/1", "queue_id": "sales", "customer_ref": f"h:{number % 60}",
            "occurred_at_ms": T0 + number * HOUR_MS,
        }  # fmt: skip
        line.arrive(Arrival(number % PARTITIONS, T0 + number * HOUR_MS, told))
    for number in [*range(PARTITIONS)] * 10:
        line.correlate(number, 6)
    for number in order:
        line.aggregate(number, hours)
        if restarted:
            line.restart()
    line.catch_up()
    queue = line.reader.queue("sales")
    assert queue is not None
    assert (queue.live.lifetime.offered, queue.live.lifetime.identified) == (hours, hours)
    assert "late" not in {finding for seen in line.reader.scopes.sources.values() for finding in seen.counts}


def test_queues_intervals_expire_once_facts_that_follow_have_come_as_far():
    hours = 24 * 12
    store, refusal = AggregateStore(Floor()), Refused("queue:sales", T0, T0, 1, "v", None)
    store.apply_batch(FactBatch(0, T0, [0], [refusal], awaits=True))
    store.apply_batch(FactBatch(0, T0 + 72 * HOUR_MS, [1], [later(refusal, 72)]))
    store.apply_batch(FactBatch(0, T0 + 73 * HOUR_MS, [2], [later(refusal, 73)]))
    assert T0 in store.scopes.queues["queue:sales"].intervals
    store.apply_batch(FactBatch(following_partition(0), T0 + 73 * HOUR_MS, [0], [later(refusal, 74)]))
    store.apply_batch(FactBatch(0, T0 + 75 * HOUR_MS, [3], [later(refusal, 75)]))
    assert T0 not in store.scopes.queues["queue:sales"].intervals
    store.apply_batch(FactBatch(0, T0 + hours * HOUR_MS, [4], [later(refusal, hours)]))
    store.apply_batch(FactBatch(0, T0 + hours * HOUR_MS, [5], [later(refusal, hours + 1)]))
    kept = store.scopes.queues["queue:sales"].intervals
    assert T0 + 72 * HOUR_MS in kept  # nobody has spoken since: what was seen last is kept for days


def later(fact: Refused, hours: int) -> Refused:
    return structs.replace(fact, at_ms=fact.at_ms + hours * HOUR_MS, arrival_ms=fact.at_ms + hours * HOUR_MS)
