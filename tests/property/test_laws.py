"""Laws that hold after every event: nobody is lost from a queue, no agent is in two states, totals add up."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.aggregate import STATE_FIELDS, AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.events import Event
from service.domain.facts import Answered, Left, Offered
from service.domain.scopes import AgentScope, QueueScope
from service.domain.settings import Floor
from service.domain.totals import COUNTERS, Totals, total_of
from tests.property.lives import AGENTS, disordered, floors, plain
from tests.unit.domain.build import aggregate, ms, scope_totals, take

LEFT = ("answered", "abandoned", "flowed_out", "callback_requested", "cancelled")


def assert_balanced(queue: QueueScope) -> None:
    totals = queue.live.lifetime
    waiting = sum(visit.net for visit in queue.waiting.values())
    assert totals.offered == sum(getattr(totals, name) for name in LEFT) + waiting
    assert all(visit.net == 1 for visit in queue.waiting.values())
    assert all(getattr(totals, name) >= 0 for name in COUNTERS)


@settings(max_examples=40)
@given(st.data())
def test_offered_is_answered_left_or_waiting_after_every_event(data: st.DataObject) -> None:
    correlate, store = CorrelateStore(Floor()), AggregateStore(Floor())
    for offset, told in enumerate(data.draw(disordered(data.draw(floors())))):
        for fact in take(correlate, told, offset):
            store.apply(fact)
        for queue in store.scopes.queues.values():
            assert_balanced(queue)


def assert_whole(agent: AgentScope, until_ms: int) -> None:
    segments = list(agent.timeline.segments(0, until_ms))
    assert all(segment.since_ms < segment.until_ms for segment in segments)
    assert all(before.until_ms == after.since_ms for before, after in pairwise(segments))
    same = [(s.state, s.reason, s.logged_in) for s in segments]
    assert all(before != after for before, after in pairwise(same))
    assert not segments or segments[-1].until_ms == until_ms


@settings(max_examples=50)
@given(st.data())
def test_an_agent_is_in_exactly_one_state_at_any_time(data: st.DataObject) -> None:
    store = aggregate(data.draw(disordered(data.draw(floors()))))
    until_ms = ms(100_000)
    for agent in store.scopes.agents.values():
        assert_whole(agent, until_ms)
        open_since_ms = agent.timeline.starts[-1]
        counted = scope_totals(store, agent.scope)
        for state, name in STATE_FIELDS.items():
            closed = sum(
                segment.until_ms - segment.since_ms
                for segment in agent.timeline.segments(0, open_since_ms)
                if segment.state == state
            )
            assert getattr(counted, name) == closed


@settings(max_examples=40)
@given(floors(), st.integers(-100, 4_000))
def test_the_state_at_a_moment_is_that_of_the_segment_it_lies_in(events: list[Event], at_s: int) -> None:
    store = aggregate(events)
    for agent_id in AGENTS:
        agent = store.scopes.agents.get("agent:" + agent_id)
        if agent is None:
            continue
        state, reason, since_ms = agent.timeline.state_at(ms(at_s))
        here = [s for s in agent.timeline.segments(0, ms(10_000)) if s.since_ms <= ms(at_s) < s.until_ms]
        assert [(s.state, s.reason) for s in here] == ([(state, reason)] if here else [])
        assert since_ms <= ms(at_s)


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
    assert plain(total(found)).get("longest_waits_ms", None) == (max(answered, default=0) or None)


@pytest.mark.parametrize("name", COUNTERS)
def test_every_counter_is_merged(name: str) -> None:
    assert getattr(total_of([Totals(**{name: 2}), Totals(**{name: 3})]), name) == 5
