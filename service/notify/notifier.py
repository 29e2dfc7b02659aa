"""The evaluator's voice: takes alerts as they change, and tells every receiver of its own accord."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from random import Random
from typing import Final

from service.domain.alert_record import Alert
from service.notify.courier import Clock, Courier, Means, Report, WallClock
from service.notify.http import HttpPoster
from service.notify.outbox import Outbox, Record
from service.notify.receiver import Receiver

GRACE_SECONDS: Final = 1.0
"""How long `stop` waits for answers to requests under way: what is cut off is told again by whoever goes on."""


async def _always() -> None:
    """May tell: nobody else could."""


class Notifier:
    """Tells receivers of alerts, each at its own pace.

    `ledger` writes records to `cti.notifications` and returns when they are safe; `may_tell` returns when this process
    may still speak; `on_error` is called with what the ledger raised, after which nobody is told any more.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        ledger: Callable[[Sequence[Record]], Awaitable[object]],
        report: Report,
        on_error: Callable[[BaseException], object],
        *,
        may_tell: Callable[[], Awaitable[None]] = _always,
        poster: HttpPoster | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._ledger = ledger
        self._on_error = on_error
        self._poster = poster or HttpPoster()
        self._clock = clock or WallClock()
        means = Means(self._poster.post, ledger, may_tell, self._clock, report, Random())
        self._couriers = [Courier(one, Outbox(one.name, one.wants, one.linger_ms), means) for one in receivers]
        self._tasks: list[asyncio.Task[None]] = []

    async def restore(self, alerts: Sequence[Alert], records: Sequence[Record]) -> None:
        """Take what `cti.alerts` and `cti.notifications` hold, before `start`. Raises what the ledger raises."""
        news = [
            record
            for courier in self._couriers
            for record in courier.outbox.restore(alerts, records, self._clock.now_ms())
        ]
        if news:
            await self._ledger(news)

    def offer(self, alerts: Iterable[Alert]) -> None:
        """These have changed and are safe in `cti.alerts`. Takes no time: the telling is done elsewhere."""
        changed = list(alerts)
        if not changed:
            return
        for alert in changed:
            for courier in self._couriers:
                courier.outbox.offer(alert)
        for courier in self._couriers:
            courier.wake()

    async def forget(self, fingerprints: Iterable[str]) -> None:
        """These were removed from `cti.alerts`. Raises what the ledger raises."""
        keys = list(fingerprints)
        news = [record for courier in self._couriers for key in keys for record in courier.outbox.forget(key)]
        for courier in self._couriers:
            courier.wake()
        if news:
            await self._ledger(news)

    async def start(self) -> None:
        """Begin to tell."""
        await self._poster.__aenter__()
        for courier in self._couriers:
            courier.wake()
            task = asyncio.create_task(courier.run(), name=f"tell {courier.receiver.name}")
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Tell nobody any more; what is under way has a moment to be answered and confirmed."""
        for courier in self._couriers:
            courier.finish()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._tasks.clear()
        await self._poster.__aexit__(None, None, None)
        for courier in self._couriers:
            courier.leave()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._on_error(error)
