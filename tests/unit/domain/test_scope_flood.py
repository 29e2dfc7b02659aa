"""A million names that no configuration knows, through both stages with the limits of a new installation."""

from pathlib import Path

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.correlate import CorrelateStore
from service.domain.errors import SCOPE_LIMIT
from service.domain.facts import FactBatch
from service.domain.settings import Floor
from tests.support.worker_processes import resident_mib
from tests.unit.domain.build import event, take

NAMES = 1_000_000
STEP_S = 0.25
"""A contact each: so many that the limits are reached early, and that contacts are forgotten long before the end."""

FLUSH_EVERY = 5_000
GAINED_MIB = 16
"""After the first tenth, which fills everything that has a limit: 18 bytes for each further name."""


@pytest.mark.crash
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc, which only Linux has")
def test_a_million_invented_names_cost_no_more_memory_than_a_tenth_of_them() -> None:
    correlate, aggregate = CorrelateStore(Floor()), AggregateStore(Floor())
    figures: list[float] = []
    for number in range(NAMES // 2):
        at = number * STEP_S
        contact = {"contact_id": f"c{number}", "visit_id": f"c{number}/1"}
        events = [
            event("visit.queued", at, queue_id=f"invented-{number}", **contact),
            event("visit.abandoned", at, **contact),
            event("contact.ended", at, contact_id=contact["contact_id"]),
            event("agent.state_changed", at, agent_id=f"nobody-{number}", state="ready"),
        ]
        facts = [
            (4 * number + k, fact) for k, told in enumerate(events) for fact in take(correlate, told, 4 * number + k)
        ]
        aggregate.apply_batch(FactBatch(0, correlate.newest_ms(), [at for at, _ in facts], [fact for _, fact in facts]))
        if number % FLUSH_EVERY == FLUSH_EVERY - 1:
            correlate.stuck(lambda _, newest_ms: newest_ms)
            correlate.drain()
            aggregate.drain_closed()
            aggregate.drain()
        if (number + 1) % (NAMES // 20) == 0:
            figures.append(resident_mib())
    print("resident MiB after each tenth of the names:", [round(figure) for figure in figures])
    limits = Floor().limits
    assert (len(aggregate.scopes.queues), len(aggregate.scopes.agents)) == (limits.queues, limits.agents)
    counts = aggregate.scopes.sources["source:", -1].counts
    assert counts[SCOPE_LIMIT] >= NAMES - limits.queues - limits.agents
    assert max(figures) - figures[0] < GAINED_MIB
