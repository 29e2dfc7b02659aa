"""Vendor formats to canonical events. A new format is one file here and one row in ADAPTERS."""

from collections.abc import Callable
from typing import Final

from service.adapters.asterisk import QueueLogAdapter
from service.adapters.base import Adapter, AdapterSettings, Parsed, Rejected, events_of, parse_record
from service.adapters.call_records import CallRecordsAdapter
from service.adapters.canonical import CanonicalAdapter
from service.errors import UsageError

__all__ = ["ADAPTERS", "Adapter", "AdapterSettings", "Parsed", "Rejected", "events_of", "make_adapter", "parse_record"]

ADAPTERS: Final[dict[str, Callable[[AdapterSettings], Adapter]]] = {
    "canonical": CanonicalAdapter,
    "asterisk-queue-log": QueueLogAdapter,
    "call-records": CallRecordsAdapter,
}
"""Format name -> maker of an adapter. One adapter object serves one recording or one native topic."""


def make_adapter(format_name: str, settings: AdapterSettings) -> Adapter:
    """Return a fresh adapter. Raises UsageError for an unknown format or settings that the format cannot do without."""
    make = ADAPTERS.get(format_name)
    if make is None:
        raise UsageError(f"unknown format {format_name!r}: use one of {', '.join(ADAPTERS)}")
    return make(settings)
