"""Pitfalls of what is never told: ends that do not come, states that hang, answers before their beginning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from service.domain.codec import encode_event
from service.domain.events import Event, LegEnded
from service.domain.settings import Floor, Queue, Watchdog
from service.recordings import Recording
from service.report import build_report
from service.report_options import ReportOptions
from tests.pitfalls.scenes import ask
from tests.unit.api.floors import Centre, get, small_floor
from tests.unit.domain.build import event
from tests.unit.domain.watched import Watched

HOUR_S, DAY_S = 3_600, 86_400
WATCHED = Floor(queues={"sales": Queue("sales")}, watchdog=Watchdog())


def report(*events: Event) -> dict[str, Any]:
    """The report on events in order of time, with the watchdog on as in every configuration."""
    return build_report(Recording(sorted(events, key=lambda e: e.occurred_at_ms)), WATCHED, ReportOptions())


def call(name: str, answered_s: float) -> list[Event]:
    about = {"contact_id": name, "agent_id": "1001"}
    return [event("visit.queued", answered_s - 10, contact_id=name), event("visit.answered", answered_s, **about)]


@pytest.mark.parametrize(
    "moves_on",
    [
        pytest.param([*call("next", 70), event("leg.ended", 100, contact_id="next")], id="another call"),
        pytest.param([event("agent.state_changed", 70, state="ready")], id="ready again"),
    ],
)
@pytest.mark.parametrize("late", [[], [event("contact.ended", HOUR_S, contact_id="lost")]])
def test_row_11_a_transfer_that_was_not_told_does_not_bill_an_hour(moves_on: list[Event], late: list[Event]) -> None:
    events = [event("agent.login", 0), *call("lost", 10), *moves_on, event("agent.heartbeat", 200)]
    live = Watched(*events, floor=WATCHED)
    live.round_at(200)
    live.tell(*late)
    found = report(*events, *late)
    talk_s = 60 + (30 if len(moves_on) > 1 else 0)
    assert live.totals("agent:1001").talk_ms == talk_s * 1000
    assert found["agents"]["1001"]["total"]["talk_seconds"] == talk_s
    assert sum(found["quality"]["synthetic"].values()) == 1
    reason = "next_contact" if len(moves_on) > 1 else "ready"
    assert [m.synthetic_reason for m in live.made if isinstance(m, LegEnded)] == [reason]


@pytest.mark.parametrize(
    ("stuck", "ends_s"),
    [
        pytest.param([event("visit.queued", 0), event("leg.alerting", 10)], 310, id="reserved"),
        pytest.param(call("c", 10), 12 * HOUR_S + 10, id="in a call"),
        pytest.param([event("agent.state_changed", 10, state="acw")], 2 * HOUR_S + 10, id="in after-call work"),
    ],
)
def test_row_13_an_agent_who_is_stuck_is_freed_by_an_event_that_says_so(stuck: list[Event], ends_s: float) -> None:
    live = Watched(*stuck, floor=WATCHED)
    live.round_at(ends_s - 1)
    before = live.states(ends_s)[-1]
    live.round_at(ends_s)
    assert before[1] in ("reserved", "on_contact", "acw")
    assert live.states(ends_s + 1)[-1] == (ends_s, "unknown")
    assert live.made and all(b'"synthetic":true' in encode_event(made) for made in live.made)


async def test_row_13_a_snapshot_frees_whom_it_does_not_list_and_everybody_is_told() -> None:
    centre = Centre(replace(small_floor(), watchdog=Watchdog()))
    centre.call("c", agent="1001", ago_ms=60_000)
    centre.queued("waits", ago_ms=30_000)
    centre.event("source.snapshot", waiting=[], connected=[])
    for _ in range(2):  # to every partition, and from there to the contacts
        for _, made in centre.correlate.take_made():
            centre.raw(encode_event(made))
    centre.flush()
    assert (await ask(centre, "/v1/queues/sales"))["now"]["waiting"] == 0
    assert (await ask(centre, "/v1/agents/1001"))["state"] == "unknown"
    (source,) = (await ask(centre, "/v1/sources"))["items"]
    assert source["synthetic"] == {"snapshot": 2}
    metrics = (await get(centre.app(), "/metrics")).text
    assert 'floorwalker_events_synthetic_total{source="pbx",reason="snapshot"} 2.0' in metrics


async def test_row_14_on_a_contact_without_a_contact_is_dead() -> None:
    centre = Centre()
    centre.agent_state("1001", "on_contact", ago_ms=10_000)
    centre.flush()
    dead = await ask(centre, "/v1/agents/1001")
    assert (dead["state"], dead["sub_state"]) == ("on_contact", "dead")
    centre.call("c", agent="1001", ago_ms=2_000)
    centre.flush()
    alive = await ask(centre, "/v1/agents/1001")
    assert (alive["state"], alive["sub_state"]) == ("on_contact", None)


def test_row_17_an_answer_half_a_minute_before_its_queueing_has_the_right_wait() -> None:
    live = Watched(event("visit.answered", 40, agent_id="1001"), event("visit.queued", 10))
    assert (live.totals().answered, live.totals().wait_ms) == (1, 30_000)
    assert live.counts() == {"unmatched": 1}
    live.tell(event("leg.ended", 100))
    assert live.totals("agent:1001").talk_ms == 60_000


def test_row_17_what_comes_too_late_corrects_its_interval_or_is_counted() -> None:
    live = Watched(*call("c", 20), event("visit.queued", 1_000, contact_id="later"))
    live.aggregate.drain_closed()
    live.tell(event("leg.ended", 600, contact_id="c"))
    assert [closed.interval.revision for closed in live.aggregate.drain_closed() if closed.scope == "queue:sales"] == [
        2
    ]
    live.tell(event("visit.queued", 5_000, contact_id="much later"), event("visit.queued", 4_000, contact_id="unknown"))
    assert live.counts()["late"] == 1


def test_row_18_a_heartbeat_never_opens_a_session_again() -> None:
    events = [event("agent.login", 0), event("agent.logout", 100), event("agent.heartbeat", 200)]
    live = Watched(*events, event("agent.heartbeat", HOUR_S))
    assert live.states(2 * HOUR_S) == [(0, "ready"), (100, "offline")]
    found = report(*events, event("agent.heartbeat", HOUR_S))
    assert found["agents"]["1001"]["total"]["login_seconds"] == 100


@pytest.mark.parametrize(
    ("events", "handled", "talk_s"),
    [
        pytest.param([event("visit.answered", 40, agent_id="1001", wait_ms=5_000)], 0, 0, id="an answer unqueued"),
        pytest.param([event("leg.ended", 40)], 1, 0, id="an end without a start"),
        pytest.param(
            [event("visit.answered", 40, agent_id="1001", wait_ms=5_000), event("leg.ended", 100)],
            1,
            60,
            id="an answer unqueued, and its end",
        ),
    ],
)
def test_what_begins_in_the_middle_is_counted_right_and_as_unmatched(
    events: list[Event], handled: int, talk_s: int
) -> None:
    live = Watched(*events)
    totals = live.totals("agent:1001")
    assert (totals.handled, totals.talk_ms) == (handled, talk_s * 1000)
    assert live.counts() == {"unmatched": 1}
