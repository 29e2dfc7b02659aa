"""The alerts there are, as read from `cti.alerts`."""

import logging
from collections import Counter
from collections.abc import Sequence

import msgspec

from service.domain.alert_record import SEVERITIES, Alert, decode_alert

log = logging.getLogger(__name__)


class AlertBoard:
    """The newest record of every alert, by fingerprint. `seq` grows with every change."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.seq = 0
        self.unreadable = 0

    def apply(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take over records of the topic. One that cannot be decoded is logged, counted, and changes nothing."""
        for key, value in records:
            try:
                if value is None:
                    self.alerts.pop(key.decode(), None)
                else:
                    self.alerts[key.decode()] = decode_alert(value)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self.unreadable += 1
                log.error("record %r of the alerts cannot be read: %s", key, error)
        self.seq += len(records)

    def clear(self) -> None:
        """Forget everything: the topic will be read from its start again."""
        self.alerts.clear()
        self.seq += 1

    def found(self, state: str | None, severity: str | None, scope: str | None) -> list[Alert]:
        """The alerts that fit, the most urgent first. A scope includes what belongs to it; what another alert explains
        is in state `inhibited`.
        """
        kind, _, name = (scope or "").partition(":")
        fits = [
            alert
            for alert in self.alerts.values()
            if (state is None or state_of(alert) == state)
            and (severity is None or alert.severity == severity)
            and (scope is None or alert.scope == scope or (name and alert.labels.get(kind) == name))
        ]
        return sorted(fits, key=lambda alert: (*_urgency(alert), alert.fingerprint))

    def counts(self) -> Counter[tuple[str, str, str]]:
        """How many alerts there are by (rule, severity, state), 0 for those of a rule that are over."""
        counts = Counter[tuple[str, str, str]]()
        for alert in self.alerts.values():
            for state in ("pending", "firing", "inhibited"):
                counts[alert.rule, alert.severity, state] += state_of(alert) == state
        return counts


def state_of(alert: Alert) -> str:
    """The alert's state; `inhibited` where it fires and another alert explains it."""
    return "inhibited" if alert.state == "firing" and not alert.told else alert.state


_ORDER = {"firing": 0, "inhibited": 1, "pending": 2, "resolved": 3}


def _urgency(alert: Alert) -> tuple[int, int, int]:
    return _ORDER[state_of(alert)], SEVERITIES.index(alert.severity), -alert.updated_ms
