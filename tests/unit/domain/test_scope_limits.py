"""A broken feed that invents names without end: what is known goes on, memory does not grow, and it is counted."""

from collections.abc import Iterable

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.correlate import MOST_SOURCES, OTHER_SOURCES, CorrelateStore
from service.domain.errors import SCOPE_LIMIT
from service.domain.events import Event
from service.domain.settings import LEARNT_KEPT, Agent, Floor, Queue, ScopeLimits
from service.domain.state_keys import class_scope
from tests.unit.domain.build import event, take

LIMITS = ScopeLimits(queues=3, agents=2, classes=2)


def floor(limits: ScopeLimits = LIMITS) -> Floor:
    return Floor(
        queues={"sales": Queue("sales", configured=True)}, agents={"ann": Agent("ann", configured=True)}, limits=limits
    )


def queued(number: int, queue_id: str | None = None, **fields: object) -> Event:
    name = f"c{number}"
    ids = {"contact_id": name, "visit_id": f"{name}/1", "queue_id": queue_id or f"invented-{number}"}
    return event("visit.queued", number, **ids, **fields)


def state(number: int, agent_id: str | None = None) -> Event:
    return event("agent.state_changed", number, agent_id=agent_id or f"nobody-{number}", state="ready", source="pbx")


class Line:
    """Both stages, one behind the other, over one partition."""

    def __init__(self, limits: ScopeLimits = LIMITS) -> None:
        self.correlate, self.aggregate = CorrelateStore(floor(limits)), AggregateStore(floor(limits))
        self.offset = 0

    def feed(self, events: Iterable[Event]) -> "Line":
        for told in events:
            for fact in take(self.correlate, told, self.offset):
                self.aggregate.apply(fact)
            self.offset += 1
        return self

    @property
    def names(self) -> set[str]:
        return set(self.aggregate.scopes.names())

    @property
    def dropped(self) -> dict[str, int]:
        sources = self.aggregate.scopes.sources.values()
        return {seen.scope: seen.counts[SCOPE_LIMIT] for seen in sources if SCOPE_LIMIT in seen.counts}


def test_queues_beyond_the_limit_are_dropped_and_counted_and_the_known_go_on() -> None:
    line = Line().feed(queued(number) for number in range(5))
    assert line.names == {f"queue:invented-{number}" for number in range(3)}
    assert line.dropped == {"source:": 2}
    line.feed([queued(5, "invented-0"), queued(6, "sales")])
    assert line.aggregate.scopes.queues["queue:invented-0"].live.lifetime.offered == 2
    assert line.aggregate.scopes.queues["queue:sales"].live.lifetime.offered == 1
    assert line.dropped == {"source:": 2}


def test_what_is_configured_takes_no_room() -> None:
    line = Line().feed([queued(0, "sales"), *(queued(number) for number in range(1, 5)), state(5, "ann"), state(6)])
    assert len(line.aggregate.scopes.queues) == 1 + LIMITS.queues
    assert set(line.aggregate.scopes.agents) == {"agent:ann", "agent:nobody-6"}


def test_agents_beyond_the_limit_are_counted_under_their_source() -> None:
    line = Line().feed(state(number) for number in range(6))
    assert line.names == {"agent:nobody-0", "agent:nobody-1"}
    assert line.dropped == {"source:pbx": 4}


def test_classes_beyond_the_limit_leave_their_queue_as_it_is() -> None:
    line = Line().feed(queued(number, "sales", customer_class=f"class-{number}") for number in range(5))
    assert set(line.aggregate.scopes.classes) == {class_scope(f"class-{number}", "sales") for number in range(2)}
    assert line.aggregate.scopes.queues["queue:sales"].live.lifetime.offered == 5


def test_a_recording_has_no_limit() -> None:
    report = AggregateStore(floor(), live=False)
    correlate = CorrelateStore(floor())
    for number in range(9):
        for fact in take(correlate, queued(number), number):
            report.apply(fact)
    assert len(report.scopes.queues) == 9


@pytest.mark.parametrize("cut", range(0, 12))
def test_after_a_crash_the_same_are_known(cut: int) -> None:
    """Wherever the flush was: what it wrote, and the rest of the facts again, make the same state."""
    events = [queued(0), state(1), queued(2, "sales"), queued(3), state(4), queued(1), queued(5), queued(6), state(7)]
    events += [event("visit.abandoned", 8, contact_id="c5", visit_id="c5/1"), queued(9, "invented-0"), state(10)]
    whole = Line().feed(events)
    before = Line().feed(events[:cut])
    after = Line()
    after.correlate, after.offset = before.correlate, before.offset
    before.aggregate.pass_over(1)
    after.aggregate.load(before.aggregate.drain())
    after.feed(events[cut:])
    assert after.names == whole.names
    assert after.dropped == whole.dropped


def test_a_state_that_holds_more_than_the_limit_keeps_what_it_has() -> None:
    before = Line(ScopeLimits(queues=5)).feed(queued(number) for number in range(5))
    before.aggregate.pass_over(1)
    after = Line()
    after.aggregate.load(before.aggregate.drain())
    after.feed([queued(7), queued(8, "invented-4")])
    assert after.names == {f"queue:invented-{number}" for number in range(5)}


def test_a_key_of_somebody_else_is_taken_away_and_not_learnt() -> None:
    store = AggregateStore(floor())
    store.touch([b"l|0|queue:stranger", b"p|3|agent:stranger"])
    assert dict(store.drain())[b"l|0|queue:stranger"] is None
    assert not set(store.scopes.names())


def test_more_sources_than_there_may_be_are_counted_together() -> None:
    store = CorrelateStore(Floor())
    for number in range(MOST_SOURCES + 3):
        told = event("visit.queued", number, contact_id=f"c{number}", queue_id="sales", source=f"pbx-{number}")
        take(store, told, number)
    take(store, event("visit.abandoned", 2000, contact_id=f"c{MOST_SOURCES}", source=f"pbx-{MOST_SOURCES}"), 2000)
    assert len(store.mark.sources) == MOST_SOURCES + 1
    counts = store.mark.sources[OTHER_SOURCES].counts
    assert (counts[SCOPE_LIMIT], counts["visit.queued"], counts["visit.abandoned"]) == (4, 3, 1)


def test_settings_learnt_from_the_stream_are_forgotten_when_there_are_too_many() -> None:
    known = floor()
    for number in range(2 * LEARNT_KEPT):
        assert known.queue(f"q{number}").queue_id == f"q{number}"
        known.agent(f"a{number}")
    assert len(known.queues) <= LEARNT_KEPT and len(known.agents) <= LEARNT_KEPT
    assert known.queues["sales"].configured and known.agents["ann"].configured
    assert known.queue("q0") == Queue("q0", "q0")


def test_fifty_thousand_invented_names_leave_the_state_as_small_as_its_limits() -> None:
    line = Line(ScopeLimits(queues=100, agents=100))
    for number in range(50_000 // 2):
        line.feed([queued(number), state(number)])
        if number % 1000 == 0:
            line.correlate.stuck(lambda _, newest_ms: newest_ms)
    assert len(line.names) == 200
    assert sum(line.dropped.values()) >= 50_000 - 200
