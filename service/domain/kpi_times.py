"""Which KPIs are of a moment and which of a window."""

from typing import Final

from service.domain.kpis import KPIS_OF, Kind, Kpi, Reading
from service.domain.totals import Totals

_BARE: Final = Reading(Totals(), login_seen=False)
_NOW: Final = Reading(
    Totals(),
    waiting=1,
    oldest_wait_ms=1,
    staff=dict.fromkeys(("available", "scheduled", "absent"), 1),
    expected_wait_ms=1.0,
    login_seen=False,
    state_ms=1,
)


def _is_now(kpi: Kpi) -> bool:
    """True for a KPI of the moment: it needs what beside the totals is known of now, and no totals."""
    return kpi.value(_BARE) is None and kpi.value(_NOW) is not None


NOW_KPIS: Final[dict[Kind, tuple[Kpi, ...]]] = {
    kind: tuple(kpi for kpi in kpis if _is_now(kpi)) for kind, kpis in KPIS_OF.items()
}
WINDOW_KPIS: Final[dict[Kind, tuple[Kpi, ...]]] = {
    kind: tuple(kpi for kpi in kpis if not _is_now(kpi)) for kind, kpis in KPIS_OF.items()
}

BOTH_WINDOWS: Final = ("15m", "day")
QUEUE_GAUGES: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("offered", "answered", "abandoned", "answered_in_threshold", "asa_seconds", "wait_p90_seconds", "aht_seconds",
         "service_level_ratio", "answer_ratio", "abandonment_ratio"),
        BOTH_WINDOWS,
    ),
    **dict.fromkeys(("missed", "average_talk_seconds", "average_acw_seconds"), ("15m",)),
    **dict.fromkeys(
        ("max_wait_seconds", "average_abandon_seconds", "wait_p95_seconds", "callback_ratio", "transfer_ratio",
         "repeat_ratio", "fcr_ratio"),
        ("day",),
    ),
}  # fmt: skip
"""The windows in which Prometheus has a gauge of a queue's KPI: 80 series a queue are the budget, histograms and all.

Of the counts that are missing here it has counters; of the other KPIs the API has every window.
"""
