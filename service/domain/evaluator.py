"""The evaluator: every rule over every scope it watches, as far as there is something new to find.

Pure: the floor at one moment and the time go in, the alerts that changed come out. All it needs to go on after a
restart are the alerts themselves.
"""

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Final, Protocol
from zlib import crc32

import msgspec

from service.domain.alert_record import Acknowledged, Alert, CausePart, fingerprint_of
from service.domain.alert_text import describe, describe_zh, link_of
from service.domain.lifecycle import next_ms, step
from service.domain.rules import ALL, NOTHING, Measured, Own, Rule, Values, judge, kind_of, rank_of

SLIDE_MS: Final[dict[str, int]] = {"agent": 60_000, "team": 60_000}
"""How often a value that changes with time is looked at though nothing happens: as often as a pane ends."""

QUEUE_SLIDE_MS: Final = 10_000
MOST_SCOPES: Final = 2_000
"""Scopes looked at in one tick, those that have been due for longest; the others are next. At a start all are due."""

SCOPES_A_TURN: Final = 20
"""After so many, others have their turn."""

SERVICE_LEVEL: Final = "service_level"
"""The kind of the rules whose alerts have their cause split."""

Change = tuple[str, Alert | None]
"""(fingerprint, alert); None: there is no such alert any more, and never was a firing one."""


class FloorValues(Protocol):
    """The floor as rules see it at one moment."""

    def changed(self) -> Collection[str]:
        """The scopes of which something changed since this was asked last; at first all there are."""

    def labels(self, scope: str) -> Mapping[str, str]:
        """Of queue, agent, site, team, channel and group those that the scope belongs to."""

    def values(self, scope: str) -> Values:
        """What is known of the scope."""

    def is_open(self, scope: str) -> bool:
        """Whether the scope has business hours now; without any, always."""

    def next_over_ms(self, scope: str) -> int | None:
        """When the next of those who wait there goes over the threshold; None if nobody will."""

    def sources_of(self, scope: str) -> Sequence[str]:
        """The sources without which nothing is known of the scope."""

    def cause(self, alert: Alert) -> list[CausePart] | None:
        """What the miss of a service-level alert is made of; None where that cannot be said."""


