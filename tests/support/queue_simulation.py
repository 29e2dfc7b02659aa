"""A simulated queue, contact by contact: what Erlang's formulas are held against."""

from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from service.domain.erlang import Load


@dataclass(slots=True)
class Simulated:
    """Counts of one run; waits in ms."""

    offered: int = 0
    waited: int = 0
    abandoned: int = 0
    answered_in_threshold: int = 0
    abandoned_in_threshold: int = 0
    wait_ms: float = 0.0
    busy_ms: float = 0.0
    end_ms: float = 0.0


def simulate(load: Load, agents: int, threshold_ms: float, contacts: int, seed: int) -> Simulated:
    """Serve `contacts` random contacts, first come first served; each gives up when its patience ends.

    Who would be served at v, the first moment an agent is free, is abandoned where the patience ends before: agents are
    a heap of the moments at which they become free.
    """
    random, found = Random(seed), Simulated(offered=contacts)
    free_at = [0.0] * agents
    now = 0.0
    for _ in range(contacts):
        now += random.expovariate(load.contacts / load.span_ms)
        wait_ms = max(0.0, free_at[0] - now)
        patience_ms = random.expovariate(1 / load.patience_ms) if load.patience_ms else float("inf")
        found.waited += wait_ms > 0
        if patience_ms < wait_ms:
            found.abandoned += 1
            found.wait_ms += patience_ms
            found.abandoned_in_threshold += patience_ms <= threshold_ms
            continue
        handle_ms = random.expovariate(1 / load.aht_ms)
        heappop(free_at)
        heappush(free_at, now + wait_ms + handle_ms)
        found.wait_ms += wait_ms
        found.busy_ms += handle_ms
        found.answered_in_threshold += wait_ms <= threshold_ms
    found.end_ms = now
    return found
