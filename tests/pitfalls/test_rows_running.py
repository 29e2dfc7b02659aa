"""Rows 34 to 39: crashes, gaps, recovery, memory, metrics, freshness."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from prometheus_client.parser import text_string_to_metric_families

from api.readiness import why_not_ready
from api.settings import ApiSettings
from service.domain.buckets import INTERVALS_KEPT_MS, PANES_KEPT_MS, STRETCHES_KEPT_MS
from service.domain.codec import encode_event, record_key
from service.domain.scopes import AGENT_PANE_MS, QUEUE_PANE_MS, AgentScope, QueueScope
from service.domain.settings import Floor
from service.feed_status import LATENCY_EDGES_SECONDS, FeedStatus
from service.simulate.options import SimulationOptions
from service.state_tail import FETCH_MAX_WAIT_MS, StateTail
from streams.contiguity import Contiguity
from tests.oracle.intake import Arrival
from tests.pitfalls.scenes import HOUR_MS, MINUTE_MS, ask, restarted
from tests.property.line import Line
from tests.property.lives import counts_of
from tests.property.logs import PARTITIONS, partition_of
from tests.unit.api.floors import Centre, get
from tests.unit.simulate.days import day

KILLS = 20


def test_row_34_twenty_crashes_and_rebalances_lose_and_double_nothing() -> None:
    events = list(day(SimulationOptions(queues=3, agents=12, seed=34)))[:3_000]
    whole, line, rng, kills = Line(Floor()), Line(Floor()), random.Random(34), 0
    for event in events:
        record = Arrival(partition_of(record_key(event)), event.occurred_at_ms, json.loads(encode_event(event)))
        whole.arrive(record)
        line.arrive(record)
    whole.catch_up()
    while kills < KILLS:  # each kill comes between what was sent and what was written down, wherever that was
        stage, number, dies = rng.choice(("correlate", "aggregate")), rng.randrange(PARTITIONS), rng.random() < 0.5
        getattr(line, stage)(number, rng.randrange(1, 60), dies)
        kills += dies
        if rng.random() < 0.2:  # a rebalance: another process takes the partitions over from what was written down
            line.restart()
    assert any(correlate.mark.next_offset < len(events) // 2 for correlate in line.correlates)
    line.catch_up()
    line.restart()
    assert counts_of(line.aggregates) == counts_of(whole.aggregates)


class Broker:
    """What the check of contiguity asks of the consumer: records from offset 0 on are there, and reading goes back."""

    def __init__(self) -> None:
        self.sought: list[int] = []
        self.discarded = 0

    async def earliest_offsets(self, tp: TP) -> dict[TP, int]:
        return {tp: 0}

    async def seek_back(self, tp: TP, offset: int) -> None:
        self.sought.append(offset)

    def discard(self, message: object) -> None:
        self.discarded += 1


async def test_row_35_records_skipped_in_a_rebalance_are_noticed_and_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker, tp = Broker(), TP("cti.events", 3)
    monkeypatch.setattr("streams.contiguity.batch_of", lambda event: event.batch)
    monkeypatch.setattr("streams.contiguity.consumer_of", lambda app: broker)
    contiguity = Contiguity(SimpleNamespace())  # type: ignore[arg-type]

    def batch(start: int) -> Any:
        return SimpleNamespace(message=SimpleNamespace(tp=tp), batch=SimpleNamespace(start_offset=start))

    assert await contiguity.accepts(batch(100), 100)
    assert not await contiguity.accepts(batch(140), 120)
    assert (broker.sought, broker.discarded, contiguity.jumps[tp]) == ([120], 1, 20)
    assert await contiguity.accepts(batch(120), 120)


class Partition:
    """A consumer of one partition that has `last` as its newest record and ends at `end`: the log was compacted."""

    def __init__(self, position: int, end: int) -> None:
        self.tp = TP("cti.state", 0)
        self.position_, self.end = position, end

    def assignment(self) -> set[TP]:
        return {self.tp}

    def highwater(self, tp: TP) -> int:
        return self.end

    def last_poll_timestamp(self, tp: TP) -> int:
        return 0

    async def position(self, tp: TP) -> int:
        return self.position_


async def test_row_36_not_ready_while_recovering_and_it_says_how_long_that_takes() -> None:
    centre = Centre()
    centre.queued("c1")
    centre.flush()
    feed = centre.state.feed
    feed.caught_up = False
    feed.lag_records["cti.state", 0] = 30_000
    feed.records_per_second = 10_000.0
    assert why_not_ready(centre.state) == "catching up, 30000 records to go, about 3 s"
    for path in ("/readyz", "/v1/queues"):
        answer = await get(centre.app(), path)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "about 3 s" in answer.json()["detail"]
    feed.caught_up = True
    assert (await get(centre.app(), "/readyz")).status_code == 200


async def test_row_36_a_log_whose_last_records_were_compacted_away_is_caught_up_with() -> None:
    # Records 0 to 89 are left of 100: whoever waits for record 99 waits for ever.
    partition = Partition(position=95, end=100)
    tail = StateTail("broker:9092", {}, SimpleNamespace(feed=FeedStatus()), lambda: 0)  # type: ignore[arg-type]
    tail._next = {partition.tp: 90}
    await tail._pass_over_gaps(partition)
    assert not tail._at_end(partition)
    partition.position_ = 100
    await tail._pass_over_gaps(partition)
    assert tail._at_end(partition)


def test_row_37_memory_is_bounded_after_seven_days_and_after_a_recovery() -> None:
    centre = Centre()
    feed: dict[bytes, bytes] = {}
    centre.agent_state("1001", "ready")
    for step in range(7 * 24 * 30):
        centre.now_ms += 2 * MINUTE_MS
        centre.call(f"c{step}", agent="1001")
        leg = {"contact_id": f"c{step}", "visit_id": f"c{step}/1", "leg_id": f"c{step}/1/1", "agent_id": "1001"}
        centre.event("leg.ended", centre.now_ms + 30_000, **leg)
        if step % 30 == 0:
            centre.aggregate.drain_closed()
            compact(feed, centre)
    compact(feed, centre)
    bounds = sizes(centre.aggregate.scopes.queues["queue:sales"], centre.aggregate.scopes.agents["agent:1001"])
    again = Centre()
    again.aggregate.load(list(feed.items()))
    recovered = sizes(again.aggregate.scopes.queues["queue:sales"], again.aggregate.scopes.agents["agent:1001"])
    assert recovered == bounds
    slack = 2 * HOUR_MS  # old buckets go in lots, and when the next one begins
    assert bounds["queue panes"] <= (PANES_KEPT_MS + slack) // QUEUE_PANE_MS
    assert bounds["agent panes"] <= (PANES_KEPT_MS + slack) // AGENT_PANE_MS
    assert bounds["queue intervals"] <= (INTERVALS_KEPT_MS + slack) // (15 * MINUTE_MS)
    assert bounds["agent intervals"] <= (INTERVALS_KEPT_MS + slack) // (15 * MINUTE_MS)
    assert bounds["stretches"] <= 2 * (STRETCHES_KEPT_MS + slack) // (2 * MINUTE_MS)
    assert bounds["waiting"] == 0
    assert len(feed) < 3_000 < 7 * 24 * 30
    assert len(centre.correlate.contacts) < 20


def compact(feed: dict[bytes, bytes], centre: Centre) -> None:
    """What compaction leaves of the state feed."""
    for key, value in centre.aggregate.drain():
        if value is None:
            feed.pop(key, None)
        else:
            feed[key] = value


def sizes(queue: QueueScope, agent: AgentScope) -> dict[str, int]:
    return {
        "queue panes": len(queue.panes),
        "agent panes": len(agent.panes),
        "queue intervals": len(queue.intervals),
        "agent intervals": len(agent.intervals),
        "stretches": len(agent.timeline.starts),
        "waiting": len(queue.waiting),
    }


LABELS = {"queue", "site", "channel", "window", "state", "le", "source", "type", "reason", "topic", "partition"}
SERIES_A_QUEUE = 80


async def test_row_38_series_grow_with_queues_and_not_with_agents_or_customers() -> None:
    centre = Centre()
    for number in range(20):
        who = {"customer_ref": f"+4930{number:06}", "customer_class": "vip"}
        ids = {"contact_id": f"c{number}", "visit_id": f"c{number}/1", "queue_id": "sales"}
        centre.event("visit.queued", **ids, **who)
    centre.flush()
    few = series(await get(centre.app(), "/metrics"))
    for number in range(5_000):
        centre.agent_state(f"a{number}", "ready", queues=("sales", "mail"))
    centre.flush()
    answer = await get(centre.app(), "/metrics")
    many = series(answer)
    assert {label for _, labels in many for label in labels} <= LABELS
    assert len(many) - len(few) <= 2  # the type agent.state_changed
    for queue in ("sales", "mail"):
        assert 0 < sum(labels.get("queue") == queue and "le" not in labels for _, labels in many) <= SERIES_A_QUEUE
    assert len(answer.content) < 200_000
    assert "+4930" not in answer.text and "vip" not in answer.text
    opted_in = series(await get(centre.app(ApiSettings(agent_series=True)), "/metrics"))
    assert {labels["agent"] for _, labels in opted_in if "agent" in labels} >= {f"a{n}" for n in range(5_000)}


def series(answer: Any) -> list[tuple[str, dict[str, str]]]:
    families = text_string_to_metric_families(answer.text)
    return [(sample.name, dict(sample.labels)) for family in families for sample in family.samples]


async def test_row_39_nothing_waits_for_an_interval_to_end_before_it_is_shown() -> None:
    centre = Centre()
    shown = []
    for number in range(5):
        centre.now_ms += 200
        centre.call(f"c{number}", agent="1001")
        centre.flush()
        windows = (await ask(centre, "/v1/queues/sales"))["windows"]
        shown.append({(window["answered"], window["service_level_ratio"]) for window in windows.values()})
    assert shown == [{(n, 1)} for n in range(1, 6)]
    built_in_waits_ms = FETCH_MAX_WAIT_MS + 2 * 100  # the API's fetch, and a worker's of events and of facts
    assert built_in_waits_ms <= 1_000 / 4
    assert 1.0 in LATENCY_EDGES_SECONDS  # the share that was within a second can be read off the metric
    scraped = series(await get(restarted(centre).app(), "/metrics"))
    assert ("floorwalker_end_to_end_latency_seconds_bucket", {"le": "1.0"}) in scraped
