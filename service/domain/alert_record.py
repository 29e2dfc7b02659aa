"""An alert: what a rule found of a scope, and what became of it. It is the value of the compacted topic `cti.alerts`,
as JSON, with its fingerprint as key.
"""

import hashlib
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

Severity = Literal["page", "warning", "info"]
AlertState = Literal["pending", "firing", "resolved"]
Part = Literal["volume", "handle_time", "staffing", "adherence", "unexplained"]

SEVERITIES: Final[tuple[Severity, ...]] = ("page", "warning", "info")
STATES: Final[tuple[AlertState, ...]] = ("pending", "firing", "resolved")


class CausePart(Struct, frozen=True, omit_defaults=True):
    """What one part of the cause cost: contacts not served in time, and percentage points of service level.

    The parts of an alert sum to its gap; a part that helped is negative. `text` says what was different. A part that
    cannot be told is None, and `missing` says why.
    """

    part: Part
    contacts: float | None
    percentage_points: float | None
    text: str = ""
    missing: str | None = None


class Acknowledged(Struct, frozen=True):
    """A person has taken the alert in hand."""

    by: str
    at_ms: int
    note: str | None = None


class Alert(Struct, kw_only=True, omit_defaults=True):
    """One rule's alert about one scope; inactive is no alert at all.

    `since_ms` is when the condition became true, `fired_ms` when it had been so for long enough, `clear_since_ms` since
    when it has been clear again while it still fires (None: it holds); `episode` counts the firings of this
    fingerprint, so that (fingerprint, episode) is told to a person once. Of the condition that holds
    (with `all:` the first one): `value` and `threshold` in the KPI's own unit, `kpi` its name, `variant` which service
    level it is, `sample` the number of contacts behind it, `window` its time. None means: does not apply, or unknown.
    `inhibited_by` is the fingerprint of the alert that explains this one: while it is set, nobody is told.
    """

    fingerprint: str
    rule: str
    kind: str
    severity: Severity
    scope: str
    state: AlertState
    since_ms: int
    updated_ms: int
    fired_ms: int | None = None
    clear_since_ms: int | None = None
    resolved_ms: int | None = None
    episode: int = 0
    kpi: str | None = None
    value: float | None = None
    threshold: float | None = None
    variant: str | None = None
    sample: int | None = None
    window: str | None = None
    message: str = ""
    message_zh: str = ""
    """The same in Chinese; empty where the rule does not say it."""
    cause: list[CausePart] | None = None
    labels: dict[str, str] = field(default_factory=dict)
    """Of queue, agent, site, team, channel, group and source those that apply."""
    annotations: dict[str, str] = field(default_factory=dict)
    """`runbook`: where it says what to do; `link`: the route of the API from which to drill down."""
    acknowledged: Acknowledged | None = None
    inhibited_by: str | None = None
    config_version: str = ""

    @property
    def told(self) -> bool:
        """Whether a person is to know: it fires, and no other alert explains it."""
        return self.state == "firing" and self.inhibited_by is None


def fingerprint_of(rule: str, scope: str) -> str:
    """The stable name of the alert of one rule about one scope: 16 hexadecimal digits."""
    return hashlib.blake2b(f"{rule}\n{scope}".encode(), digest_size=8).hexdigest()


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Alert)


def encode_alert(alert: Alert) -> bytes:
    """The alert as a record's value."""
    return _ENCODER.encode(alert)


def decode_alert(value: bytes) -> Alert:
    """The alert of a record's value. Raises msgspec.DecodeError."""
    return _DECODER.decode(value)
