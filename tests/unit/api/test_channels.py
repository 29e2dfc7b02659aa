"""Business hours, several contacts at once, and customer classes over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.business_hours import BusinessHours
from service.domain.settings import Agent, Queue
from tests.unit.api.floors import Centre, get, small_floor

HOUR_MS = 3_600_000
SUNDAY_AFTERNOON = BusinessHours("Europe/Berlin", [[]] * 6 + [[(14 * 60, 18 * 60)]])
"""The tests' noon is a Sunday, 13:00 in Berlin."""


@pytest.fixture
def centre() -> Centre:
    """Mail in business hours that begin in an hour, chats that agent 1001 has room for three of."""
    floor = small_floor()
    mail = floor.queues["mail"]
    floor.queues["mail"] = replace(
        mail, service_level=replace(mail.service_level, threshold_ms=HOUR_MS, hours=SUNDAY_AFTERNOON, abandonment=False)
    )
    floor.queues["help"] = Queue("help", "Help", "berlin", "chat", "front", configured=True)
    floor.agents["1001"] = Agent("1001", "Ann", "blue", "berlin", True, {"chat": 3})
    return Centre(floor)


async def test_a_queue_on_business_hours_says_whether_it_is_open_and_what_is_due_when(centre: Centre) -> None:
    centre.queued("m1", "mail", ago_ms=2 * HOUR_MS)
    centre.flush()
    app = centre.app()
    mail = (await get(app, "/v1/queues/mail")).json()
    assert mail["business_hours"] == {"open": False, "next_due_at": "2026-11-22T14:00:00Z"}
    assert (mail["now"]["oldest_wait_seconds"], mail["now"]["waiting_over_threshold"]) == (0, 0)
    centre.now_ms += 2 * HOUR_MS + 1000
    mail = (await get(app, "/v1/queues/mail")).json()
    assert mail["business_hours"] == {"open": True, "next_due_at": None}
    assert (mail["now"]["oldest_wait_seconds"], mail["now"]["waiting_over_threshold"]) == (3601, 1)
    assert mail["windows"]["day"]["service_level_ratio"] == 0
    assert (await get(app, "/v1/queues/sales")).json()["business_hours"] is None


async def test_the_share_of_abandons_is_that_of_queues_where_customers_can_abandon(centre: Centre) -> None:
    centre.call("s1", "sales", wait_ms=30_000)
    centre.call("s2", "sales", agent="7")
    for number in range(3):
        centre.call(f"m{number}", "mail", agent="7")
    centre.call("m9", "mail")
    centre.flush()
    app = centre.app()
    mail = (await get(app, "/v1/queues/mail")).json()["windows"]["day"]
    assert (mail["abandonment_ratio"], mail["abandoned"], mail["cancelled"]) == (None, 0, 1)
    group = (await get(app, "/v1/scopes/group/front")).json()["windows"]["day"]
    assert (group["abandonment_ratio"], group["answered"]) == (0.5, 4)
    assert (await get(app, "/v1/scopes/channel/email")).json()["windows"]["day"]["abandonment_ratio"] is None


async def test_an_agent_with_room_for_several_shows_what_there_is_and_what_fits(centre: Centre) -> None:
    centre.agent_state("1001", "ready", queues=("help", "sales"))
    centre.call("h1", "help", agent="1001")
    centre.call("h2", "help", agent="1001")
    centre.agent_state("7", "ready")
    centre.flush()
    app = centre.app()
    ann = (await get(app, "/v1/agents/1001")).json()
    assert ann["state"] == "on_contact"
    assert (ann["capacity"], ann["contacts"]) == ({"chat": 3, "voice": 1}, {"chat": 2, "voice": 0})
    assert ann["free_capacity"] == {"chat": 1, "voice": 0}
    bob = (await get(app, "/v1/agents/7")).json()
    assert (bob["capacity"], bob["contacts"], bob["free_capacity"]) == (None, None, None)


