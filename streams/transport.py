"""Faust transport that delivers one message per partition and fetch, instead of one per record.

Broker URLs start with `floorwalker://`. Agents iterate over `batches(stream)`, read `batch_of(event)`
(a list of aiokafka's raw records), and a writer acknowledges the event when everything it caused is written.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

from faust.streams import Stream
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, EventT, Message, StreamT
from faust.types.tuples import ack_lock
from mode.utils.futures import notify

from service.fetches import Batch
from streams.batch_app import FloorwalkerApp
from streams.consumer_thread import ConsumerThread, Delivered, RebalanceListener

SCHEME = "floorwalker"


class InFlight:
    """One delivered batch of a source partition: where the next one starts, and whether it has been acknowledged."""

    __slots__ = ("done", "next_offset")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.done = False


def register() -> None:
    """Make Faust know the transport when the package is used from a source tree, without installed entry points."""
    TRANSPORTS.aliases.setdefault(SCHEME, "streams.transport:Transport")


def batches(stream: StreamT[Any]) -> AsyncIterator[EventT[Any]]:
    """The events of an agent's stream, one per batch; the writer acknowledges them, not Faust."""
    return cast(AsyncIterator[EventT[Any]], cast(Stream[Any], stream).noack().events())


def batch_of(event: EventT[Any]) -> Batch:
    """The batch that an event of a topic read through this transport carries."""
    return cast(Batch, event.value)


def consumer_of(app: FloorwalkerApp) -> Consumer:
    """The app's consumer, which is ours."""
    return cast(Consumer, app.consumer)


def _in_flight(message: Message) -> InFlight | None:
    return cast(InFlight | None, message.checksum)


class _NothingRead(dict[TP, int | None]):
    """In the place of the offsets from which on Faust delivers a partition: it always delivers.

    Faust notes an offset when a delivery is over, hence also one from before a seek that happened meanwhile, and then
    drops what was sought. Marks and `Contiguity` know better what has been processed.
    """

    def __getitem__(self, tp: TP) -> int | None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None: ...


class Consumer(driver.Consumer):
    """Consumer with its own position per partition: a deque of the batches in flight, not lists of single offsets."""

    RebalanceListener = RebalanceListener
    app: FloorwalkerApp
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._in_flight: defaultdict[TP, deque[InFlight]] = defaultdict(deque)
        self._sought_for = -1
        self._open_for = -1
        self.earliest: dict[TP, int] = {}
        super().__init__(*args, **kwargs)
        self._read_offset = _NothingRead()

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
            await self.wait(self.can_resume_flow.wait())
        fetched = cast(Mapping[TP, Delivered], await self._getmany(self._get_active_partitions(), timeout))
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
        message = ConsumerMessage(
            tp.topic, tp.partition, offset, timestamp, 0, None, None, cast(bytes, batch), None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip
        message.checksum = cast(Any, in_flight)  # the field of Faust's message that nobody reads
        return message

    def ack(self, message: Message) -> bool:
        """Mark a batch as finished; its offsets are committed when all batches before it are finished too."""
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            in_flight = _in_flight(message)
            if in_flight is not None:
                in_flight.done = True
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

    def known_end(self, tp: TP) -> int | None:
        """Where the partition ended at the last fetch; None if it is not ours or was not fetched. From any thread."""
        consumer = self._thread._consumer
        if consumer is None or tp not in consumer.assignment():
            return None
        end: int | None = consumer.highwater(tp)
        return end

    def discard(self, message: Message) -> None:
        """Give up a delivered batch that will come again: do not wait for it, do not commit it."""
        self._unacked_messages.discard(message)
        queue, in_flight = self._in_flight.get(message.tp), _in_flight(message)
        if queue and in_flight is not None and in_flight in queue:
            queue.remove(in_flight)
        notify(self._waiting_for_ack)


class Transport(driver.Transport):
    """The aiokafka driver with our consumer."""

    Consumer = Consumer
