"""How long the evaluator takes for a tick over a large floor: `python -m service.bench.ticks [AGENTS QUEUES TICKS]`.

Three shipped rules watch every queue and three every agent; between two ticks of a second one scope in a hundred
changes. The start, when everything is looked at, is told apart.
"""

import sys
import time
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import Final

import msgspec

from service.alert_floor import LiveFloor
from service.collector import tune_collector
from service.config_rules import shipped_rules
from service.console import print_line
from service.domain.agents import AgentRecord
from service.domain.evaluator import MOST_SCOPES, Evaluator
from service.domain.own_side import Own
from service.domain.scopes import AGENT_PANE_MS, QUEUE_PANE_MS, AgentLive, Waiting, waiting_bucket
from service.domain.settings import Floor
from service.domain.state_keys import LIVE, PANE, WAITING, encode_key
from service.domain.totals import Totals
from service.floor_state import FloorState, Record

RULES: Final = (
    "service_level_burn_fast", "service_level", "oldest_wait",
    "stuck_state", "missed_offers", "overload",
)  # fmt: skip
NOW_MS: Final = 1_795_348_800_000
PANES: Final = 30
"""Panes of each scope that are filled: one in twelve of a queue's hour."""

CHANGED_SHARE: Final = 0.01
WAITING_SHARE: Final = 0.2
WARM_UP: Final = 15
"""Ticks after the start until scopes take turns as they always do."""

SETTLE: Final = 10_000
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class TickTimes:
    """Seconds of one processor: the start, when everything is looked at, and the median and longest tick after that.

    `alerts` is how many there were in the end.
    """

    start: float
    median: float
    longest: float
    alerts: int


def measure(agents: int, queues: int, ticks: int, seed: int = 1) -> TickTimes:
    """Run so many ticks over a floor made up from the seed."""
    random = Random(seed)
    now = [NOW_MS]
    state = FloorState(Floor(), wall_ms=lambda: now[0])
    names = [f"queue:q{number}" for number in range(queues)] + [f"agent:a{number}" for number in range(agents)]
    while not state.settle(SETTLE):
        pass
    for name in names:
        state.apply(_whole(name, random, queues))
    evaluator = Evaluator([rule.rule() for rule in shipped_rules() if rule.id in RULES])
    floor = LiveFloor(state, {}, {})
    seconds = []
    warm_up = len(names) // MOST_SCOPES + WARM_UP
    for tick in range(ticks + warm_up):
        now[0] += 1_000
        if tick:
            for name in random.sample(names, max(1, round(len(names) * CHANGED_SHARE))):
                state.apply([_pane(name, now[0], random)])
        floor.begin()
        started = time.process_time()
        evaluator.tick(now[0], floor)
        seconds.append(time.process_time() - started)
    after = seconds[warm_up:]
    return TickTimes(sum(seconds[:warm_up]), median(after), max(after), len(evaluator.alerts))


def _whole(name: str, random: Random, queues: int) -> list[Record]:
    """Everything of one scope at the beginning."""
    step_ms = 120_000
    records = [_pane(name, NOW_MS - number * step_ms, random) for number in range(PANES)]
    if name.startswith("agent:"):
        own = Own(state="ready", login=True, login_seen=True, queues=(f"q{random.randrange(queues)}",))
        record = AgentRecord("ready", None, NOW_MS - random.randrange(3_600_000), True, own, own)
        records.append((encode_key(LIVE, 0, name), _encode(AgentLive(record))))
    elif random.random() < WAITING_SHARE:
        visit = Waiting(NOW_MS - random.randrange(15_000), 20_000, 1)
        records.append((encode_key(WAITING, *waiting_bucket(name, "v1")), _encode(visit)))
    return records


def _pane(name: str, at_ms: int, random: Random) -> Record:
    pane_ms = QUEUE_PANE_MS if name.startswith("queue:") else AGENT_PANE_MS
    answered = random.randrange(1, 6)
    in_time = sum(random.random() < 0.85 for _ in range(answered))
    totals = Totals(
        offered=answered, answered=answered, answered_in_threshold=in_time, wait_ms=answered * 12_000,
        handled=answered, talk_ms=answered * 180_000, wait_sketch={280: answered}, handle_sketch={620: answered},
    )  # fmt: skip
    return encode_key(PANE, at_ms // pane_ms, name), _encode(totals)


def main(words: list[str]) -> None:
    """Measure and print one line."""
    agents, queues, ticks = (int(word) for word in words) if words else (10_000, 5_000, 30)
    tune_collector()
    found = measure(agents, queues, ticks)
    print_line(
        f"{agents} agents, {queues} queues, {len(RULES)} rules: median {found.median * 1000:.0f} ms a tick, "
        f"longest {found.longest * 1000:.0f} ms, start {found.start * 1000:.0f} ms; {found.alerts} alerts"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
