"""The floor's state: each fact once, in the buckets it belongs to, however often and in whatever parts it comes."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from service.domain import state_keys as keys
from service.domain.aggregate import AggregateStore
from service.domain.buckets import INTERVALS_KEPT_MS, PANES_KEPT_MS
from service.domain.correlate import CorrelateStore
from service.domain.events import Event
from service.domain.facts import AnyFact, FactBatch, Offered, Refused, decode_batch, encode_batch
from service.domain.scopes import AGENT_PANE_MS, QUEUE_PANE_MS, QueueScope
from service.domain.settings import Floor, Site
from service.domain.totals import COUNTERS, Totals, total_of
from tests.unit.domain.build import T0, aggregate, event, ms, scope_totals, take

SALES, AGENT = "queue:sales", "agent:1001"
QUARTER_S = 900
HOUR_S = 3600
CALL = [
    event("agent.login", 0),
    event("visit.queued", 1),
    event("leg.alerting", 8),
    event("visit.answered", 10, agent_id="1001"),
    event("leg.ended", 70),
    event("leg.wrapup_ended", 90),
    event("visit.queued", 80, contact_id="d"),
    event("visit.abandoned", 85, contact_id="d"),
    event("visit.queued", 100, contact_id="e"),
    event("visit.flowed_out", 9, outcome_reason="timeout"),
]


def numbered(events: Iterable[Event]) -> list[tuple[int, AnyFact]]:
    """The facts of the events with their source offsets."""
    correlate = CorrelateStore(Floor())
    return [(offset, fact) for offset, told in enumerate(events) for fact in take(correlate, told, offset)]


def batch(facts: list[tuple[int, AnyFact]], source: int = 0, newest_s: float = 0) -> FactBatch:
    return FactBatch(source, ms(newest_s), [offset for offset, _ in facts], [fact for _, fact in facts])


def snapshot(store: AggregateStore) -> Any:
    """All that a store keeps, as plain values."""
    scopes = store.scopes
    queues = {
        name: msgspec.to_builtins((q.live, q.panes, q.intervals, q.waiting), str_keys=True)
        for name, q in scopes.queues.items()
    }
    agents = {
        name: msgspec.to_builtins((a.live, a.panes, a.intervals, a.timeline.starts, a.timeline.whats), str_keys=True)
        for name, a in scopes.agents.items()
    }
    return queues, agents, dict(scopes.sources), msgspec.to_builtins(store.mark, str_keys=True)


def refused(at_s: float, scope: str = SALES) -> Refused:
    return Refused(scope, ms(at_s), ms(at_s), 1, f"at {at_s}", None)


def expiring(*at_s: float, floor: Floor | None = None) -> AggregateStore:
    """A live store of one partition after one refusal at each moment, with event time moved on to it before."""
    store = AggregateStore(floor or Floor())
    for offset, at in enumerate(at_s):
        store.apply_batch(batch([], newest_s=at))
        store.apply_batch(batch([(offset, refused(at))], newest_s=at))
    return store


# --- exactly once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(len(CALL) + 1))
def test_a_replay_from_any_offset_in_other_batches_is_skipped(cut: int) -> None:
    facts = numbered(CALL)
    whole, replayed = AggregateStore(Floor()), AggregateStore(Floor())
    whole.apply_batch(batch(facts))
    before = [(offset, fact) for offset, fact in facts if offset < cut]
    skipped = 0
    for part in ([before] if before else []) + [facts]:
        skipped += replayed.apply_batch(batch(part))
    assert skipped == len(before)
    assert snapshot(replayed) == snapshot(whole)


def test_each_source_partition_has_a_mark_of_its_own() -> None:
    store = AggregateStore(Floor())
    store.apply_batch(batch([(5, refused(1))], source=0))
    assert store.apply_batch(batch([(5, refused(2))], source=1)) == 0
    assert store.apply_batch(batch([(4, refused(3)), (5, refused(1)), (6, refused(4))], source=0)) == 2
    assert store.mark.applied == {0: 6, 1: 5}
    assert scope_totals(store, SALES).refused == 3


def test_a_batch_is_read_as_it_was_written() -> None:
    facts = batch(numbered(CALL), source=3, newest_s=90)
    again = decode_batch(encode_batch(facts))
    assert (again.partition, again.newest_ms, again.offsets, again.facts) == (3, ms(90), facts.offsets, facts.facts)


def test_an_empty_batch_moves_no_mark() -> None:
    store = AggregateStore(Floor())
    assert store.apply_batch(batch([])) == 0
    assert store.mark.applied == {}


def test_what_was_drained_gives_an_equal_store() -> None:
    store, loaded = AggregateStore(Floor()), AggregateStore(Floor())
    later = [event("visit.refused", at) for at in (900, 1_700, 50)]
    for part in (CALL[:4], CALL, [*CALL, *later]):
        store.apply_batch(batch(numbered(part)))
        store.drain_closed()
        loaded.load(store.drain())
        assert snapshot(loaded) == snapshot(store)


def test_what_was_drained_says_nothing_twice() -> None:
    store = AggregateStore(Floor())
    store.apply_batch(batch(numbered(CALL)))
    written = [key for key, _ in store.drain()]
    assert len(written) == len(set(written))
    assert (store.drain(), store.pending_keys()) == ([], 0)


def test_touched_keys_are_written_again() -> None:
    store = AggregateStore(Floor())
    store.apply_batch(batch(numbered(CALL)))
    first = dict(store.drain())
    store.touch([*first, keys.encode_key(keys.PANE, 7, SALES)])
    again = dict(store.drain())
    assert again.pop(keys.encode_key(keys.PANE, 7, SALES)) is None
    assert again == first


def test_state_of_another_schema_is_refused() -> None:
    store = AggregateStore(Floor())
    store.pass_over(3)
    store.mark.schema += 1
    with pytest.raises(ValueError, match="schema"):
        AggregateStore(Floor()).load(store.drain())


# --- waiting and corrections ----------------------------------------------------------------------------------------


def test_who_waits_is_known_by_visit_and_gone_when_the_visit_leaves() -> None:
    store = aggregate(CALL[1:2], live=True)
    (waiting,) = store.scopes.queues[SALES].waiting.values()
    assert (waiting.queued_ms, waiting.net) == (ms(1), 1)
    store = aggregate(CALL, live=True)
    assert set(store.scopes.queues[SALES].waiting) == {"e/1"}


def test_a_visit_that_left_becomes_a_tombstone_of_the_waiting() -> None:
    store = AggregateStore(Floor())
    facts = numbered(CALL[1:4])
    store.apply_batch(batch(facts[:1]))
    (key,) = [key for key, _ in store.drain() if key.startswith(b"w")]
    store.apply_batch(batch(facts))
    assert dict(store.drain())[key] is None


def test_a_visit_that_came_and_left_between_two_flushes_is_not_written() -> None:
    store = AggregateStore(Floor())
    store.apply_batch(batch(numbered(CALL[1:4])))
    assert [key for key, _ in store.drain() if key.startswith(b"w")] == []


def test_a_tombstone_to_be_written_is_not_forgotten_when_the_visit_comes_back_and_leaves() -> None:
    store = AggregateStore(Floor())
    facts = numbered(CALL[1:4])
    store.apply_batch(batch(facts[:1]))
    (key,) = [key for key, _ in store.drain() if key.startswith(b"w")]
    (offered,) = [fact for _, fact in facts[:1]]
    for sign in (-1, 1, -1):
        store.apply(msgspec.structs.replace(offered, sign=sign))
    store.pass_over(1)
    assert dict(store.drain())[key] is None


def test_a_correction_leaves_totals_as_if_it_had_been_right_at_once() -> None:
    wrong_first = [
        event("visit.queued", 0),
        event("visit.answered", 30, agent_id="1001"),
        event("visit.flowed_out", 20),
    ]
    store, right = aggregate(wrong_first, live=True), aggregate([wrong_first[0], wrong_first[2]], live=True)
    sales, expected = store.scopes.queues[SALES], right.scopes.queues[SALES]
    assert total_of(list(sales.panes.values())) == total_of(list(expected.panes.values()))
    assert (sales.live.lifetime, sales.live.wait_histogram) == (expected.live.lifetime, expected.live.wait_histogram)
    assert (scope_totals(store, SALES), sales.waiting) == (scope_totals(right, SALES), {})


def test_a_retraction_that_comes_before_its_fact_cancels_out() -> None:
    store = AggregateStore(Floor())
    offered = Offered(SALES, ms(0), ms(0), 1, "c/1", None, False)
    store.apply(msgspec.structs.replace(offered, sign=-1))
    assert store.scopes.queues[SALES].waiting["c/1"].net == -1
    store.apply(offered)
    assert scope_totals(store, SALES) == Totals()
    assert store.scopes.queues[SALES].waiting == {}


# --- buckets --------------------------------------------------------------------------------------------------------


def test_each_fact_falls_into_the_interval_of_its_attribution() -> None:
    store = aggregate([event("visit.queued", 890), event("visit.answered", 910, agent_id="1001")])
    intervals = store.scopes.queues[SALES].intervals
    assert [(i.outcome.offered, i.outcome.answered) for _, i in sorted(intervals.items())] == [(1, 0), (0, 1)]
    assert [(i.arrival.offered, i.arrival.answered) for _, i in sorted(intervals.items())] == [(1, 1), (0, 0)]


def test_time_in_state_is_cut_at_intervals_whose_sum_is_the_whole() -> None:
    store = aggregate([event("agent.login", 800), event("agent.logout", 2_000)])
    intervals = store.scopes.agents[AGENT].intervals
    assert [(start, i.outcome.available_ms) for start, i in sorted(intervals.items())] == [
        (T0, 100_000), (T0 + 900_000, 900_000), (T0 + 1_800_000, 200_000),
    ]  # fmt: skip
    assert scope_totals(store, AGENT).login_ms == 1_200_000


@pytest.mark.parametrize(
    ("day", "quarters"),
    [pytest.param(1_774_738_800, 92, id="spring forward"), pytest.param(1_792_879_200, 100, id="fall back")],
)
def test_a_day_of_login_fills_every_quarter_of_a_day_on_which_the_clock_changes(day: int, quarters: int) -> None:
    floor = Floor(default_site=Site("default", "Europe/Berlin"))
    start_s = day - T0 / 1000
    events = [event("agent.login", start_s), event("agent.logout", start_s + quarters * QUARTER_S)]
    intervals = aggregate(events, floor).scopes.agents[AGENT].intervals
    assert [i.outcome.login_ms for i in intervals.values()] == [900_000] * quarters


def test_a_report_counts_from_its_beginning_but_knows_what_was_before() -> None:
    correlate, store = CorrelateStore(Floor()), AggregateStore(Floor(), live=False, from_ms=ms(50), to_ms=ms(60))
    for offset, told in enumerate(CALL[:6]):
        for fact in take(correlate, told, offset):
            store.apply(fact)
    totals = scope_totals(store, AGENT)
    assert (totals.login_ms, totals.on_contact_ms, totals.answered) == (10_000, 10_000, 0)


@pytest.mark.parametrize(("from_s", "counted"), [(1, 1), (1.001, 0)])
def test_who_arrives_just_when_a_report_begins_counts_by_arrival(from_s: float, counted: int) -> None:
    correlate, store = CorrelateStore(Floor()), AggregateStore(Floor(), live=False, from_ms=ms(from_s))
    for told in (event("visit.queued", 1), event("visit.answered", 2 * QUARTER_S)):
        for fact in take(correlate, told):
            store.apply(fact)
    by_arrival = scope_totals(store, SALES, by_arrival=True)
    assert (by_arrival.offered, by_arrival.answered) == (counted, counted)


def test_panes_are_ten_seconds_of_a_queue_and_a_minute_of_an_agent() -> None:
    store = aggregate(CALL[:6], live=True)
    queue, agent = store.scopes.queues[SALES], store.scopes.agents[AGENT]
    assert {number: pane.offered for number, pane in queue.panes.items() if pane.offered} == {T0 // QUEUE_PANE_MS: 1}
    assert {n: pane.handled for n, pane in agent.panes.items() if pane.handled} == {ms(70) // AGENT_PANE_MS: 1}


# --- expiry and revisions -------------------------------------------------------------------------------------------


def test_old_panes_are_forgotten_and_become_tombstones() -> None:
    step = QUEUE_PANE_MS / 1000
    store = expiring(*(n * step for n in range(60)))
    store.drain()
    store.apply_batch(batch([(99 + n, refused(3 * HOUR_S + n * step)) for n in range(60)], newest_s=3 * HOUR_S + 600))
    panes = store.scopes.queues[SALES].panes
    assert min(panes) * QUEUE_PANE_MS >= ms(3 * HOUR_S) - PANES_KEPT_MS
    gone = [key for key, value in store.drain() if value is None]
    assert len(gone) == 60 and all(key.startswith(b"p|") for key in gone)


@pytest.mark.parametrize("phase", range(0, 30, 7))
def test_a_quiet_queue_forgets_panes_too_whatever_the_beat_of_its_traffic(phase: int) -> None:
    store = expiring(*(phase * 10 + n * 300 for n in range(200)))
    assert len(store.scopes.queues[SALES].panes) < PANES_KEPT_MS / 300_000 + 31


def test_old_intervals_are_forgotten_and_facts_of_them_are_late() -> None:
    days = INTERVALS_KEPT_MS / 1000
    store = expiring(0, days - 100, days + 1_000)
    assert min(store.scopes.queues[SALES].intervals) > T0
    assert keys.encode_key(keys.INTERVAL, T0, SALES) in {key for key, value in store.drain() if value is None}
    store.apply_batch(batch([(9, refused(1))]))
    assert scope_totals(store, SALES).refused == 2
    assert store.scopes.queues[SALES].live.lifetime.refused == 3
    assert [seen.counts for seen in store.scopes.sources.values()] == [{"late": 1}]


def test_every_fact_that_comes_too_late_is_counted() -> None:
    days = INTERVALS_KEPT_MS / 1000
    store = expiring(0, days - 100, days + 1_000)
    store.apply_batch(batch([(9 + n, refused(n / 10)) for n in range(5)]))
    assert [seen.counts for seen in store.scopes.sources.values()] == [{"late": 5}]


def test_days_of_a_backlog_in_the_slowest_partitions_batch_are_not_late() -> None:
    days = 2 * INTERVALS_KEPT_MS / 1000
    store = AggregateStore(Floor(), partitions=2)
    store.apply_batch(batch([(0, refused(days))], source=1, newest_s=days))
    store.apply_batch(batch([(0, refused(0)), (1, refused(days))], source=0, newest_s=days))
    assert scope_totals(store, SALES).refused == 3
    assert not store.scopes.sources


def test_an_agents_stretches_are_forgotten_after_a_day_but_the_present_state_is_not() -> None:
    store = AggregateStore(Floor())
    told = [event("agent.login", 0), *(event("agent.heartbeat", n * HOUR_S) for n in range(1, 40))]
    pauses = [
        event("agent.state_changed", n * HOUR_S + 60, state="not_ready" if n % 2 else "ready") for n in range(1, 40)
    ]
    for offset, each in enumerate(sorted([*told, *pauses], key=lambda e: e.occurred_at_ms)):
        facts = take(CorrelateStore(Floor()), each, offset)
        at_s = (each.occurred_at_ms - T0) / 1000
        store.apply_batch(batch([(offset, fact) for fact in facts], newest_s=at_s))
    agent = store.scopes.agents[AGENT]
    assert ms(12 * HOUR_S) < agent.timeline.starts[0] < ms(14 * HOUR_S)
    agent.timeline.show()
    assert agent.record.state == "not_ready"
    assert scope_totals(store, AGENT).login_ms == (39 * HOUR_S + 60) * 1000


def revisions(store: AggregateStore) -> dict[int, int]:
    found = {(closed.start_ms - T0) // 900_000: closed.interval.revision for closed in store.drain_closed()}
    store.drain()
    return found


def test_an_interval_closes_when_a_newer_one_begins_and_each_later_change_is_a_revision() -> None:
    store = expiring(10)
    assert revisions(store) == {}
    store.apply_batch(batch([(1, refused(910))]))
    assert revisions(store) == {0: 1}
    store.apply_batch(batch([(2, refused(20)), (3, refused(21))]))
    assert revisions(store) == {0: 2}
    store.apply_batch(batch([(4, refused(911))]))
    assert revisions(store) == {}


def test_an_interval_first_heard_of_after_a_newer_one_is_closed_at_once() -> None:
    store = expiring(910, 10)
    assert revisions(store) == {0: 1}


def test_an_interval_that_closes_and_expires_at_once_is_published_all_the_same() -> None:
    days_later_s = INTERVALS_KEPT_MS / 1000 + QUARTER_S
    store = expiring(0, days_later_s)
    assert list(store.scopes.queues[SALES].intervals) == [ms(days_later_s)]
    (closed,) = store.drain_closed()
    assert (closed.start_ms, closed.interval.revision, closed.interval.outcome.refused) == (T0, 1, 1)


def test_revisions_go_on_after_a_restart() -> None:
    store, after = expiring(10, 910), AggregateStore(Floor())
    (closed,) = store.drain_closed()
    assert (closed.end_ms - closed.start_ms, closed.interval.revision) == (900_000, 1)
    after.load(store.drain())
    after.apply_batch(batch([(2, refused(30))]))
    assert revisions(after) == {0: 2}


# --- counts of queue and agent --------------------------------------------------------------------------------------


def test_a_call_counts_for_its_queue_and_its_agent() -> None:
    store = aggregate(CALL[:6], live=True)
    queue, agent = scope_totals(store, SALES), scope_totals(store, AGENT)
    assert (queue.offered, queue.answered, queue.wait_ms, queue.handled) == (1, 1, 9_000, 1)
    assert (agent.offered, agent.answered, agent.ring_ms, agent.handled) == (0, 1, 2_000, 1)
    assert (queue.talk_ms, queue.acw_ms) == (agent.talk_ms, agent.acw_ms) == (60_000, 20_000)


def test_histograms_count_lifetime_by_upper_edge() -> None:
    live = aggregate(CALL[:6], live=True).scopes.queues[SALES].live
    assert (live.wait_histogram, live.handle_histogram) == ({10_000: 1}, {90_000: 1})


def test_every_fact_reaches_the_lifetime_totals_of_a_live_store() -> None:
    store = aggregate(CALL, live=True)
    for queue in store.scopes.queues.values():
        assert isinstance(queue, QueueScope)
        counted = scope_totals(store, queue.scope)
        assert {name: getattr(queue.live.lifetime, name) for name in COUNTERS} == {
            name: getattr(counted, name) for name in COUNTERS
        }


def test_a_weekend_in_one_state_does_not_fill_one_flush() -> None:
    store = AggregateStore(Floor())
    told = [event("agent.login", 0, agent_id=f"a{n}") for n in range(40)]
    after = [event("agent.logout", 64 * HOUR_S, agent_id=f"a{n}") for n in range(40)]
    facts = [
        (offset, fact)
        for offset, each in enumerate([*told, *after])
        for fact in take(CorrelateStore(Floor()), each, offset)
    ]
    whole, index, parts = batch(facts, newest_s=64 * HOUR_S), 0, []
    while index < len(whole.facts):
        index = store.apply_some(whole, index, 1000)
        parts.append(len(store.drain()))
    assert len(parts) > 1
    assert max(parts) < 1000 + 8 * (64 * 4 + 4)
    once = AggregateStore(Floor())
    once.apply_batch(whole)
    assert [a.intervals for a in once.scopes.agents.values()] == [a.intervals for a in store.scopes.agents.values()]
