"""A courier tells, rests when nobody is there, and comes back: on a clock that only waiting moves."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Sequence

import pytest

from service.domain.alert_record import Alert
from service.notify.alertmanager import Alertmanager
from service.notify.courier import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Courier, Means, pause_ms
from service.notify.outbox import Notice, Outbox, Record
from service.notify.receiver import Answer, Receiver, Request
from service.notify.webhooks import Webhook
from service.timetext import parse_moment_ms
from tests.support.alerts import NOON_MS, Counts, Ledger, firing, resolved

OK = Answer(200)
DOWN = Answer(None, "Connection refused")
Answers = Callable[[Request, int], Answer]


class FakeClock:
    """Waiting moves it to the end of the wait; the run ends when nothing is left to wait for, or at `end_ms`."""

    def __init__(self, end_ms: int) -> None:
        self.ms = 0
        self.end_ms = end_ms
        self.at: list[tuple[int, Callable[[], None]]] = []

    def now_ms(self) -> int:
        return NOON_MS + self.ms

    def steady_ms(self) -> int:
        return self.ms

    async def wait(self, changed: asyncio.Event, timeout_ms: int | None) -> None:
        until_ms = self.end_ms if timeout_ms is None else self.ms + timeout_ms
        upcoming = sorted(self.at, key=lambda entry: entry[0])
        if upcoming and upcoming[0][0] <= until_ms:
            self.at.remove(upcoming[0])
            self.ms = max(self.ms, upcoming[0][0])
            upcoming[0][1]()
        else:
            self.ms = until_ms
        if self.ms >= self.end_ms:
            raise asyncio.CancelledError


class Scene:
    """One courier, and whom it talks to."""

    def __init__(self, receiver: Receiver, answers: Answers, *, minutes: float = 30) -> None:
        self.clock = FakeClock(round(minutes * 60_000))
        self.ledger, self.counts = (
            Ledger([(f"{receiver.name}|".encode(), b'{"episode":0,"state":"resolved","at_ms":0}')]),
            Counts(),
        )
        self.asked: list[tuple[int, Request]] = []
        self.heard: list[tuple[int, str]] = []
        self.answers = answers
        self.receiver = receiver
        self.outbox = Outbox(receiver.name, receiver.wants, receiver.linger_ms)
        self.outbox.restore([], self.ledger.records, NOON_MS)
        means = Means(self.post, self.ledger.append, self.may_tell, self.clock, self.counts, random.Random(7))
        self.courier = Courier(receiver, self.outbox, means)

    async def may_tell(self) -> None:
        """Always."""

    async def post(self, request: Request) -> Answer:
        self.asked.append((self.clock.ms, request))
        answer = self.answers(request, self.clock.ms)
        if answer.verdict == "delivered":
            self.heard += [(self.clock.ms, told) for told in told_in(request, self.clock.now_ms())]
        return answer

    def offer(self, *alerts: Alert, at_ms: int = 0) -> None:
        """These alerts change then."""

        def change() -> None:
            for alert in alerts:
                self.outbox.offer(alert)
            self.courier.wake()

        self.clock.at.append((at_ms, change))

    async def run(self) -> None:
        with pytest.raises(asyncio.CancelledError):
            await self.courier.run()


def told_in(request: Request, now_ms: int) -> list[str]:
    """`rule state` of every alert in a request of either kind."""
    body = json.loads(request.body)
    if isinstance(body, dict):
        return [f"{body['rule']} {body['state']}"]
    over = [parse_moment_ms(alert["endsAt"], "UTC") <= now_ms for alert in body]
    return [
        f"{a['labels']['alertname']} {'resolved' if gone else 'firing'}" for a, gone in zip(body, over, strict=True)
    ]


def desk() -> Webhook:
    return Webhook("desk", lambda: "http://desk/alerts")


def down_until(end_ms: int) -> Answers:
    return lambda request, at_ms: DOWN if at_ms < end_ms else OK


async def test_an_alert_is_told_at_once_and_once():
    scene = Scene(desk(), lambda request, at_ms: OK)
    scene.offer(firing(), at_ms=5_000)
    scene.offer(firing(value=0.4), at_ms=9_000)
    await scene.run()
    assert scene.heard == [(5_000, "service_level firing")]
    assert scene.counts.outcomes == {("desk", "delivered"): 1}
    assert scene.counts.pending == {"desk": 0}


async def test_nothing_is_lost_in_an_outage_of_ten_minutes():
    scene = Scene(desk(), down_until(600_000))
    scene.offer(firing("stays"), firing("goes"))
    scene.offer(resolved(firing("goes")), at_ms=300_000)
    scene.offer(firing("comes"), at_ms=400_000)
    await scene.run()
    assert sorted(told for _, told in scene.heard) == ["comes firing", "goes resolved", "stays firing"]
    assert all(at_ms < 600_000 + LONGEST_PAUSE_MS + 5_000 for at_ms, _ in scene.heard)


async def test_a_receiver_that_is_down_is_asked_less_and_less_often():
    scene = Scene(desk(), down_until(600_000))
    scene.offer(*[firing(f"rule-{number}") for number in range(200)])
    await scene.run()
    before = [at_ms for at_ms, _ in scene.asked if at_ms < 600_000]
    gaps = [later - earlier for earlier, later in zip(before, before[1:], strict=False)]
    assert FIRST_PAUSE_MS / 2 <= gaps[0] <= FIRST_PAUSE_MS
    assert all(gap <= LONGEST_PAUSE_MS for gap in gaps)
    assert len(before) < 50, "one question for all that waits, not one for each"
    assert len(scene.heard) == len(set(scene.heard)) == 200


@pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
async def test_a_server_in_trouble_is_asked_again(status: int):
    first = [Answer(status)]
    scene = Scene(desk(), lambda request, at_ms: first.pop() if first else OK)
    scene.offer(firing())
    await scene.run()
    assert [told for _, told in scene.heard] == ["service_level firing"]
    assert scene.counts.outcomes == {("desk", "failed"): 1, ("desk", "delivered"): 1}


async def test_a_receiver_may_say_how_long_to_wait():
    scene = Scene(desk(), lambda request, at_ms: OK if at_ms >= 90_000 else Answer(429, retry_after_ms=90_000))
    scene.offer(firing())
    await scene.run()
    assert [at_ms for at_ms, _ in scene.asked] == [0, 90_000]


async def test_what_is_refused_does_not_hold_up_the_rest():
    scene = Scene(desk(), lambda request, at_ms: Answer(400, "bad") if b'"odd"' in request.body else OK)
    scene.offer(firing("odd"), firing("even", at_ms=NOON_MS + 1))
    await scene.run()
    ((at_ms, told),) = scene.heard
    assert told == "even firing" and at_ms <= FIRST_PAUSE_MS
    refused = [at_ms for at_ms, request in scene.asked if b'"odd"' in request.body]
    assert 5 < len(refused) < 30, "asked again, ever less often: the mistake may be mended"
    assert scene.counts.pending == {"desk": 1}


async def test_a_refusal_that_is_mended_is_forgotten():
    scene = Scene(desk(), lambda request, at_ms: OK if at_ms > 120_000 else Answer(401, "who are you"))
    scene.offer(firing())
    scene.offer(resolved(firing()), at_ms=1_200_000)
    await scene.run()
    assert [told for _, told in scene.heard] == ["service_level firing", "service_level resolved"]
    assert scene.courier._refusals == {}


async def test_an_alert_that_is_explained_while_it_is_refused_is_told_when_it_is_explained_no_more():
    def answer(request: Request, at_ms: int) -> Answer:
        if at_ms > 60_000:
            return OK
        scene.outbox.offer(firing(inhibited_by="f" * 16))
        return Answer(400, "not now")

    scene = Scene(desk(), answer)
    scene.offer(firing())
    scene.offer(firing(), at_ms=90_000)
    await scene.run()
    assert scene.heard == [(90_000, "service_level firing")]


async def test_who_refuses_everything_is_asked_once_a_second():
    scene = Scene(desk(), lambda request, at_ms: Answer(404), minutes=0.5)
    scene.offer(*[firing(f"rule-{number}") for number in range(50)])
    await scene.run()
    assert len(scene.asked) == 30


async def test_after_an_outage_that_is_over_the_next_one_begins_with_a_short_pause():
    scene = Scene(desk(), lambda request, at_ms: DOWN if at_ms < 300_000 or at_ms == 600_000 else OK)
    scene.offer(firing("first"))
    scene.offer(firing("second"), at_ms=600_000)
    await scene.run()
    ((at_ms, told),) = [(at_ms, told) for at_ms, told in scene.heard if at_ms > 600_000]
    assert told == "second firing" and at_ms <= 600_000 + FIRST_PAUSE_MS


async def test_an_alert_that_cannot_be_put_into_words_does_not_hold_up_the_rest(caplog):
    class Stutter(Webhook):
        def request(self, notices: Sequence[Notice], now_ms: int) -> Request:
            if notices[0].alert.rule == "odd":
                raise KeyError("odd")
            return super().request(notices, now_ms)

    scene = Scene(Stutter("desk", lambda: "http://desk"), lambda request, at_ms: OK)
    scene.offer(firing("odd"), firing("even", at_ms=NOON_MS + 1))
    await scene.run()
    assert [told for _, told in scene.heard] == ["even firing"]
    assert "could not be put into words" in caplog.text


async def test_without_its_secret_a_receiver_waits_and_is_then_told(tmp_path):
    secret = tmp_path / "secret"
    scene = Scene(Webhook("desk", lambda: "http://desk", secret_file=secret), lambda request, at_ms: OK)
    scene.offer(firing())
    scene.clock.at.append((60_000, lambda: (secret.write_text("s", "utf-8"), None)[1]))
    await scene.run()
    assert len(scene.heard) == 1 and scene.heard[0][0] >= 60_000


class TestAlertmanager:
    def scene(self, answers: Answers, minutes: float = 30) -> Scene:
        return Scene(Alertmanager("am", "http://am"), answers, minutes=minutes)

    async def test_what_fires_is_posted_at_once_and_every_minute(self):
        scene = self.scene(lambda request, at_ms: OK, minutes=3.5)
        scene.offer(firing(), at_ms=10_000)
        await scene.run()
        assert [at_ms for at_ms, _ in scene.heard] == [10_000, 60_000, 120_000, 180_000]
        assert scene.counts.outcomes == {("am", "delivered"): 1, ("am", "repeated"): 3}

    async def test_an_end_is_posted_at_once_and_for_five_minutes_more(self):
        scene = self.scene(lambda request, at_ms: OK)
        scene.offer(firing())
        scene.offer(resolved(firing()), at_ms=310_000)
        await scene.run()
        ends = [at_ms for at_ms, told in scene.heard if told.endswith("resolved")]
        assert ends == [310_000, *range(360_000, 610_000, 60_000)]
        assert [at_ms for at_ms, _ in scene.asked if at_ms > 610_000] == []

    async def test_after_an_outage_it_is_told_of_everything_that_fires(self):
        scene = self.scene(lambda request, at_ms: DOWN if 100_000 < at_ms < 700_000 else OK)
        scene.offer(firing("early"))
        scene.offer(firing("late"), at_ms=200_000)
        scene.offer(resolved(firing("early")), at_ms=400_000)
        await scene.run()
        back = [told for at_ms, told in scene.heard if 700_000 <= at_ms < 740_000]
        assert set(back) == {"early resolved", "late firing"}

    async def test_a_round_of_many_takes_several_requests_of_bounded_size(self):
        scene = self.scene(lambda request, at_ms: OK, minutes=1.5)
        scene.offer(*[firing(f"rule-{number}") for number in range(1_200)])
        await scene.run()
        sizes = [len(json.loads(request.body)) for _, request in scene.asked]
        assert max(sizes) <= 100 and sum(sizes) == 2_400

    async def test_an_outage_in_the_middle_of_a_round_repeats_the_round(self):
        failing = [False] * 15 + [True]
        scene = self.scene(lambda request, at_ms: DOWN if failing and failing.pop(0) else OK, minutes=1.5)
        scene.offer(*[firing(f"rule-{number}") for number in range(1_200)])
        await scene.run()
        again = [told for at_ms, told in scene.heard if at_ms > 60_000]
        assert len(set(again)) == 1_200


async def test_nobody_is_told_before_this_process_may_speak():
    scene = Scene(desk(), lambda request, at_ms: OK)
    order: list[str] = []

    async def may_tell() -> None:
        order.append("may")

    async def post(request: Request) -> Answer:
        order.append("told")
        return OK

    means = Means(post, scene.ledger.append, may_tell, scene.clock, scene.counts, random.Random(7))
    courier = Courier(scene.receiver, scene.outbox, means)
    scene.outbox.offer(firing())
    with pytest.raises(asyncio.CancelledError):
        await courier.run()
    assert order == ["may", "told"]


async def test_what_is_over_while_this_process_was_frozen_is_told_as_over():
    scene = Scene(desk(), lambda request, at_ms: OK)

    async def thaw() -> None:
        scene.outbox.offer(resolved(firing()))

    means = Means(scene.post, scene.ledger.append, thaw, scene.clock, scene.counts, random.Random(7))
    scene.outbox.offer(firing())
    with pytest.raises(asyncio.CancelledError):
        await Courier(scene.receiver, scene.outbox, means).run()
    assert [told for _, told in scene.heard] == ["service_level resolved"]


async def test_a_ledger_that_fails_ends_the_courier():
    scene = Scene(desk(), lambda request, at_ms: OK)

    async def broken(records: Sequence[Record]) -> None:
        raise OSError("no broker")

    means = Means(scene.post, broken, scene.may_tell, scene.clock, scene.counts, random.Random(7))
    scene.outbox.offer(firing())
    with pytest.raises(OSError, match="no broker"):
        await Courier(scene.receiver, scene.outbox, means).run()


@pytest.mark.parametrize(
    ("failures", "chance", "expected"),
    [
        pytest.param(1, 1.0, 1_000, id="a second at most after the first failure"),
        pytest.param(1, 0.0, 500, id="half of it at least"),
        pytest.param(4, 1.0, 8_000, id="doubled with each"),
        pytest.param(10_000, 1.0, 30_000, id="never beyond the longest"),
    ],
)
def test_the_pause_grows_and_varies(failures: int, chance: float, expected: int):
    assert pause_ms(failures, LONGEST_PAUSE_MS, chance) == expected
