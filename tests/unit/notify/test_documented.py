"""docs/notifications.md and deploy's routes say what requests really have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config_notify import NotifyConfig
from service.notify.alertmanager import labels_of
from service.notify.outbox import Notice
from service.notify.webhooks import Webhook
from tests.support.alerts import NOON_MS, firing, with_cause

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/notifications.md").read_text("utf-8")
DEPLOYED = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text("utf-8"))


def example(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def is_genuine() -> Callable[[bytes, str, str, bytes], bool]:
    """The check that readers are told to make."""
    names: dict[str, Any] = {}
    exec(compile(example("python"), "docs/notifications.md", "exec"), names)
    check: Callable[[bytes, str, str, bytes], bool] = names["is_genuine"]
    return check


def test_the_documented_check_takes_what_we_sign_and_nothing_else(is_genuine, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", "utf-8")
    request = Webhook("desk", lambda: "http://desk", secret_file=secret).request(
        [Notice(firing(), "firing", 1)], NOON_MS
    )
    timestamp, signature = (request.headers[f"Floorwalker-{name}"] for name in ("Timestamp", "Signature"))
    assert is_genuine(b"s3cret", timestamp, signature, request.body)
    assert not is_genuine(b"s3cret", timestamp, signature, request.body + b" ")
    assert not is_genuine(b"s3cret", "0", signature, request.body)
    assert not is_genuine(b"another", timestamp, signature, request.body)


def test_the_documented_body_has_the_fields_of_a_real_one():
    notice = Notice(with_cause(firing()), "firing", 1)
    real = json.loads(Webhook("desk", lambda: "x").request([notice], NOON_MS).body)
    told = json.loads(example("json"))
    assert list(told) == list(real)
    assert (list(told["cause"][0]), list(told["acknowledged"])) == (list(real["cause"][0]), list(real["acknowledged"]))


def test_the_documented_section_is_valid():
    notify = NotifyConfig.model_validate(yaml.safe_load(example("yaml"))["notify"])
    assert [webhook.body for webhook in notify.webhooks] == ["generic", "slack"]


def test_routes_and_inhibition_go_by_labels_that_alerts_have():
    matchers = [m for route in DEPLOYED["route"]["routes"] for m in route["matchers"]]
    matchers += [
        m for rule in DEPLOYED["inhibit_rules"] for side in ("source", "target") for m in rule[f"{side}_matchers"]
    ]
    named = {re.split(r"\s*[=!]", matcher)[0] for matcher in matchers} | set(DEPLOYED["route"]["group_by"])
    named |= {label for rule in DEPLOYED["inhibit_rules"] for label in rule["equal"]}
    assert named <= set(labels_of(firing()))
