"""A reader who decodes late says what one says who decodes each record at once."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from service.domain.own_side import Own
from service.domain.scopes import Scopes
from service.domain.view import WINDOWS, FloorView, distinct_staff, staff_by_queue
from service.floor_state import FloorState
from tests.unit.api.floors import Centre
from tests.unit.api.test_floor_state import busy

QUEUES = ("sales", "mail", "x")
LOOKS = ("not", "routing", "window", "agent", "staff", "changes", "all")


def scopes_of(scopes: Scopes) -> Any:
    """All that is kept of queues and agents."""
    kept = {
        name: msgspec.to_builtins((q.panes, q.intervals, q.live, q.waiting, q.recent.slots), str_keys=True)
        for name, q in (scopes.queues | scopes.classes).items()
    }
    for name, agent in scopes.agents.items():
        timeline = agent.timeline.starts, agent.timeline.whats
        # what the agent's own events are folded with is not read late: nobody but the writer folds them
        record = msgspec.structs.replace(agent.record, base=Own(), events=[])
        kept[name] = msgspec.to_builtins((agent.panes, agent.intervals, record, timeline), str_keys=True)
    return kept


def look(state: FloorState, how: str) -> None:
    """Read a part of the floor, so that some records are read before others come."""
    view = state.view()
    queue, agent = state.queue("sales"), state.agent("a1")
    if how == "routing":
        state.staff_of("sales")
    elif how == "window" and queue is not None:
        view.queue_sums(queue, "15m")
        view.queue_totals(queue, "interval")
    elif how == "agent" and agent is not None:
        view.agent_totals(agent, "60m")
    elif how == "staff":
        state.staff.of_queues(QUEUES)
    elif how == "changes":
        assert state.seq == max(state.changed.values(), default=0)
    elif how == "all":
        scopes_of(state.scopes)


def same(state: FloorState, eager: Scopes) -> None:
    """Everything that can be read is the same."""
    view = state.view()
    plain = FloorView(state.floor, state.calendars, view.now_ms)
    agents = list(eager.agents.values())
    staff = staff_by_queue(agents, view.now_ms)
    for queue_id in QUEUES:
        assert state.staff_of(queue_id) == staff.get(queue_id, {})
    for name, queue in eager.queues.items():
        own = state.scopes.queues[name]
        assert {w: view.queue_totals(own, w) for w in WINDOWS} == {w: plain.queue_totals(queue, w) for w in WINDOWS}
    for agent in agents:
        own_agent = state.scopes.agents[agent.scope]
        for window in WINDOWS:
            assert view.agent_totals(own_agent, window) == plain.agent_totals(agent, window)
    assert state.staff.of_agents(eager.agents) == distinct_staff(agents, view.now_ms)
    assert scopes_of(state.scopes) == scopes_of(eager)


@given(
    st.randoms(use_true_random=False), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(LOOKS)), max_size=12)
)  # fmt: skip
def test_whoever_looks_whenever_finds_what_was_told(rng: random.Random, steps: list[tuple[int, str]]) -> None:
    centre, eager = Centre(), Scopes()
    state = FloorState(centre.floor, wall_ms=lambda: centre.now_ms)
    assert state.settle(1)
    for number, (events, how) in enumerate(steps):
        for each in range(events):
            busy(centre, rng, f"c{number}-{each}")
        centre.now_ms += rng.choice([500, 7_000, 60_000, 600_000])
        told = len(centre.records)
        centre.flush()
        records = centre.records[told:]
        rng.shuffle(records)  # a key is told once a flush
        for key, value in records:
            eager.put(key, value)
            state.apply([(key, value)])
            if rng.random() < 0.1:
                look(state, how)
        look(state, how)
        if number % 3 == 0:
            same(state, eager)
    same(state, eager)
    assert state.feed.unreadable == 0


@given(st.randoms(use_true_random=False))
def test_whose_staff_changed_is_told_as_if_it_had_been_counted_at_once(rng: random.Random) -> None:
    centre = Centre()
    state, at_once = (FloorState(centre.floor, wall_ms=lambda: centre.now_ms) for _ in range(2))
    assert state.settle(1)
    assert at_once.settle(1)
    for number in range(6):
        before, counted = state.seq, {queue: state.staff.of_queue(queue) for queue in QUEUES}
        told = len(centre.records)
        for each in range(3):
            busy(centre, rng, f"c{number}-{each}")
        centre.now_ms += rng.choice([500, 7_000])
        centre.flush()
        for record in centre.records[told:]:
            state.apply([record])
            at_once.apply([record])
            assert at_once.staff is not None  # counts
            state.staff_of(rng.choice(QUEUES))
        changed = {scope for scope, seq in state.changed.items() if seq > before}
        assert state.changed.keys() == at_once.changed.keys()
        for queue in QUEUES:
            assert state.staff.of_queue(queue) == at_once.staff.of_queue(queue)
            assert state.staff.of_queue(queue) == counted[queue] or f"queue:{queue}" in changed
