"""Which scopes are looked at, what explains what, and what a restart remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from service.domain import evaluator
from service.domain.alert_record import Acknowledged, Alert, CausePart, fingerprint_of
from service.domain.alert_text import describe, describe_zh, link_of, shown
from service.domain.evaluator import Evaluator
from service.domain.rules import AllOf, Condition, Level, Measured, Own, Rule, Selector

LABELS: Mapping[str, dict[str, str]] = {
    "source:pbx": {"source": "pbx", "site": "berlin"},
    "site:berlin": {"site": "berlin"},
    "queue:sales": {"queue": "sales", "site": "berlin", "channel": "voice"},
    "queue:mail": {"queue": "mail", "site": "paris", "channel": "email"},
    "agent:1001": {"agent": "1001", "site": "berlin", "queue": "sales"},
}


class OneScope:
    def __init__(self, values: Mapping[str, Measured]) -> None:
        self.own = Own(0.8, 20.0)
        self._values = values

    def measure(self, kpi: str, window: str | None) -> Measured:
        return self._values.get(kpi, Measured(None))


class Floor:
    """A floor of numbers. `looked` has the scopes of the last tick."""

    def __init__(self) -> None:
        self.numbers: dict[str, dict[str, Measured]] = {scope: {} for scope in LABELS}
        self.touched: set[str] = set(LABELS)
        self.looked: list[str] = []
        self.closed: set[str] = set()
        self.over_ms: dict[str, int] = {}
        self.sources: Sequence[str] = ("pbx",)

    def set(self, scope: str, **values: Any) -> None:
        found = {kpi: v if isinstance(v, Measured) else Measured(v, slides=False) for kpi, v in values.items()}
        self.numbers[scope] |= found
        self.touched.add(scope)

    def changed(self) -> set[str]:
        found, self.touched, self.looked = self.touched, set(), []
        return found

    def labels(self, scope: str) -> Mapping[str, str]:
        return LABELS[scope]

    def values(self, scope: str) -> OneScope:
        self.looked.append(scope)
        return OneScope(self.numbers[scope])

    def is_open(self, scope: str) -> bool:
        return scope not in self.closed

    def next_over_ms(self, scope: str) -> int | None:
        return self.over_ms.get(scope)

    def sources_of(self, scope: str) -> Sequence[str]:
        return () if scope.startswith("source:") else self.sources

    def cause(self, alert: Alert) -> list[CausePart] | None:
        return [CausePart("volume", 4, 8)]


def rule(rule_id: str, scopes: str, kpi: str = "waiting", level: float = 5, **more: Any) -> Rule:
    return Rule(rule_id, "page", Selector(scopes), Condition(kpi, ">", Level(level)), **more)


class Room:
    """An evaluator over a floor; time in seconds."""

    def __init__(self, *rules: Rule) -> None:
        self.floor = Floor()
        self.evaluator = Evaluator(rules, "v1")

    def tick(self, second: float) -> dict[str, Alert | None]:
        return dict(self.evaluator.tick(round(second * 1000) + 1_000_000, self.floor))

    def states(self) -> dict[tuple[str, str], str]:
        return {(alert.rule, alert.scope): alert.state for alert in self.evaluator.alerts.values()}

    def told(self) -> set[tuple[str, str]]:
        return {(alert.rule, alert.scope) for alert in self.evaluator.alerts.values() if alert.told}


def test_an_alert_carries_what_a_supervisor_needs() -> None:
    room = Room(rule("busy", "queue", kind="service_level", message="{scope}: {value} wait, more than {threshold}"))
    room.floor.set("queue:sales", waiting=7)
    ((name, alert),) = room.tick(1).items()
    assert alert is not None
    assert (name, alert.state, alert.scope) == (fingerprint_of("busy", "queue:sales"), "firing", "queue:sales")
    assert alert.labels == LABELS["queue:sales"]
    assert alert.message == "sales: 7 wait, more than 5"
    assert alert.annotations == {"runbook": "docs/runbooks.md#busy", "link": "/v1/queues/sales"}
    assert (alert.config_version, alert.cause) == ("v1", [CausePart("volume", 4, 8)])


def test_what_has_not_changed_is_not_looked_at() -> None:
    room = Room(rule("busy", "queue"))
    room.tick(1)
    room.floor.set("queue:sales", waiting=0)
    room.tick(2)
    assert room.floor.looked == ["queue:sales"]


def test_a_pending_alert_fires_though_nothing_happens() -> None:
    room = Room(rule("busy", "queue", for_ms=30_000))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    assert room.tick(30) == {}
    (alert,) = room.tick(31).values()
    assert alert is not None
    assert alert.state == "firing"


def test_a_wait_that_grows_is_found_when_it_crosses_its_level() -> None:
    room = Room(rule("oldest", "queue", "oldest_wait_seconds", 60))
    room.floor.set("queue:sales", oldest_wait_seconds=Measured(50, grows=True))
    assert room.tick(1) == {}
    room.floor.numbers["queue:sales"]["oldest_wait_seconds"] = Measured(60.5, grows=True)
    assert room.tick(10) == {}, "not due yet"
    assert len(room.tick(11.5)) == 1


def test_windows_slide_so_their_scopes_are_looked_at_every_ten_seconds_in_turns() -> None:
    room = Room(rule("low", "queue", "offered"))
    room.floor.set("queue:sales", offered=Measured(1))
    room.floor.set("queue:mail", offered=Measured(1))
    room.tick(1)
    seen = [scope for second in range(2, 12) for _ in [room.tick(second)] for scope in room.floor.looked]
    assert sorted(seen) == ["queue:mail", "queue:sales"]


def test_a_queue_is_looked_at_when_somebody_goes_over_the_threshold() -> None:
    room = Room(rule("low", "queue", "offered"))
    room.floor.set("queue:sales", offered=Measured(1))
    room.floor.over_ms["queue:sales"] = 1_000_000 + 2_500
    room.tick(1)
    room.tick(2)
    assert room.floor.looked == []
    room.tick(3)
    assert room.floor.looked == ["queue:sales"]


def test_no_tick_looks_at_more_than_it_can_and_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluator, "MOST_SCOPES", 2)
    room = Room(rule("busy", "queue"), rule("long", "agent"), rule("busy_site", "site"))
    looked = []
    for second in (1, 2, 3):
        room.tick(second)
        looked.append(len(room.floor.looked))
    assert sum(looked) == 4, "two queues, a site and an agent"
    assert max(looked) == 2


def test_an_older_tick_is_skipped() -> None:
    room = Room(rule("busy", "queue"))
    room.tick(10)
    room.floor.set("queue:sales", waiting=9)
    assert room.tick(10) == room.tick(9) == {}
    assert len(room.tick(11)) == 1


def test_a_restart_neither_forgets_nor_tells_again() -> None:
    room = Room(rule("busy", "queue", keep_firing_ms=60_000), rule("slow", "queue", for_ms=30_000))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    after = Room(rule("busy", "queue", keep_firing_ms=60_000), rule("slow", "queue", for_ms=30_000))
    after.evaluator.restore(room.evaluator.alerts.values())
    after.floor.set("queue:sales", waiting=7)
    assert after.tick(1) == {}, "a tick that was evaluated before the restart"
    assert after.tick(5) == {}
    (alert,) = after.tick(31).values()
    assert alert is not None
    assert (alert.rule, alert.episode) == ("slow", 1)
    assert {alert.episode for alert in after.evaluator.alerts.values()} == {1}


def test_what_ended_while_nobody_looked_is_resolved_at_the_first_look() -> None:
    room = Room(rule("busy", "queue"))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    after = Room(rule("busy", "queue"))
    after.evaluator.restore(room.evaluator.alerts.values())
    (alert,) = after.tick(5).values()
    assert alert is not None
    assert alert.state == "resolved"


FEED = rule("feed_stale", "source", "staleness_seconds", 60, inhibits=frozenset(), freezes=True)


def test_a_silent_feed_keeps_everything_that_hangs_on_it_from_alerting() -> None:
    room = Room(rule("busy", "queue"), FEED)
    room.floor.set("source:pbx", staleness_seconds=90)
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    assert room.states() == {("feed_stale", "source:pbx"): "firing"}
    room.floor.set("source:pbx", staleness_seconds=1)
    room.tick(2)
    room.tick(4)
    assert room.told() == {("busy", "queue:sales")}


def test_while_a_feed_is_silent_what_fires_neither_ends_nor_is_told() -> None:
    room = Room(rule("busy", "queue"), FEED)
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    room.floor.set("source:pbx", staleness_seconds=90)
    room.floor.set("queue:sales", waiting=0)
    room.tick(2)
    assert room.states()["busy", "queue:sales"] == "firing"
    assert room.told() == {("feed_stale", "source:pbx")}
    room.floor.set("source:pbx", staleness_seconds=1)
    room.tick(3)
    room.tick(5)
    assert room.states()["busy", "queue:sales"] == "resolved"


def test_what_was_pending_when_a_feed_fell_silent_begins_anew_afterwards() -> None:
    room = Room(rule("busy", "queue", for_ms=30_000), FEED)
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    room.floor.set("source:pbx", staleness_seconds=90)
    room.tick(2)
    room.floor.set("source:pbx", staleness_seconds=1)
    for second in (100, 102):
        room.tick(second)
    assert room.states()["busy", "queue:sales"] == "pending"


def test_of_two_feeds_that_may_tell_of_a_queue_both_must_be_silent() -> None:
    room = Room(rule("busy", "queue"), FEED)
    room.floor.sources = ("pbx", "chat")
    room.floor.set("source:pbx", staleness_seconds=90)
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    assert ("busy", "queue:sales") in room.told()


def test_a_sites_alert_explains_those_of_its_queues_and_agents_only() -> None:
    down = rule("site_down", "site", inhibits=frozenset())
    room = Room(down, rule("busy", "queue"), rule("long", "agent"))
    for scope in ("site:berlin", "queue:sales", "queue:mail", "agent:1001"):
        room.floor.set(scope, waiting=7)
    room.tick(1)
    assert room.told() == {("site_down", "site:berlin"), ("busy", "queue:mail")}
    room.floor.set("site:berlin", waiting=0)
    room.tick(2)
    room.tick(4)
    assert room.told() == {("busy", "queue:mail"), ("busy", "queue:sales"), ("long", "agent:1001")}


def test_an_alert_may_explain_named_others_about_the_same_queue_and_its_agents() -> None:
    nobody = rule("nobody", "queue", "empty", 0, inhibits=frozenset({"busy"}))
    room = Room(rule("busy", "queue"), rule("other", "queue"), nobody)
    room.floor.set("queue:sales", waiting=7, empty=1)
    room.tick(1)
    assert room.told() == {("nobody", "queue:sales"), ("other", "queue:sales")}


def test_what_fired_before_its_explanation_is_marked_by_it() -> None:
    room = Room(rule("site_down", "site", inhibits=frozenset()), rule("busy", "queue"))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    room.floor.set("site:berlin", waiting=7)
    changes = room.tick(2)
    busy = changes[fingerprint_of("busy", "queue:sales")]
    assert busy is not None
    assert (busy.state, busy.inhibited_by) == ("firing", fingerprint_of("site_down", "site:berlin"))


DOWN = rule("site_down", "site", inhibits=frozenset())
ELSEWHERE = replace(DOWN, selector=Selector("site", frozenset({"paris"})))


@pytest.mark.parametrize(
    "left",
    [(), (rule("site_down", "site", inhibits=None),), (ELSEWHERE,)],
    ids=["switched off", "explains nothing any more", "narrowed"],
)
def test_what_an_alert_explained_is_told_once_its_rule_no_longer_does(left: tuple[Rule, ...]) -> None:
    busy = rule("busy", "queue", keep_firing_ms=60_000)
    room = Room(DOWN, busy)
    room.floor.set("queue:sales", waiting=7)
    room.floor.set("site:berlin", waiting=7)
    room.tick(1)
    room.floor.set("site:berlin", waiting=0)
    room.tick(2)
    room.floor.set("site:berlin", waiting=7)
    room.tick(3)
    assert room.told() == {("site_down", "site:berlin")}
    room.evaluator.configure([*left, busy], "v2")
    room.tick(4)
    room.tick(5)
    assert ("busy", "queue:sales") in room.told()


def test_an_alert_that_begins_and_ends_under_an_explanation_keeps_no_trace_of_it() -> None:
    room = Room(DOWN, rule("busy", "queue"))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    room.floor.set("queue:sales", waiting=0)
    room.tick(2)
    room.floor.set("site:berlin", waiting=7)
    room.floor.set("queue:sales", waiting=7)
    room.tick(3)
    room.floor.set("queue:sales", waiting=0)
    room.tick(4)
    found = room.evaluator.alerts[fingerprint_of("busy", "queue:sales")]
    assert (found.state, found.inhibited_by) == ("resolved", None)


def test_a_sites_alert_does_not_silence_the_one_about_its_own_feed() -> None:
    room = Room(DOWN, FEED)
    room.floor.set("site:berlin", waiting=7)
    room.tick(1)
    room.floor.set("source:pbx", staleness_seconds=90)
    room.tick(2)
    assert ("feed_stale", "source:pbx") in room.told()


def test_what_waits_for_its_explanation_to_end_is_not_looked_at_meanwhile_and_fires_then() -> None:
    room = Room(DOWN, rule("busy", "queue", for_ms=2_000))
    room.floor.set("site:berlin", waiting=7)
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    for second in (2, 3, 4, 5):
        room.tick(second)
    assert room.floor.looked == []
    room.floor.set("site:berlin", waiting=0)
    room.tick(6)
    room.tick(7)
    assert room.told() == {("busy", "queue:sales")}


def test_outside_business_hours_a_rule_for_them_is_silent() -> None:
    room = Room(rule("busy", "queue", business_hours=True))
    room.floor.closed = {"queue:sales"}
    room.floor.set("queue:sales", waiting=7)
    assert room.tick(1) == {}


def test_a_rule_that_is_taken_away_ends_its_alerts_and_a_new_one_is_judged_at_once() -> None:
    room = Room(rule("busy", "queue"))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    room.evaluator.configure([rule("busier", "queue", level=6)], "v2")
    room.tick(2)
    assert room.states() == {("busy", "queue:sales"): "resolved", ("busier", "queue:sales"): "firing"}


def test_a_changed_level_is_judged_at_once() -> None:
    room = Room(rule("busy", "queue"))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    room.evaluator.configure([rule("busy", "queue", level=8)], "v2")
    room.tick(2)
    assert room.states() == {("busy", "queue:sales"): "resolved"}


def test_the_first_acknowledgement_counts_and_only_what_fires_has_one() -> None:
    room = Room(rule("busy", "queue", keep_firing_ms=60_000))
    room.floor.set("queue:sales", waiting=7)
    name = fingerprint_of("busy", "queue:sales")
    assert room.evaluator.acknowledge(name, Acknowledged("ann", 1)) is None
    room.tick(1)
    found = room.evaluator.acknowledge(name, Acknowledged("ann", 1, "on it"))
    assert found is not None
    assert found.acknowledged == Acknowledged("ann", 1, "on it")
    assert room.evaluator.acknowledge(name, Acknowledged("bob", 2)) is None


def test_a_pending_alert_that_comes_to_nothing_is_told_as_gone() -> None:
    room = Room(rule("busy", "queue", for_ms=30_000))
    room.floor.set("queue:sales", waiting=7)
    room.tick(1)
    room.floor.set("queue:sales", waiting=1)
    assert room.tick(2) == {fingerprint_of("busy", "queue:sales"): None}
    assert room.evaluator.alerts == {}


@pytest.mark.parametrize(
    ("scope", "link"),
    [
        ("queue:SIP/80 07", "/v1/queues/SIP%2F80%2007"), ("agent:1", "/v1/agents/1"), ("all", "/v1/queues"),
        ("site:berlin", "/v1/scopes/site/berlin"), ("source:pbx", "/v1/sources"),
    ],
)  # fmt: skip
def test_an_alert_links_to_where_its_scope_is_shown(scope: str, link: str) -> None:
    assert link_of(scope) == link


@pytest.mark.parametrize(
    ("kpi", "value", "text"),
    [
        ("oldest_wait_seconds", 75.2, "75.2 s"), ("average_hold_seconds", 0, "0 s"),
        ("adherence_impact_seconds", -360, "-6 min"), ("absent_share", 0.25, "25.0 %"),
        ("oldest_wait_seconds", 300, "5 min"), ("seconds_acw", 720, "12 min"),
        ("answer_ratio", 0.5, "50.0 %"), ("waiting", 300, "300"), ("waiting", None, "unknown"),
    ],
)  # fmt: skip
def test_a_value_is_told_in_the_unit_of_its_name(kpi: str, value: float | None, text: str) -> None:
    assert shown(kpi, value) == text


def test_a_rule_may_say_its_sentence_in_chinese_as_well() -> None:
    low = Condition("service_level_ratio", "<", Level(0.75), "15m")
    said = Rule(
        "r", "page", Selector("queue"), AllOf((low,)), message="{scope}: {value} in {window}",
        message_zh="{scope} 最近{window}为 {value}",
    )  # fmt: skip
    alert = Alert(
        fingerprint="f", rule="r", kind="k", severity="page", scope="queue:sales", state="firing", since_ms=0,
        updated_ms=0, kpi="oldest_wait_seconds", value=300, window="15m",
    )  # fmt: skip
    assert describe(said, alert) == "sales: 5 min in 15m"
    assert describe_zh(said, alert) == "sales 最近15分钟为 5 分钟"
    assert describe_zh(replace(said, message_zh=""), alert) == ""


def test_without_a_sentence_of_its_own_a_rule_says_what_it_compared() -> None:
    low = Condition("service_level_ratio", "<", Level(0.75), "15m")
    alert = Alert(
        fingerprint="f", rule="r", kind="k", severity="page", scope="queue:sales", state="firing", since_ms=0,
        updated_ms=0, kpi="service_level_ratio", value=0.612, threshold=0.75, window="15m", sample=40,
    )  # fmt: skip
    text = describe(Rule("r", "page", Selector("queue"), AllOf((low,))), alert)
    assert text == "service_level_ratio of queue:sales is 61.2 % (15m, 40 contacts), level 75.0 %"


def test_in_turns_it_finds_what_it_finds_at_once_and_lets_others_run_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluator, "SCOPES_A_TURN", 1)
    once, in_turns = (Room(rule("busy", "queue"), rule("tired", "agent", "worked")) for _ in range(2))
    for room in (once, in_turns):
        room.floor.set("queue:sales", waiting=7)
        room.floor.set("agent:1001", worked=9)
    expected = once.tick(1)
    turns, breaks = in_turns.evaluator.turns(1_001_000, in_turns.floor), 0
    while True:
        try:
            next(turns)
        except StopIteration as done:
            found = dict(done.value)
            break
        breaks += 1
    assert found == expected and len(found) == 2
    assert breaks == len(LABELS)
