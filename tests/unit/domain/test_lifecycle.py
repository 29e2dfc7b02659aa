"""From a condition that holds to an alert that is told once, and to its end."""

from __future__ import annotations

from service.domain.alert_record import Acknowledged, Alert
from service.domain.lifecycle import REFRESH_MS, next_ms, step
from service.domain.rules import Condition, Finding, Level, Measured, Rule, Selector, Verdict

RULE = Rule(
    "slow", "page", Selector("queue"), Condition("waiting", ">", Level(5)), for_ms=60_000, keep_firing_ms=120_000
)


class Life:
    """One alert under a rule; `look` is a tick at a minute."""

    def __init__(self, rule: Rule = RULE) -> None:
        self.rule = rule
        self.alert: Alert | None = None

    def look(
        self, minute: float, holds: bool | None, *, quiet: bool = False, value: float = 9, grows: bool = False
    ) -> str:
        """`holds` None: between the two levels."""
        finding = Finding(Condition("waiting", ">", Level(5)), Measured(value, grows=grows), 5)
        verdict = Verdict(finding if holds else None, None if holds is False else finding)
        self.alert = step(self.alert, self.rule, "queue:sales", verdict, round(minute * 60_000), quiet=quiet)
        return self.alert.state if self.alert is not None else "inactive"

    @property
    def known(self) -> Alert:
        assert self.alert is not None
        return self.alert


def test_a_condition_must_hold_for_long_enough() -> None:
    life = Life()
    assert [life.look(0, True), life.look(0.9, True), life.look(1, True)] == ["pending", "pending", "firing"]
    assert (life.known.since_ms, life.known.fired_ms) == (0, 60_000)


def test_what_ends_before_it_fires_leaves_nothing() -> None:
    life = Life()
    assert [life.look(0, True), life.look(0.5, False), life.look(1, True), life.look(1.5, True)] == [
        "pending", "inactive", "pending", "pending",
    ]  # fmt: skip


def test_without_a_duration_it_fires_at_once() -> None:
    assert Life(Rule("now", "page", Selector("queue"), RULE.when)).look(0, True) == "firing"


def test_a_flapping_value_gives_one_alert() -> None:
    life = Life()
    life.look(0, True)
    assert {life.look(1 + step_ / 2, step_ % 3 == 0) for step_ in range(60)} == {"firing"}
    assert life.known.episode == 1


def test_between_the_levels_it_goes_on() -> None:
    life = Life()
    life.look(0, True)
    life.look(1, True)
    assert [life.look(minute, None) for minute in (2, 30, 60)] == ["firing"] * 3


def test_it_resolves_once_it_has_been_clear_for_long_enough() -> None:
    life = Life()
    life.look(0, True)
    life.look(1, True)
    assert [life.look(5, False), life.look(6.9, False), life.look(7, False)] == ["firing", "firing", "resolved"]
    assert life.known.resolved_ms == 7 * 60_000


def test_each_firing_is_an_episode_of_its_own_and_asks_for_a_new_acknowledgement() -> None:
    life = Life()
    life.look(0, True)
    life.look(1, True)
    life.known.acknowledged = Acknowledged("ann", 70_000)
    life.look(2, False)
    life.look(4, False)
    assert life.look(10, True) == "pending"
    assert life.look(11, True) == "firing"
    assert (life.known.episode, life.known.acknowledged) == (2, None)


def test_a_second_pending_that_comes_to_nothing_leaves_the_end_of_the_first_episode() -> None:
    life = Life()
    for minute, holds in ((0, True), (1, True), (2, False), (4, False), (10, True)):
        life.look(minute, holds)
    assert life.look(10.5, False) == "resolved"
    assert life.known.resolved_ms == 4 * 60_000


def test_what_is_explained_by_another_alert_waits_and_then_fires_at_once() -> None:
    life = Life()
    assert [life.look(minute, True, quiet=True) for minute in (0, 1, 30)] == ["pending"] * 3
    assert life.look(31, True) == "firing"


def test_what_grows_with_the_clock_tells_itself_since_when() -> None:
    life = Life()
    assert life.look(10, True, value=5 + 90, grows=True) == "firing"
    assert life.known.since_ms == 10 * 60_000 - 90_000


def test_a_value_that_goes_on_is_told_anew_once_a_minute() -> None:
    life = Life()
    life.look(0, True)
    life.look(1, True)
    first = life.known
    life.look(1.5, True, value=20)
    assert life.known is first
    life.look(1 + REFRESH_MS / 60_000, True, value=30)
    assert (life.known.value, life.known.episode) == (30, 1)


def test_time_alone_ends_a_pending_and_a_clearing() -> None:
    life = Life()
    assert next_ms(None, RULE) is None
    life.look(0, True)
    assert next_ms(life.alert, RULE) == 60_000
    life.look(1, True)
    assert next_ms(life.alert, RULE) is None
    life.look(2, False)
    assert next_ms(life.alert, RULE) == 4 * 60_000
