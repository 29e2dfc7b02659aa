"""Tells one receiver what its outbox holds, one request at a time, and rests when nobody is there."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from service.notify.outbox import Notice, Outbox, Record
from service.notify.receiver import Answer, NotReady, Outcome, Receiver, Request

log = logging.getLogger(__name__)

FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 30_000
LONGEST_HOLD_MS: Final = 300_000
"""The longest pause before a notice that was refused is tried again."""


class Clock(Protocol):
    """Time as a courier sees it: the wall clock to tell, a steady one to measure."""

    def now_ms(self) -> int:
        """The wall clock, UTC."""
        ...

    def steady_ms(self) -> int:
        """A clock that nobody sets."""
        ...

    async def wait(self, changed: asyncio.Event, timeout_ms: int | None) -> None:
        """Return when the event is set or the time is over; None: no time limit."""
        ...


class WallClock:
    """The machine's time."""

    def now_ms(self) -> int:
        """See `Clock`."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        """See `Clock`."""
        return time.monotonic_ns() // 1_000_000

    async def wait(self, changed: asyncio.Event, timeout_ms: int | None) -> None:
        """See `Clock`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(changed.wait(), None if timeout_ms is None else timeout_ms / 1000)


class Report(Protocol):
    """Who counts."""

    def notified(self, receiver: str, outcome: Outcome, notices: int) -> None:
        """So many notices came to this end."""
        ...

    def notices_pending(self, receiver: str, notices: int) -> None:
        """So many wait for the receiver now."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What couriers share. `ledger` writes records and returns when they are safe.

    `may_tell` returns when this process may still speak for the floor: after a freeze another may have taken over.
    """

    post: Callable[[Request], Awaitable[Answer]]
    ledger: Callable[[Sequence[Record]], Awaitable[object]]
    may_tell: Callable[[], Awaitable[None]]
    clock: Clock
    report: Report
    random: random.Random


def pause_ms(failures: int, longest_ms: int, chance: float) -> int:
    """How long to rest after so many failures in a row: doubled each time, and between half and all of it by chance.

    Chance (0 to 1), so that many senders do not come back to a receiver at the same moment.
    """
    most_ms = min(longest_ms, FIRST_PAUSE_MS << min(failures - 1, 20))
    return round(most_ms * (0.5 + chance / 2))


