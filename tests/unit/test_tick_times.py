"""The measurement of a tick runs, over a small floor."""

from __future__ import annotations

from service.bench.ticks import measure


def test_a_tick_over_a_made_up_floor_is_measured() -> None:
    found = measure(agents=40, queues=20, ticks=3)
    assert 0 < found.median <= found.longest
