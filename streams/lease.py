"""The lease: may this process still write, or has the group perhaps given its partitions to somebody else?

A process that was frozen, or cut off from the group's coordinator, for longer than its session must not write any more:
its late values would replace its successor's. It has the right to write for a part of the session after the last
heartbeat that the coordinator answered, and ends itself when that has passed.
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
    """Time left to write. Heartbeats feed it from the consumer's thread, everything else belongs to the event loop."""

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
        self._confirmed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        """The lease's clock in seconds; read it before sending a heartbeat and give it to `renew`."""
        return self._now()

    def renew(self, sent: float) -> None:
        """The coordinator answered a heartbeat that was sent at `sent`: sent, not answered, for that is what counts.

        A heartbeat during a rebalance proves that we live, not that the group still waits for us: the rebalance's own
        deadline stays.
        """
        if self._joining:
            return
        self._expires = sent + self._length
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._confirmed.set)

    def rebalance_started(self) -> None:
        """The group rebalances: it leaves us out if we are not ready within its rebalance timeout."""
        self._must_be_ready = self.now() + self._rebalance

    def rebalance_ready(self) -> None:
        """Our writes are done, we join: no heartbeats are sent now, and nothing is written that needs the lease."""
        self._joining = True
        self._must_be_ready = None
        self._expires = None

    def rebalance_ended(self) -> None:
        """Partitions were assigned: nothing may be written until a heartbeat of this generation is answered."""
        self._joining = False

    async def confirm(self) -> None:
        """Wait for the first answered heartbeat since the assignment, if there is none yet, then check."""
        self._loop = asyncio.get_running_loop()
        while self._expires is None:
            self._confirmed.clear()
            await self._confirmed.wait()
        self.check()

    def check(self) -> None:
        """End the process if the lease has run out; do nothing while there is none yet (nothing was written either)."""
        now, expires, must_be_ready = self.now(), self._expires, self._must_be_ready
        if expires is not None and now > expires:
            late = now - expires + self._length
            self._on_lost(f"lease lost: the group's coordinator answered no heartbeat for {late:.1f} s")
        elif must_be_ready is not None and now > must_be_ready:
            self._on_lost("lease lost: this worker did not finish its writes in time for the group's rebalance")
