"""The product from records of `cti.events` to the API's floor, in small: logs in lists instead of Kafka."""

import msgspec

from service.domain.aggregate import AggregateStore
from service.domain.codec import encode_event, record_key
from service.domain.correlate import BY_KEY, EVERYWHERE, HERE, CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.domain.facts import (
    AnyFact,
    FactBatch,
    Reached,
    decode_batch,
    encode_batch,
    following_offset,
    following_partition,
)
from service.domain.returns import told_of
from service.domain.settings import Floor
from service.floor_state import FloorState
from tests.oracle.intake import Arrival
from tests.property.logs import PARTITIONS, partition_of

OTHERS = "others"
Kept = list[tuple[bytes, bytes | None]]
encode = msgspec.json.Encoder().encode


class Line:
    """CORRELATE and AGGREGATE on several partitions, and a reader of the state feed. What is flushed survives a crash;
    the reader sees nothing else.
    """

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.now_ms = 0
        self.crashed = False
        """Whether AGGREGATE died: what its watchdog suspected is forgotten then."""
        self.log: list[Arrival] = []
        """All that was written to `cti.events`, the product's own copies included."""
        self.events: list[list[tuple[bytes, int]]] = [[] for _ in range(PARTITIONS)]
        self.facts: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.contacts: list[Kept] = [[] for _ in range(PARTITIONS)]
        self.state: list[Kept] = [[] for _ in range(PARTITIONS)]
        self.correlates = [self._correlate(number) for number in range(PARTITIONS)]
        self.aggregates = [self._aggregate(number) for number in range(PARTITIONS)]
        self.reader = FloorState(floor, wall_ms=lambda: self.now_ms)
        self.reader.settle(1)

    def _correlate(self, number: int) -> CorrelateStore:
        store = CorrelateStore(self.floor)
        store.load(self.contacts[number])
        return store

    def _aggregate(self, number: int) -> AggregateStore:
        store = AggregateStore(self.floor, number, PARTITIONS)
        store.load(self.state[number])
        return store

    def arrive(self, record: Arrival) -> None:
        """The broker takes a record."""
        self.log.append(record)
        self.events[record.partition].append((encode(record.event), record.received_ms))

    def correlate(self, number: int, size: int, crash: bool = False) -> None:
        """Take some records and send their facts; then flush, or die before."""
        store = self.correlates[number]
        first = store.mark.next_offset
        targets: list[list[tuple[int, AnyFact]]] = [[] for _ in range(PARTITIONS)]
        for offset, (raw, received_ms) in enumerate(self.events[number][first : first + size], first):
            try:
                facts = store.take(raw, received_ms, offset)
            except InvalidEvent as error:
                assert error.reason == "late", error
                continue
            for fact in facts:
                targets[partition_of(fact.scope)].append((offset, fact))
        for seen in store.source_facts():
            fact = msgspec.structs.replace(seen, partition=number)
            targets[partition_of(fact.scope)].append((store.mark.next_offset - 1, fact))
        self._send(number, store.take_made())
        self._send(number, [(OTHERS, copy) for copy in store.copies()])
        reached = [fact for found in targets for _, fact in found if isinstance(fact, Reached)]
        awaiting = {partition_of(told) for fact in reached for told in told_of(fact.queue_id, fact.customer_class)}
        for target, found in enumerate(targets):
            if found or target in awaiting:
                offsets, facts = [offset for offset, _ in found], [fact for _, fact in found]
                batch = FactBatch(number, store.newest_ms(), offsets, facts, target in awaiting)
                self.facts[target].append(encode_batch(batch))
        if crash:
            self.correlates[number] = self._correlate(number)
        else:
            self.contacts[number] += store.drain()

    def watch(self, number: int) -> None:
        """A round of the watchdog over one partition, all of which is read."""
        self.correlate(number, len(self.events[number]))
        now_ms, state = self.clock_ms(), self.aggregates[number]
        self._send(number, [(HERE, event) for event in self.correlates[number].stuck(lambda *_: now_ms)])
        self._send(number, [(EVERYWHERE, event) for event in state.moved_on(now_ms)])
        self._send(number, [(BY_KEY, event) for event in state.stuck(now_ms)])

    def clock_ms(self) -> int:
        """The broker's clock shows the time of its newest record."""
        return max((record.received_ms for record in self.log), default=0)

    def _send(self, number: int, made: list[tuple[str, Event]]) -> None:
        """Write what the product has to tell itself to `cti.events`."""
        for where, event in made:
            key = partition_of(record_key(event))
            targets = {HERE: {number}, BY_KEY: {key}, EVERYWHERE: {*range(PARTITIONS)}}
            for target in targets.get(where, {*range(PARTITIONS)} - {number}):
                self.arrive(Arrival(target, self.clock_ms(), msgspec.json.decode(encode_event(event))))

    def aggregate(self, number: int, size: int, crash: bool = False) -> None:
        """Add up some records of facts; then flush, or die before."""
        store = self.aggregates[number]
        first = store.mark.next_offset
        for offset, raw in enumerate(self.facts[number][first : first + size], first):
            store.apply_batch(decode_batch(raw))
            store.mark.next_offset += 1
            self._follow(number, offset, store)
        if crash:
            self.aggregates[number], self.crashed = self._aggregate(number), True
        else:
            store.drain_closed()
            records = store.drain()
            self.state[number] += records
            self.reader.apply(records)

    def _follow(self, number: int, offset: int, store: AggregateStore) -> None:
        """Send the facts that follow from a record of facts, one record a target."""
        batches: dict[int, FactBatch] = {}
        for index, fact in store.take_following():
            said = FactBatch(following_partition(number), store.reached_ms, [], [])
            batch = batches.setdefault(partition_of(fact.scope), said)
            batch.offsets.append(following_offset(offset, index))
            batch.facts.append(fact)
        for target, batch in batches.items():
            self.facts[target].append(encode_batch(batch))

    def catch_up(self) -> None:
        """Take in everything that has arrived."""
        while any(store.mark.next_offset < len(self.events[n]) for n, store in enumerate(self.correlates)):
            for number in range(PARTITIONS):
                self.correlate(number, len(self.events[number]))
        while any(store.mark.next_offset < len(self.facts[n]) for n, store in enumerate(self.aggregates)):
            for number in range(PARTITIONS):
                self.aggregate(number, len(self.facts[number]))

    def settle(self) -> None:
        """Let the watchdog make its rounds until there is nothing more to say."""
        known = -1
        while known < len(self.log):
            self.catch_up()
            known = len(self.log)
            for number in range(PARTITIONS):
                self.watch(number)

    def restart(self) -> None:
        """Build everything anew from what was flushed."""
        for number in range(PARTITIONS):
            self.correlates[number], self.aggregates[number] = self._correlate(number), self._aggregate(number)
        reader = FloorState(self.floor, wall_ms=lambda: self.now_ms)
        reader.apply([record for kept in self.state for record in kept])
        while not reader.settle(1_000):
            pass
        self.reader = reader
