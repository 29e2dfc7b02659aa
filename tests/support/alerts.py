"""Alerts as the evaluator writes them, and receivers of notices, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from service.domain.alert_record import Acknowledged, Alert, CausePart, fingerprint_of
from service.notify.outbox import Record
from service.notify.receiver import Outcome

NOON_MS = 1_795_348_800_000


def firing(rule: str = "service_level", scope: str = "queue:sales", *, at_ms: int = NOON_MS, **more: Any) -> Alert:
    """An alert that began to fire then, a minute after its condition became true."""
    fields: dict[str, Any] = {
        "fingerprint": fingerprint_of(rule, scope), "rule": rule, "kind": "threshold", "severity": "page",
        "scope": scope, "state": "firing", "since_ms": at_ms - 60_000, "updated_ms": at_ms, "fired_ms": at_ms,
        "episode": 1, "kpi": "service_level_ratio", "value": 0.62, "threshold": 0.8, "variant": "abandon_ignored",
        "sample": 40, "window": "15m", "message": "sales: service level 62.0 %, target 80.0 %",
        "labels": {"queue": scope.partition(":")[2], "site": "berlin", "channel": "voice"},
        "annotations": {"runbook": "docs/runbooks.md#service_level", "link": "/v1/queues/sales"},
        "config_version": "c0ffee",
    }  # fmt: skip
    return Alert(**(fields | more))


def resolved(alert: Alert, after_ms: int = 300_000) -> Alert:
    """The same alert, ended so long after it began to fire."""
    ended_ms = (alert.fired_ms or alert.since_ms) + after_ms
    return replace(alert, state="resolved", resolved_ms=ended_ms, updated_ms=ended_ms, inhibited_by=None)


def pending_again(alert: Alert, after_ms: int = 60_000) -> Alert:
    """A resolved alert whose condition is true again, not yet for long enough."""
    at_ms = (alert.resolved_ms or alert.updated_ms) + after_ms
    return replace(alert, state="pending", since_ms=at_ms, updated_ms=at_ms)


def fired_again(alert: Alert, after_ms: int = 600_000) -> Alert:
    """The next episode of a resolved alert."""
    at_ms = (alert.resolved_ms or alert.updated_ms) + after_ms
    return replace(
        alert, state="firing", since_ms=at_ms, fired_ms=at_ms, updated_ms=at_ms, resolved_ms=None,
        episode=alert.episode + 1,
    )  # fmt: skip


def with_cause(alert: Alert) -> Alert:
    """The same alert with its cause split, taken in hand by somebody."""
    cause = [
        CausePart("volume", 3.0, 7.5, "12 instead of 9"),
        CausePart("staffing", 6.0, 15.0),
        CausePart("adherence", -1.8, -4.5),
    ]
    return replace(alert, cause=cause, acknowledged=Acknowledged("mia", NOON_MS + 5_000, "calling two people in"))


class Ledger:
    """`cti.notifications` in memory: what was written, in order."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self.records = list(records)

    async def append(self, records: Sequence[Record]) -> None:
        """Write them."""
        self.records += records


class Counts:
    """What couriers report."""

    def __init__(self) -> None:
        self.outcomes: dict[tuple[str, str], int] = {}
        self.pending: dict[str, int] = {}

    def notified(self, receiver: str, outcome: Outcome, notices: int) -> None:
        """Count them."""
        key = (receiver, outcome)
        self.outcomes[key] = self.outcomes.get(key, 0) + notices

    def notices_pending(self, receiver: str, notices: int) -> None:
        """Keep the newest."""
        self.pending[receiver] = notices
