"""Recordings written on the spot, and short views of what became of them."""

from typing import Any, Protocol

from service.adapters import Adapter, AdapterSettings, make_adapter
from service.adapters.mapping import CallRecordsMapping
from service.domain.codec import TYPE_OF
from service.domain.events import Event
from service.recordings import Recording

NOW_MS = 1_795_400_000_000
SUNDAY_8_00_MS = 1_795_334_400_000
"""2026-11-22T08:00:00Z"""


class Read(Protocol):
    """Write the text or bytes to a file and read it as a recording of the format."""

    def __call__(self, content: str | bytes, format_name: str = "asterisk-queue-log", **settings: Any) -> Recording: ...


def adapter(format_name: str, mapping: dict[str, Any] | None = None, **settings: Any) -> Adapter:
    """A fresh adapter; the mapping as the configuration would write it."""
    model = CallRecordsMapping(**mapping) if mapping is not None else None
    return make_adapter(format_name, AdapterSettings(mapping=model, **settings))


def types(recording: Recording) -> list[str]:
    return [TYPE_OF[type(event)] for event in recording.events]


def one(recording: Recording, kind: type[Event]) -> Any:
    """The recording's only event of a type."""
    (found,) = [event for event in recording.events if isinstance(event, kind)]
    return found


def reasons(recording: Recording) -> list[tuple[int | None, str]]:
    return [(bad.line_no, bad.reason) for bad in recording.rejected]
