"""The lease: may this process still write, or has the group perhaps given its partitions to somebody else?

A process that was frozen, or cut off from the group's coordinator, for longer than its session must not write any more:
its late values would replace its successor's. It may write for a part of the session after the last heartbeat that the
coordinator answered. Later it waits: for the next answer, since a member of the same generation still owns what it
owned, or for the news that it is out of the group, and then it ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from streams.crash import end_process

SAFE_PART = 0.6


def _boot_time() -> float:
    # unlike the monotonic clock this one goes on while the machine sleeps
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lease:
    """The right to write. `valid` belongs to the event loop; everything else is called in the consumer's thread."""

    def __init__(
        self,
        session_timeout: float,
        rebalance_timeout: float,
        *,
        now: Callable[[], float] = _boot_time,
        on_lost: Callable[[str], object] = end_process,
    ) -> None:
        """Start without a lease. Both timeouts are the group's, in seconds as Faust has them."""
        self._length = session_timeout * SAFE_PART
        self._rebalance = rebalance_timeout * SAFE_PART
        self._now = now
        self._on_lost = on_lost
        self._expires: float | None = None
        self._must_be_ready: float | None = None
        self._joining = False
        self._out = False
        self.departures = 0
        """How often the group went on without this process: others may have written what it held."""
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        """The lease's clock in seconds; read it before sending a heartbeat and give it to `renew`."""
        return self._now()

    def renew(self, sent: float) -> None:
        """The coordinator answered a heartbeat that was sent at `sent`: sent, not answered, for that is what counts.

        A heartbeat during a rebalance proves that we live, not that the group still waits for us: the rebalance's own
        deadline stays.
        """
        if not self._joining:
            self._expires = sent + self._length
            self._wake()

    def left_group(self) -> None:
        """The coordinator does not know us any more: what is ours by our own account may be somebody else's."""
        self._out = True
        self.departures += 1
        self._wake()

    def rebalance_started(self) -> None:
        """The group rebalances: it leaves us out if we are not ready within its rebalance timeout."""
        self._must_be_ready = self.now() + self._rebalance

    def rebalance_ready(self) -> None:
        """Our writes are done, we join: until partitions are assigned nothing is written."""
        self._joining = True
        self._must_be_ready = None
        self._expires = None

    def rebalance_ended(self) -> None:
        """Partitions were assigned: writing begins when a heartbeat of this generation is answered."""
        self._joining = False
        self._out = False

    async def valid(self) -> None:
        """Return when this process may write; end it when it turns out that it has left the group meanwhile."""
        self._loop = asyncio.get_running_loop()
        while self._out or not self._holds():
            if self._out:
                self._on_lost("lease lost: this worker left the group with unwritten changes")
                return
            self._changed.clear()
            await self._changed.wait()

    def _holds(self) -> bool:
        now, expires, must_be_ready = self.now(), self._expires, self._must_be_ready
        return expires is not None and now <= expires and (must_be_ready is None or now <= must_be_ready)

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)
