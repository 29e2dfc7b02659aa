"""Which class a visit has, whose contacts are in flight, and what counts for a class."""

import pytest

from service.domain.customers import (
    KEPT_MS,
    MOVES_KEPT,
    SWEPT_EVERY,
    Customers,
    changed,
    for_class,
)
from service.domain.facts import Answered, Offered, Rang
from service.domain.state_keys import class_scope, parts_of

OFFERED = Offered("queue:sales", 1000, 1000, 1, "v", 20_000, False)
ANSWERED = Answered("queue:sales", 5000, 1000, 1, "v", 4000, True)


def moved(*moves: tuple[int, str]) -> Customers:
    customers = Customers()
    for at_ms, customer_class in moves:
        customers.move("ann", at_ms, customer_class)
    return customers


@pytest.mark.parametrize(
    ("until_ms", "expected"),
    [
        pytest.param(99, None, id="over before the first move"),
        pytest.param(100, "vip", id="over at the moment of the move"),
        pytest.param(199, "vip", id="between two moves"),
        pytest.param(200, "gold", id="after the second"),
        pytest.param(None, "gold", id="still waiting"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_visit_has_the_class_of_the_last_move_before_its_end(until_ms, expected, order):
    customers = moved(*[(100, "vip"), (200, "gold")][::order])
    assert customers.class_of("ann", 0, until_ms) == expected


def test_another_customer_is_not_moved():
    assert moved((100, "vip")).class_of("bob", 0, None) is None


def test_a_move_said_twice_is_known():
    customers = moved((100, "vip"))
    assert not customers.move("ann", 100, "vip")
    assert customers.move("ann", 100, "gold")


def test_only_the_newest_moves_of_a_customer_are_kept():
    customers = moved(*[(at_ms, f"class {at_ms}") for at_ms in range(20)])
    assert customers.moves["ann"] == [(at_ms, f"class {at_ms}") for at_ms in range(20 - MOVES_KEPT, 20)]


def test_a_move_is_forgotten_after_four_hundred_days():
    customers = moved((100, "vip"))
    assert customers.class_of("ann", 99 + KEPT_MS, None) == "vip"
    assert customers.class_of("ann", 100 + KEPT_MS, None) is None


def test_customers_whose_moves_are_too_old_to_matter_leave_the_memory():
    customers = moved((100, "vip"))
    customers.drain()
    for number in range(SWEPT_EVERY):
        customers.move("bob", 101 + 2 * KEPT_MS + number, "vip")
    assert list(customers.moves) == ["bob"]
    assert dict(customers.drain())["ann"] is None


def test_contacts_are_found_by_their_customer():
    customers, alive = Customers(), {"c1", "c2", "c3"}
    for ref, contact_id in (("ann", "c2"), ("bob", "c3"), ("ann", "c1"), ("ann", "c1")):
        customers.join(ref, contact_id, alive)
    assert (customers.contacts("ann"), customers.contacts("bob"), customers.contacts("eve")) == (
        ["c1", "c2"],
        ["c3"],
        [],
    )


def test_customers_of_contacts_long_over_do_not_pile_up():
    customers = Customers()
    for number in range(3 * SWEPT_EVERY):
        customers.join(f"customer {number}", f"c{number}", {f"c{number}"})
    kept = [number for number in range(3 * SWEPT_EVERY) if customers.contacts(f"customer {number}")]
    assert len(kept) <= SWEPT_EVERY + 3
    assert kept[-1] == 3 * SWEPT_EVERY - 1


@pytest.mark.parametrize("customer_class", ["vip", "", "a:b", "7:x", "贵宾"])
@pytest.mark.parametrize("queue_id", ["sales", "SIP/80:07|客服", ""])
def test_a_class_scope_names_class_and_queue_whatever_they_hold(customer_class, queue_id):
    assert parts_of(class_scope(customer_class, queue_id)) == (customer_class, queue_id)


def test_what_a_queue_counts_counts_for_the_class_in_that_queue():
    rang = Rang("agent:1001", 5000, 1000, 1, False, 3000)
    found = for_class([OFFERED, rang, ANSWERED], "vip")
    assert [fact.scope for fact in found] == [class_scope("vip", "sales")] * 2
    assert [type(fact) for fact in found] == [Offered, Answered]
    assert found[1].wait_ms == 4000


def test_what_changes_is_taken_back_before_the_new_is_said():
    before, after = for_class([OFFERED], "standard"), for_class([OFFERED, ANSWERED], "vip")
    said = changed(before, after)
    assert [(fact.scope, fact.sign) for fact in said] == [
        (class_scope("standard", "sales"), -1), (class_scope("vip", "sales"), 1), (class_scope("vip", "sales"), 1),
    ]  # fmt: skip
    assert changed(after, after) == []


def test_facts_that_look_the_same_are_counted():
    vip = for_class([OFFERED], "vip")
    assert changed(vip, vip + vip) == vip
    assert [fact.sign for fact in changed(vip + vip, vip)] == [-1]
