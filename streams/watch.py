"""The watchdog's round: every few seconds each partition is asked what is stuck, and the answers go to `cti.events`.

What is sent is a synthetic event like any other record: it is applied when it is read. A round after a crash, or by
another worker, makes the same events with the same ids.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from service.domain.aggregate import AggregateStore
from service.domain.correlate import BY_KEY, EVERYWHERE, HERE, CorrelateStore
from streams.batch_app import FloorwalkerApp
from streams.crash import crash_on_error
from streams.synthetic import Sent, send_made
from streams.tables import BatchTable

ROUND_SECONDS = 5.0

log = logging.getLogger(__name__)


class Clocks:
    """Event time of feeds that may be old recordings: where each has come to, and on from there at the wall's pace."""

    def __init__(self, monotonic_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000) -> None:
        """Nothing heard yet."""
        self._monotonic_ms = monotonic_ms
        self._heard: dict[tuple[object, ...], tuple[int, int]] = {}

    def now_ms(self, feed: tuple[object, ...], newest_ms: int) -> int:
        """The feed's present, whose newest event is of `newest_ms`; it goes on while the feed says nothing new."""
        here_ms = self._monotonic_ms()
        known = self._heard.get(feed)
        if known is None or known[0] != newest_ms:
            known = self._heard[feed] = newest_ms, here_ms
        return newest_ms + here_ms - known[1]


def watch_contacts(app: FloorwalkerApp, contacts: BatchTable[CorrelateStore], partitions: int) -> None:
    """Have the app look, every round, which contacts of its partitions are stuck."""
    clocks, producer = Clocks(), app.batch_producer

    def send_stuck(partition: int) -> Sent:
        made = contacts.store(partition).stuck(partial(_source_now_ms, clocks, partition))
        return send_made(producer, [(HERE, event) for event in made], partition, partitions)

    _make_rounds(app, contacts, send_stuck)


def watch_agents(app: FloorwalkerApp, state: BatchTable[AggregateStore], partitions: int) -> None:
    """The same of agents."""
    clocks, producer = Clocks(), app.batch_producer

    def send_stuck(partition: int) -> Sent:
        store = state.store(partition)
        times = [clocks.now_ms(("facts", partition, source), ms) for source, ms in store.mark.newest_ms.items()]
        if not times:
            return []
        # what is sent to all partitions lines up behind what they have not read yet, so the fastest may say when
        made = [(EVERYWHERE, event) for event in store.moved_on(max(times))]
        made += [(BY_KEY, event) for event in store.stuck(min(times))]
        return send_made(producer, made, partition, partitions)

    _make_rounds(app, state, send_stuck)


def _make_rounds(app: FloorwalkerApp, table: BatchTable[Any], send_stuck: Callable[[int], Sent]) -> None:
    @crash_on_error
    async def make_round() -> None:
        sent: Sent = []
        for partition in table.writable_partitions:
            try:
                sent += send_stuck(partition)
            except Exception:  # a fault of ours in looking: the stream itself goes on, as it does after poison
                log.exception("the watchdog failed on partition %d of %s", partition, table.name)
        await asyncio.gather(*sent)

    app.timer(ROUND_SECONDS)(make_round)


def _source_now_ms(clocks: Clocks, partition: int, source: str, newest_ms: int) -> int:
    return clocks.now_ms(("events", partition, source), newest_ms)
