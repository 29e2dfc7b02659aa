"""Both stages of the worker, killed between sending and flushing, in batches cut anywhere: the floor is the same."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.domain.facts import AnyFact, FactBatch
from service.domain.settings import Floor
from tests.property.lives import counts_of, disordered, floors
from tests.unit.domain.build import T0, take

PARTITIONS = 2
Kept = list[tuple[bytes, bytes | None]]
Steps = list[tuple[str, int, int, bool]]


def partition_of(name: str) -> int:
    return sum(name.encode()) % PARTITIONS


class Worker:
    """CORRELATE and AGGREGATE over logs kept in lists. Only what was flushed survives a crash."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events: list[list[Event]] = [[], []]
        for told in events:
            self.events[partition_of(getattr(told, "contact_id", None) or getattr(told, "agent_id", ""))].append(told)
        self.facts: list[list[FactBatch]] = [[], []]
        self.contacts: list[Kept] = [[], []]
        self.state: list[Kept] = [[], []]
        self.correlates = [self._correlate(number) for number in range(PARTITIONS)]
        self.aggregates = [self._aggregate(number) for number in range(PARTITIONS)]

    def _correlate(self, number: int) -> CorrelateStore:
        store = CorrelateStore(Floor())
        store.load(self.contacts[number])
        return store

    def _aggregate(self, number: int) -> AggregateStore:
        store = AggregateStore(Floor(), number, PARTITIONS)
        store.load(self.state[number])
        return store

    def correlate(self, number: int, size: int, crash: bool) -> None:
        """Send the facts of the next records; then flush, or die before."""
        store = self.correlates[number]
        first = store.mark.next_offset
        targets: list[list[tuple[int, AnyFact]]] = [[], []]
        for offset, told in enumerate(self.events[number][first : first + size], first):
            try:
                for fact in take(store, told, offset):
                    targets[partition_of(fact.scope)].append((offset, fact))
            except InvalidEvent as error:
                raise AssertionError(error) from error
        for target, facts in enumerate(targets):
            if facts:
                offsets = [offset for offset, _ in facts]
                self.facts[target].append(FactBatch(number, store.newest_ms(), offsets, [fact for _, fact in facts]))
        if crash:
            self.correlates[number] = self._correlate(number)
        else:
            self.contacts[number] += store.drain()

    def aggregate(self, number: int, size: int, crash: bool) -> None:
        """Apply the next records of facts; then flush, or die before."""
        store = self.aggregates[number]
        first = store.mark.next_offset
        for batch in self.facts[number][first : first + size]:
            store.apply_batch(batch)
            store.mark.next_offset += 1
        if crash:
            self.aggregates[number] = self._aggregate(number)
        else:
            store.drain_closed()
            self.state[number] += store.drain()

    def finish(self) -> "Worker":
        """Take in everything that is left, and restart once more from what is kept."""
        for number in range(PARTITIONS):
            self.correlate(number, len(self.events[number]) or 1, False)
        for number in range(PARTITIONS):
            self.aggregate(number, len(self.facts[number]) or 1, False)
            self.aggregates[number] = self._aggregate(number)
        return self


steps = st.lists(
    st.tuples(st.sampled_from(["correlate", "aggregate"]), st.integers(0, 1), st.integers(1, 30), st.booleans()),
    max_size=24,
)


@settings(max_examples=40)
@given(st.data(), steps)
def test_crashes_and_batch_cuts_change_nothing(data: st.DataObject, plan: Steps) -> None:
    events = data.draw(disordered(data.draw(floors())))
    broken, whole = Worker(events), Worker(events).finish()
    for stage, number, size, crash in plan:
        getattr(broken, stage)(number, size, crash)
    broken.finish()
    assert counts_of(broken.aggregates) == counts_of(whole.aggregates)
    assert [c.mark.sources for c in broken.correlates] == [c.mark.sources for c in whole.correlates]


@settings(max_examples=30)
@given(st.data())
def test_two_partitions_make_the_same_floor_as_one_pass_over_the_log(data: st.DataObject) -> None:
    events = data.draw(floors())
    correlate, store = CorrelateStore(Floor()), AggregateStore(Floor())
    for offset, told in enumerate(events):
        for fact in take(correlate, told, offset):
            store.apply(fact)
    assert counts_of(Worker(events).finish().aggregates) == counts_of([store])
    assert correlate.newest_ms() >= T0
