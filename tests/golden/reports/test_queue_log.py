"""`queue_log.txt`: New Year's Day 2026, 09:00 to just after midnight, UTC; 1767258000 is 09:00:00.

Expected numbers are counted by hand. The calls, as `queue enqueued -> outcome (wait)`, threshold 20 s, short 5 s:

c1  sales 09:00:10 -> SIP/1 09:00:30 (20, ring 5), talks 120 s, wraps up 30 s
c2  sales 09:01:00 -> abandoned (5); its lines stand in the wrong order
c3  sales 09:10:00 -> SIP/1 lets it ring 10 s, SIP/2 09:10:41 (41, ring 6), talks 60 s and transfers it to
    help  09:11:42 -> SIP/1 09:11:52 (10, ring 2), talks 120 s: a second ENTERQUEUE is a second visit
c4  sales 09:50:00 -> timeout 09:51:30      c6 sales 09:53:00 full      c5 help 09:52:00 -> left empty 09:52:20
c7  help 09:53:10 nobody there              c8 sales 09:55:00 -> COMPLETE only: hold 10, talk 60, so SIP/2 at 09:55:10
c9  sales 09:59:50 -> SIP/1 does not answer twice in the same second (1 s each), SIP/2 10:00:10 (20, ring 3), talks 60 s
c10 sales 23:59:50 -> SIP/2 00:00:15 (25, ring 4), talks 60 s
c11 help 00:02:00 still waits, c12 sales 00:02:10 -> SIP/2 00:02:15 (5, ring 1) still talks: the cut-off
"""

from typing import Any

import pytest

from tests.golden.reports.run import by_start, chosen, golden

SALES = {
    "offered": 8,  # c1 c2 c3 c4 c8 c9 c10 c12
    "answered": 6,  # c1 c3 c8 c9 c10 c12
    "abandoned": 1,
    "short_abandoned": 1,
    "flowed_out": 1,
    "flowed_out_by_reason": {"timeout": 1},
    "refused": 1,
    "refused_by_reason": {"full": 1},
    "answered_in_threshold": 4,  # c1 and c9 at the boundary, c8, c12
    "abandoned_in_threshold": 1,
    "waiting": 0,
    "handled": 5,  # c12 still talks
    "handled_contacts": 5,
    "missed": 3,
    "transferred_out": 1,
    "transferred_in": 0,
    "wait_seconds": 121,  # 20 + 41 + 10 + 20 + 25 + 5
    "max_wait_seconds": 41,
    "abandon_wait_seconds": 5,
    "talk_seconds": 360,  # 120 + 60 + 60 + 60 + 60
    "acw_seconds": 30,
    "aht_seconds": 78,  # 390 / 5
    "ring_seconds": 31,  # answered 5 + 6 + 3 + 4 + 1, missed 10 + 1 + 1
    "abandonment_ratio": 0,  # its only abandon was short
}
SALES_RATIOS = {
    "service_level_ratio": 4 / 6,  # of 6 answered and 1 abandoned, that one within the threshold
    "service_level_answered_only_ratio": 4 / 6,
    "service_level_abandon_negative_ratio": 4 / 7,
    "service_level_abandon_positive_ratio": 5 / 7,
    "service_level_short_positive_ratio": 5 / 7,
    "service_level_dequeued_ratio": 5 / 8,
    "answer_ratio": 6 / 8,  # 6 answered, 1 abandoned, 1 flowed out
}
HELP = {
    "offered": 3,  # c3 c5 c11
    "answered": 1,
    "abandoned": 0,
    "flowed_out": 1,
    "flowed_out_by_reason": {"empty": 1},
    "refused": 1,
    "refused_by_reason": {"joinempty": 1},
    "waiting": 1,
    "waiting_over_threshold": 0,
    "oldest_wait_seconds": 15,  # c11, 00:02:00 to 00:02:15
    "handled": 1,
    "talk_seconds": 120,
    "wait_seconds": 10,
    "transferred_in": 1,
    "ring_seconds": 2,
}
AGENTS: dict[str, dict[str, Any]] = {
    "SIP/1": {
        "answered": 2,
        "handled": 2,
        "missed": 3,
        "talk_seconds": 240,
        "login_seconds": 5400,  # 09:00 to 10:30
        "on_contact_seconds": 240,
        "acw_state_seconds": 30,
        "not_ready_seconds": 600,  # 09:20 to 09:30; the second PAUSEALL changes nothing
        "available_seconds": 4512,  # 5400 - 240 - 30 - 600 - rung 5 + 10 + 2 + 1, the last two rings at once
        "occupancy_ratio": 0.06,  # 288 / (288 + 4512)
        "transferred_in": 1,
    },
    "SIP/2": {
        "answered": 5,
        "handled": 4,
        "missed": 0,
        "talk_seconds": 240,
        "transferred_out": 1,
        "login_seconds": 54135,  # member from 09:00 to the cut-off 00:02:15
        "on_contact_seconds": 240,
        "not_ready_seconds": 180,  # paused in both its queues from 09:42 to 09:45 only
        "available_seconds": 53701,  # 54135 - 240 - 180 - rung 6 + 3 + 4 + 1
    },
    "SIP/3": {"answered": 0, "login_seconds": 600, "talk_seconds": 0},  # a logoff that states 600 s implies the login
}


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return golden("queue_log.txt", "asterisk-queue-log")


@pytest.fixture(scope="module")
def by_arrival() -> dict[str, Any]:
    return golden("queue_log.txt", "asterisk-queue-log", "--attribution", "arrival")