class Evaluator:
    """The alerts there are, and when to look at which scope again."""

    def __init__(self, rules: Sequence[Rule], config_version: str = "") -> None:
        self.alerts: dict[str, Alert] = {}
        """Every alert by fingerprint, resolved ones included."""
        self.last_ms = 0
        """The moment of the newest evaluation."""
        self._due: list[tuple[int, str]] = []
        self._due_of: dict[str, int] = {}
        self._frozen: set[str] = set()
        self._again: set[str] = set()
        self._of_scope: dict[str, list[tuple[Rule, str]]] = {}
        self.configure(rules, config_version)

    def configure(self, rules: Sequence[Rule], config_version: str) -> None:
        """Go on with other rules: alerts of rules that are gone end at the next tick, all others are looked at anew."""
        self._rules = {rule.rule_id: rule for rule in rules}
        ordered = sorted(rules, key=lambda rule: rule.inhibits is None)
        self._by_kind: dict[str, list[Rule]] = {}
        for rule in ordered:
            self._by_kind.setdefault(rule.selector.kind, []).append(rule)
        self._version = config_version
        self._again |= self._of_scope.keys()
        self._of_scope.clear()
        self._new = True

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take over what an evaluator before this one found."""
        for alert in alerts:
            self.alerts[alert.fingerprint] = alert
            self.last_ms = max(self.last_ms, alert.updated_ms)

    def acknowledge(self, fingerprint: str, acknowledged: Acknowledged) -> Alert | None:
        """A person takes an alert in hand; the first one counts. None: no such alert fires, or it was so before."""
        alert = self.alerts.get(fingerprint)
        if alert is None or alert.state != "firing" or alert.acknowledged is not None:
            return None
        found = self.alerts[fingerprint] = msgspec.structs.replace(alert, acknowledged=acknowledged)
        return found

    def tick(self, now_ms: int, floor: FloorValues) -> list[Change]:
        """Look at what changed or is due; what became of alerts by that. A tick that is not newer than the last one is
        skipped.
        """
        turns = self.turns(now_ms, floor)
        while True:
            try:
                next(turns)
            except StopIteration as done:
                found: list[Change] = done.value
                return found

    def turns(self, now_ms: int, floor: FloorValues) -> Generator[None, None, list[Change]]:
        """The same in short turns, for an event loop that has more to do: every scope is looked at as it is then."""
        if now_ms <= self.last_ms:
            return []
        self.last_ms = now_ms
        look = _Look(self, floor, now_ms)
        since = dict.fromkeys(floor.changed(), now_ms)
        if self._new:
            self._new = False
            since |= dict.fromkeys(self._again, now_ms)
            self._again.clear()
            look.end_orphans()
        since |= self._take_due(now_ms)
        for number, scope in enumerate(sorted(self._in_time(since), key=rank_of), 1):
            look.at(scope)
            if number % SCOPES_A_TURN == 0:
                yield
        look.settle()
        return list(look.changes.items())

    def rule(self, alert: Alert) -> Rule | None:
        """The alert's rule; None if it is gone."""
        return self._rules.get(alert.rule)

    def rules_of(self, scope: str, floor: FloorValues) -> list[tuple[Rule, str]]:
        """The rules that watch a scope, those that inhibit first, each with the fingerprint of its alert."""
        found = self._of_scope.get(scope)
        if found is None:
            labels = floor.labels(scope)
            rules = [rule for rule in self._by_kind.get(kind_of(scope), ()) if rule.selector.takes(scope, labels)]
            found = self._of_scope[scope] = [(rule, fingerprint_of(rule.rule_id, scope)) for rule in rules]
        return found

    @property
    def version(self) -> str:
        """The configuration that the rules are of."""
        return self._version

    def look_again(self, scope: str, due_ms: int) -> None:
        """Have the scope looked at at that time, or earlier if something happens."""
        self._due_of[scope] = due_ms
        heappush(self._due, (due_ms, scope))

    def freeze(self, scope: str) -> None:
        """Note that the scope was not looked at, since nothing is known of it."""
        self._frozen.add(scope)

    def look_again_at_frozen(self, due_ms: int) -> None:
        """Have what was not looked at, and what has an alert, looked at soon."""
        active = {alert.scope for alert in self.alerts.values() if alert.state != "resolved"}
        for scope in self._frozen | active:
            self.look_again(scope, due_ms)
        self._frozen.clear()

    def _in_time(self, since: Mapping[str, int]) -> Collection[str]:
        """As many of the scopes as one tick can look at; the others stay due since when they were."""
        if len(since) <= MOST_SCOPES:
            return since
        ordered = sorted(since, key=lambda scope: (since[scope], rank_of(scope), scope))
        for scope in ordered[MOST_SCOPES:]:
            self.look_again(scope, since[scope])
        return ordered[:MOST_SCOPES]

    def _take_due(self, now_ms: int) -> dict[str, int]:
        """The scopes that are due, and since when."""
        found: dict[str, int] = {}
        while self._due and self._due[0][0] <= now_ms:
            due_ms, scope = heappop(self._due)
            if self._due_of.get(scope) == due_ms:
                found[scope] = self._due_of.pop(scope)
        return found


class _Closed:
    """What is known of a scope outside its business hours: nothing."""

    own = Own()

    def measure(self, kpi: str, window: str | None) -> Measured:
        """Undefined."""
        return NOTHING


_CLOSED: Final = _Closed()