async def test_routing_gets_agents_with_room_until_they_are_full(centre: Centre) -> None:
    app = centre.app()

    async def available() -> dict[str, int]:
        centre.flush()
        items = (await get(app, "/v1/routing/queues?ids=help,sales")).json()["items"]
        return {item["id"]: item["agents_available"] for item in items}

    centre.agent_state("1001", "ready", queues=("help", "sales"))
    assert await available() == {"help": 1, "sales": 1}
    found = []
    for number in range(3):
        centre.call(f"h{number}", "help", agent="1001")
        found.append(await available())
    assert found == [{"help": 1, "sales": 0}] * 2 + [{"help": 0, "sales": 0}]
    help_ = (await get(app, "/v1/queues/help")).json()["now"]
    assert (help_["agents_available"], help_["agents_on_contact"], help_["agents_staffed"]) == (0, 1, 1)


class TestClasses:
    @staticmethod
    def arrive(centre: Centre, name: str, queue: str, ref: str, stated: str | None = None) -> None:
        ids = {"contact_id": name, "visit_id": f"{name}/1", "queue_id": queue, "customer_ref": ref}
        centre.event("visit.queued", centre.now_ms - 30_000, **ids, **({"customer_class": stated} if stated else {}))

    async def test_a_customer_moved_while_waiting_shows_in_every_queue_at_once(self, centre: Centre) -> None:
        self.arrive(centre, "s1", "sales", "h:ann", "standard")
        self.arrive(centre, "h1", "help", "h:ann")
        self.arrive(centre, "s2", "sales", "h:bob", "standard")
        centre.flush()
        app = centre.app()
        sales = (await get(app, "/v1/queues/sales")).json()
        assert {name: kpis["waiting"] for name, kpis in sales["by_class"].items()} == {"standard": 2}
        seq = centre.state.seq
        centre.event("customer.class_changed", customer_ref="h:ann", customer_class="vip")
        centre.flush()
        assert min(centre.state.changed[f"queue:{queue}"] for queue in ("sales", "help")) > seq, "they are pushed"
        sales, help_ = [(await get(app, f"/v1/queues/{queue}")).json() for queue in ("sales", "help")]
        vip = {"waiting": 1, "waiting_over_threshold": 1, "oldest_wait_seconds": 30}
        assert sales["by_class"] == {"standard": vip, "vip": vip}
        assert help_["by_class"] == {"vip": vip}
        assert sales["now"]["waiting"] == 2

    async def test_a_class_is_rolled_up_over_queues_like_any_other_scope(self, centre: Centre) -> None:
        for name, queue in (("s1", "sales"), ("h1", "help")):
            self.arrive(centre, name, queue, "h:ann", "vip")
        self.arrive(centre, "s2", "sales", "h:bob", "standard")
        centre.event("visit.answered", contact_id="s1", visit_id="s1/1", agent_id="7")
        centre.flush()
        app = centre.app()
        vip = (await get(app, "/v1/scopes/class/vip")).json()
        group = (await get(app, "/v1/scopes/group/front")).json()
        assert vip.keys() == group.keys()
        assert (vip["id"], vip["kind"], vip["members"]) == ("vip", "class", ["help", "sales"])
        assert {window: values.keys() for window, values in vip["windows"].items()} == {
            window: values.keys() for window, values in group["windows"].items()
        }
        assert {window: values["offered"] for window, values in vip["windows"].items()} == dict.fromkeys(
            ("5m", "15m", "30m", "60m"), 2
        ) | {"interval": 0, "day": 2}
        day, now = vip["windows"]["day"], vip["now"]
        assert (day["answered"], day["asa_seconds"], day["service_level_ratio"]) == (1, 30, 0)
        assert (now["waiting"], now["waiting_over_threshold"], now["oldest_wait_seconds"]) == (1, 1, 30)
        assert (now["agents_available"], now["agents_staffed"], now["expected_wait_seconds"]) == (None, None, None)

    async def test_a_class_nobody_has_is_not_there(self, centre: Centre) -> None:
        centre.flush()
        answer = await get(centre.app(), "/v1/scopes/class/vip")
        assert answer.status_code == 404
        assert "there is no class 'vip'" in answer.json()["detail"]

    async def test_classes_are_no_queues(self, centre: Centre) -> None:
        self.arrive(centre, "s1", "sales", "h:ann", "vip")
        centre.flush()
        body = (await get(centre.app(), "/v1/queues")).json()
        assert [item["id"] for item in body["items"]] == ["sales", "mail", "help"]
