"""A receiver is told once that an episode fires and once that it has ended, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.domain.alert_record import Alert
from service.notify.outbox import Outbox, Record
from tests.support.alerts import NOON_MS, fired_again, firing, pending_again, resolved

LATER_MS = NOON_MS + 3_600_000
KNOWN: list[Record] = [(b"desk|", b'{"episode":0,"state":"resolved","at_ms":0}')]


def outbox(alerts: Iterable[Alert] = (), records: Iterable[Record] = KNOWN, linger_ms: int = 0) -> Outbox:
    box = Outbox("desk", lambda alert: True, linger_ms)
    box.restore(alerts, records, LATER_MS)
    return box


def keys(box: Outbox) -> list[str]:
    return [notice.key.partition("/")[2] for notice in box.due(10)]


def tell(box: Outbox) -> list[str]:
    """Deliver what is due; returns what was told."""
    told = keys(box)
    box.confirm(box.due(10), LATER_MS)
    return told


def test_an_alert_that_fires_is_told_once():
    box = outbox()
    box.offer(firing())
    assert tell(box) == ["1/firing"]
    box.offer(replace(firing(), value=0.5, updated_ms=NOON_MS + 60_000))
    assert keys(box) == []


def test_its_end_is_told_once():
    box = outbox()
    box.offer(firing())
    tell(box)
    box.offer(resolved(firing()))
    assert tell(box) == ["1/resolved"]
    box.offer(resolved(firing()))
    assert keys(box) == []


def test_what_ended_while_nobody_listened_is_told_once_as_ended():
    box = outbox()
    box.offer(firing())
    box.offer(resolved(firing()))
    assert tell(box) == ["1/resolved"]
    assert keys(box) == []


def test_an_end_is_told_even_if_the_condition_is_soon_true_again():
    box = outbox()
    box.offer(firing())
    tell(box)
    box.offer(pending_again(resolved(firing())))
    assert tell(box) == ["1/resolved"]


def test_an_end_that_nobody_heard_of_is_told_though_what_comes_next_is_explained():
    box = outbox([replace(pending_again(resolved(firing())), inhibited_by="site")])
    assert keys(box) == ["1/resolved"]


def test_the_time_of_the_end_is_not_that_of_the_next_pending():
    ended = resolved(firing())
    box = outbox([pending_again(ended)])
    assert [notice.ended_ms for notice in box.due(1)] == [ended.resolved_ms]


def test_every_episode_is_told():
    box = outbox()
    first = firing()
    told = []
    for alert in (first, resolved(first), fired_again(resolved(first)), resolved(fired_again(resolved(first)))):
        box.offer(alert)
        told += tell(box)
    assert told == ["1/firing", "1/resolved", "2/firing", "2/resolved"]


def test_a_pending_alert_is_nobodys_business():
    box = outbox()
    box.offer(firing(state="pending", fired_ms=None, episode=0))
    assert keys(box) == []


def test_what_another_alert_explains_is_told_when_that_is_over():
    box = outbox()
    box.offer(firing(inhibited_by="site"))
    assert keys(box) == []
    box.offer(firing())
    assert keys(box) == ["1/firing"]


def test_what_was_told_before_another_alert_explained_it_is_told_to_have_ended():
    box = outbox()
    box.offer(firing())
    tell(box)
    box.offer(firing(inhibited_by="site"))
    assert keys(box) == []
    box.offer(resolved(firing(inhibited_by="site")))
    assert keys(box) == ["1/resolved"]


def test_a_change_while_a_notice_is_under_way_is_told_after_it():
    box = outbox()
    box.offer(firing())
    under_way = box.due(1)
    box.offer(resolved(firing()))
    box.confirm(under_way, LATER_MS)
    assert keys(box) == ["1/resolved"]


def test_a_receiver_is_told_the_end_of_what_it_knows_even_if_it_would_not_be_told_of_it_now():
    box = Outbox("desk", lambda alert: alert.severity == "page")
    box.restore([], KNOWN, LATER_MS)
    box.offer(firing())
    tell(box)
    box.offer(resolved(firing(severity="info")))
    assert keys(box) == ["1/resolved"]


def test_a_receiver_is_not_told_what_it_does_not_want():
    box = Outbox("desk", lambda alert: alert.severity == "page")
    box.restore([firing(severity="info"), resolved(firing("other", severity="info"))], KNOWN, LATER_MS)
    assert keys(box) == []


def test_a_new_receiver_hears_of_what_fires_and_not_of_what_is_over():
    box = outbox([firing(), resolved(firing("old"))], records=())
    assert [(n.alert.rule, n.state) for n in box.due(10)] == [("service_level", "firing")]


def test_since_when_a_receiver_is_known_is_written_down_once():
    box = Outbox("desk", lambda alert: True)
    written = box.restore([], [], NOON_MS)
    assert [key for key, _ in written] == [b"desk|"]
    again = Outbox("desk", lambda alert: True)
    assert again.restore([resolved(firing())], written, LATER_MS) == []
    assert keys(again) == ["1/resolved"], "it was known when that ended"


def test_what_one_receiver_confirmed_does_not_count_for_another():
    box = outbox()
    box.offer(firing())
    records = box.confirm(box.due(1), LATER_MS)
    other = Outbox("desk-2", lambda alert: True)
    other.restore([firing()], [*KNOWN, *records], LATER_MS)
    assert keys(other) == ["1/firing"]


def test_what_was_confirmed_of_a_forgotten_alert_is_forgotten():
    box = outbox([firing()])
    (confirmed,) = box.confirm(box.due(1), LATER_MS)
    assert box.forget(firing().fingerprint) == [(confirmed[0], None)]
    restarted = Outbox("desk", lambda alert: True)
    assert restarted.restore([], [*KNOWN, confirmed], LATER_MS) == [(confirmed[0], None)]
    assert restarted.restore([firing()], [*KNOWN, confirmed, (confirmed[0], None)], LATER_MS) == []
    assert keys(restarted) == ["1/firing"]


def test_what_fires_is_told_before_what_ended_and_pages_before_warnings():
    box = outbox()
    box.offer(resolved(firing("over")))
    box.offer(firing("mild", severity="warning", at_ms=NOON_MS))
    box.offer(firing("newer", at_ms=NOON_MS + 1))
    box.offer(firing("older", at_ms=NOON_MS))
    assert [notice.alert.rule for notice in box.due(10)] == ["older", "newer", "mild", "over"]
    assert [notice.alert.rule for notice in box.due(1)] == ["older"]


def test_what_is_held_makes_room_for_the_next_and_comes_back_behind_it():
    box = outbox([firing("a"), firing("b", at_ms=NOON_MS + 1)])
    (first,) = box.due(1)
    box.hold(first.key)
    assert [notice.alert.rule for notice in box.due(10)] == ["b"]
    box.release(first.key)
    assert [notice.alert.rule for notice in box.due(10)] == ["b", "a"]


def test_what_is_released_is_due_once_though_its_old_place_was_never_reached():
    box = outbox([firing("a"), firing("b", at_ms=NOON_MS + 1)])
    last = box.due(2)[1]
    box.hold(last.key)
    assert [notice.alert.rule for notice in box.due(1)] == ["a"]
    box.release(last.key)
    assert [notice.alert.rule for notice in box.due(10)] == ["a", "b"]


def test_what_is_told_says_the_newest_that_is_known():
    box = outbox([firing(value=0.6)])
    box.offer(firing(value=0.5))
    assert [notice.alert.value for notice in box.due(10)] == [0.5]


class TestReceiverThatForgets:
    def test_stands_what_fires_and_for_a_while_what_ended(self):
        box = outbox(linger_ms=300_000)
        box.offer(firing())
        assert box.standing(NOON_MS) == [], "it is still to be told for the first time"
        box.confirm(box.due(1), NOON_MS)
        assert box.standing(NOON_MS + 86_400_000) == [firing().fingerprint]
        box.offer(resolved(firing()))
        box.confirm(box.due(1), LATER_MS)
        assert box.standing(LATER_MS + 299_999) == [firing().fingerprint]
        assert box.standing(LATER_MS + 300_000) == []

    def test_an_end_that_is_not_confirmed_stands(self):
        box = outbox(linger_ms=300_000)
        box.offer(firing())
        box.confirm(box.due(1), NOON_MS)
        box.offer(resolved(firing()))
        assert box.standing(NOON_MS + 86_400_000) == [firing().fingerprint]
        assert keys(box) == ["1/resolved"]

    def test_what_was_told_keeps_standing_when_another_alert_explains_it(self):
        box = outbox(linger_ms=300_000)
        box.offer(firing())
        box.confirm(box.due(1), NOON_MS)
        box.offer(firing(inhibited_by="site"))
        assert box.standing(LATER_MS) == [firing().fingerprint]


def test_memory_holds_nothing_of_alerts_that_are_over_and_told():
    for box in (outbox(), outbox(linger_ms=300_000)):
        for number in range(100):
            alert = firing(f"rule-{number}")
            box.offer(alert)
            box.confirm(box.due(1), NOON_MS)
            box.offer(resolved(alert))
            box.hold(box.due(1)[0].key)
            box.release(f"{alert.fingerprint}/1/resolved")
            box.confirm(box.due(1), NOON_MS)
        box.standing(LATER_MS)
        assert (len(box._alerts), box.pending, box.due(10)) == (0, 0, [])
        assert not box._order and not box._rank


def life(episodes: int) -> list[Alert]:
    """Everything that the evaluator would write of one alert in so many episodes."""
    alert = firing()
    steps = [firing(state="pending", fired_ms=None, episode=0)]
    for _ in range(episodes):
        steps += [alert, replace(alert, value=0.3), resolved(alert), pending_again(resolved(alert))]
        alert = fired_again(resolved(alert))
    return steps


@given(
    episodes=st.integers(1, 4),
    heard=st.lists(st.booleans(), min_size=17, max_size=17),
    killed=st.lists(st.booleans(), min_size=17, max_size=17),
)
def test_no_kill_and_no_outage_makes_a_receiver_hear_twice_or_miss_how_it_is(episodes, heard, killed):
    log: list[Record] = list(KNOWN)
    box = outbox(records=log)
    told: list[str] = []
    alert = None
    for step, alert in enumerate(life(episodes)):
        box.offer(alert)
        if killed[step]:
            box = outbox([alert], log)
        if heard[step]:
            told += keys(box)
            log += box.confirm(box.due(10), LATER_MS)
    told += keys(box)
    assert len(told) == len(set(told))
    assert told[-1] == f"{episodes}/resolved", "the last that it hears is how it is"


@pytest.mark.parametrize("state", ["firing", "resolved"])
def test_the_key_of_a_notice_names_alert_episode_and_state(state):
    alert = firing() if state == "firing" else resolved(firing())
    (notice,) = outbox([alert]).due(1)
    assert notice.key == f"{alert.fingerprint}/1/{state}"
