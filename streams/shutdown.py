"""The end of a worker after SIGTERM or Ctrl-C: in order and with everything flushed, or else at a deadline.

Without Kafka nothing can be flushed, and Faust would wait for it for ever. What is not flushed is not lost: the events
are read again by whoever gets the partitions next.
"""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

from faust.worker import Worker

from streams.batch_app import FloorwalkerApp
from streams.crash import end_process
from streams.tables import BatchTable

STOP_TIMEOUT_S = 8.0
"""Container platforms give ten seconds before they kill."""


class BoundedWorker(Worker):
    """Faust's worker, which has ended `STOP_TIMEOUT_S` after the first signal: with 0, or with 1 and the reason."""

    app: FloorwalkerApp
    _deadline: threading.Timer | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Without Faust's spinner: where its output cannot be written, as on a full disk, the worker would end."""
        super().__init__(*args, **kwargs)
        self.spinner = None

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        """Without Faust's spinner, for which every library's debug messages would be made where only warnings are asked
        for.
        """

    def install_signal_handlers(self) -> None:
        """Take signals as Python does, not the event loop: a deadline must also hold while that is busy."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop_soon)

    def _stop_soon(self, number: int, frame: FrameType | None) -> None:
        if self._deadline is None:
            self._deadline = threading.Timer(STOP_TIMEOUT_S, self._give_up)
            self._deadline.daemon = True
            self._deadline.start()
            self._flag_as_shutdown_by_signal()
            self.loop.call_soon_threadsafe(self._schedule_shutdown, signal.Signals(number))

    async def stop(self) -> None:
        """Stop everything; end the process with 1 if that left something unflushed, as in the middle of a rebalance."""
        await super().stop()
        if unflushed := self._unflushed():
            end_process(f"stopped before {unflushed} was flushed; its events will be read again")

    def _give_up(self) -> None:
        unflushed = self._unflushed()
        what = f"{unflushed} is not flushed, its events will be read again" if unflushed else "everything is flushed"
        end_process(
            f"not stopped {STOP_TIMEOUT_S:.0f} s after the signal, since Kafka does not answer or work is stuck: {what}"
        )

    def _unflushed(self) -> str:
        tables: list[Any] = [table for table in self.app.tables.values() if isinstance(table, BatchTable)]
        return ", ".join(f"{table.name}[{number}]" for table in tables for number in table.unflushed())


def run_app(app: FloorwalkerApp, log_level: str) -> None:
    """Run a configured app until SIGTERM or Ctrl-C; raises SystemExit."""
    logging.getLogger("aiokafka.conn").setLevel(logging.INFO)  # its debug messages show whole records
    level = getattr(logging, log_level.upper())
    BoundedWorker(app, loglevel=level, redirect_stdouts=False, quiet=True).execute_from_commandline()
