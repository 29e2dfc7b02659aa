"""The real Alertmanager with deploy's configuration: an alert fires, is grouped, silenced, inhibited, and resolves."""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from service.domain.alert_record import Alert
from service.notify.alertmanager import Alertmanager
from service.notify.notifier import Notifier
from tests.support.alertmanager import CONFIG, TOOL, AlertmanagerProcess, missing
from tests.support.alerts import Counts, Ledger, firing
from tests.support.http_receiver import HttpReceiver

if reason := missing():
    pytest.skip(reason, allow_module_level=True)

REPEAT_MS = 300
"""Alerts are posted again that often here, so that a test sees many repetitions."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def now_firing(rule: str = "oldest_wait", scope: str = "queue:sales", site: str = "berlin", **more: Any) -> Alert:
    kind, _, name = scope.partition(":")
    return firing(rule, scope, at_ms=now_ms(), labels={kind: name, "site": site}, **more)


def now_resolved(alert: Alert) -> Alert:
    return replace(alert, state="resolved", resolved_ms=now_ms(), updated_ms=now_ms())


@pytest.fixture
async def people() -> AsyncIterator[HttpReceiver]:
    """Whoever Alertmanager tells."""
    async with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
async def alertmanager(tmp_path: Path, people: HttpReceiver) -> AsyncIterator[AlertmanagerProcess]:
    process = AlertmanagerProcess(tmp_path / "alertmanager", people.url)
    await process.start()
    yield process
    await process.stop()


@asynccontextmanager
async def telling(
    *processes: AlertmanagerProcess, ledger: Ledger | None = None, alerts: Sequence[Alert] = ()
) -> AsyncIterator[Notifier]:
    def failed(error: BaseException) -> None:
        raise AssertionError(error)

    ledger = ledger or Ledger()
    receivers = [Alertmanager(f"am-{number}", one.url, repeat_ms=REPEAT_MS) for number, one in enumerate(processes)]
    notifier = Notifier(receivers, ledger.append, Counts(), failed)
    await notifier.restore(alerts, ledger.records)
    await notifier.start()
    try:
        yield notifier
    finally:
        await notifier.stop()


def told(people: HttpReceiver) -> list[str]:
    """`rule scope status` of every alert that people were told of, in order."""
    return [
        f"{alert['labels']['alertname']} {alert['labels']['scope']} {alert['status']}"
        for heard in people.heard
        for alert in heard.json["alerts"]
    ]


def says(people: HttpReceiver, *lines: str) -> Callable[[], bool]:
    return lambda: set(lines) <= set(told(people))


def test_the_configuration_is_valid_for_the_tool_itself():
    done = subprocess.run([TOOL, "check-config", str(CONFIG)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_page_of_one_queue_is_one_message_with_all_that_is_known(
    alertmanager: AlertmanagerProcess, people: HttpReceiver
):
    async with telling(alertmanager) as notifier:
        notifier.offer([now_firing("oldest_wait"), now_firing("nobody_staffed"), now_firing(scope="queue:service")])
        await people.until(
            says(people, "oldest_wait queue:sales firing", "nobody_staffed queue:sales firing",
                 "oldest_wait queue:service firing"),
            "three alerts",
        )  # fmt: skip
    sales, service = sorted(people.heard, key=lambda heard: heard.json["groupLabels"]["queue"])
    assert (sales.path, service.path) == ("/page", "/page")
    assert sales.json["groupLabels"] == {"site": "berlin", "queue": "sales"}
    assert len(sales.json["alerts"]) == 2
    annotations = sales.json["alerts"][0]["annotations"]
    assert annotations["message"] == "sales: service level 62.0 %, target 80.0 %"
    assert annotations["runbook"] == "docs/runbooks.md#service_level"


async def test_it_is_told_once_while_it_is_posted_again_and_again_and_once_that_it_is_over(
    alertmanager: AlertmanagerProcess, people: HttpReceiver
):
    alert = now_firing()
    async with telling(alertmanager) as notifier:
        notifier.offer([alert])
        await people.until(says(people, "oldest_wait queue:sales firing"), "it fires")
        first = (await alertmanager.alerts())["oldest_wait queue:sales"]["updatedAt"]
        await alertmanager.until(
            lambda alerts: alerts["oldest_wait queue:sales"]["updatedAt"] > first, "it is posted again"
        )
        notifier.offer([now_resolved(alert)])
        await people.until(says(people, "oldest_wait queue:sales resolved"), "it is over")
        notifier.offer([now_firing("later", scope="queue:other")])
        await people.until(says(people, "later queue:other firing"), "something else, later")
    assert told(people) == [
        "oldest_wait queue:sales firing", "oldest_wait queue:sales resolved", "later queue:other firing",
    ]  # fmt: skip


async def test_severities_go_to_different_people_and_info_to_nobody(
    alertmanager: AlertmanagerProcess, people: HttpReceiver
):
    async with telling(alertmanager) as notifier:
        notifier.offer([now_firing("hint", scope="queue:a", severity="info")])
        await alertmanager.until(lambda alerts: "hint queue:a" in alerts, "it is known")
        notifier.offer([now_firing("drift", scope="queue:b", severity="warning"), now_firing(scope="queue:c")])
        await people.until(says(people, "drift queue:b firing", "oldest_wait queue:c firing"), "both")
    assert {(heard.path, heard.json["alerts"][0]["labels"]["severity"]) for heard in people.heard} == {
        ("/page", "page"), ("/warning", "warning"),
    }  # fmt: skip


async def test_a_silence_keeps_people_quiet_until_it_ends(alertmanager: AlertmanagerProcess, people: HttpReceiver):
    silence = await alertmanager.tool(
        "silence", "add", "queue=sales", "--comment=works on it", "--author=mia", "--duration=1h"
    )
    async with telling(alertmanager) as notifier:
        notifier.offer([now_firing(), now_firing(scope="queue:service")])
        await people.until(says(people, "oldest_wait queue:service firing"), "the other queue")
        await alertmanager.until(
            lambda alerts: alerts["oldest_wait queue:sales"]["status"]["silencedBy"] == [silence], "silenced"
        )
        assert told(people) == ["oldest_wait queue:service firing"]
        await alertmanager.tool("silence", "expire", silence)
        await people.until(says(people, "oldest_wait queue:sales firing"), "the silence is over")


@pytest.mark.parametrize(
    ("greater", "lesser"),
    [
        pytest.param(
            {"rule": "feed_stale", "scope": "source:pbx"}, {"scope": "queue:sales", "severity": "warning"},
            id="a silent feed explains a queue",
        ),
        pytest.param(
            {"rule": "site_unstaffed", "scope": "site:berlin"}, {"scope": "queue:sales"}, id="a site explains a queue"
        ),
        pytest.param(
            {"rule": "nobody_staffed", "scope": "queue:sales"}, {"scope": "queue:sales", "severity": "warning"},
            id="a page explains a warning of the same queue",
        ),
    ],
)  # fmt: skip
async def test_the_greater_trouble_mutes_the_lesser_of_its_site_until_it_is_over(
    alertmanager: AlertmanagerProcess, people: HttpReceiver, greater: dict[str, Any], lesser: dict[str, Any]
):
    cause = now_firing(**greater)
    muted = f"oldest_wait {lesser['scope']}"
    async with telling(alertmanager) as notifier:
        notifier.offer([cause])
        await people.until(says(people, f"{cause.rule} {cause.scope} firing"), "the cause")
        notifier.offer([now_firing(**lesser), now_firing(scope="queue:far", site="madrid")])
        await people.until(says(people, "oldest_wait queue:far firing"), "another site's")
        known = await alertmanager.alerts()
        assert known[muted]["status"]["inhibitedBy"] == [known[f"{cause.rule} {cause.scope}"]["fingerprint"]]
        assert not any(line.startswith(muted) for line in told(people))
        notifier.offer([now_resolved(cause)])
        await people.until(says(people, f"{muted} firing"), "what the cause hid")


async def test_a_silent_feed_mutes_no_page(alertmanager: AlertmanagerProcess, people: HttpReceiver):
    async with telling(alertmanager) as notifier:
        notifier.offer([now_firing("feed_stale", scope="source:pbx")])
        await people.until(says(people, "feed_stale source:pbx firing"), "the feed")
        notifier.offer([now_firing()])
        await people.until(says(people, "oldest_wait queue:sales firing"), "the page")


async def test_nothing_is_lost_and_nothing_repeated_while_alertmanager_is_away(
    alertmanager: AlertmanagerProcess, people: HttpReceiver
):
    before, short = now_firing("before"), now_firing("short", scope="queue:short")
    async with telling(alertmanager) as notifier:
        notifier.offer([before, short])
        await people.until(says(people, "before queue:sales firing", "short queue:short firing"), "both")
        await alertmanager.written_down(2)
        await alertmanager.stop()
        notifier.offer([now_firing("meanwhile", scope="queue:other"), now_resolved(short)])
        await alertmanager.start()
        await people.until(says(people, "meanwhile queue:other firing", "short queue:short resolved"), "what it missed")
        await alertmanager.until(lambda alerts: "before queue:sales" in alerts, "it knows again what fires")
    assert sorted(told(people)) == [
        "before queue:sales firing", "meanwhile queue:other firing", "short queue:short firing",
        "short queue:short resolved",
    ]  # fmt: skip


async def test_who_goes_on_after_a_kill_ends_what_its_predecessor_began(
    alertmanager: AlertmanagerProcess, people: HttpReceiver
):
    ledger, alert = Ledger(), now_firing()
    async with telling(alertmanager, ledger=ledger) as killed:
        killed.offer([alert])
        await people.until(says(people, "oldest_wait queue:sales firing"), "it fires")
    meanwhile = now_firing("meanwhile", scope="queue:other")
    async with telling(alertmanager, ledger=ledger, alerts=[now_resolved(alert), meanwhile]):
        await people.until(says(people, "oldest_wait queue:sales resolved", "meanwhile queue:other firing"), "both")
    assert len(told(people)) == 3


async def test_every_alertmanager_is_told_though_one_is_away(
    alertmanager: AlertmanagerProcess, people: HttpReceiver, tmp_path: Path
):
    second = AlertmanagerProcess(tmp_path / "second", people.url)
    async with telling(second, alertmanager) as notifier:
        notifier.offer([now_firing()])
        await alertmanager.until(lambda alerts: "oldest_wait queue:sales" in alerts, "the one that is there")
        await second.start()
        try:
            await second.until(lambda alerts: "oldest_wait queue:sales" in alerts, "the other one")
        finally:
            await second.stop()
