"""Alerts in words and plain values, as receivers are told of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from msgspec.structs import asdict

from service.domain import alert_text
from service.domain.alert_record import Alert, CausePart
from service.notify.outbox import Notice
from service.timetext import format_moment


def shown(kpi: str | None, value: float | None) -> str | None:
    """A KPI's value for people; None where there is none."""
    return None if value is None else alert_text.shown(kpi, value)


def cause_in_words(alert: Alert) -> str | None:
    """The parts of the cause that can be told, the largest first; None where there is none."""
    parts = [
        (part.contacts, f"{part.part.replace('_', ' ')} {part.contacts:+.1f} contacts{_points(part)}")
        for part in alert.cause or ()
        if part.contacts is not None
    ]
    return ", ".join(text for _, text in sorted(parts, key=lambda part: -abs(part[0]))) or None


def _points(part: CausePart) -> str:
    return "" if part.percentage_points is None else f" ({part.percentage_points:+.1f} points)"


def link_of(alert: Alert, public_url: str | None) -> str | None:
    """Where to drill down: an address if it is known where people reach the API, else its route; None without."""
    link = alert.annotations.get("link")
    return link if link is None or public_url is None else urljoin(public_url, link)


def moment(at_ms: int | None) -> str | None:
    """RFC 3339; None where there is no moment."""
    return None if at_ms is None else format_moment(at_ms)


def facts(notice: Notice, public_url: str | None) -> dict[str, Any]:
    """Everything there is to say of an alert, as JSON has it; absent is null."""
    alert, taken = notice.alert, notice.alert.acknowledged
    return {
        "fingerprint": alert.fingerprint, "episode": notice.episode, "state": notice.state, "rule": alert.rule,
        "kind": alert.kind, "severity": alert.severity, "scope": alert.scope, "labels": alert.labels,
        "message": alert.message, "kpi": alert.kpi, "value": alert.value, "threshold": alert.threshold,
        "variant": alert.variant, "sample": alert.sample, "window": alert.window,
        "since": moment(alert.since_ms), "fired_at": moment(alert.fired_ms), "resolved_at": moment(notice.ended_ms),
        "cause": None if alert.cause is None else [asdict(part) for part in alert.cause],
        "runbook": alert.annotations.get("runbook"), "link": link_of(alert, public_url),
        "acknowledged": None if taken is None else {"who": taken.by, "at": moment(taken.at_ms), "note": taken.note},
        "config_version": alert.config_version,
    }  # fmt: skip