@pytest.fixture(scope="module")
def middle() -> dict[str, Any]:
    return golden(
        "queue_log.txt", "asterisk-queue-log", "--from", "2026-01-01T09:25:00Z", "--to", "2026-01-01T10:00:30Z"
    )


def test_the_range_is_the_days_of_the_first_and_the_last_line(report: dict[str, Any]) -> None:
    assert (report["from"], report["to"]) == ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
    assert report["cut_off"] == "2026-01-02T00:02:15Z"


def test_one_line_is_rejected_and_nothing_else_is_wrong(report: dict[str, Any]) -> None:
    quality = report["quality"]
    assert quality["rejected"] == {"bad_line": 1}
    assert (quality["duplicates"], quality["late"], quality["unmatched"]) == (0, 0, 0)


def test_totals_of_the_queues(report: dict[str, Any]) -> None:
    assert chosen(report["queues"]["sales"]["total"], SALES) == SALES
    assert chosen(report["queues"]["sales"]["total"], SALES_RATIOS) == pytest.approx(SALES_RATIOS)
    assert chosen(report["queues"]["help"]["total"], HELP) == HELP


def test_totals_do_not_depend_on_attribution(report: dict[str, Any], by_arrival: dict[str, Any]) -> None:
    for kind in ("queues", "agents"):
        assert {name: one["total"] for name, one in report[kind].items()} == {
            name: one["total"] for name, one in by_arrival[kind].items()
        }


@pytest.mark.parametrize("agent_id", AGENTS)
def test_totals_of_an_agent(report: dict[str, Any], agent_id: str) -> None:
    expected = AGENTS[agent_id]
    assert chosen(report["agents"][agent_id]["total"], expected) == pytest.approx(expected)


def test_by_outcome_an_answer_counts_when_it_is_given(report: dict[str, Any]) -> None:
    sales = report["queues"]["sales"]
    assert by_start(sales, "offered", "answered", "handled") == {
        "2026-01-01T09:00:00Z": (6, 3, 3),  # c9 is offered here
        "2026-01-01T10:00:00Z": (0, 1, 1),  # and answered here
        "2026-01-01T23:00:00Z": (1, 0, 0),
        "2026-01-02T00:00:00Z": (1, 2, 1),
    }
    days = {day: (block["offered"], block["answered"]) for day, block in sales["days"].items()}
    assert days == {"2026-01-01": (7, 4), "2026-01-02": (1, 2)}


def test_by_arrival_everything_counts_when_the_call_came(by_arrival: dict[str, Any]) -> None:
    sales = by_arrival["queues"]["sales"]
    assert by_start(sales, "offered", "answered", "handled", "missed") == {
        "2026-01-01T09:00:00Z": (6, 4, 4, 3),
        "2026-01-01T23:00:00Z": (1, 1, 1, 0),
        "2026-01-02T00:00:00Z": (1, 1, 0, 0),
    }
    days = {day: (block["offered"], block["answered"]) for day, block in sales["days"].items()}
    assert days == {"2026-01-01": (7, 5), "2026-01-02": (1, 1)}


def test_other_definitions_of_ratios_follow_from_the_counts_by_arrival(by_arrival: dict[str, Any]) -> None:
    # Wazo's answered rate divides by all that came but those who found the queue closed; its service level by answered.
    sales = by_arrival["queues"]["sales"]["total"]
    refused, flowed_out = sales["refused_by_reason"], sales["flowed_out_by_reason"]
    came = sales["answered"] + sales["abandoned"] + refused["full"] + flowed_out["timeout"]
    assert sales["answered"] / came == 6 / 9
    assert sales["answered_in_threshold"] / sales["answered"] == sales["service_level_answered_only_ratio"] == 4 / 6


def test_agents_time_is_cut_at_the_hours(report: dict[str, Any]) -> None:
    first = report["agents"]["SIP/1"]
    assert by_start(first, "login_seconds", "not_ready_seconds") == {
        "2026-01-01T09:00:00Z": (3600, 600),
        "2026-01-01T10:00:00Z": (1800, 0),
    }
    second = by_start(report["agents"]["SIP/2"], "login_seconds")
    assert second["2026-01-01T15:00:00Z"] == (3600,)
    assert second["2026-01-02T00:00:00Z"] == (135,)


def test_before_the_range_lines_build_state_and_are_not_counted(middle: dict[str, Any]) -> None:
    # From 09:25 to 10:00:30: c4, c8 and c9 with its answer, c6 refused; c9's end comes later.
    expected = {"offered": 3, "answered": 2, "flowed_out": 1, "refused": 1, "handled": 1, "missed": 2, "abandoned": 0}
    assert chosen(middle["queues"]["sales"]["total"], expected) == expected
    assert middle["cut_off"] == "2026-01-01T10:00:30Z"


def test_a_pause_and_a_login_from_before_the_range_count_from_its_start(middle: dict[str, Any]) -> None:
    first = {"login_seconds": 2130, "not_ready_seconds": 300, "available_seconds": 1829}  # and 1 s rung
    assert chosen(middle["agents"]["SIP/1"]["total"], first) == first
    # c8 60 s, c9 from 10:00:10 on 20 s; paused 180 s, rung 3 s.
    second = {"login_seconds": 2130, "on_contact_seconds": 80, "not_ready_seconds": 180, "available_seconds": 1867}
    assert chosen(middle["agents"]["SIP/2"]["total"], second) == second
