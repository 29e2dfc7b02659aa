"""A `floorwalker` on a slow machine: `FLOORWALKER_TEST_EVENTS_PER_SECOND` is what its event loop can do at most."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from service.domain.correlate import CorrelateStore
from service.main import main

VARIABLE = "FLOORWALKER_TEST_EVENTS_PER_SECOND"


def slow_down(per_second: float) -> None:
    """Have each event take its share of a second, in which nothing else of the loop runs."""
    take, pause = CorrelateStore.take, threading.Event()

    def take_slowly(self: CorrelateStore, *args: Any) -> Any:
        pause.wait(1 / per_second)
        return take(self, *args)

    CorrelateStore.take = take_slowly  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    slow_down(float(os.environ[VARIABLE]))
    sys.exit(main())
