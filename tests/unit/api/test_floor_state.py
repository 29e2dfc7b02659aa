"""The floor's state from its feed: the caches agree with the domain, and odd records do no harm."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from service.domain import state_keys as keys
from service.domain.mark import Mark
from service.domain.scopes import QUEUE_PANE_MS, AgentScope
from service.domain.state_feed import MARK_KEY
from service.domain.totals import Totals, total_of
from service.domain.view import WINDOWS, FloorView, distinct_staff, staff_by_queue
from service.floor_state import FloorState
from service.window_cache import merged
from tests.unit.api.floors import Centre, get

STATES = ("ready", "not_ready", "offline", "ready")


def busy(centre: Centre, rng: random.Random, name: str) -> None:
    """One more thing that happens on the floor, some of it late."""
    queue, agent, late_ms = rng.choice(["sales", "mail", "x"]), f"a{rng.randrange(4)}", rng.choice([0, 0, 40_000])
    kind = rng.randrange(4)
    if kind == 0:
        centre.agent_state(agent, rng.choice(STATES), queues=(queue, "mail"), ago_ms=late_ms)
    elif kind == 1:
        centre.queued(name, queue, ago_ms=late_ms)
    else:
        centre.call(name, queue, wait_ms=rng.randrange(60_000), agent=agent if kind == 2 else None, ago_ms=late_ms)
        if kind == 2:
            leg = {"contact_id": name, "visit_id": f"{name}/1", "leg_id": f"{name}/1/1", "agent_id": agent}
            centre.event("leg.ended", queue_id=queue, wrapup_ms=rng.choice([0, 90_000]), **leg)


def read(totals: Totals) -> dict[str, Any]:
    """Every field, read one by one."""
    return {name: getattr(totals, name) for name in Totals.__struct_fields__}


def agrees(state: FloorState) -> None:
    """Every cached reading equals the one that the domain computes from scratch."""
    view = state.view()
    plain = FloorView(state.floor, state.calendars, view.now_ms)
    for queue in state.scopes.queues.values():
        assert {w: view.queue_totals(queue, w) for w in WINDOWS} == {w: plain.queue_totals(queue, w) for w in WINDOWS}
        assert {w: read(view.queue_sums(queue, w)) for w in WINDOWS} == {
            w: read(plain.queue_totals(queue, w)) for w in WINDOWS
        }
        for first in (view.now_ms // QUEUE_PANE_MS - 719, view.now_ms // QUEUE_PANE_MS - 100):
            last = view.now_ms // QUEUE_PANE_MS - 90
            assert read(view.queue_panes(queue, first, last)) == read(plain.queue_panes(queue, first, last))
    agents = list(state.scopes.agents.values())
    for agent in agents:
        assert {w: read(view.agent_sums(agent, w)) for w in WINDOWS} == {
            w: read(plain.agent_totals(agent, w)) for w in WINDOWS
        }
        assert {w: view.agent_totals(agent, w) for w in WINDOWS} == {w: plain.agent_totals(agent, w) for w in WINDOWS}
        segments = agent.timeline.segments(view.now_ms - 3_600_000, view.now_ms)
        states = Counter[tuple[str, str | None, bool]]()
        for s in segments:
            states[s.state, s.reason, s.logged_in] += s.until_ms - s.since_ms
        assert agent.timeline.times(view.now_ms - 3_600_000, view.now_ms) == states
    counted = staff_by_queue(agents, view.now_ms)
    for queue_id in {*state.queue_ids(), *counted}:
        assert state.staff.of_queue(queue_id) == counted.get(queue_id, {})
    assert state.staff.of_agents([agent.scope for agent in agents]) == distinct_staff(agents, view.now_ms)


@pytest.mark.parametrize("seed", range(4))
def test_cached_readings_equal_the_domains_while_time_and_events_go_on(seed: int) -> None:
    rng = random.Random(seed)
    centre = Centre()
    for step in range(120):
        for number in range(rng.randrange(3)):
            busy(centre, rng, f"c{step}-{number}")
        centre.now_ms += rng.choice([500, 7_000, 60_000, 600_000])
        if rng.random() < 0.7:
            centre.flush()
        agrees(centre.state)


def test_a_merge_of_many_equals_the_domains(centre: Centre) -> None:
    panes = [*centre.state.scopes.queues["queue:sales"].panes.values()]
    assert merged(panes) == total_of(panes)
    assert merged([]) == Totals()
    alone = merged(panes[:1])
    alone.wait_sketch[1] = 99
    assert panes[0].wait_sketch != alone.wait_sketch


def test_while_catching_up_only_the_newest_value_of_a_key_is_decoded() -> None:
    centre = Centre()
    state = FloorState(centre.floor, wall_ms=lambda: centre.now_ms)
    for number in range(3):
        centre.queued(f"c{number}")
        centre.flush()
    state.apply([(key, b"not msgpack") for key, _ in centre.records])  # older values, never looked at
    state.apply(centre.records)
    while not state.settle(1):
        assert not state.feed.caught_up
    assert len(state.scopes.queues["queue:sales"].waiting) == 3
    assert state.feed.unreadable == 0


def test_who_looks_seldom_decodes_only_the_newest_value_of_a_key_between_two_looks() -> None:
    centre = Centre()
    state = FloorState(centre.floor, wall_ms=lambda: centre.now_ms, by_settle=True)
    assert state.settle(1)
    for number in range(3):
        centre.queued(f"c{number}")
        centre.flush()
        state.apply([(key, b"not msgpack") for key, _ in centre.records])
        state.apply(centre.records)
        waiting = state.scopes.queues["queue:sales"].waiting if number else ()
        assert len(waiting) == number
        while not state.settle(2):
            pass
        assert len(state.scopes.queues["queue:sales"].waiting) == number + 1
    assert state.feed.unreadable == 0
    agrees(state)


def test_who_looks_seldom_does_not_keep_who_left_a_queue_last_but_sees_that_it_changed() -> None:
    state = FloorState(Centre().floor, by_settle=True)
    assert state.settle(1)
    state.apply([(b"v|3|queue:sales", b"not msgpack"), (b"v|3", b"")])
    while not state.settle(1):
        pass
    assert list(state.changed) == ["queue:sales"]
    assert not state.scopes.queues["queue:sales"].recent.slots
    assert state.feed.unreadable == 1


@pytest.mark.parametrize("record", [
    (b"p|12|queue:sales", b"not msgpack"), (b"nonsense", b"x"), (b"p|twelve|queue:sales", b"\x90"), (b"\xff\xfe", b""),
    (MARK_KEY, b"\x00"),
])  # fmt: skip
def test_a_record_that_cannot_be_read_is_counted_and_changes_nothing(
    centre: Centre, record: tuple[bytes, bytes]
) -> None:
    seq = centre.state.seq
    centre.state.apply([record])
    assert (centre.state.feed.unreadable, centre.state.seq) == (1, seq)


WRONG = msgspec.msgpack.encode(["no", "such", "value"])


@pytest.mark.parametrize(("kind", "scope"), [
    *((kind, scope) for kind in (keys.PANE, keys.INTERVAL, keys.LIVE) for scope in ("queue:sales", "agent:a1")),
    (keys.STRETCHES, "agent:a1"),
])  # fmt: skip
def test_a_value_that_proves_unreadable_when_it_is_read_is_counted_once_and_the_one_before_stands(
    kind: str, scope: str
) -> None:
    centre = Centre()
    centre.call("c1", agent="a1")
    centre.flush()
    agrees(centre.state)
    before = all_of(centre.state, scope)
    keys_of_kind = [key for key, _ in centre.records if key.startswith(kind.encode()) and key.endswith(scope.encode())]
    centre.state.apply([(max(keys_of_kind), WRONG)])
    for _ in range(2):
        assert all_of(centre.state, scope) == before
        assert centre.state.feed.unreadable == 1
    agrees(centre.state)


def test_a_value_that_is_replaced_before_it_is_read_is_not_judged(centre: Centre) -> None:
    key, value = next(record for record in centre.records if record[0].startswith(b"p|"))
    centre.state.apply([(key, WRONG), (key, value)])
    agrees(centre.state)
    assert centre.state.feed.unreadable == 0


def test_of_buckets_that_nobody_reads_the_newest_alone_waits_to_be_decoded(centre: Centre) -> None:
    centre.state.apply([(b"p|12|queue:sales", WRONG), (b"p|13|queue:sales", msgspec.msgpack.encode(Totals()))])
    assert centre.state.feed.unreadable == 1


def all_of(state: FloorState, name: str) -> Any:
    """What is kept of a queue or an agent."""
    scope = state.scopes.find(name)
    assert scope is not None
    timeline = [scope.timeline.starts[:], scope.timeline.whats[:]] if isinstance(scope, AgentScope) else []
    return msgspec.to_builtins((scope.panes, scope.intervals, scope.live, timeline), str_keys=True)


async def test_state_of_another_version_is_not_served(centre: Centre) -> None:
    centre.state.apply([(MARK_KEY, msgspec.msgpack.encode(Mark(schema=keys.SCHEMA + 1)))])
    answer = await get(centre.app(), "/readyz")
    assert answer.status_code == 503
    assert "run `floorwalker rebuild`" in answer.json()["detail"]
    assert (await get(centre.app(), "/v1/queues")).status_code == 503


def test_who_has_other_things_to_do_counts_a_few_agents_at_a_time() -> None:
    centre = Centre()
    state = FloorState(centre.floor, wall_ms=lambda: centre.now_ms)
    assert state.settle(1)
    for number in range(3):
        centre.agent_state(f"a{number}", "ready", queues=("sales",))
    centre.flush()
    state.apply(centre.records)
    assert [state.count(1) for _ in range(3)] == [False, False, True]
    assert state.count(1)
    seq = state.seq
    assert state.staff.of_queue("sales") == {"available": 3}
    assert state.seq == seq


def test_changes_are_numbered_so_that_a_reader_can_ask_what_is_new(centre: Centre) -> None:
    state, before = centre.state, centre.state.seq
    centre.queued("m1", "mail")
    centre.flush()
    changed = {scope for scope, seq in state.changed.items() if seq > before}
    assert changed == {"queue:mail", "source:pbx"}
    centre.agent_state("bob", "ready", queues=("sales",))
    before = state.seq
    centre.flush()
    assert {scope for scope, seq in state.changed.items() if seq > before} >= {"agent:bob", "queue:sales"}


def test_staleness_is_the_age_of_the_newest_event_by_its_arrival(centre: Centre) -> None:
    centre.now_ms += 5_000
    assert centre.state.staleness_seconds == 5
    centre.queued("old", ago_ms=3_000)
    centre.flush()
    assert centre.state.staleness_seconds == 0
