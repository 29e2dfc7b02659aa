"""The notifier against servers on this machine: each receiver at its own pace, and a kill changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from service.notify import courier
from service.notify import notifier as notifier_module
from service.notify.courier import WallClock
from service.notify.notifier import Notifier
from service.notify.outbox import Record
from service.notify.webhooks import Webhook
from tests.support.alerts import NOON_MS, Counts, Ledger, fired_again, firing, resolved
from tests.support.http_receiver import HttpReceiver, answers, hangs, then


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE_MS", 20)
    monkeypatch.setattr(courier, "LONGEST_PAUSE_MS", 60)
    monkeypatch.setattr(notifier_module, "GRACE_SECONDS", 0.5)


def webhook(name: str, receiver: HttpReceiver) -> Webhook:
    return Webhook(name, lambda: receiver.url)


def not_called(error: BaseException) -> None:
    raise AssertionError(error)


class AtNoon(WallClock):
    """The clock of the alerts told here: what ended before a receiver was known is none of its business."""

    def now_ms(self) -> int:
        """When they began."""
        return NOON_MS


@asynccontextmanager
async def telling(
    *webhooks: Webhook, ledger: Ledger, alerts: Sequence[object] = (), counts: Counts | None = None
) -> AsyncIterator[Notifier]:
    notifier = Notifier(webhooks, ledger.append, counts or Counts(), not_called, clock=AtNoon())
    await notifier.restore(alerts, ledger.records)  # type: ignore[arg-type]
    await notifier.start()
    try:
        yield notifier
    finally:
        await notifier.stop()


def told(receiver: HttpReceiver) -> list[str]:
    """What it took, in order."""
    return [
        f"{one.json['rule']} {one.json['episode']} {one.json['state']}" for one in receiver.heard if one.status == 200
    ]


def keys_told(receiver: HttpReceiver) -> list[str]:
    return [one.headers["Idempotency-Key"] for one in receiver.heard if one.status == 200]


def has_told(receiver: HttpReceiver, count: int) -> Callable[[], bool]:
    return lambda: len(told(receiver)) >= count


async def test_a_server_in_trouble_gets_the_same_key_until_it_takes_the_notice():
    async with HttpReceiver(then(answers(500), answers(500), answers(200))) as receiver:
        async with telling(webhook("desk", receiver), ledger=Ledger()) as notifier:
            notifier.offer([firing()])
            await receiver.until(has_told(receiver, 1), "told in the end")
        assert [one.status for one in receiver.heard] == [500, 500, 200]
        assert len({one.headers["Idempotency-Key"] for one in receiver.heard}) == 1


async def test_receivers_that_hang_or_are_gone_hold_up_nobody_else():
    counts = Counts()
    async with HttpReceiver(hangs) as stuck, HttpReceiver() as gone, HttpReceiver() as fine:
        await gone.stop()
        hooks = [webhook("stuck", stuck), webhook("gone", gone), webhook("fine", fine)]
        async with telling(*hooks, ledger=Ledger(), counts=counts) as notifier:
            notifier.offer([firing(f"rule-{number}") for number in range(50)])
            await fine.until(has_told(fine, 50), "all told while the others cannot be")
            assert stuck.asked == 1, "the first of the notices still hangs"
            assert (counts.pending["stuck"], counts.pending["gone"]) == (50, 50)
        assert counts.pending == {"stuck": 0, "gone": 0, "fine": 0}, "whoever goes on counts them"


async def test_a_receiver_that_comes_back_is_told_what_it_missed_once():
    async with HttpReceiver() as receiver:
        await receiver.stop()
        async with telling(webhook("desk", receiver), ledger=Ledger()) as notifier:
            notifier.offer([firing("stays"), firing("goes")])
            notifier.offer([resolved(firing("goes"))])
            await receiver.start()
            await receiver.until(has_told(receiver, 2), "both")
            notifier.offer([resolved(firing("stays"))])
            await receiver.until(has_told(receiver, 3), "the end, too")
        assert told(receiver) == ["stays 1 firing", "goes 1 resolved", "stays 1 resolved"]


async def test_who_goes_on_after_a_kill_tells_what_was_not_told_and_nothing_twice():
    ledger = Ledger()
    async with HttpReceiver() as receiver:
        async with telling(webhook("desk", receiver), ledger=ledger) as killed:
            assert [key for key, _ in ledger.records] == [b"desk|"], "since when it is known"
            killed.offer([firing("before")])
            await receiver.until(has_told(receiver, 1), "told")
        while_dead = [firing("before"), firing("meanwhile"), resolved(firing("short", at_ms=4_000_000_000_000))]
        async with telling(webhook("desk", receiver), ledger=ledger, alerts=while_dead) as successor:
            await receiver.until(has_told(receiver, 3), "what was not told")
            successor.offer([resolved(firing("before"))])
            await receiver.until(has_told(receiver, 4), "the end of the first")
        assert sorted(told(receiver)) == [
            "before 1 firing", "before 1 resolved", "meanwhile 1 firing", "short 1 resolved",
        ]  # fmt: skip


async def test_a_kill_between_answer_and_confirmation_repeats_the_key():
    class Torn(Ledger):
        async def append(self, records: Sequence[Record]) -> None:
            if any(b"|" in key and not key.endswith(b"|") for key, _ in records):
                await asyncio.Event().wait()
            await super().append(records)

    torn = Torn()
    async with HttpReceiver() as receiver:
        notifier = Notifier([webhook("desk", receiver)], torn.append, Counts(), not_called)
        await notifier.restore([], [])
        await notifier.start()
        notifier.offer([firing()])
        await receiver.until(has_told(receiver, 1), "told")
        for task in notifier._tasks:
            task.cancel()
        await notifier.stop()
        async with telling(webhook("desk", receiver), ledger=Ledger(torn.records), alerts=[firing()]):
            await receiver.until(has_told(receiver, 2), "told again")
        assert len(set(keys_told(receiver))) == 1, "the receiver can see that it knows this"


async def test_stopping_waits_for_the_answer_that_is_under_way():
    stopping = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await stopping.wait()
        return await answers(200)(request)

    ledger, alerts = Ledger(), [firing("a"), firing("b")]
    async with HttpReceiver(slow) as receiver:
        async with telling(webhook("desk", receiver), ledger=ledger) as notifier:
            notifier.offer(alerts)
            await receiver.until(lambda: receiver.asked == 1, "asked")
            stop = asyncio.create_task(notifier.stop())
            await asyncio.sleep(0)
            stopping.set()
            await stop
        assert len(told(receiver)) == 1, "no second one is begun"
        async with telling(webhook("desk", receiver), ledger=ledger, alerts=alerts):
            await receiver.until(has_told(receiver, 2), "the other one")
        assert len(set(keys_told(receiver))) == 2


async def test_a_forgotten_alert_is_not_told_and_not_remembered():
    ledger = Ledger()
    async with HttpReceiver() as receiver:
        async with telling(webhook("desk", receiver), ledger=ledger) as notifier:
            notifier.offer([firing("a")])
            await receiver.until(has_told(receiver, 1), "told")
            notifier.offer([resolved(firing("a"))])
            await receiver.until(has_told(receiver, 2), "its end")
            await notifier.forget([firing("a").fingerprint])
            notifier.offer([fired_again(resolved(firing("b")))])
            await receiver.until(has_told(receiver, 3), "another one")
        assert (f"desk|{firing('a').fingerprint}".encode(), None) in ledger.records


async def test_a_ledger_that_fails_is_reported():
    reported: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def broken(records: Sequence[Record]) -> None:
        if any(b"firing" in (value or b"") for _, value in records):
            raise OSError("no broker")

    async with HttpReceiver() as receiver:
        notifier = Notifier([webhook("desk", receiver)], broken, Counts(), reported.set_result)
        await notifier.restore([], [])
        await notifier.start()
        notifier.offer([firing()])
        async with asyncio.timeout(10):
            assert str(await reported) == "no broker"
        await notifier.stop()
