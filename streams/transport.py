"""Faust transport that delivers one message per partition and fetch, instead of one per record.

Broker URLs start with `floorwalker://`. `message.value` is a `Batch` of aiokafka's raw records. Agents must read with
`stream.noack().events()` and call `event.message.ack(app.consumer)` when everything the batch caused is written.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import TRANSPORTS, aiokafka as driver
from faust.types import TP, ConsumerMessage, Message
from faust.types.tuples import ack_lock
from mode.utils.futures import notify

from streams.fetches import Batch, take_batches
from streams.lease import Lease

SCHEME = "floorwalker"
HIGHWATER_POLL_S = 0.02
HIGHWATER_TIMEOUT_S = 30.0


class BatchApp(Protocol):
    """What the transport needs of the app beyond Faust's own (see streams/settings.py)."""

    lease: Lease
    fetch_max_wait_ms: int


class Delivered(NamedTuple):
    """A batch and the number of revocations seen when it was taken from the fetcher."""

    batch: Batch
    revocations: int


class InFlight:
    """One delivered batch of a source partition: where the next one starts, and whether it has been acknowledged."""

    __slots__ = ("done", "next_offset")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.done = False


def register() -> None:
    """Make Faust know the transport when the package is used from a source tree, without installed entry points."""
    TRANSPORTS.aliases.setdefault(SCHEME, "streams.transport:Transport")


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Counts revocations in the consumer's thread, where no fetch can run in between, and tells the lease."""

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> Any:
        """Close the gate for everything fetched before; called synchronously at the start of a rebalance."""
        self._thread.revocations += 1
        self._thread.app.lease.rebalance_started()
        return self._finish(super().on_partitions_revoked(revoked))

    async def _finish(self, revoking: Awaitable[None]) -> None:
        await revoking
        self._thread.app.lease.rebalance_ready()

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Tell the lease first: recovery and the agents come after."""
        self._thread.app.lease.rebalance_ended()
        await super().on_partitions_assigned(assigned)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer."""

    revocations = 0

    async def on_start(self) -> None:
        """Start, and have answered heartbeats renew the lease."""
        await super().on_start()
        coordinator = self._ensure_consumer()._coordinator
        lease, heartbeat = self.app.lease, coordinator._do_heartbeat

        async def heartbeat_with_lease() -> bool:
            sent = lease.now()
            success: bool = await heartbeat()
            if success:
                lease.renew(sent)
            return success

        coordinator._do_heartbeat = heartbeat_with_lease

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        # the driver's fixed 1.5 s would be the delay of every event that arrives in a quiet moment
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = self.app.fetch_max_wait_ms
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

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, Delivered]:
        if not self.consumer.flow_active:
            return {}
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise driver.ConsumerStoppedError()
        check_crcs = self.app.conf.broker_check_crcs
        with fetcher._subscriptions.fetch_context():
            # decided per partition at the moment of taking: a rebalance may begin during the wait
            taken = await take_batches(
                fetcher,
                lambda tp: tp in active_partitions and self.consumer.may_deliver(tp, self.revocations),
                wait=timeout or 0.0,
                max_records=max_records or 1,
                check_crcs=check_crcs,
            )
        return {tp: Delivered(batch, self.revocations) for tp, batch in taken.items()}

    def wake(self) -> None:
        """Let a waiting fetch look again; callable from the event loop's thread."""
        if self._consumer is not None:
            self.thread_loop.call_soon_threadsafe(self._notify_fetch_waiters, self._consumer._fetcher)

    def _notify_fetch_waiters(self, fetcher: Any) -> None:
        for waiter in list(fetcher._fetch_waiters):
            fetcher._notify(waiter)


