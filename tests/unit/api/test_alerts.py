"""Alerts as the API shows them, and taking one in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from api import live
from api.alerts import alert_view
from service.domain.alert_record import Alert, CausePart, encode_alert, fingerprint_of
from service.domain.business_events import AlertAcknowledged
from service.domain.events import Event
from service.event_sender import NotSent
from tests.unit.api.floors import Centre, get
from tests.unit.api.keys import Keys, ask
from tests.unit.api.push import connected

MINUTE_MS = 60_000


def put(centre: Centre, rule: str, scope: str = "queue:sales", state: str = "firing", **more: Any) -> Alert:
    """An alert as the evaluator writes it."""
    fields: dict[str, Any] = {
        "kind": "threshold", "severity": "warning", "since_ms": centre.now_ms - MINUTE_MS, "updated_ms": centre.now_ms,
        "labels": {"queue": "sales", "site": "berlin"}, "annotations": {"link": "/v1/queues/sales"}, "episode": 1,
    }  # fmt: skip
    alert = Alert(fingerprint=fingerprint_of(rule, scope), rule=rule, scope=scope, state=state, **(fields | more))  # type: ignore[arg-type]
    centre.state.alerts.apply([(alert.fingerprint.encode(), encode_alert(alert))])
    return alert


def ready() -> Centre:
    centre = Centre()
    centre.flush()
    return centre


async def listed(centre: Centre, query: str = "") -> list[str]:
    body = (await get(centre.app(), "/v1/alerts" + query)).json()
    return [item["rule"] for item in body["items"]]


async def test_an_alert_says_what_where_since_when_and_why() -> None:
    centre = ready()
    put(
        centre, "service_level", severity="page", kpi="service_level_ratio", value=0.6, threshold=0.75, sample=40,
        window="15m", variant="abandon_ignored", message="service level of sales is 60.0 %",
        cause=[CausePart("volume", 6.0, 15.0)], fired_ms=centre.now_ms,
    )  # fmt: skip
    (item,) = (await get(centre.app(), "/v1/alerts")).json()["items"]
    assert item["since"] == "2026-11-22T11:59:00Z"
    assert item["fired_at"] == "2026-11-22T12:00:00Z"
    assert (item["value"], item["threshold"], item["sample"], item["variant"]) == (0.6, 0.75, 40, "abandon_ignored")
    assert item["cause"] == [{"part": "volume", "contacts": 6.0, "percentage_points": 15.0}]
    assert item["acknowledged"] is None


async def test_an_alert_leads_to_intervals_visits_and_agents_that_are_there() -> None:
    centre = ready()
    centre.call("c1", agent="1001")
    centre.flush()
    put(centre, "service_level")
    (item,) = (await get(centre.app(), "/v1/alerts")).json()["items"]
    assert set(item["links"]) == {"scope", "intervals", "visits", "agents"}
    for link in item["links"].values():
        assert (await get(centre.app(), link)).status_code == 200, link


async def test_alerts_are_picked_by_state_severity_and_scope_the_most_urgent_first() -> None:
    centre = ready()
    put(centre, "old", state="resolved", resolved_ms=centre.now_ms)
    put(centre, "soon", state="pending")
    put(centre, "warns")
    put(centre, "pages", severity="page")
    put(centre, "explained", inhibited_by="x")
    put(centre, "elsewhere", "queue:mail", labels={"queue": "mail", "site": "paris"})
    assert await listed(centre, "?scope=queue:sales") == ["pages", "warns", "explained", "soon", "old"]
    assert await listed(centre, "?state=firing&severity=page") == ["pages"]
    assert await listed(centre, "?state=inhibited") == ["explained"]
    assert await listed(centre, "?state=firing&scope=site:berlin") == ["pages", "warns"]
    assert await listed(centre, "?scope=queue:mail") == ["elsewhere"]


async def test_a_state_that_there_is_not_is_refused() -> None:
    answer = await get(ready().app(), "/v1/alerts?state=loud")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_one_alert_is_found_by_its_fingerprint() -> None:
    centre = ready()
    alert = put(centre, "warns")
    assert (await get(centre.app(), f"/v1/alerts/{alert.fingerprint}")).json()["rule"] == "warns"
    assert (await get(centre.app(), "/v1/alerts/0123")).status_code == 404


async def test_an_alert_that_is_gone_from_the_topic_is_gone_here() -> None:
    centre = ready()
    alert = put(centre, "warns", state="pending")
    centre.state.alerts.apply([(alert.fingerprint.encode(), None)])
    assert await listed(centre) == []


async def test_a_record_that_is_no_alert_is_counted_and_changes_nothing() -> None:
    centre = ready()
    put(centre, "warns")
    centre.state.alerts.apply([(b"x", b"{}")])
    assert (await listed(centre), centre.state.alerts.unreadable) == (["warns"], 1)


class Sent:
    """Where acknowledgements go."""

    def __init__(self, *, works: bool = True) -> None:
        self.events: list[Event] = []
        self._works = works

    async def __call__(self, event: Event) -> None:
        if not self._works:
            raise NotSent("no answer from Kafka")
        self.events.append(event)


async def ack(app: FastAPI, fingerprint: str, body: dict[str, Any] | None = None) -> httpx.Response:
    said = orjson.dumps({"who": "ann", "note": "called two in"} if body is None else body)
    headers = {"Content-Type": "application/json"}
    return await ask(app, f"/v1/alerts/{fingerprint}/ack", method="POST", headers=headers, content=said)


async def test_taking_an_alert_in_hand_is_an_event_with_who_and_note() -> None:
    centre, sent = ready(), Sent()
    alert = put(centre, "warns")
    answer = await ack(centre.app(send=sent), alert.fingerprint)
    assert answer.status_code == 202
    (event,) = sent.events
    assert isinstance(event, AlertAcknowledged)
    assert (event.fingerprint, event.who, event.note) == (alert.fingerprint, "ann", "called two in")
    assert event.occurred_at_ms == centre.now_ms


async def test_an_alert_in_hand_stays_with_whoever_took_it_first() -> None:
    centre, sent = ready(), Sent()
    alert = put(centre, "warns", acknowledged={"by": "bob", "at_ms": centre.now_ms})
    answer = await ack(centre.app(send=sent), alert.fingerprint)
    assert (answer.status_code, answer.json()["acknowledged"]["by"], sent.events) == (200, "bob", [])


@pytest.mark.parametrize(
    ("state", "body", "status"),
    [
        ("resolved", None, 409), ("pending", None, 409), ("firing", {}, 400), ("firing", {"who": ""}, 400),
        ("firing", {"who": "ann", "mood": "bad"}, 400),
    ],
)  # fmt: skip
async def test_what_cannot_be_taken_in_hand_is_refused(state: str, body: dict[str, Any] | None, status: int) -> None:
    centre, sent = ready(), Sent()
    alert = put(centre, "warns", state=state)
    assert (await ack(centre.app(send=sent), alert.fingerprint, body)).status_code == status
    assert sent.events == []


async def test_an_unknown_alert_cannot_be_taken_in_hand() -> None:
    assert (await ack(ready().app(send=Sent()), "0123")).status_code == 404


async def test_an_acknowledgement_that_kafka_does_not_take_is_not_promised() -> None:
    centre = ready()
    alert = put(centre, "warns")
    for send in (Sent(works=False), None):
        assert (await ack(centre.app(send=send), alert.fingerprint)).status_code == 503


async def test_metrics_count_alerts_by_rule_severity_and_state_and_keep_the_series_when_they_are_over() -> None:
    centre = ready()
    put(centre, "warns")
    put(centre, "warns", "queue:mail")
    put(centre, "old", state="resolved")
    text = (await get(centre.app(), "/metrics")).text
    assert 'floorwalker_alerts{rule="warns",severity="warning",state="firing"} 2.0' in text
    assert 'floorwalker_alerts{rule="warns",severity="warning",state="pending"} 0.0' in text
    assert 'floorwalker_alerts{rule="old",severity="warning",state="firing"} 0.0' in text


async def test_a_real_queue_alerts_and_ends() -> None:
    centre = Centre()
    centre.agent_state("1001", "ready")
    centre.queued("c1", ago_ms=200_000)
    centre.flush()
    centre.evaluate()
    assert await listed(centre, "?state=firing") == ["oldest_wait"], (
        "it has been too long for longer than the rule asks"
    )
    centre.event("visit.answered", contact_id="c1", visit_id="c1/1", queue_id="sales", agent_id="1001", leg_id="l")
    for _ in range(7):  # it goes on firing for the minutes that the rule keeps it
        centre.now_ms += MINUTE_MS
        centre.event("agent.heartbeat", agent_id="1001")
        centre.flush()
        centre.evaluate()
    assert await listed(centre, "?state=resolved") == ["oldest_wait"]


async def test_alerts_are_pushed_when_they_change(quick_stream: None) -> None:
    centre = ready()
    async with connected(centre.app(), "/v1/stream?scopes=alerts") as client:
        await client.until(lambda: len(client.of("alerts")) == 1)
        assert client.of("alerts")[0].data["items"] == []
        put(centre, "warns")
        await client.until(lambda: len(client.of("alerts")) == 2)
        assert [item["rule"] for item in client.of("alerts")[1].data["items"]] == ["warns"]


async def test_alerts_are_rendered_once_for_all_who_may_see_the_same(
    quick_stream: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []

    def counted(alert: Alert) -> dict[str, Any]:
        rendered.append(alert.rule)
        return alert_view(alert)

    monkeypatch.setattr(live, "alert_view", counted)
    centre = ready()
    put(centre, "ours", "team:blue")
    put(centre, "theirs", "team:red")
    keys = Keys(tmp_path / "tokens.yaml", centre)
    who = {name: keys.give("supervisor", teams=(team,), name=name) for name, team in
           (("ann", "blue"), ("zoe", "red"), ("eve", "blue"))}  # fmt: skip
    app = centre.app(tokens=keys.tokens())
    seen = {}
    for name, token in who.items():
        async with connected(app, "/v1/stream?scopes=alerts", {"Authorization": f"Bearer {token}"}) as client:
            await client.until(lambda client=client: bool(client.of("alerts")))
            seen[name] = [item["rule"] for item in client.of("alerts")[0].data["items"]]
    assert seen == {"ann": ["ours"], "zoe": ["theirs"], "eve": ["ours"]}
    assert rendered == ["ours", "theirs"]
    put(centre, "news", "team:blue")
    async with connected(app, "/v1/stream?scopes=alerts", {"Authorization": f"Bearer {who['eve']}"}) as client:
        await client.until(lambda: bool(client.of("alerts")))
    assert sorted(item["rule"] for item in client.of("alerts")[0].data["items"]) == ["news", "ours"]


async def test_an_alert_about_a_person_is_shown_to_those_who_may_see_the_person(tmp_path: Path) -> None:
    centre = ready()
    put(centre, "warns")
    of_ann = put(centre, "long_hold", "agent:1001", labels={"agent": "1001", "team": "blue"})
    put(centre, "long_hold", "team:blue", labels={"team": "blue"})
    keys = Keys(tmp_path / "tokens.yaml", centre)
    shown = {
        "viewer": keys.give("viewer"),
        "supervisor of blue": keys.give("supervisor", teams=("blue",), name="blue"),
        "supervisor of red": keys.give("supervisor", teams=("red",), name="red"),
    }
    sent = Sent()
    app = centre.app(tokens=keys.tokens(), send=sent)
    scopes = {}
    for who, token in shown.items():
        scopes[who] = {item["scope"] for item in (await ask(app, "/v1/alerts", token)).json()["items"]}
    blue = {"queue:sales", "agent:1001", "team:blue"}
    assert scopes == {"viewer": {"queue:sales"}, "supervisor of blue": blue, "supervisor of red": {"queue:sales"}}
    path, said = f"/v1/alerts/{of_ann.fingerprint}/ack", b'{"who": "bob"}'
    typed = {"content-type": "application/json"}
    answers = [await ask(app, path, token, "POST", typed, said) for token in shown.values()]
    assert [answer.status_code for answer in answers] == [403, 202, 404]
