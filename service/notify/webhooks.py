"""Webhooks: a notice as JSON, signed, in the shape that the receiver wants."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from service.domain.alert_record import Alert
from service.notify.outbox import Notice
from service.notify.receiver import NotReady, Request
from service.notify.words import cause_in_words, facts, link_of, shown

BodyKind = Literal["generic", "slack"]
TIMESTAMP_HEADER: Final = "Floorwalker-Timestamp"
SIGNATURE_HEADER: Final = "Floorwalker-Signature"
KEY_HEADER: Final = "Idempotency-Key"
_TEXT_LIMIT: Final = 2_000
_COLOURS: Final = {"page": "#c62828", "warning": "#f9a825", "info": "#1565c0"}
_RESOLVED_COLOUR: Final = "#2e7d32"


def generic_body(notice: Notice, public_url: str | None) -> dict[str, Any]:
    """Everything, with `key`, under which the same notice always comes."""
    return {"version": 1, "key": notice.key, **facts(notice, public_url)}


def slack_body(notice: Notice, public_url: str | None) -> dict[str, Any]:
    """A message as Slack, Mattermost and Rocket.Chat take it at an incoming webhook."""
    alert = notice.alert
    title = f"{notice.state.upper()} [{alert.severity}] {alert.rule}: {alert.scope}"
    said = {
        "Value": shown(alert.kpi, alert.value), "Threshold": shown(alert.kpi, alert.threshold),
        "Sample": None if alert.sample is None else str(alert.sample), "Window": alert.window,
        "Cause": cause_in_words(alert), "Runbook": alert.annotations.get("runbook"),
        "In hand": None if alert.acknowledged is None else alert.acknowledged.by,
    }  # fmt: skip
    attachment = {
        "color": _RESOLVED_COLOUR if notice.state == "resolved" else _COLOURS[alert.severity],
        "title": _escaped(title),
        "title_link": link_of(alert, public_url),
        "text": _escaped(alert.message),
        "fields": [
            {"title": name, "value": _escaped(text), "short": len(text) < 30} for name, text in said.items() if text
        ],
        "footer": notice.key,
        "ts": (notice.ended_ms or alert.fired_ms or alert.since_ms) // 1000,
    }
    return {"text": _escaped(title), "attachments": [{key: value for key, value in attachment.items() if value}]}


BODIES: Final[Mapping[BodyKind, Callable[[Notice, str | None], dict[str, Any]]]] = {
    "generic": generic_body,
    "slack": slack_body,
}


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """HMAC-SHA-256 over `timestamp.body`, so that neither can be replaced, as `v1=` and hexadecimal digits."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address. `read_url` and `secret_file` are read for each request, so that both can be changed meanwhile.

    `secret_file` None: not signed. `severities` and `rules`: of what it is told; no rules: of all.
    """

    name: str
    read_url: Callable[[], str]
    body: BodyKind = "generic"
    secret_file: Path | None = None
    severities: Collection[str] = ()
    rules: Collection[str] = ()
    public_url: str | None = None
    batch: int = 1
    repeat_ms: int | None = None
    linger_ms: int = 0

    def wants(self, alert: Alert) -> bool:
        """Whether its severity and its rule are among those asked for; none asked for: all."""
        return (not self.severities or alert.severity in self.severities) and (
            not self.rules or alert.rule in self.rules
        )

    def request(self, notices: Sequence[Notice], now_ms: int) -> Request:
        """One notice, signed with the secret as it is now. Raises NotReady if a file cannot be read."""
        (notice,) = notices
        body = orjson.dumps(BODIES[self.body](notice, self.public_url))
        timestamp = str(now_ms // 1000)
        headers = {"Content-Type": "application/json", KEY_HEADER: notice.key, TIMESTAMP_HEADER: timestamp}
        if self.secret_file is not None:
            headers[SIGNATURE_HEADER] = signature(read_secret(self.secret_file).encode(), timestamp, body)
        return Request(self.read_url(), body, headers)


def read_secret(path: Path) -> str:
    """The file's text without white space around it. Raises NotReady if it cannot be read or is empty."""
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotReady(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from None
    if not text:
        raise NotReady(f"{path} is empty: it must hold the secret")
    return text


def _escaped(text: str) -> str:
    """The text cut to a readable length, with the three characters that Slack takes for markup made harmless."""
    cut = text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
