"""Rows 6, 10, 27 and 41: contacts whose clocks disagree, who move on to another queue, who gave up."""

from __future__ import annotations

from typing import Any

from service.domain.events import Event
from tests.pitfalls.scenes import HOUR_MS, MINUTE_MS, ask, report, restarted
from tests.unit.api.floors import Centre
from tests.unit.domain.build import event


def backwards(*, answered_s: float, ended_s: float) -> list[Event]:
    """A call whose feed has the clocks of two machines: queued at 100."""
    return [
        event("visit.queued", 100),
        event("visit.answered", answered_s, agent_id="1001"),
        event("leg.ended", ended_s),
        event("agent.state_changed", 0, state="ready"),
    ]


def test_row_06_a_pair_out_of_order_is_no_negative_duration_and_is_counted() -> None:
    found = report(backwards(answered_s=95, ended_s=90))
    queue, agent = found["queues"]["sales"]["total"], found["agents"]["1001"]["total"]
    assert (queue["answered"], queue["wait_seconds"], queue["talk_seconds"]) == (1, 0, 0)
    assert [name for part in (queue, agent) for name, value in part.items() if negative(value)] == []
    assert found["quality"]["clock_skew"] == 2  # the answer before the queue, the end before the answer


def negative(value: Any) -> bool:
    return isinstance(value, int | float) and value < 0


def moved_on(centre: Centre) -> None:
    """A caller is answered in sales and transferred to the queue mail, where nobody has answered yet."""
    centre.call("c1", agent="1001", ago_ms=60_000)
    leg = {"contact_id": "c1", "visit_id": "c1/1", "leg_id": "c1/1/1", "queue_id": "sales", "agent_id": "1001"}
    centre.event("leg.transferred", transfer_kind="queue", to_queue_id="mail", **leg)
    centre.event("visit.queued", contact_id="c1", visit_id="c1/2", queue_id="mail", initiation="transfer")
    centre.flush()


async def test_row_10_a_contact_in_two_queues_is_two_visits_and_one_contact() -> None:
    centre = Centre()
    moved_on(centre)
    group = (await ask(centre, "/v1/scopes/group/front"))["windows"]["day"]
    assert (group["offered"], group["offered_contacts"]) == (2, 1)
    queues = [queue["windows"]["day"] for queue in (await ask(centre, "/v1/queues"))["items"]]
    assert [(queue["offered"], queue["offered_contacts"]) for queue in queues] == [(1, 1), (1, 0)]


async def test_row_10_it_stays_one_contact_when_the_transfer_is_heard_of_first() -> None:
    centre = Centre()
    later: Any = {"contact_id": "c1", "visit_id": "c1/2", "queue_id": "mail"}
    centre.event("visit.queued", **later)
    centre.event("visit.queued", centre.now_ms - 60_000, contact_id="c1", visit_id="c1/1", queue_id="sales")
    centre.flush()
    queues = [queue["windows"]["day"] for queue in (await ask(centre, "/v1/queues"))["items"]]
    assert [(queue["offered"], queue["offered_contacts"]) for queue in queues] == [(1, 1), (1, 0)]


async def test_row_27_both_clocks_are_shown_after_a_transfer() -> None:
    centre = Centre()
    moved_on(centre)  # queued in sales 70 s ago, answered after 10 s, moved on to mail 60 s later
    centre.now_ms += 5_000
    second = {"contact_id": "c1", "visit_id": "c1/2", "queue_id": "mail"}
    centre.event("visit.answered", agent_id="1002", **second)
    centre.flush()
    day = (await ask(centre, "/v1/queues/mail"))["windows"]["day"]
    assert (day["wait_seconds"], day["contact_wait_seconds"]) == (5, 75)
    assert (day["asa_seconds"], day["average_contact_wait_seconds"]) == (5, 75)
    first = (await ask(centre, "/v1/queues/sales"))["windows"]["day"]
    assert (first["wait_seconds"], first["contact_wait_seconds"]) == (10, 10)
    (visit,) = (await ask(centre, "/v1/queues/mail/visits"))["items"]
    assert (visit["wait_seconds"], visit["contact_wait_seconds"]) == (5, 75)


def gone(centre: Centre) -> None:
    """Sixty give up, one after the other; then one is answered, and one asks to be called back."""
    for number in range(60):
        centre.now_ms += 1_000
        centre.call(f"g{number}", wait_ms=1_000 * number)
    centre.call("ok", wait_ms=3_000, agent="1001")
    centre.queued("cb", ago_ms=8_000)
    centre.event("visit.callback_requested", contact_id="cb", visit_id="cb/1", queue_id="sales")


async def visits(centre: Centre, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await ask(centre, "/v1/queues/sales/visits" + query))["items"]
    return found


async def test_row_41_the_last_who_gave_up_are_listed_with_their_wait() -> None:
    centre = Centre()
    gone(centre)
    centre.flush()
    for floor in (centre, restarted(centre)):
        last = await visits(floor, "?outcome=abandoned&limit=3")
        assert [(visit["visit_id"], visit["wait_seconds"], visit["callback"]) for visit in last] == [
            ("g59/1", 59, None), ("g58/1", 58, None), ("g57/1", 57, None),
        ]  # fmt: skip
        assert last[0]["ended_at"] == "2026-11-22T12:01:00Z"
        assert len(await visits(floor, "?outcome=abandoned")) == 49  # of 50 that were not answered
        assert [visit["visit_id"] for visit in await visits(floor, "?outcome=answered")] == ["ok/1"]
        assert {visit["outcome"] for visit in await visits(floor)} == {"answered", "abandoned", "callback_requested"}


async def test_row_41_the_list_says_how_far_the_callback_has_come() -> None:
    centre = Centre()
    gone(centre)
    seen = []
    for kind, later_ms in ((None, 0), ("scheduled", MINUTE_MS), ("attempted", 2 * HOUR_MS), ("connected", 2 * HOUR_MS)):
        centre.now_ms += later_ms
        centre.queued(f"later-{kind}")  # the floor goes on, and the contact is not forgotten while a callback is due
        if kind is not None:
            centre.event(f"callback.{kind}", contact_id="cb", queue_id="sales")
        centre.flush()
        (visit,) = await visits(centre, "?outcome=callback_requested")
        seen.append(visit["callback"])
    assert seen == ["requested", "scheduled", "attempted", "connected"]
    centre.now_ms += HOUR_MS
    centre.queued("last")
    centre.call("last but one")
    assert "cb" not in centre.correlate.contacts


async def test_row_41_a_correction_takes_a_visit_off_the_list() -> None:
    centre = Centre()
    centre.call("c1", wait_ms=5_000)
    centre.flush()
    ids = {"contact_id": "c1", "visit_id": "c1/1", "queue_id": "sales"}
    centre.event("visit.answered", centre.now_ms - 1_000, agent_id="1001", **ids)
    centre.flush()
    for floor in (centre, restarted(centre)):
        assert await visits(floor, "?outcome=abandoned") == []
        (visit,) = await visits(floor)
        assert (visit["outcome"], visit["wait_seconds"]) == ("answered", 4)
