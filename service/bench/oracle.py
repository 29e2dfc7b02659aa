"""What must come out: the same events folded once, in one process, in order, without Kafka."""

from dataclasses import dataclass

from service.bench.load import Mix
from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.scopes import QueueScope, Scope, Scopes
from service.domain.settings import Floor
from service.domain.totals import Totals


@dataclass(frozen=True, slots=True)
class Expected:
    """The floor after all events, and how many facts they made."""

    scopes: Scopes
    facts: int


def expect(mix: Mix, now_ms: int) -> Expected:
    """Fold the mix."""
    floor = Floor()
    correlate, aggregate = CorrelateStore(floor), AggregateStore(floor)
    made = 0
    for offset, (_, _, value) in enumerate(mix.records()):
        facts = correlate.take(value, now_ms, offset)
        made += len(facts)
        for fact in facts:
            aggregate.apply(fact)
    return Expected(aggregate.scopes, made)


def differences(expected: Scopes, found: Scopes) -> list[str]:
    """The scopes that differ in lifetime totals, who waits, or any interval of either attribution; empty: equal."""
    wrong = {f"queue:{name}" for name in expected.queues.keys() ^ found.queues.keys()}
    wrong |= {f"agent:{name}" for name in expected.agents.keys() ^ found.agents.keys()}
    for name, queue in expected.queues.items():
        other = found.queues.get(name)
        if other is not None and (queue.waiting.keys() != other.waiting.keys() or _numbers(queue) != _numbers(other)):
            wrong.add(name)
    for name, agent in expected.agents.items():
        seen = found.agents.get(name)
        if seen is not None and _numbers(agent) != _numbers(seen):
            wrong.add(name)
    return sorted(wrong)


def _numbers(scope: Scope) -> object:
    """Lifetime totals and intervals; revisions depend on the order of arrival between partitions and are left out."""
    lifetime = scope.live.lifetime if isinstance(scope, QueueScope) else Totals()
    return lifetime, {start: (each.outcome, each.arrival) for start, each in scope.intervals.items()}