class Courier:
    """The loop of one receiver. Whatever the receiver does, it holds up nobody but itself."""

    def __init__(self, receiver: Receiver, outbox: Outbox, means: Means) -> None:
        self.receiver = receiver
        self.outbox = outbox
        self._means = means
        self._clock = means.clock
        self._changed = asyncio.Event()
        self._stopping = False
        self._failures = 0
        self._rest_until_ms = 0
        self._repeat_at_ms = 0
        self._round: deque[str] = deque()
        self._refusals: dict[str, int] = {}
        self._held_until_ms: dict[str, int] = {}

    def wake(self) -> None:
        """The outbox has changed."""
        self._means.report.notices_pending(self.receiver.name, self.outbox.pending)
        self._changed.set()

    def finish(self) -> None:
        """End after the request that is under way."""
        self._stopping = True
        self._changed.set()

    def leave(self) -> None:
        """What waits is somebody else's from now on."""
        self._means.report.notices_pending(self.receiver.name, 0)

    async def run(self) -> None:
        """Tell until told to finish. Raises what the ledger raises."""
        while not self._stopping:
            rest_ms = self._rest_until_ms - self._clock.steady_ms()
            if rest_ms <= 0 and self._something():
                await self._means.may_tell()
                if notices := self._next():
                    await self._tell(notices)
                continue
            self._changed.clear()
            await self._clock.wait(self._changed, rest_ms if rest_ms > 0 else self._idle_ms())

    def _something(self) -> bool:
        self._release()
        return bool(self._round or self.outbox.due(1) or self._time_to_repeat())

    def _next(self) -> list[Notice]:
        """What to tell now: first what is new, then the next part of what is repeated."""
        limit = self.receiver.batch
        if due := self.outbox.due(limit):
            return due
        now_ms = self._clock.now_ms()
        if not self._round and self._time_to_repeat():
            self._round.extend(self.outbox.standing(now_ms))
            self._repeat_at_ms = self._clock.steady_ms() + (self.receiver.repeat_ms or 0)
        part = [self._round.popleft() for _ in range(min(limit, len(self._round)))]
        return [notice for key in part if (notice := self.outbox.now_standing(key, now_ms)) is not None]

    def _time_to_repeat(self) -> bool:
        return self.receiver.repeat_ms is not None and self._clock.steady_ms() >= self._repeat_at_ms

    def _release(self) -> None:
        """Let notices that were refused be tried again when their time has come, and forget those that are over."""
        now_ms = self._clock.steady_ms()
        self._refusals = {key: times for key, times in self._refusals.items() if self.outbox.owes(key)}
        for key in [key for key, at_ms in self._held_until_ms.items() if at_ms <= now_ms]:
            del self._held_until_ms[key]
            self.outbox.release(key)

    def _idle_ms(self) -> int | None:
        """How long nothing is to be done if nothing changes; None: for ever."""
        moments = list(self._held_until_ms.values())
        if self.receiver.repeat_ms is not None:
            moments.append(self._repeat_at_ms)
        return max(1, min(moments) - self._clock.steady_ms()) if moments else None

    async def _tell(self, notices: list[Notice]) -> None:
        answer = await self._ask(notices)
        if answer.verdict == "delivered":
            await self._delivered(notices)
        elif answer.verdict == "refused":
            self._refused(notices, answer)
        else:
            self._failed(notices, answer)
        self._means.report.notices_pending(self.receiver.name, self.outbox.pending)

    async def _ask(self, notices: list[Notice]) -> Answer:
        try:
            request = self.receiver.request(notices, self._clock.now_ms())
        except NotReady as error:
            return Answer(None, str(error))
        except Exception:
            # a fault of ours in one alert: the others are to be told, and the worker has more to do than this
            log.exception("an alert could not be put into words for %s: %s", self.receiver.name, notices[0].key)
            return Answer(400, "our own fault")
        return await self._means.post(request)

    async def _delivered(self, notices: list[Notice]) -> None:
        if self._failures:
            log.info("%s answers again", self.receiver.name)
        self._failures = 0
        news = self.outbox.confirm(notices, self._clock.now_ms())
        if news:
            await self._means.ledger(news)
        self._count("delivered", len(news))
        self._count("repeated", len(notices) - len(news))

    def _refused(self, notices: list[Notice], answer: Answer) -> None:
        """Put these aside for a while; a short rest, lest all of many be tried and refused at once.

        Not what is no longer owed, as the alert has changed meanwhile, or is only repeated: nobody would release it.
        """
        now_ms = self._clock.steady_ms()
        for notice in notices:
            if not self.outbox.owes(notice.key):
                continue
            times = self._refusals[notice.key] = self._refusals.get(notice.key, 0) + 1
            self.outbox.hold(notice.key)
            self._held_until_ms[notice.key] = now_ms + self._pause_ms(times, LONGEST_HOLD_MS)
            if times == 1:
                log.warning("%s refuses %s and will be asked again: %s", self.receiver.name, notice.key, answer)
        self._rest_until_ms = now_ms + FIRST_PAUSE_MS
        self._count("refused", len(notices))

    def _failed(self, notices: list[Notice], answer: Answer) -> None:
        """Rest, for longer each time; everything that waits keeps waiting."""
        self._failures += 1
        rest_ms = max(self._pause_ms(self._failures, LONGEST_PAUSE_MS), answer.retry_after_ms or 0)
        self._rest_until_ms = self._clock.steady_ms() + rest_ms
        if self._failures == 1:
            log.warning("%s cannot be told and will be tried again: %s", self.receiver.name, answer)
        # it may come back with nothing in mind: it is told everything anew
        self._repeat_at_ms = min(self._repeat_at_ms, self._rest_until_ms)
        self._count("failed", len(notices))

    def _pause_ms(self, times: int, longest_ms: int) -> int:
        return pause_ms(times, longest_ms, self._means.random.random())

    def _count(self, outcome: Outcome, notices: int) -> None:
        if notices:
            self._means.report.notified(self.receiver.name, outcome, notices)
