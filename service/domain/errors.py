"""What can be wrong with an input, as short fixed lists."""

from typing import Final

REASONS: Final[dict[str, str]] = {
    "bad_encoding": "The bytes are not UTF-8.",
    "bad_json": "The bytes are not one whole JSON object.",
    "bad_line": "The line does not have the fields its format demands.",
    "too_large": "The record is larger than the limit.",
    "unknown_type": "The event type is not one of docs/events.md.",
    "missing_field": "A required field is missing.",
    "bad_field": "A field has the wrong type or an impossible value.",
    "bad_timestamp": "The event time is missing, unreadable, before 1990 or in the far future.",
    "no_customer_key": "The event is about a customer's raw number, and no customer key is configured.",
    "skipped": "The mapping says to leave this row out.",
    "poison": "Our own code failed on it, which is a fault to report: the traceback is kept with it.",
    "late": "The event is older than its source's contacts are remembered: it may be one already counted.",
}
"""Reasons of the core and the shipped adapters; a call-records mapping may add its own words (such as `phantom`)."""

DUPLICATE, LATE, UNMATCHED, CONFLICT, SKEW = "duplicates", "late", "unmatched", "conflicts", "clock_skew"
"""What is counted of an event that could be read: it was there before and changed nothing; it is too old; the beginning
of what it ends is missing; another ending stands; it is ahead of its arrival, or an end lies before its beginning.
"""

CORRECTED, UNCORRECTED = "corrections", "corrections_unmatched"
"""It replaced an event told before; the event that it would replace is not known, so it counts as any other."""

REF_DROPPED = "customer_ref_dropped"
"""It carried a customer's raw number, and there is no key to hash it with: it counts without the customer."""

SCOPE_LIMIT = "scope_limit"
"""It is about one more queue, agent or class than the limit allows, or of one more source: a feed is broken."""

SYNTHETIC: Final = "synthetic:"
"""Prefix of the counts of what the watchdog and snapshots made, by reason."""

EARLIEST_MS: Final = 631_152_000_000
"""1990-01-01T00:00:00Z: no event is older."""

FAR_FUTURE_MS: Final = 366 * 86_400_000
"""An event further ahead of the clock than this is a broken timestamp, not a skewed clock."""


class ScopeLimitReached(Exception):
    """A fact is about one more scope than the limit allows."""


class FactFailed(Exception):
    """Applying the fact at `index` of a batch raised what this is raised from; the state is half changed."""

    def __init__(self, index: int) -> None:
        super().__init__(f"fact {index}")
        self.index = index


class InvalidEvent(Exception):
    """One input that cannot become an event. `reason` is a short word for counters, `detail` says what and where."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def check_time(occurred_at_ms: int, now_ms: int) -> None:
    """Raise InvalidEvent("bad_timestamp") for an event time before 1990 or more than a year after `now_ms`."""
    # which of the two it is: long digits are masked where details are shown
    if occurred_at_ms < EARLIEST_MS:
        raise InvalidEvent("bad_timestamp", f"occurred_at_ms {occurred_at_ms} is before 1990")
    if occurred_at_ms > now_ms + FAR_FUTURE_MS:
        raise InvalidEvent("bad_timestamp", f"occurred_at_ms {occurred_at_ms} is in the far future")
