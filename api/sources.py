"""What each source delivered, over all partitions."""

from dataclasses import dataclass, field
from typing import Any, Final

from service.domain.errors import (
    CONFLICT,
    CORRECTED,
    DUPLICATE,
    LATE,
    REF_DROPPED,
    SCOPE_LIMIT,
    SKEW,
    SYNTHETIC,
    UNCORRECTED,
    UNMATCHED,
)
from service.floor_state import FloorState
from service.timetext import format_moment

UNKNOWN: Final = "unknown"
"""Name for the source of events that do not say theirs; those that cannot be decoded never do."""

FINDINGS: Final = (DUPLICATE, LATE, UNMATCHED, CONFLICT, SKEW, CORRECTED, UNCORRECTED, REF_DROPPED, SCOPE_LIMIT)
_REJECTED: Final = "rejected:"


@dataclass(slots=True)
class SourceTotals:
    """Counts of one source; `newest_ms` is event time, `received_ms` when that reached Kafka; 0 is never.

    `synthetic` counts by reason what the watchdog and snapshots made for the source.
    """

    by_type: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FINDINGS, 0))
    rejected: dict[str, int] = field(default_factory=dict)
    synthetic: dict[str, int] = field(default_factory=dict)
    newest_ms: int = 0
    received_ms: int = 0

    def count(self, what: str, count: int) -> None:
        """Add one entry of a SourceSeen record."""
        if what in self.findings:
            self.findings[what] += count
            return
        counts, name = self.by_type, what
        if what.startswith(_REJECTED):
            counts, name = self.rejected, what.removeprefix(_REJECTED)
        elif what.startswith(SYNTHETIC):
            counts, name = self.synthetic, what.removeprefix(SYNTHETIC)
        counts[name] = counts.get(name, 0) + count


def source_totals(state: FloorState) -> dict[str, SourceTotals]:
    """Totals by source name, in order of the names."""
    found: dict[str, SourceTotals] = {}
    for (scope, _), seen in sorted(state.scopes.sources.items()):
        totals = found.setdefault(scope.removeprefix("source:") or UNKNOWN, SourceTotals())
        for what, count in seen.counts.items():
            totals.count(what, count)
        totals.newest_ms = max(totals.newest_ms, seen.newest_ms)
        totals.received_ms = max(totals.received_ms, seen.received_ms)
    return found


def source_views(state: FloorState) -> list[dict[str, Any]]:
    """The items of /v1/sources. `staleness_seconds` is the age of the source's newest event; null before the first."""
    now_ms = state.wall_ms()
    return [
        {
            "source": name,
            "newest_event_at": format_moment(totals.newest_ms) if totals.newest_ms else None,
            "received_at": format_moment(totals.received_ms) if totals.received_ms else None,
            "staleness_seconds": max(0, now_ms - totals.received_ms) / 1000 if totals.received_ms else None,
            "events": sum(totals.by_type.values()),
            "by_type": totals.by_type,
            **totals.findings,
            "rejected": totals.rejected,
            "synthetic": totals.synthetic,
        }
        for name, totals in source_totals(state).items()
    ]
