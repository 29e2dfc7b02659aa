"""What a report is asked for: shared by the command line, which parses it, and by the report, which follows it."""

from dataclasses import dataclass
from typing import Literal

from service.domain.settings import DEFAULT_INTERVAL_MS

Attribution = Literal["outcome", "arrival"]


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Range, buckets and attribution of one report.

    `timezone` (IANA name) is the zone of days. `from_ms` and `to_ms` are UTC, [from, to); None: the start of the
    business day of the first event, the end of the business day of the last one. `interval_ms` divides a day.
    """

    timezone: str = "UTC"
    from_ms: int | None = None
    to_ms: int | None = None
    interval_ms: int = DEFAULT_INTERVAL_MS
    attribution: Attribution = "outcome"
