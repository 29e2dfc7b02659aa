"""A `floorwalker` on a slow machine: `FLOORWALKER_TEST_EVENTS_PER_SECOND` is what its event loop can do at most."""

from __future__ import annotations

import os
import sys
import threading

from service.domain.correlate import CorrelateStore
from service.domain.facts import AnyFact
from service.main import main
from streams import worker

VARIABLE = "FLOORWALKER_TEST_EVENTS_PER_SECOND"


def slow_down(per_second: float) -> None:
    """Have each event take its share of a second, in which nothing else of the loop runs."""
    pause = threading.Event()

    class SlowCorrelate(CorrelateStore):
        def take(self, raw: bytes, received_ms: int, offset: int) -> list[AnyFact]:
            pause.wait(1 / per_second)
            return super().take(raw, received_ms, offset)

    worker.CorrelateStore = SlowCorrelate  # type: ignore[attr-defined]


if __name__ == "__main__":
    slow_down(float(os.environ[VARIABLE]))
    sys.exit(main())
