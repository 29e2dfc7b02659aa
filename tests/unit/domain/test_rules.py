"""What a rule finds of a scope's values."""

from __future__ import annotations

import pytest

from service.domain.rules import (
    AllOf,
    AnyOf,
    Condition,
    Expression,
    Level,
    Measured,
    Own,
    Rule,
    Selector,
    judge,
    wilson,
)

NOW_MS = 1_000_000
SLIDE_MS = 10_000


class Table:
    """Values of one scope by KPI."""

    def __init__(self, own: Own | None = None, **values: Measured | float | None) -> None:
        self.own = own or Own(0.8, 20.0)
        self.values = {kpi: v if isinstance(v, Measured) else Measured(v) for kpi, v in values.items()}

    def measure(self, kpi: str, window: str | None) -> Measured:
        return self.values[kpi]


def rule(when: Expression, min_sample: int = 0) -> Rule:
    return Rule("r", "page", Selector("queue"), when, min_sample=min_sample)


def raised(when: Expression, table: Table, min_sample: int = 0) -> bool:
    return judge(rule(when, min_sample), table, NOW_MS, SLIDE_MS).raised is not None


LOW = Condition("service_level_ratio", "<", Level(-0.05, "target"), "15m", Level(-0.02, "target"))
WAITS = Condition("waiting", ">", Level(0))
NOBODY = Condition("agents_staffed", "==", Level(0))


@pytest.mark.parametrize(("value", "holds"), [(0.74, True), (0.7500001, False), (0.9, False), (None, False)])
def test_a_level_may_follow_the_queues_own_target(value: float | None, holds: bool) -> None:
    assert raised(LOW, Table(service_level_ratio=value)) is holds


def test_a_level_may_be_a_multiple_of_the_queues_own_threshold() -> None:
    over = Condition("oldest_wait_seconds", ">", Level(3, "threshold"))
    assert raised(over, Table(oldest_wait_seconds=61.0))
    assert not raised(over, Table(oldest_wait_seconds=60.0))
    assert not raised(over, Table(Own(), oldest_wait_seconds=600.0)), "a scope without a threshold has no such level"


def test_what_is_undefined_never_holds_whatever_the_comparison() -> None:
    for op in ("<", "<=", ">", ">=", "==", "!="):
        assert not raised(Condition("waiting", op, Level(0)), Table(waiting=None))  # type: ignore[arg-type]


def test_all_needs_every_part_and_any_one_of_them() -> None:
    both, either = AllOf((NOBODY, WAITS)), AnyOf((NOBODY, WAITS))
    for staffed, waiting, all_hold, any_holds in ((0, 1, True, True), (0, 0, False, True), (1, 0, False, False)):
        table = Table(agents_staffed=staffed, waiting=waiting)
        assert (raised(both, table), raised(either, table)) == (all_hold, any_holds)


def test_between_the_two_levels_an_alert_goes_on_and_does_not_begin() -> None:
    verdict = judge(rule(LOW), Table(service_level_ratio=0.77), NOW_MS, SLIDE_MS)
    assert (verdict.raised is None, verdict.held is None) == (True, False)


def test_a_small_sample_raises_nothing() -> None:
    few = Table(service_level_ratio=Measured(0.7, sample=19, ratio=True))
    assert not raised(LOW, few, min_sample=20)
    assert raised(LOW, Table(service_level_ratio=Measured(0.7, sample=20, ratio=True)), min_sample=20)


def test_half_the_sample_is_enough_where_the_ratio_is_certainly_too_low() -> None:
    assert raised(LOW, Table(service_level_ratio=Measured(0.0, sample=10, ratio=True)), min_sample=20)
    assert not raised(LOW, Table(service_level_ratio=Measured(0.6, sample=10, ratio=True)), min_sample=20)
    assert not raised(LOW, Table(service_level_ratio=Measured(0.0, sample=9, ratio=True)), min_sample=20)


def test_an_alert_goes_on_though_the_sample_has_become_small() -> None:
    few = Table(service_level_ratio=Measured(0.7, sample=2, ratio=True))
    assert judge(rule(LOW, 20), few, NOW_MS, SLIDE_MS).held is not None


def test_a_wait_is_due_again_when_it_will_have_crossed_its_level() -> None:
    over = Condition("oldest_wait_seconds", ">", Level(60))
    verdict = judge(rule(over), Table(oldest_wait_seconds=Measured(58.0, grows=True)), NOW_MS, SLIDE_MS)
    assert verdict.due_ms == NOW_MS + 2_001


def test_a_window_is_due_again_when_it_has_slid() -> None:
    assert judge(rule(LOW), Table(service_level_ratio=0.9), NOW_MS, SLIDE_MS).due_ms == NOW_MS + SLIDE_MS


def test_the_interval_of_a_ratio_is_wilsons() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.5, 0) == (0.0, 1.0)


def test_a_selector_takes_by_kind_id_and_label() -> None:
    selector = Selector("queue", labels={"site": frozenset({"berlin"})})
    assert selector.takes("queue:sales", {"site": "berlin"})
    assert not selector.takes("queue:sales", {"site": "paris"})
    assert not selector.takes("agent:sales", {"site": "berlin"})
    assert not Selector("queue", frozenset({"mail"})).takes("queue:sales", {})
