"""From an event to a person: a running worker tells a webhook, and its successor goes on where it was killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.processes import Child
from tests.support.busy_floor import CONFIG, busy_floor, tell
from tests.support.http_receiver import HttpReceiver
from tests.support.stream_run import StreamRun

NOTIFY = """
notify:
  webhooks: [{name: desk, url: URL, secret_file: SECRET}]
"""


@pytest.fixture
async def desk() -> AsyncIterator[HttpReceiver]:
    """The person's webhook."""
    async with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
async def run(tmp_path: Path, desk: HttpReceiver) -> AsyncIterator[StreamRun]:
    secret = tmp_path / "secret"
    secret.write_text("s3cret", "utf-8")
    told_by = NOTIFY.replace("URL", desk.url).replace("SECRET", str(secret))
    async with busy_floor(tmp_path, CONFIG + told_by) as started:
        yield started


async def two_wait(run: StreamRun, queue: str) -> None:
    """Two customers join the queue."""
    await send(run, "visit.queued", queue)


async def all_answered(run: StreamRun, queue: str) -> None:
    """Both are answered."""
    await send(run, "visit.answered", queue, agent_id="1001")


async def send(run: StreamRun, kind: str, queue: str, **fields: str) -> None:
    for contact in (f"{queue}-1", f"{queue}-2"):
        await tell(run, kind, contact, queue, **fields)


def told(desk: HttpReceiver) -> list[str]:
    return [f"{heard.json['scope']} {heard.json['state']}" for heard in desk.heard]


async def until_told(desk: HttpReceiver, line: str, run: StreamRun) -> None:
    try:
        await desk.until(lambda: line in told(desk), line, timeout_s=60)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{run.logs()}") from None


async def started(run: StreamRun) -> Child:
    worker = run.start_worker()
    await run.until_ready([worker])
    return worker


async def test_a_person_is_told_that_it_fires_and_that_it_has_ended(run: StreamRun, desk: HttpReceiver) -> None:
    await started(run)
    await two_wait(run, "sales")
    await until_told(desk, "queue:sales firing", run)
    await all_answered(run, "sales")
    await until_told(desk, "queue:sales resolved", run)
    assert told(desk) == ["queue:sales firing", "queue:sales resolved"]
    fires = desk.heard[0]
    assert (fires.json["rule"], fires.json["value"], fires.json["severity"]) == ("busy", 2, "page")
    assert fires.headers["Floorwalker-Signature"].startswith("v1=")
    assert "s3cret" not in run.logs()


@pytest.mark.crash
async def test_who_goes_on_after_a_kill_tells_what_was_not_told_and_nothing_twice(
    run: StreamRun, desk: HttpReceiver
) -> None:
    first = await started(run)
    await two_wait(run, "sales")
    await until_told(desk, "queue:sales firing", run)
    await desk.stop()
    await two_wait(run, "service")
    await run.until(lambda: "cannot be told" in first.log_text(), "the worker sees that nobody is there")
    await all_answered(run, "sales")
    run.kill(first)
    await started(run)
    await desk.start()
    await until_told(desk, "queue:sales resolved", run)
    await until_told(desk, "queue:service firing", run)
    await all_answered(run, "service")
    await until_told(desk, "queue:service resolved", run)
    assert sorted(told(desk)) == [
        "queue:sales firing", "queue:sales resolved", "queue:service firing", "queue:service resolved",
    ]  # fmt: skip
