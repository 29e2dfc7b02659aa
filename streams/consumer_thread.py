"""The thread that owns the aiokafka consumer: it fetches batches, feeds the lease, and knows when a rebalance began."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, cast

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from service.fetches import Batch, take_batches
from streams.batch_app import FloorwalkerApp
from streams.in_step import HOLD_S, InStep
from streams.lease import Lease

HIGHWATER_POLL_S = 0.02
HIGHWATER_TIMEOUT_S = 30.0


class Delivered(NamedTuple):
    """A batch and the number of revocations seen when it was taken from the fetcher."""

    batch: Batch
    revocations: int


class _Gate(Protocol):
    flow_active: bool

    def may_deliver(self, tp: TP, revocations: int) -> bool: ...


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Counts revocations in the consumer's thread, where no fetch can run in between, and tells the lease."""

    _thread: ConsumerThread

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> Any:
        """Close the gate for everything fetched before; called synchronously at the start of a rebalance."""
        self._thread.revocations += 1
        self._thread.in_step.restart((), time.monotonic())
        self._thread.app.lease.rebalance_started()
        return self._finish(super().on_partitions_revoked(revoked))

    async def _finish(self, revoking: Awaitable[None]) -> None:
        await revoking
        self._thread.app.lease.rebalance_ready()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Tell the lease first: recovery and the agents come after."""
        self._thread.app.lease.rebalance_ended()
        self._thread.in_step.restart(assigned, time.monotonic())
        await super().on_partitions_assigned(assigned)


def feed_lease(lease: Lease, coordinator: Any) -> None:
    """Have the group's coordinator, of aiokafka, tell the lease about answered heartbeats and about leaving.

    It sends the first heartbeat of an assignment an interval after it, and nothing may be written before the answer:
    now there is one at once.
    """
    start, heartbeat, reset = (
        coordinator._start_heartbeat_task, coordinator._do_heartbeat, coordinator.reset_generation,
    )  # fmt: skip

    async def heartbeat_with_lease() -> bool:
        sent = lease.now()
        success: bool = await heartbeat()
        if success:
            lease.renew(sent)
        return success

    def start_with_one() -> None:
        start()
        coordinator.first_heartbeat = asyncio.create_task(heartbeat_with_lease())  # kept, or it would be collected

    def reset_with_lease() -> None:
        reset()
        lease.left_group()

    coordinator._start_heartbeat_task = start_with_one
    coordinator._do_heartbeat = heartbeat_with_lease
    coordinator.reset_generation = reset_with_lease


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with batches instead of records."""

    app: FloorwalkerApp
    revocations = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.in_step = InStep(lambda tp: self._ensure_consumer().highwater(tp))

    async def on_start(self) -> None:
        """Start, and have the lease fed."""
        await super().on_start()
        feed_lease(self.app.lease, self._ensure_consumer()._coordinator)

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        # the driver's fixed 1.5 s would be the delay of every event that arrives in a quiet moment
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.app.fetch_max_wait_ms
        consumer._fetch_min_bytes = self.app.fetch_min_bytes
        return consumer

    async def _highwaters(self, partitions: list[TP]) -> Mapping[TP, int]:
        # the embedded broker answers ListOffsets with an offset inside its last batch, fetch responses are right there;
        # Kafka's fetch responses may be behind just after a leader election, where ListOffsets waits: take the larger
        consumer = self._ensure_consumer()
        deadline = time.monotonic() + HIGHWATER_TIMEOUT_S
        while any(consumer.highwater(tp) is None for tp in partitions):
            if time.monotonic() > deadline:
                # Faust goes on without recovery when its own wait is over, so be earlier and louder
                raise TimeoutError(f"the broker did not answer a fetch of {partitions} within {HIGHWATER_TIMEOUT_S} s")
            await asyncio.sleep(HIGHWATER_POLL_S)
        ends = await consumer.end_offsets(partitions)
        return {tp: max(consumer.highwater(tp), ends[tp]) for tp in partitions}

    async def _fetch_records(  # type: ignore[override]  # our Consumer.getmany is its only reader
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, Delivered]:
        gate = cast(_Gate, self.consumer)
        if not gate.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError()
        self.in_step.full(consumer.assignment() - active_partitions, time.monotonic())
        with fetcher._subscriptions.fetch_context():
            # decided per partition at the moment of taking: a rebalance may begin during the wait
            taken: dict[TP, Batch] = await take_batches(
                fetcher,
                lambda tp: (
                    tp in active_partitions
                    and gate.may_deliver(tp, self.revocations)
                    and not self.in_step.ahead(tp, time.monotonic())
                ),
                wait=min(timeout or 0.0, HOLD_S),
                max_records=max_records or 1,
                check_crcs=self.app.conf.broker_check_crcs,
            )
        for tp, batch in taken.items():
            self.in_step.took(tp, batch, time.monotonic())
        return {tp: Delivered(batch, self.revocations) for tp, batch in taken.items()}

    def wake(self) -> None:
        """Let a waiting fetch look again; callable from the event loop's thread."""
        if self._consumer is not None:
            self.thread_loop.call_soon_threadsafe(self._notify_fetch_waiters, self._consumer._fetcher)

    def _notify_fetch_waiters(self, fetcher: Any) -> None:
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)
