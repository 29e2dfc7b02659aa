"""Server-sent events: what is sent, when, to whom, and what a slow or surplus client gets."""

from __future__ import annotations

import asyncio

import pytest

from api import live
from api.settings import ApiSettings
from tests.unit.api.floors import Centre, get
from tests.unit.api.push import Client, connected

pytestmark = pytest.mark.usefixtures("quick_stream")


async def test_every_queue_comes_first_and_then_only_what_changed(centre: Centre) -> None:
    async with connected(centre.app(), "/v1/stream") as client:
        await client.until(lambda: len(client.of("queue")) == 3)
        assert client.of("queue")[0].data["scope"] == "queue:sales"
        assert set(client.of("queue")[0].data["windows"]) == {"15m", "day"}
        centre.queued("m1", "mail")
        centre.flush()
        await client.until(lambda: len(client.of("queue")) == 4)
        assert (client.events[-1].data["id"], client.events[-1].data["now"]["waiting"]) == ("mail", 1)


async def test_chosen_scopes_alone_are_sent(centre: Centre) -> None:
    async with connected(centre.app(), "/v1/stream?scopes=agent:bob,queue:mail&windows=5m") as client:
        await client.until(lambda: len(client.events) >= 3)
        assert [e.data["scope"] for e in client.events if e.name != "heartbeat"] == ["agent:bob", "queue:mail"]
        assert client.of("agent")[0].data["state_reason"] == "break"


async def test_a_quiet_stream_has_heartbeats_with_the_age_of_the_state(centre: Centre) -> None:
    async with connected(centre.app(), "/v1/stream?scopes=queue:mail") as client:
        await client.until(lambda: len(client.of("heartbeat")) >= 1)
        centre.now_ms += 3_000
        count = len(client.of("heartbeat"))
        await client.until(lambda: len(client.of("heartbeat")) > count)
        assert client.of("heartbeat")[-1].data["staleness_seconds"] == 3


async def test_a_quiet_queue_is_sent_again_when_its_windows_have_moved_on(centre: Centre) -> None:
    async with connected(centre.app(), "/v1/stream?scopes=queue:sales") as client:
        await client.until(lambda: len(client.of("queue")) == 1)
        centre.now_ms += 16 * 60_000
        await client.until(lambda: len(client.of("queue")) == 2)
        assert [e.data["windows"]["15m"]["offered"] for e in client.of("queue")] == [3, 0]


async def test_a_client_that_comes_back_gets_only_what_it_missed(centre: Centre) -> None:
    app = centre.app()
    async with connected(app, "/v1/stream") as client:
        await client.until(lambda: len(client.of("queue")) == 3)
        assert [event.id is not None for event in client.of("queue")] == [False, False, True]
        last = client.of("queue")[-1].id
    centre.queued("m1", "mail")
    centre.flush()
    async with connected(app, "/v1/stream", {"Last-Event-ID": str(last)}) as again:
        await again.until(lambda: len(again.of("queue")) == 1 and len(again.of("heartbeat")) >= 2)
        assert [event.data["id"] for event in again.of("queue")] == ["mail"]


async def test_an_event_id_of_another_process_means_everything(centre: Centre) -> None:
    async with connected(centre.app(), "/v1/stream", {"Last-Event-ID": "deadbeef.0-99"}) as client:
        await client.until(lambda: len(client.of("queue")) == 3)


@pytest.mark.parametrize("seq", ["²", "9" * 5_000, "9" * 19, "-1", ""])
async def test_an_event_id_that_is_no_number_of_ours_means_everything(centre: Centre, seq: str) -> None:
    app = centre.app()
    async with connected(app, "/v1/stream") as client:
        await client.until(lambda: len(client.of("queue")) == 3)
        prefix = str(client.of("queue")[-1].id).rpartition("-")[0]
    async with connected(app, "/v1/stream", {"Last-Event-ID": f"{prefix}-{seq}"}) as again:
        await again.until(lambda: len(again.of("queue")) == 3)
    assert app.state.context.hub.clients == 0


async def test_a_client_whose_request_fails_is_not_counted(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    app = centre.app()
    monkeypatch.setattr(app.state.context.hub, "resume", broken)
    assert (await get(app, "/v1/stream")).status_code == 500
    assert app.state.context.hub.clients == 0


async def test_a_client_that_takes_nothing_is_dropped_and_holds_up_nobody(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SEND_TIMEOUT_SECONDS", 0.1)
    app = centre.app()
    slow = Client(app, "/v1/stream")
    slow.accepting = False
    task = asyncio.create_task(slow.run())
    async with connected(app, "/v1/stream") as quick_one:
        await quick_one.until(lambda: len(quick_one.of("queue")) == 3)
        await asyncio.wait_for(task, 10)
        assert app.state.context.hub.clients == 1


async def test_one_client_too_many_is_told_so(centre: Centre) -> None:
    app = centre.app(ApiSettings(stream_clients=1))
    async with connected(app, "/v1/stream") as client:
        await client.until(lambda: len(client.events) > 0)
        refused = await get(app, "/v1/stream")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert app.state.context.hub.clients == 0


async def test_streams_end_when_the_server_closes(centre: Centre) -> None:
    app = centre.app()
    client = Client(app, "/v1/stream")
    task = asyncio.create_task(client.run())
    await client.until(lambda: len(client.events) > 0)
    app.state.context.hub.close()
    await asyncio.wait_for(task, 10)