class _Look:
    """One tick under way."""

    def __init__(self, evaluator: Evaluator, floor: FloorValues, now_ms: int) -> None:
        self._evaluator = evaluator
        self._floor = floor
        self._now_ms = now_ms
        self.changes: dict[str, Alert | None] = {}
        self._inhibitors = self._firing_inhibitors()
        self._inhibitors_before = set(self._inhibitors)

    def _firing_inhibitors(self) -> dict[str, tuple[Rule, Alert]]:
        found = {}
        for alert in self._evaluator.alerts.values():
            rule = self._evaluator.rule(alert) if alert.told else None
            if rule is not None and rule.inhibits is not None:
                found[alert.fingerprint] = (rule, alert)
        return found

    def at(self, scope: str) -> None:
        """Judge every rule that watches the scope."""
        evaluator, now_ms = self._evaluator, self._now_ms
        rules = evaluator.rules_of(scope, self._floor)
        if not rules:
            return
        slide_ms = SLIDE_MS.get(kind_of(scope), QUEUE_SLIDE_MS)
        values = self._floor.values(scope)
        due_ms: int | None = None
        for rule, name in rules:
            for at_ms in self._rule_at(rule, name, scope, values, slide_ms):
                if at_ms is not None and (due_ms is None or at_ms < due_ms):
                    due_ms = at_ms
        if due_ms is not None:
            if due_ms == now_ms + slide_ms:  # scopes take turns instead of coming all at once
                due_ms = now_ms + 1 + (crc32(scope.encode()) - now_ms) % slide_ms
            over_ms = self._floor.next_over_ms(scope)
            evaluator.look_again(scope, max(due_ms if over_ms is None else min(due_ms, over_ms), now_ms + 1))

    def _rule_at(
        self, rule: Rule, name: str, scope: str, values: Values, slide_ms: int
    ) -> tuple[int | None, int | None]:
        """Judge one rule; when to look again by its values and by its alert."""
        explained = self._inhibitor_of(rule, scope) if self._inhibitors else None
        if explained is not None and explained[0].freezes:
            self._evaluator.freeze(scope)
            return None, None
        if rule.business_hours and not self._floor.is_open(scope):
            values = _CLOSED
        before = self._evaluator.alerts.get(name)
        if before is None:
            verdict = judge(rule, values, self._now_ms, slide_ms, firing=False)
        else:
            firing = before.state == "firing"
            verdict = judge(rule, values, self._now_ms, slide_ms, told=before.value, firing=firing)
        if before is None and verdict.raised is None:
            return verdict.due_ms, None
        after = step(before, rule, scope, verdict, self._now_ms, quiet=explained is not None)
        if after is not before:
            self._put(name, rule, after)
        held_back = explained is not None and after is not None and after.state == "pending"
        return verdict.due_ms, None if held_back else next_ms(after, rule)  # it waits for its explanation to end

    def _put(self, name: str, rule: Rule, alert: Alert | None) -> None:
        self.changes[name] = alert
        if alert is None:
            del self._evaluator.alerts[name]
            return
        alert.labels = dict(self._floor.labels(alert.scope))
        alert.annotations = {"runbook": f"docs/runbooks.md#{alert.rule}", "link": link_of(alert.scope)}
        alert.config_version = self._evaluator.version
        alert.message, alert.message_zh = describe(rule, alert), describe_zh(rule, alert)
        if alert.state == "firing" and alert.kind == SERVICE_LEVEL and alert.clear_since_ms is None:
            alert.cause = self._floor.cause(alert)
        self._evaluator.alerts[name] = alert
        if rule.inhibits is not None:
            if alert.told:
                self._inhibitors[name] = (rule, alert)
            else:
                self._inhibitors.pop(name, None)

    def _inhibitor_of(self, rule: Rule, scope: str) -> tuple[Rule, Alert] | None:
        """What explains an alert of the rule about the scope, if anything."""
        labels = self._floor.labels(scope)
        silent: dict[str, tuple[Rule, Alert]] = {}
        for found in self._inhibitors.values():
            other, alert = found
            if not other.inhibits_rule(rule.rule_id) or rank_of(alert.scope) > rank_of(scope):
                continue  # a feed belongs to its site, and is what the site's numbers hang on
            kind, _, name = alert.scope.partition(":")
            if kind == "source":
                silent[name] = found
            elif alert.scope == scope or kind == ALL or (labels.get(kind) == name and kind_of(scope) != kind):
                return found
        sources = self._floor.sources_of(scope) if silent else ()
        return silent[sources[0]] if sources and all(source in silent for source in sources) else None

    def end_orphans(self) -> None:
        """Alerts of rules that are gone, or no longer watch the scope, are over."""
        for name, alert in list(self._evaluator.alerts.items()):
            if alert.state == "resolved":
                continue
            if any(name == known for _, known in self._evaluator.rules_of(alert.scope, self._floor)):
                self._evaluator.look_again(alert.scope, self._now_ms)
            else:
                self._end(name, alert)

    def _end(self, name: str, alert: Alert) -> None:
        self._inhibitors.pop(name, None)
        if alert.state == "pending" and not alert.episode:
            self.changes[name] = None
            del self._evaluator.alerts[name]
            return
        ended_ms = alert.resolved_ms if alert.state == "pending" else self._now_ms
        self.changes[name] = self._evaluator.alerts[name] = msgspec.structs.replace(
            alert, state="resolved", resolved_ms=ended_ms, clear_since_ms=None, inhibited_by=None,
            updated_ms=self._now_ms,
        )  # fmt: skip

    def settle(self) -> None:
        """Say of every active alert whether another one explains it, where that may have changed."""
        alerts = self._evaluator.alerts
        if self._inhibitors.keys() != self._inhibitors_before:
            self._evaluator.look_again_at_frozen(self._now_ms + 1)
        elif not self._inhibitors and not any(alert.inhibited_by for alert in alerts.values()):
            return
        for name, alert in list(alerts.items()):
            rule = self._evaluator.rule(alert)
            if alert.state == "resolved" or rule is None:
                continue
            found = self._inhibitor_of(rule, alert.scope) if self._inhibitors else None
            if found is not None and found[0].freezes and alert.state == "pending":
                self._end(name, alert)  # what it saw may have been the silence
                continue
            by = None if found is None else found[1].fingerprint
            if by != alert.inhibited_by:
                self.changes[name] = alerts[name] = msgspec.structs.replace(
                    alert, inhibited_by=by, updated_ms=self._now_ms
                )
                if by is None:
                    self._evaluator.look_again(alert.scope, self._now_ms + 1)
