"""What an alert says in words, and where it leads."""

import re
from typing import Final
from urllib.parse import quote

from service.domain.alert_record import Alert
from service.domain.rules import ALL, Rule

PLACES: Final = ("scope", "value", "threshold", "sample", "window")
"""What a rule's message may name in braces."""

_PLACE: Final = re.compile(r"\{(" + "|".join(PLACES) + r")\}")


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
    known = {
        "scope": alert.scope.partition(":")[2] or alert.scope,
        "value": shown(alert.kpi, alert.value),
        "threshold": shown(alert.kpi, alert.threshold),
        "sample": "" if alert.sample is None else str(alert.sample),
        "window": alert.window or "now",
    }
    if rule.message:
        return _PLACE.sub(lambda found: known[found[1]], rule.message)
    sample = f", {known['sample']} contacts" if alert.sample is not None else ""
    return f"{alert.kpi} of {alert.scope} is {known['value']} ({known['window']}{sample}), level {known['threshold']}"


def shown(kpi: str | None, value: float | None) -> str:
    """A KPI's value for people, in the unit that its name begins or ends with."""
    if value is None:
        return "unknown"
    if kpi is not None and kpi.endswith(("_ratio", "_share")):
        return f"{value * 100:.1f} %"
    if kpi is not None and (kpi.endswith("_seconds") or kpi.startswith("seconds_")):
        return f"{value / 60:.0f} min" if abs(value) >= 120 else f"{value:.3g} s"
    return f"{value:.4g}"
