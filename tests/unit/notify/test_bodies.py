"""What receivers are sent: stable labels for Alertmanager, signed JSON for webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from service.domain.alert_record import Alert, CausePart
from service.notify.alertmanager import Alertmanager, as_posted
from service.notify.outbox import Notice
from service.notify.receiver import NotReady
from service.notify.webhooks import BODIES, Webhook
from tests.support.alerts import NOON_MS, fired_again, firing, resolved, with_cause


def notice(alert: Alert) -> Notice:
    return Notice(alert, "firing" if alert.state == "firing" else "resolved", alert.episode)


class TestAlertmanager:
    def test_the_labels_say_what_the_alert_is(self):
        assert as_posted(notice(firing()), NOON_MS)["labels"] == {
            "alertname": "service_level", "severity": "page", "kind": "threshold", "scope": "queue:sales",
            "scope_kind": "queue", "fingerprint": firing().fingerprint, "queue": "sales", "site": "berlin",
            "channel": "voice",
        }  # fmt: skip

    def test_the_labels_stay_the_same_for_a_whole_life(self):
        first = firing()
        lives = [first, replace(first, value=0.1), with_cause(first), resolved(first), fired_again(resolved(first))]
        labels = [as_posted(notice(alert), NOON_MS + 60_000)["labels"] for alert in lives]
        assert all(each == labels[0] for each in labels)

    def test_an_empty_label_is_left_out(self):
        assert "site" not in as_posted(notice(firing(labels={"site": ""})), NOON_MS)["labels"]

    def test_it_fires_for_five_minutes_from_each_post_on(self):
        posted = as_posted(notice(firing()), NOON_MS + 600_000)
        assert (posted["startsAt"], posted["endsAt"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:15:00Z")

    def test_it_ends_when_it_ended(self):
        posted = as_posted(notice(resolved(firing(), 90_000)), NOON_MS + 600_000)
        assert (posted["startsAt"], posted["endsAt"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:01:30Z")

    def test_an_end_ahead_of_the_clock_is_now(self):
        assert as_posted(notice(resolved(firing(), 90_000)), NOON_MS + 1_000)["endsAt"] == "2026-11-22T12:00:01Z"

    def test_a_start_ahead_of_the_clock_is_now(self):
        posted = as_posted(notice(firing(at_ms=NOON_MS + 600_000)), NOON_MS)
        assert (posted["startsAt"], posted["endsAt"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:05:00Z")

    def test_no_end_lies_before_its_start(self):
        ended = replace(resolved(firing()), resolved_ms=NOON_MS - 5)
        posted = as_posted(notice(ended), NOON_MS + 1_000)
        assert posted["startsAt"] == posted["endsAt"]

    def test_the_annotations_say_what_is_known(self):
        found = as_posted(notice(with_cause(firing())), NOON_MS, "https://floor.example")["annotations"]
        assert found["message"] == "sales: service level 62.0 %, target 80.0 %"
        assert (found["value"], found["threshold"], found["sample"]) == ("62.0 %", "80.0 %", "40")
        assert found["cause"] == (
            "staffing +6.0 contacts (+15.0 points), volume +3.0 contacts (+7.5 points), "
            "adherence -1.8 contacts (-4.5 points)"
        )
        assert found["link"] == "https://floor.example/v1/queues/sales"
        assert (found["acknowledged_by"], found["acknowledged_note"]) == ("mia", "calling two people in")
        assert found["runbook"] == "docs/runbooks.md#service_level"

    def test_a_route_without_an_address_is_no_generator(self):
        assert "generatorURL" not in as_posted(notice(firing()), NOON_MS)
        posted = as_posted(notice(firing()), NOON_MS, "https://floor.example/")
        assert posted["generatorURL"] == "https://floor.example/v1/queues/sales"

    def test_all_notices_are_one_request(self):
        request = Alertmanager("am", "http://am:9093/").request([notice(firing()), notice(firing("b"))], NOON_MS)
        assert request.url == "http://am:9093/api/v2/alerts"
        assert [alert["labels"]["alertname"] for alert in json.loads(request.body)] == ["service_level", "b"]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("s3cret\n", "utf-8")
    return path


class TestWebhook:
    def test_the_signature_covers_time_and_body(self, secret: Path):
        request = Webhook("desk", lambda: "http://desk", secret_file=secret).request([notice(firing())], NOON_MS)
        timestamp = request.headers["Floorwalker-Timestamp"]
        signed = f"{timestamp}.".encode() + request.body
        assert timestamp == str(NOON_MS // 1000)
        assert (
            request.headers["Floorwalker-Signature"] == f"v1={hmac.new(b's3cret', signed, hashlib.sha256).hexdigest()}"
        )

    def test_a_secret_is_read_anew_for_each_request(self, secret: Path):
        webhook = Webhook("desk", lambda: "http://desk", secret_file=secret)
        before = webhook.request([notice(firing())], NOON_MS)
        secret.write_text("another", "utf-8")
        after = webhook.request([notice(firing())], NOON_MS)
        assert before.body == after.body
        assert before.headers["Floorwalker-Signature"] != after.headers["Floorwalker-Signature"]

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            pytest.param(None, "No such file", id="a missing file"),
            pytest.param(b" \n", "is empty", id="an empty file"),
            pytest.param(b"\xff\xfe", "not UTF-8", id="a file that is no text"),
        ],
    )
    def test_without_its_secret_nothing_is_sent(self, tmp_path: Path, content: bytes | None, complaint: str):
        path = tmp_path / "secret"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(NotReady, match=complaint):
            Webhook("desk", lambda: "http://desk", secret_file=path).request([notice(firing())], NOON_MS)

    def test_without_a_secret_it_is_not_signed(self):
        request = Webhook("desk", lambda: "http://desk").request([notice(firing())], NOON_MS)
        assert "Floorwalker-Signature" not in request.headers

    def test_the_key_is_in_body_and_header(self):
        for alert, state in ((firing(), "firing"), (resolved(firing()), "resolved")):
            request = Webhook("desk", lambda: "http://desk").request([notice(alert)], NOON_MS)
            key = f"{alert.fingerprint}/1/{state}"
            assert (request.headers["Idempotency-Key"], json.loads(request.body)["key"]) == (key, key)

    def test_the_generic_body_says_everything_in_outside_units(self):
        body = json.loads(
            Webhook("desk", lambda: "x", public_url="https://floor.example")
            .request([notice(resolved(with_cause(firing())))], NOON_MS)
            .body
        )
        assert body["since"] == "2026-11-22T11:59:00Z"
        assert (body["fired_at"], body["resolved_at"]) == ("2026-11-22T12:00:00Z", "2026-11-22T12:05:00Z")
        assert (body["value"], body["threshold"], body["sample"], body["variant"]) == (0.62, 0.8, 40, "abandon_ignored")
        assert body["cause"][0] == {
            "part": "volume",
            "contacts": 3.0,
            "percentage_points": 7.5,
            "text": "12 instead of 9",
            "missing": None,
        }
        assert body["acknowledged"] == {"who": "mia", "at": "2026-11-22T12:00:05Z", "note": "calling two people in"}
        assert (body["link"], body["runbook"]) == (
            "https://floor.example/v1/queues/sales",
            "docs/runbooks.md#service_level",
        )

    def test_what_is_unknown_is_null(self):
        body = BODIES["generic"](notice(firing(kpi=None, value=None, threshold=None, annotations={})), None)
        assert [body[name] for name in ("value", "cause", "acknowledged", "resolved_at", "link")] == [None] * 5

    @pytest.mark.parametrize(
        ("asked", "alert", "wanted"),
        [
            pytest.param({}, firing(severity="info"), True, id="who asks for nothing gets all"),
            pytest.param({"severities": ["page"]}, firing(), True, id="a severity that was asked for"),
            pytest.param({"severities": ["page"]}, firing(severity="info"), False, id="another severity"),
            pytest.param({"rules": ["oldest-wait"]}, firing(), False, id="another rule"),
            pytest.param({"rules": ["service_level"], "severities": ["info"]}, firing(), False, id="both must fit"),
        ],
    )
    def test_it_hears_what_it_asks_for(self, asked: dict[str, Any], alert: Alert, wanted: bool):
        assert Webhook("desk", lambda: "x", **asked).wants(alert) is wanted


class TestSlack:
    def body(self, alert: Alert) -> dict[str, Any]:
        return BODIES["slack"](notice(alert), "https://floor.example")

    def test_the_message_has_a_line_for_the_list_and_the_details(self):
        body = self.body(with_cause(firing()))
        (attachment,) = body["attachments"]
        assert body["text"] == "FIRING [page] service_level: queue:sales"
        assert attachment["title_link"] == "https://floor.example/v1/queues/sales"
        fields = {field["title"]: field["value"] for field in attachment["fields"]}
        assert (fields["Value"], fields["Threshold"], fields["In hand"]) == ("62.0 %", "80.0 %", "mia")
        assert attachment["footer"] == f"{firing().fingerprint}/1/firing"

    def test_an_end_has_the_colour_and_the_time_of_an_end(self):
        (fires,), (over,) = self.body(firing())["attachments"], self.body(resolved(firing()))["attachments"]
        assert fires["color"] != over["color"]
        assert (fires["ts"], over["ts"]) == (NOON_MS // 1000, NOON_MS // 1000 + 300)

    def test_markup_in_a_name_stays_text(self):
        body = self.body(firing(scope="queue:<!channel>", message="a & b <http://evil|click>"))
        assert not re.search(r"[<>]", json.dumps(body))
        assert body["attachments"][0]["text"] == "a &amp; b &lt;http://evil|click&gt;"

    def test_a_long_message_is_cut(self):
        text = self.body(firing(message="x" * 10_000))["attachments"][0]["text"]
        assert (len(text), text[-1]) == (2_000, "…")


@pytest.mark.parametrize(
    ("kpi", "value", "text"),
    [
        pytest.param("service_level_ratio", 0.625, "62.5 %", id="ratios are per cent"),
        pytest.param("oldest_wait_seconds", 240.0, "4 min", id="long durations are minutes"),
        pytest.param("waiting", 12.0, "12", id="counts are counts"),
    ],
)
def test_a_value_is_shown_in_its_unit(kpi: str, value: float, text: str):
    assert as_posted(notice(firing(kpi=kpi, value=value)), NOON_MS)["annotations"]["value"] == text


def test_a_cause_that_is_not_known_is_not_told():
    parts = [CausePart("staffing", None, None, missing="nobody is scheduled")]
    assert "cause" not in as_posted(notice(firing(cause=parts)), NOON_MS)["annotations"]