class Consumer(driver.Consumer):
    """Consumer with its own position per partition: a deque of the batches in flight, not lists of single offsets."""

    RebalanceListener = RebalanceListener
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._in_flight: defaultdict[TP, deque[InFlight]] = defaultdict(deque)
        self._sought_for = -1
        self._open_for = -1
        self.earliest: dict[TP, int] = {}
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def may_deliver(self, tp: TP, revocations: int) -> bool:
        """Whether records of `tp` that were taken after `revocations` revocations may be delivered now.

        Source records wait until recovery is over and positions are sought: Faust resumes their partitions before it
        seeks, and clears all queues after. Changelog records are what recovery reads.
        """
        if revocations != self._thread.revocations:
            return False
        return self._is_changelog_tp(tp) or self._open_for == revocations

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, and remember for which assignment that was."""
        before = self._thread.revocations
        await super().perform_seek()
        self._sought_for = before

    def resume_flow(self) -> None:
        """Faust calls it first to recover and again, after the seek and after clearing its queues, to run."""
        super().resume_flow()
        self._open_for = self._sought_for
        self._thread.wake()

    def on_buffer_drop(self, tp: TP) -> None:
        """A full queue has room again: do not wait for the running fetch to time out."""
        super().on_buffer_drop(tp)
        self._thread.wake()

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Yield one message per partition that has records.

        Unlike Faust's, it never seeks on its own when the flow is off: what is dropped here was taken before a
        rebalance, and every rebalance ends with new positions.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        fetched = await self._getmany(self._get_active_partitions(), timeout)
        for tp, (batch, revocations) in fetched.items():
            if self.should_stop or not self.flow_active:
                return
            if self.may_deliver(tp, revocations):
                self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
                yield tp, self._to_message(tp, batch)

    def _to_message(self, tp: TP, batch: Batch) -> ConsumerMessage:
        in_flight = None
        offset = batch.next_offset - 1  # recovery compares the offset with the end of the changelog
        if not self._is_changelog_tp(tp):
            offset = batch.start_offset
            in_flight = InFlight(batch.next_offset)
            self._in_flight[tp].append(in_flight)
        timestamp = batch[-1].timestamp / 1000 if batch else 0.0
        return ConsumerMessage(
            tp.topic, tp.partition, offset, timestamp, 0, None, None, batch, in_flight, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    def ack(self, message: Message) -> bool:
        """Mark a batch as finished; its offsets are committed when all batches before it are finished too."""
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            if message.checksum is not None:
                message.checksum.done = True
            self._unacked_messages.discard(message)
            self._n_acked += 1
            notify(self._waiting_for_ack)
            return True

    def _new_offset(self, tp: TP) -> int | None:
        queue = self._in_flight[tp]
        offset = None
        while queue and queue[0].done:
            offset = queue.popleft().next_offset
        return offset

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        # not Faust's `_acked`: that is emptied at the start of a rebalance, before the last commit
        return (tp for tp in list(self._in_flight) if topics is None or tp in topics or tp.topic in topics)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Nothing to do: a batch knows where the next one starts."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let Faust finish and commit what is running, then forget the positions."""
        await super().on_partitions_revoked(revoked)
        self._in_flight.clear()

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """The first offsets that exist; kept in `earliest`, where tables see a legal start of their recovery."""
        offsets = await super().earliest_offsets(*partitions)
        self.earliest.update(offsets)
        return offsets

    async def seek_back(self, tp: TP, offset: int) -> None:
        """Deliver `tp` again from `offset` on; what was delivered behind it no longer counts for the commit."""
        self._in_flight.pop(tp, None)
        await self.seek_wait({tp: offset})
        self._thread.wake()

    def discard(self, message: Message) -> None:
        """Give up a delivered batch that will come again: do not wait for it, do not commit it."""
        self._unacked_messages.discard(message)
        queue = self._in_flight.get(message.tp)
        if queue and message.checksum in queue:
            queue.remove(message.checksum)
        notify(self._waiting_for_ack)


class Transport(driver.Transport):
    """The aiokafka driver with our consumer."""

    Consumer = Consumer
