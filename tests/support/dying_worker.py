"""A `floorwalker` that kills itself (-9) at one point of the order of writing.

To be run as `python -m tests.support.dying_worker worker ...`.

`FLOORWALKER_TEST_DIE=POINT:N` dies when the point is reached for the Nth time. The points: `facts-sent` (facts are
acknowledged, their state is not flushed), `cut` (a flush of a part of a batch is written, the rest of it is not
applied), `flushed` (the flush is acknowledged by the broker, its events not to Faust).
"""

from __future__ import annotations

import os
import signal
import sys

from service.main import main
from streams import correlate
from streams.producer import Record
from streams.writer import Writer

VARIABLE = "FLOORWALKER_TEST_DIE"
POINTS = ("facts-sent", "cut", "flushed")
SMALL_PART = 2
SMALL_PENDING = 3


class Death:
    """Counts how often the point was reached."""

    def __init__(self, wish: str) -> None:
        self.point, _, number = wish.partition(":")
        self._left = int(number)

    def reached(self, point: str) -> None:
        """Die if this is the point and the time."""
        if point == self.point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def die(death: Death) -> None:
    """Put the points into the writer."""
    flush, write = Writer._flush, Writer._write
    cut: dict[Writer, bool] = {}

    async def noting_flush(self: Writer) -> None:
        cut[self] = self._pending > 0 and not self._events
        await flush(self)

    async def dying_write(self: Writer, records: list[Record]) -> None:
        contacts = self._tp.topic == "cti.contacts"
        if contacts:
            death.reached("facts-sent")
        await write(self, records)
        if contacts and cut[self]:
            death.reached("cut")
        death.reached("flushed")

    Writer._flush, Writer._write = noting_flush, dying_write  # type: ignore[method-assign]


def cut_everything() -> None:
    """Have batches of a few events be applied in parts, each too much for the next one to be in the same flush."""
    correlate.PART = SMALL_PART
    init = Writer.__init__

    def small(self: Writer, *args: object, **more: object) -> None:
        init(self, *args, **{**more, "max_pending": SMALL_PENDING})  # type: ignore[arg-type]

    Writer.__init__ = small  # type: ignore[method-assign]


if __name__ == "__main__":
    wanted = Death(os.environ[VARIABLE])
    die(wanted)
    if wanted.point == "cut":
        cut_everything()
    sys.exit(main())
