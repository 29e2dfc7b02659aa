"""Who is told of alerts is checked before anybody has to be told."""

from pathlib import Path

import pytest

from service.config import load_config
from service.config_source import ConfigError
from service.errors import UsageError
from service.notify.alertmanager import Alertmanager
from service.notify.outbox import Notice
from service.notify.receivers import build_receivers
from service.notify.webhooks import Webhook
from tests.support.alerts import NOON_MS, firing

WHOLE = """\
notify:
  public_url: https://floor.example
  alertmanager:
    - url: http://10.0.0.1:9093
    - {url: "http://10.0.0.2:9093/am", name: second}
  webhooks:
    - {name: desk, url: "https://desk.example/alerts", secret_file: SECRET, severities: [page, warning]}
    - {name: chat, url_file: ADDRESS, body: slack, rules: [service_level]}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str) -> Path:
        path = tmp_path / "floor.yaml"
        path.write_text(text.replace("SECRET", f"{tmp_path}/secret").replace("ADDRESS", f"{tmp_path}/address"), "utf-8")
        return path

    (tmp_path / "secret").write_text("s3cret\n", "utf-8")
    (tmp_path / "address").write_text("https://hooks.chat.example/services/s3cret\n", "utf-8")
    return write_file


def problem(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    (found,) = caught.value.problems
    return found


def test_the_documented_example_becomes_receivers(write):
    first, second, desk, chat = build_receivers(load_config(write(WHOLE)).notify)
    assert [receiver.name for receiver in (first, second, desk, chat)] == [
        "alertmanager-10.0.0.1:9093", "second", "desk", "chat",
    ]  # fmt: skip
    assert isinstance(second, Alertmanager) and isinstance(desk, Webhook)
    notice = Notice(firing(), "firing", 1)
    assert second.request([notice], NOON_MS).url == "http://10.0.0.2:9093/am/api/v2/alerts"
    assert "Floorwalker-Signature" in desk.request([notice], NOON_MS).headers
    assert chat.request([notice], NOON_MS).url == "https://hooks.chat.example/services/s3cret"
    assert (desk.wants(firing(severity="info")), chat.wants(firing("oldest-wait"))) == (False, False)


def test_nobody_need_be_told(write):
    assert build_receivers(load_config(write("queues: {}")).notify) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("alertmanager: [{url: 10.0.0.1}]", "is no address", id="an address without a scheme"),
        pytest.param('alertmanager: [{url: "http://:9093"}]', "is no address", id="an address without a host"),
        pytest.param('alertmanager: [{url: "http://am:x"}]', "is no address", id="a port that is none"),
        pytest.param('webhooks: [{name: a, url: "https://u:p@host/"}]', "url_file", id="a password in the address"),
        pytest.param("webhooks: [{name: a}]", "exactly one of", id="no address"),
        pytest.param('webhooks: [{name: a, url: "http://b", url_file: c}]', "exactly one of", id="two addresses"),
        pytest.param('webhooks: [{name: "a|b", url: "http://b"}]', "a name has", id="a name with odd characters"),
        pytest.param('webhooks: [{name: a, url: "http://b", body: teams}]', "use one of", id="a body nobody knows"),
        pytest.param('webhooks: [{name: a, url: "http://b", secret: x}]', "did you mean", id="a secret in the file"),
        pytest.param(
            'webhooks: [{name: a, url: "http://b", rules: [oldest_wiat]}]',
            "did you mean 'oldest_wait'",
            id="a rule that does not exist",
        ),
        pytest.param(
            'webhooks: [{name: a, url: "http://b"}, {name: a, url: "http://c"}]', "'a'", id="a name used twice"
        ),
    ],
)
def test_a_mistake_is_said_with_its_line(write, text: str, says: str):
    found = problem(write(f"queues: {{}}\nnotify:\n  {text}\n"))
    assert "floor.yaml, line 3" in found or "floor.yaml, line 2" in found
    assert says in found


def test_who_asks_for_a_rule_that_is_switched_off_is_warned(write):
    off = "{id: oldest_wait, scopes: {kind: queue}, when: {kpi: waiting, op: '>', value: 3}, enabled: false}"
    webhooks = '[{name: desk, url: "http://b", rules: [service_level, oldest_wait]}]'
    (warning,) = load_config(write(f"rules: [{off}]\nnotify:\n  webhooks: {webhooks}\n")).warnings
    assert "floor.yaml, line 3: desk is to be told of 'oldest_wait', which is switched off" in warning


def test_no_complaint_shows_a_password(write):
    assert "hunter2" not in problem(write('notify: {webhooks: [{name: a, url: "https://u:hunter2@host/"}]}'))


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        pytest.param("secret", None, "desk: cannot read", id="a secret that is missing"),
        pytest.param("secret", "\n", "is empty", id="a secret that is empty"),
        pytest.param("address", "hooks.chat.example/s3cret", "is no address", id="an address that is none"),
    ],
)
def test_a_secret_that_cannot_be_used_is_said_before_the_start(write, tmp_path, file, content, says):
    config = load_config(write(WHOLE)).notify
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content, "utf-8")
    with pytest.raises(UsageError, match=says) as caught:
        build_receivers(config)
    assert "s3cret" not in str(caught.value)
