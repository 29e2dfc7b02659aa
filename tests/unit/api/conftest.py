"""A centre with a little of everything."""

from __future__ import annotations

import pytest

from api import live
from tests.unit.api.floors import ODD_ID, Centre


@pytest.fixture
def centre() -> Centre:
    """Noon: sales has answered two calls and lost one, one caller waits; Ann talks, Bob is on a break."""
    made = Centre()
    made.agent_state("1001", "ready", ago_ms=1_800_000, queues=("sales", "mail"))
    made.agent_state("bob", "not_ready", ago_ms=600_000, reason="break")
    made.call("c1", wait_ms=10_000, agent="1001", ago_ms=1_200_000)
    leg = {"contact_id": "c1", "visit_id": "c1/1", "leg_id": "c1/1/1", "queue_id": "sales", "agent_id": "1001"}
    made.event("leg.ended", made.now_ms - 1_100_000, **leg)
    made.call("c2", wait_ms=40_000, ago_ms=300_000)
    made.call("c3", wait_ms=30_000, agent="1001", ago_ms=60_000)
    made.call("c4", ODD_ID, wait_ms=5_000, agent="7", ago_ms=30_000)
    made.queued("c5", ago_ms=25_000)
    made.flush()
    return made


@pytest.fixture
def quick_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses of live push, so that tests need not wait for them."""
    monkeypatch.setattr(live, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.05)
