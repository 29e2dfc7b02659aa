"""The life of one alert: inactive, pending, firing, resolved. Pure: the rule's verdict and the time go in, the alert as
it is then comes out.
"""

from typing import Any, Final

import msgspec

from service.domain.alert_record import Alert, fingerprint_of
from service.domain.rules import Finding, Rule, Verdict

REFRESH_MS: Final = 60_000
"""How often the value of an alert that goes on is told anew."""


def step(alert: Alert | None, rule: Rule, scope: str, verdict: Verdict, now_ms: int, *, quiet: bool) -> Alert | None:
    """The alert after one look; the same object if nothing worth telling changed, None if there is none.

    `quiet`: another alert explains this one: it does not begin to fire, and fires at once when that ends and the
    condition has held for long enough.
    """
    if alert is None or alert.state == "resolved":
        return alert if verdict.raised is None else _begun(alert, rule, scope, verdict.raised, now_ms, quiet)
    if alert.state == "pending":
        if verdict.raised is None:
            return _ended_early(alert, now_ms)
        return _fired(alert, rule, verdict.raised, now_ms, quiet)
    if verdict.held is not None:
        return _held(alert, verdict.held, now_ms)
    return _clearing(alert, rule, now_ms)


def next_ms(alert: Alert | None, rule: Rule) -> int | None:
    """When the alert's state changes by time alone; None: it does not."""
    if alert is None:
        return None
    if alert.state == "pending":
        return alert.since_ms + rule.for_ms
    if alert.state == "firing" and alert.clear_since_ms is not None:
        return alert.clear_since_ms + rule.keep_firing_ms
    return None


def _begun(before: Alert | None, rule: Rule, scope: str, finding: Finding, now_ms: int, quiet: bool) -> Alert:
    alert = Alert(
        fingerprint=fingerprint_of(rule.rule_id, scope), rule=rule.rule_id, kind=rule.kind, severity=rule.severity,
        scope=scope, state="pending", since_ms=_since_ms(finding, now_ms), updated_ms=now_ms, **_seen(finding),
    )  # fmt: skip
    if before is not None:
        alert.episode, alert.resolved_ms, alert.fired_ms = before.episode, before.resolved_ms, before.fired_ms
    return _fired(alert, rule, finding, now_ms, quiet)


def _fired(alert: Alert, rule: Rule, finding: Finding, now_ms: int, quiet: bool) -> Alert:
    if quiet or now_ms - alert.since_ms < rule.for_ms:
        return alert
    return msgspec.structs.replace(
        alert, state="firing", fired_ms=now_ms, resolved_ms=None, clear_since_ms=None, episode=alert.episode + 1,
        updated_ms=now_ms, severity=rule.severity, **_seen(finding),
    )  # fmt: skip


def _ended_early(alert: Alert, now_ms: int) -> Alert | None:
    """A pending alert whose condition no longer holds: what there was before, if anything."""
    if not alert.episode:
        return None
    return msgspec.structs.replace(alert, state="resolved", updated_ms=now_ms, inhibited_by=None)


def _held(alert: Alert, finding: Finding, now_ms: int) -> Alert:
    if alert.clear_since_ms is None and now_ms - alert.updated_ms < REFRESH_MS:
        return alert
    return msgspec.structs.replace(alert, clear_since_ms=None, updated_ms=now_ms, **_seen(finding))


def _clearing(alert: Alert, rule: Rule, now_ms: int) -> Alert:
    clear_ms = now_ms if alert.clear_since_ms is None else alert.clear_since_ms
    if now_ms - clear_ms >= rule.keep_firing_ms:
        return msgspec.structs.replace(
            alert, state="resolved", clear_since_ms=None, resolved_ms=now_ms, updated_ms=now_ms, inhibited_by=None
        )
    if alert.clear_since_ms is not None:
        return alert
    return msgspec.structs.replace(alert, clear_since_ms=now_ms, updated_ms=now_ms)


def _since_ms(finding: Finding, now_ms: int) -> int:
    """When the condition became true: what grows with the clock tells it, of the rest it is when it was seen."""
    if finding.measured.grows and finding.measured.value is not None:
        return now_ms - max(0, int((finding.measured.value - finding.level) * 1000))
    return now_ms


def _seen(finding: Finding) -> dict[str, Any]:
    """What of a finding the alert tells."""
    condition, measured = finding.condition, finding.measured
    return {
        "kpi": condition.kpi,
        "value": measured.value,
        "threshold": finding.level,
        "variant": measured.variant,
        "sample": measured.sample,
        "window": condition.window,
    }
