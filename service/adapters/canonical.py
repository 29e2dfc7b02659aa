"""The canonical format: JSON lines, each an event of docs/events.md, with its own id and time."""

from functools import partial

from service.adapters.base import AdapterSettings, Parsed
from service.domain.codec import decode_event
from service.domain.events import Event


class CanonicalAdapter:
    """Decodes events as they are."""

    name = "canonical"
    keyed = False
    json_array = False

    def __init__(self, settings: AdapterSettings) -> None:
        self._source = settings.source

    def begin(self, first_line: bytes) -> bool:
        """JSON lines have no heading."""
        return False

    def parse(self, raw: bytes) -> Parsed:
        """Read one event. Raises InvalidEvent."""
        event = decode_event(raw)
        if not event.source:
            event.source = self._source
        return Parsed(event.occurred_at_ms, partial(_as_is, event))


def _as_is(event: Event, key: str) -> list[Event]:
    return [event]
