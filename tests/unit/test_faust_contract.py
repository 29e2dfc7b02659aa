"""The internals of Faust and aiokafka that the seams override or reach into: names, signatures, and what they read.

A failure here means that a new version moved something: look at the override before changing the test.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiokafka
import faust
import pytest
from aiokafka.consumer import fetcher as aio_fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from faust.app.base import App, BootStrategy
from faust.tables.base import Collection
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import consumer as base_consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from streams import transport
from streams.settings import floorwalker_app

SIGNATURES: list[tuple[Callable[..., Any], list[str]]] = [
    (base_consumer.Consumer.getmany, ["self", "timeout"]),
    (base_consumer.Consumer.ack, ["self", "message"]),
    (base_consumer.Consumer._new_offset, ["self", "tp"]),
    (base_consumer.Consumer._add_gap, ["self", "tp", "offset_from", "offset_to"]),
    (base_consumer.Consumer._filter_tps_with_pending_acks, ["self", "topics"]),
    (base_consumer.Consumer.perform_seek, ["self"]),
    (base_consumer.Consumer.resume_flow, ["self"]),
    (base_consumer.Consumer.on_buffer_drop, ["self", "tp"]),
    (base_consumer.Consumer.on_partitions_revoked, ["self", "revoked"]),
    (base_consumer.Consumer._is_changelog_tp, ["self", "tp"]),
    (driver.Consumer._to_message, ["self", "tp", "record"]),
    (driver.Consumer._new_consumer_thread, ["self"]),
    (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
    (driver.AIOKafkaConsumerThread._highwaters, ["self", "partitions"]),
    (
        driver.AIOKafkaConsumerThread._fetch_records,
        ["self", "consumer", "active_partitions", "timeout", "max_records"],
    ),
    (driver.ConsumerRebalanceListener.on_partitions_revoked, ["self", "revoked"]),
    (driver.ConsumerRebalanceListener.on_partitions_assigned, ["self", "assigned"]),
    (Collection.apply_changelog_batch, ["self", "batch"]),
    (Collection.persisted_offset, ["self", "tp"]),
    (Collection.on_rebalance, ["self", "assigned", "revoked", "newly_assigned", "generation_id"]),
    (Collection.on_recovery_completed, ["self", "active_tps", "standby_tps"]),
    (BootStrategy.kafka_producer, ["self"]),
    (GroupCoordinator._do_heartbeat, ["self"]),
    (GroupCoordinator._start_heartbeat_task, ["self"]),
    (GroupCoordinator.reset_generation, ["self"]),
    (aio_fetcher.FetchResult.check_assignment, ["self", "tp"]),
    (aio_fetcher.FetchResult.has_more, ["self"]),
    (aio_fetcher.FetchResult._update_position, ["self"]),
    (aio_fetcher.Fetcher._create_fetch_waiter, ["self"]),
    (aiokafka.AIOKafkaProducer.create_batch, ["self"]),
    (aiokafka.AIOKafkaProducer.send_batch, ["self", "batch", "topic", "partition"]),
    (BatchBuilder.append, ["self", "timestamp", "key", "value", "headers"]),
    (aiokafka.AIOKafkaClient.send, ["self", "node_id", "request", "group"]),
]


@pytest.mark.parametrize(
    ("function", "parameters"), SIGNATURES, ids=[f"{item.__module__}.{item.__qualname__}" for item, _ in SIGNATURES]
)
def test_signature_is_the_one_we_override_or_call(function: Callable[..., Any], parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters


@pytest.mark.parametrize(
    ("owner", "phrases"),
    [
        pytest.param(
            aio_fetcher.Fetcher,
            ["self._records", "self._wait_consume_future", "self._fetch_waiters", "self._subscriptions", "_notify("],
            id="the fetcher's fields",
        ),
        pytest.param(
            aio_fetcher.FetchResult,
            ["self._partition_records = None", "self._partition_records.next_fetch_offset"],
            id="a fetch result",
        ),
        pytest.param(aio_fetcher.PartitionRecords, ["self._records = records"], id="its records"),
        pytest.param(
            aiokafka.AIOKafkaConsumer,
            ["fetch_max_wait_ms=self._fetch_max_wait_ms", "self._coordinator = GroupCoordinator("],
            id="the fetch wait is read at start, not at construction",
        ),
        pytest.param(
            sender, ["await self._client.send(node_id, request)"], id="produce requests go through the client"
        ),
        pytest.param(
            GroupCoordinator,
            ["await self._do_heartbeat()", "self.reset_generation()", "self._start_heartbeat_task()"],
            id="heartbeats and leaving are methods looked up on the instance",
        ),
        pytest.param(
            base_consumer.Consumer._drain_messages,
            ["self.getmany", "self._read_offset.__getitem__", "if r_offset is None or offset >= r_offset:"],
            id="the drain loop uses getmany, and drops nothing where no offset was read",
        ),
        pytest.param(
            Recovery,
            ["self.active_highwaters", "table.apply_changelog_batch(buf)"],
            id="recovery's view of the changelog",
        ),
        pytest.param(
            TableManager.on_start,
            ["await self.sleep(1.0)", "await self._update_channels()", "await self.recovery.start()"],
            id="tables start a second late",
        ),
        pytest.param(
            FlowControlEvent.resume, ["self.clear()"], id="resuming clears queues, so sources stay closed until then"
        ),
    ],
)
def test_source_still_reads_what_we_replace(owner: Any, phrases: list[str]) -> None:
    source = inspect.getsource(owner)
    assert [phrase for phrase in phrases if phrase not in source] == []


def test_recovery_seeks_then_resumes_the_flow_last() -> None:
    source = inspect.getsource(Recovery.on_recovery_completed)
    order = [
        "resume_partitions",
        "perform_seek",
        "flow_control.resume()",
        "consumer.resume_flow()",
        "on_rebalance_end()",
    ]
    found = [re.search(re.escape(phrase), source) for phrase in order]
    positions = [match.start() for match in found if match is not None]
    assert len(positions) == len(order)
    assert positions == sorted(positions)


def test_a_stop_waits_for_unacknowledged_batches_before_tables_stop() -> None:
    source = inspect.getsource(App._stop_consumer)
    assert source.index("_consumer_wait_empty") < source.index("tables.stop()")


def test_messages_have_the_field_that_carries_our_position() -> None:
    assert "checksum" in ConsumerMessage.__mro__[1].__slots__  # type: ignore[attr-defined]
    assert ConsumerMessage.use_tracking is True


def test_raw_record_batches_have_what_we_read() -> None:
    records = MemoryRecords(b"")
    assert records.has_next() is False
    builder = BatchBuilder(1 << 16, 0)
    builder.append(timestamp=5, key=b"k", value=b"v", headers=[("h", b"1")])
    records = MemoryRecords(bytes(builder._build()))
    batch = records.next_batch()
    assert batch is not None
    assert (batch.next_offset, batch.is_control_batch, batch.validate_crc()) == (1, False, True)
    (record,) = list(batch)
    assert (record.offset, record.timestamp, record.key, record.value) == (0, 5, b"k", b"v")
    assert list(record.headers) == [("h", b"1")]


def test_faust_is_the_compiled_build() -> None:
    from faust._cython.streams import StreamIterator

    assert StreamIterator is not None
    assert faust.__version__.startswith("0.15.")


def test_the_url_scheme_finds_our_transport() -> None:
    transport.register()
    assert driver.Transport in transport.Transport.__mro__
    from faust.transport import by_url

    assert by_url(f"{transport.SCHEME}://127.0.0.1:9092") is transport.Transport


async def test_why_there_are_no_standbys() -> None:
    """Recovery resumes fetching for standbys, and again at its end, which throws away what was fetched in between.

    A table that goes on from an offset it remembers, as ours do, would never see those records again.
    """
    flow = FlowControlEvent()
    queue: FlowControlQueue = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    queue.put_nowait("a batch of a standby's changelog")
    flow.resume()
    assert queue.empty()
    restart = inspect.getsource(Recovery._restart_recovery.fun)
    completed = inspect.getsource(Recovery.on_recovery_completed)
    assert restart.index("flow_control.resume") < restart.rindex("on_recovery_completed")
    assert "flow_control.resume()" in completed
    assert floorwalker_app("127.0.0.1:9", "any", Path("any")).conf.table_standby_replicas == 0


def test_the_longest_session_that_may_be_configured_is_one_that_faust_takes() -> None:
    refusal = "if session_timeout > request_timeout:\n            raise ImproperlyConfigured("
    assert refusal in inspect.getsource(driver.AIOKafkaConsumerThread._create_worker_consumer)
    conf = floorwalker_app("127.0.0.1:9", "any", Path("any"), session_timeout_s=300).conf
    assert conf.broker_session_timeout == 300 < conf.broker_request_timeout
