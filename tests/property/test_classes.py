"""Customer classes, on several partitions and in any order, equal a count that looks at everything at once."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from random import Random
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.aggregate import AggregateStore
from service.domain.codec import encode_event, record_key
from service.domain.correlate import CorrelateStore
from service.domain.events import Event
from service.domain.facts import FactBatch
from service.domain.settings import Floor
from service.domain.state_keys import parts_of
from service.domain.totals import total_of
from tests.unit.domain.build import NEVER_LATE_MS, T0, event

PARTITIONS = 3
CUSTOMERS = ("h:ann", "h:bob", None)
CLASSES = ("vip", "gold", None)
QUEUES = ("sales", "mail")
Counts = dict[tuple[str, str], Counter[str]]


@dataclass(frozen=True)
class Visit:
    """What one contact does, in seconds; `end` None: it waits. `leg` seconds after an answer the agent is done."""

    queue: str
    ref: str | None
    stated: str | None
    started: str | None
    queued: int
    end: int | None
    ending: str
    leg: int | None


Move = tuple[int, str, str]

visits = st.builds(
    lambda queue, ref, stated, started, queued, wait, ending, leg: Visit(
        queue, ref, stated, started, queued, None if wait is None else queued + wait, ending, leg
    ),
    st.sampled_from(QUEUES), st.sampled_from(CUSTOMERS), st.sampled_from(CLASSES), st.sampled_from(CLASSES),
    st.integers(0, 100), st.none() | st.integers(0, 100), st.sampled_from(("answered", "abandoned", "hung up")),
    st.none() | st.integers(0, 50),
)  # fmt: skip
moves = st.tuples(st.integers(0, 250), st.sampled_from(CUSTOMERS[:2]), st.sampled_from(("vip", "gold", "standard")))


def events_of(number: int, visit: Visit) -> list[Event]:
    contact_id = f"c{number}"
    ids = {"contact_id": contact_id, "queue_id": visit.queue}
    told = [event("visit.queued", visit.queued, **ids, customer_ref=visit.ref, customer_class=visit.stated)]
    if visit.started is not None:
        told.append(event("contact.started", visit.queued, contact_id=contact_id, customer_class=visit.started))
    if visit.end is None:
        return told
    if visit.ending == "hung up":
        return [*told, event("contact.ended", visit.end, contact_id=contact_id, disconnect_by="customer")]
    agent = {"agent_id": "1001"} if visit.ending == "answered" else {}
    told.append(event("visit." + visit.ending, visit.end, **ids, **agent))
    if agent and visit.leg is not None:
        told.append(event("leg.ended", visit.end + visit.leg, contact_id=contact_id, agent_id="1001"))
    return told


def slowly(found: list[Visit], moved: list[Move]) -> Counts:
    """Go through the visits one by one, and for each through all moves of its customer."""
    counts: Counts = defaultdict(Counter)
    for visit in found:
        mine = sorted(
            (at, name) for at, ref, name in moved if ref == visit.ref and (visit.end is None or at <= visit.end)
        )
        name = mine[-1][1] if mine else visit.stated or visit.started
        if name is None:
            continue
        count = counts[name, visit.queue]
        count["offered"] += 1
        if visit.end is None:
            count["waiting"] += 1
        elif visit.ending == "answered":
            count["answered"] += 1
            count["wait_ms"] += 1000 * (visit.end - visit.queued)
            if visit.leg is not None:
                count["handled"] += 1
                count["talk_ms"] += 1000 * visit.leg
        else:
            count["abandoned"] += 1
    return {key: +count for key, count in counts.items()}


class Streams:
    """CORRELATE on several partitions and AGGREGATE on one, with crashes between batches."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.correlate = [self.fresh() for _ in range(PARTITIONS)]
        self.topics: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.kept: list[dict[bytes, bytes]] = [{} for _ in range(PARTITIONS)]
        self.aggregate = AggregateStore(Floor(), partitions=PARTITIONS)

    @staticmethod
    def fresh() -> CorrelateStore:
        return CorrelateStore(Floor(), NEVER_LATE_MS, NEVER_LATE_MS)

    def tell(self, told: Event) -> None:
        self.topics[crc32(record_key(told).encode()) % PARTITIONS].append(encode_event(told))

    def work(self, partition: int) -> None:
        """Take one batch: facts and copies are sent, then either all is kept or the worker dies and begins anew."""
        store, topic = self.correlate[partition], self.topics[partition]
        first = store.mark.next_offset
        for offset in range(first, min(len(topic), first + self.rng.randint(1, 4))):
            facts = store.take(topic[offset], T0 + 1_000_000, offset)
            self.aggregate.apply_batch(FactBatch(partition, T0, [offset] * len(facts), facts))
        for copy in store.copies():
            for other in range(PARTITIONS):
                if other != partition:
                    self.topics[other].append(encode_event(copy))
        if self.rng.random() < 0.3:
            self.correlate[partition] = self.fresh()
            self.correlate[partition].load(list(self.kept[partition].items()))
            return
        for key, value in store.drain():
            if value is None:
                self.kept[partition].pop(key, None)
            else:
                self.kept[partition][key] = value

    def run(self) -> None:
        while True:
            behind = [p for p in range(PARTITIONS) if self.correlate[p].mark.next_offset < len(self.topics[p])]
            if not behind:
                return
            self.work(self.rng.choice(behind))

    def counts(self) -> Counts:
        found: Counts = {}
        for scope, part in self.aggregate.scopes.classes.items():
            assert parts_of(scope) == (part.customer_class, part.queue_id)
            total = total_of([i.outcome for i in part.intervals.values()])
            names = ("offered", "answered", "abandoned", "wait_ms", "handled", "talk_ms")
            count = Counter({name: getattr(total, name) for name in names})
            count["waiting"] = sum(visit.net for visit in part.waiting.values())
            if +count:
                found[part.customer_class or "", part.queue_id] = +count
        return found


@settings(max_examples=150, deadline=None)
@given(st.lists(visits, max_size=6), st.lists(moves, max_size=5), st.randoms(use_true_random=False))
def test_in_any_order_on_any_partition_a_class_counts_what_it_should(found, moved, rng):
    told = [each for number, visit in enumerate(found) for each in events_of(number, visit)]
    told += [event("customer.class_changed", at, customer_ref=ref, customer_class=name) for at, ref, name in moved]
    rng.shuffle(told)
    streams = Streams(rng)
    for index, each in enumerate(told):
        streams.tell(each)
        if index % 3 == 0:
            streams.run()
    streams.run()
    assert streams.counts() == slowly(found, moved)
