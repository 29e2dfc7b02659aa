"""Alerts for the Alertmanager, API v2: what fires is posted again every minute, since it resolves what it no longer
hears of; grouping, silencing, routing and repeating are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from service.domain.alert_record import Alert
from service.notify.outbox import Notice
from service.notify.receiver import Request
from service.notify.words import cause_in_words, link_of, moment, shown
from service.timetext import format_moment

REPEAT_MS: Final = 60_000
"""How often it is told what fires."""

VALID_MS: Final = 5 * REPEAT_MS
"""For how long it believes us: then it resolves what nobody repeats."""

LINGER_MS: Final = 5 * 60_000
"""For how long after its 200 it is told of an end again: it may have been restarted in between."""

_PATH: Final = "/api/v2/alerts"
_HEADERS: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """One Alertmanager; of a cluster each member is one, and all are told."""

    name: str
    url: str
    public_url: str | None = None
    batch: int = 100
    repeat_ms: int | None = REPEAT_MS
    linger_ms: int = LINGER_MS

    def wants(self, alert: Alert) -> bool:
        """Everything: its routes decide."""
        return True

    def request(self, notices: Sequence[Notice], now_ms: int) -> Request:
        """All of them in one request."""
        body = [as_posted(notice, now_ms, self.public_url) for notice in notices]
        return Request(self.url.rstrip("/") + _PATH, orjson.dumps(body), _HEADERS)


def as_posted(notice: Notice, now_ms: int, public_url: str | None = None) -> dict[str, Any]:
    """The alert as Alertmanager takes it.

    It ends in the future as long as it fires. An end ahead of the clock would be no end yet, one before the start is
    refused.
    """
    alert = notice.alert
    starts_ms = min(now_ms, alert.since_ms if alert.fired_ms is None else alert.fired_ms)
    ended_ms = notice.ended_ms
    ends_ms = now_ms + VALID_MS if ended_ms is None else max(starts_ms, min(ended_ms, now_ms))
    posted = {
        "labels": labels_of(alert),
        "annotations": annotations_of(notice, public_url),
        "startsAt": format_moment(starts_ms),
        "endsAt": format_moment(ends_ms),
    }
    link = link_of(alert, public_url)
    if link is not None and urlsplit(link).scheme:  # it takes addresses only
        posted["generatorURL"] = link
    return posted


def labels_of(alert: Alert) -> dict[str, str]:
    """What an alert is: the same in every post, since Alertmanager knows an alert by its labels alone."""
    own = {
        "alertname": alert.rule, "severity": alert.severity, "kind": alert.kind, "scope": alert.scope,
        "scope_kind": alert.scope.partition(":")[0], "fingerprint": alert.fingerprint,
    }  # fmt: skip
    return {key: value for key, value in (alert.labels | own).items() if value}


def annotations_of(notice: Notice, public_url: str | None = None) -> dict[str, str]:
    """What is known of it now: may change from post to post."""
    alert, taken = notice.alert, notice.alert.acknowledged
    found = {
        "message": alert.message or f"{alert.rule}: {alert.scope}",
        "kpi": alert.kpi,
        "value": shown(alert.kpi, alert.value),
        "threshold": shown(alert.kpi, alert.threshold),
        "variant": alert.variant,
        "sample": None if alert.sample is None else str(alert.sample),
        "window": alert.window,
        "since": moment(alert.since_ms),
        "episode": str(notice.episode),
        "cause": cause_in_words(alert),
        "acknowledged_by": None if taken is None else taken.by,
        "acknowledged_note": None if taken is None else taken.note,
        **alert.annotations,
        "link": link_of(alert, public_url),
    }
    return {key: value for key, value in found.items() if value}
