"""What the API shows of alerts."""

from typing import Any, Final
from urllib.parse import quote

from msgspec import to_builtins

from service.access import Grant
from service.alert_board import state_of
from service.domain.alert_record import Alert
from service.timetext import format_moment

STATES: Final = ("pending", "firing", "inhibited", "resolved")


def alert_view(alert: Alert) -> dict[str, Any]:
    """One alert. `since`: when the condition became true; `fired_at`: when it had been so for long enough."""
    acknowledged = alert.acknowledged
    return {
        "fingerprint": alert.fingerprint,
        "rule": alert.rule,
        "kind": alert.kind,
        "severity": alert.severity,
        "scope": alert.scope,
        "state": state_of(alert),
        "episode": alert.episode,
        "since": format_moment(alert.since_ms),
        "fired_at": _moment(alert.fired_ms),
        "clear_since": _moment(alert.clear_since_ms),
        "resolved_at": _moment(alert.resolved_ms),
        "updated_at": format_moment(alert.updated_ms),
        "message": alert.message,
        "message_zh": alert.message_zh or None,
        "kpi": alert.kpi,
        "value": alert.value,
        "threshold": alert.threshold,
        "variant": alert.variant,
        "sample": alert.sample,
        "window": alert.window,
        "cause": None if alert.cause is None else to_builtins(alert.cause),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "links": links(alert),
        "acknowledged": None
        if acknowledged is None
        else {"by": acknowledged.by, "at": format_moment(acknowledged.at_ms), "note": acknowledged.note},
        "inhibited_by": alert.inhibited_by,
        "config_version": alert.config_version,
    }


def sees(grant: Grant, alert: Alert) -> bool:
    """Whether the alert is among what the token shows: about single agents and teams as these themselves are."""
    kind, _, name = alert.scope.partition(":")
    if kind == "agent":
        return grant.sees_agent(name, alert.labels.get("team"))
    return kind != "team" or grant.sees_team(name)


def links(alert: Alert) -> dict[str, str]:
    """Where to drill down: the scope itself, and of a queue its intervals, its last visits, and the agents."""
    found = {"scope": alert.annotations["link"]} if "link" in alert.annotations else {}
    kind, _, name = alert.scope.partition(":")
    where = quote(name, safe="")
    if kind == "queue":
        found |= {
            "intervals": f"/v1/queues/{where}/intervals",
            "visits": f"/v1/queues/{where}/visits",
            "agents": f"/v1/agents?queue={where}",
        }
    elif kind == "agent":
        found |= {"intervals": f"/v1/agents/{where}/intervals", "timeline": f"/v1/agents/{where}/timeline"}
    return found


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_moment(at_ms)
