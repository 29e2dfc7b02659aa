"""Totals are sums: merging and taking back are exact, in any order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.aggregate import AggregateStore
from service.domain.facts import Answered, Left, Offered
from service.domain.settings import Floor
from service.domain.totals import COUNTERS, Totals, total_of
from tests.property.balance import LEFT
from tests.unit.domain.build import ms, scope_totals

SCOPE = "queue:sales"
waits = st.integers(0, 2_000_000)
moments = st.integers(0, 3_000).map(ms)
answers = st.builds(
    lambda at, wait, within: Answered(SCOPE, at, at, 1, "v", wait, within), moments, waits, st.booleans()
)
departures = st.builds(
    lambda at, outcome, wait, short, reason: Left(SCOPE, at, at, 1, "v", outcome, wait, short, short, reason),
    moments, st.sampled_from(LEFT[1:]), waits, st.booleans(), st.sampled_from([None, "timeout"]),
)  # fmt: skip
offers = st.builds(lambda at, moved: Offered(SCOPE, at, at, 1, "v", 20_000, moved), moments, st.booleans())
facts = st.lists(st.one_of(answers, departures, offers), max_size=15)


def total(found: list[Answered | Left | Offered], sign: int = 1, store: AggregateStore | None = None) -> Totals:
    """The totals of the facts, counted or (sign -1) taken back again."""
    store = store or AggregateStore(Floor(), live=False)
    for fact in found:
        store.apply(type(fact)(*(sign if name == "sign" else getattr(fact, name) for name in fact.__struct_fields__)))
    return scope_totals(store, SCOPE)


@settings(max_examples=40)
@given(facts, facts)
def test_merging_commutes(some: list[Answered], more: list[Answered]) -> None:
    assert total_of([total(some), total(more)]) == total_of([total(more), total(some)])


@settings(max_examples=40)
@given(facts, facts, facts)
def test_merging_is_associative(some: list[Answered], more: list[Answered], most: list[Answered]) -> None:
    a, b, c = total(some), total(more), total(most)
    assert total_of([total_of([a, b]), c]) == total_of([a, total_of([b, c])])


@settings(max_examples=40)
@given(facts, facts)
def test_merging_equals_never_having_split(some: list[Answered], more: list[Answered]) -> None:
    assert total_of([total(some), total(more)]) == total(some + more)


@settings(max_examples=40)
@given(facts, st.randoms(use_true_random=False))
def test_what_is_counted_and_taken_back_in_any_order_is_nothing(found: list[Answered], random: object) -> None:
    store = AggregateStore(Floor(), live=False)
    total(found, 1, store)
    backwards = sorted(found, key=repr)
    assert total(backwards, -1, store) == Totals()
    assert store.scopes.queues.get(SCOPE) is None or store.scopes.queues[SCOPE].waiting == {}


@settings(max_examples=40)
@given(facts)
def test_the_maximum_is_exact(found: list[Answered]) -> None:
    answered = [fact.wait_ms for fact in found if isinstance(fact, Answered)]
    assert max(total(found).longest_waits_ms, default=None) == max(answered, default=None)


@pytest.mark.parametrize("name", COUNTERS)
def test_every_counter_is_merged(name: str) -> None:
    assert getattr(total_of([Totals(**{name: 2}), Totals(**{name: 3})]), name) == 5
