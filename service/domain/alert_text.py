"""What an alert says in words, and where it leads."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from service.domain.alert_record import Alert
from service.domain.rules import ALL, Rule

PLACES: Final = ("scope", "value", "threshold", "sample", "window")
"""What a rule's message may name in braces."""

_PLACE: Final = re.compile(r"\{(" + "|".join(PLACES) + r")\}")


@dataclass(frozen=True, slots=True)
class _Words:
    """What a language calls units and windows; a window that is not here is shown as it is written."""

    seconds: str
    minutes: str
    unknown: str
    windows: dict[str, str] = field(default_factory=dict)


_ENGLISH: Final = _Words("s", "min", "unknown")
_CHINESE: Final = _Words(
    "秒", "分钟", "未知",
    {
        "now": "当前", "interval": "时段", "day": "当日",
        "5m": "5分钟", "15m": "15分钟", "30m": "30分钟", "60m": "60分钟",
    },
)  # fmt: skip


def link_of(scope: str) -> str:
    """The route of the API that shows a scope, from which to drill down."""
    kind, _, name = scope.partition(":")
    if kind == ALL:
        return "/v1/queues"
    if kind == "source":
        return "/v1/sources"
    where = {"queue": "/v1/queues", "agent": "/v1/agents"}.get(kind, f"/v1/scopes/{kind}")
    return f"{where}/{quote(name, safe='')}"


def describe(rule: Rule, alert: Alert) -> str:
    """One sentence: the rule's own, with `{scope}`, `{value}`, `{threshold}`, `{sample}` and `{window}` filled in."""
    known = _known(alert, _ENGLISH)
    if rule.message:
        return _filled(rule.message, known)
    sample = f", {known['sample']} contacts" if alert.sample is not None else ""
    return f"{alert.kpi} of {alert.scope} is {known['value']} ({known['window']}{sample}), level {known['threshold']}"


def describe_zh(rule: Rule, alert: Alert) -> str:
    """The rule's own sentence in Chinese, filled in as `describe` does; empty if it has none."""
    return _filled(rule.message_zh, _known(alert, _CHINESE)) if rule.message_zh else ""


def _known(alert: Alert, words: _Words) -> dict[str, str]:
    window = alert.window or "now"
    return {
        "scope": alert.scope.partition(":")[2] or alert.scope,
        "value": shown(alert.kpi, alert.value, words),
        "threshold": shown(alert.kpi, alert.threshold, words),
        "sample": "" if alert.sample is None else str(alert.sample),
        "window": words.windows.get(window, window),
    }


def _filled(sentence: str, known: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: known[found[1]], sentence)


def shown(kpi: str | None, value: float | None, words: _Words = _ENGLISH) -> str:
    """A KPI's value for people, in the unit that its name begins or ends with."""
    if value is None:
        return words.unknown
    if kpi is not None and kpi.endswith(("_ratio", "_share")):
        return f"{value * 100:.1f} %"
    if kpi is not None and (kpi.endswith("_seconds") or kpi.startswith("seconds_")):
        return f"{value / 60:.0f} {words.minutes}" if abs(value) >= 120 else f"{value:.3g} {words.seconds}"
    return f"{value:.4g}"
