"""`canonical.jsonl`: 4 May 2026, 08:00 to 09:11 UTC, two agents, threshold 20 s, short 5 s. Counted by hand.

k1  sales 08:00:30 -> a1 rung 10 s, 08:00:50 (20); on hold 30 s; consults a2 for 20 s; hands over at 08:02:50 (talk 90),
    wraps up 30 s
    service 08:02:50 -> a2 08:03:00 (10), talks 120 s
k2  sales 08:10:00 -> abandoned (4), told twice     k3 sales 08:15:00 -> callback (10)
k5  sales 08:50:00 -> cancelled
k4  sales 08:20:00 -> a2 misses it after 15 s; a1 rung 10 s, 08:20:31 (31), conference, talks 120 s
k6  sales 08:59:45 -> a1 09:00:05 (20), talks 120 s, wraps up 30 s          k7 sales 09:05:00 refused
k10 service -> abandoned 09:00:00 after 12 s, nobody told of its enqueueing
k8  sales 09:10:00 still waits       k9 service 09:10:30 -> a2 09:10:40 (10), still talks     a2 on break 08:30 to 08:40
The last event, a heartbeat at 09:11:00, is the cut-off.
"""

from typing import Any

import pytest

from tests.golden.reports.run import by_start, chosen, golden

SALES = {
    "offered": 7,  # k1 k2 k3 k4 k5 k6 k8
    "answered": 3,
    "abandoned": 1,
    "short_abandoned": 1,
    "callback_requested": 1,
    "cancelled": 1,
    "refused": 1,
    "answered_in_threshold": 2,
    "abandoned_in_threshold": 1,
    "waiting": 1,
    "waiting_over_threshold": 1,
    "oldest_wait_seconds": 60,
    "handled": 3,
    "missed": 1,
    "consulted": 1,
    "conferenced": 1,
    "transferred_out": 1,
    "holds": 1,
    "wait_seconds": 71,  # 20 + 31 + 20
    "talk_seconds": 330,  # 90 + 120 + 120
    "hold_seconds": 30,
    "acw_seconds": 60,
    "aht_seconds": 140,
    "average_hold_seconds": 30,
    "ring_seconds": 35,  # 10 + 15 + 10
    "average_ring_seconds": 35 / 3,
    "service_level_ratio": 2 / 3,  # an abandon within the threshold is ignored; open visits do not count in a report
    "service_level_dequeued_ratio": 4 / 6,
    "answer_ratio": 3 / 6,
    "callback_ratio": 1 / 6,
    "abandonment_ratio": 0,
    "transfer_ratio": 1 / 3,
}
SERVICE = {
    "offered": 3,  # k1 k9 k10
    "answered": 2,
    "answered_in_threshold": 2,
    "abandoned": 1,
    "short_abandoned": 0,
    "abandon_wait_seconds": 12,
    "handled": 1,  # k9 still talks
    "talk_seconds": 120,
    "transferred_in": 1,
    "waiting": 0,
}
AGENTS: dict[str, dict[str, Any]] = {
    "a1": {
        "answered": 3,
        "handled": 3,
        "missed": 0,
        "talk_seconds": 330,
        "hold_seconds": 30,
        "acw_seconds": 60,
        "login_seconds": 4260,
        "on_contact_seconds": 360,  # on hold is on contact
        "acw_state_seconds": 60,
        "not_ready_seconds": 0,
        "available_seconds": 3820,  # 4260 - 360 - 60 - rung 20
        "occupancy_ratio": 440 / 4260,
    },
    "a2": {
        "handled": 1,
        "consulted": 1,
        "missed": 1,
        "talk_seconds": 120,
        "login_seconds": 4260,
        "on_contact_seconds": 160,  # consulting 20, k1 120, k9 20 up to the cut-off
        "not_ready_seconds": 600,
        "available_seconds": 3485,  # 4260 - 160 - 600 - rung 15
        "transferred_in": 1,
    },
}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return golden("canonical.jsonl", "canonical")


@pytest.fixture(scope="module")
def by_arrival() -> dict[str, Any]:
    return golden("canonical.jsonl", "canonical", "--attribution", "arrival")


def test_totals_of_the_queues(report: dict[str, Any]) -> None:
    assert chosen(report["queues"]["sales"]["total"], SALES) == pytest.approx(SALES)
    assert chosen(report["queues"]["service"]["total"], SERVICE) == SERVICE


@pytest.mark.parametrize("agent_id", AGENTS)
def test_totals_of_an_agent(report: dict[str, Any], agent_id: str) -> None:
    assert chosen(report["agents"][agent_id]["total"], AGENTS[agent_id]) == pytest.approx(AGENTS[agent_id])


def test_a_consultation_is_not_answered_by_the_agent_consulted(report: dict[str, Any]) -> None:
    assert report["agents"]["a2"]["total"]["answered"] == 2  # k1 and k9


def test_what_came_twice_or_lacks_its_beginning_is_counted(report: dict[str, Any]) -> None:
    quality = report["quality"]
    assert (quality["events"], quality["rejected"]) == (44, {})
    assert (quality["duplicates"], quality["unmatched"], quality["late"]) == (1, 1, 0)


def test_hours_by_outcome(report: dict[str, Any]) -> None:
    queues = report["queues"]
    names = ("offered", "answered", "abandoned", "refused", "waiting", "acw_seconds")
    assert by_start(queues["sales"], *names) == {
        "2026-05-04T08:00:00Z": (6, 2, 1, 0, 0, 30),
        "2026-05-04T09:00:00Z": (1, 1, 0, 1, 1, 30),
    }
    assert by_start(queues["service"], *names) == {
        "2026-05-04T08:00:00Z": (2, 1, 0, 0, 0, 0),
        "2026-05-04T09:00:00Z": (1, 1, 1, 0, 0, 0),
    }


def test_hours_by_arrival(by_arrival: dict[str, Any]) -> None:
    queues = by_arrival["queues"]
    names = ("offered", "answered", "abandoned", "refused", "waiting", "acw_seconds")
    assert by_start(queues["sales"], *names) == {
        "2026-05-04T08:00:00Z": (6, 3, 1, 0, 0, 60),
        "2026-05-04T09:00:00Z": (1, 0, 0, 1, 1, 0),
    }
    assert by_start(queues["service"], *names) == {
        "2026-05-04T08:00:00Z": (2, 1, 1, 0, 0, 0),
        "2026-05-04T09:00:00Z": (1, 1, 0, 0, 0, 0),
    }


def test_who_serves_at_the_cut_off(report: dict[str, Any]) -> None:
    expected = {"agents_staffed": 2, "agents_available": 1, "agents_on_contact": 1}
    assert chosen(report["queues"]["sales"]["total"], expected) == expected
