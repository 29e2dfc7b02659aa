"""Bytes of `cti.events` to events and back, and which events there are."""

import re
from collections.abc import Iterator
from typing import Any, Final, Union

import msgspec

from service.domain import business_events, events
from service.domain.errors import InvalidEvent
from service.domain.events import AgentEvent, ContactEvent, Event

MAX_EVENT_BYTES: Final = 256 * 1024
"""A larger record is rejected as `too_large`: no event of the model comes near it."""


def _concrete(cls: type[Event]) -> Iterator[type[Event]]:
    for sub in cls.__subclasses__():
        named = "." in str(sub.__struct_config__.tag)  # a group's tag is its class name: no event
        if named and sub.__module__ in (events.__name__, business_events.__name__):
            yield sub
        yield from _concrete(sub)


EVENT_TYPES: Final[dict[str, type[Event]]] = {str(cls.__struct_config__.tag): cls for cls in _concrete(Event)}
"""Every event type by its name on the wire."""

TYPE_OF: Final[dict[type[Event], str]] = {cls: name for name, cls in EVENT_TYPES.items()}

_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(Union[tuple(EVENT_TYPES.values())])  # noqa: UP007
_encoder = msgspec.json.Encoder()
_FIELD = re.compile(r"field `([^`]+)`")
_PATH = re.compile(r"at `\$\.?([^`]*)`")


def decode_event(raw: bytes) -> Event:
    """Return the event of one record. Raises InvalidEvent with the reason and the name of the field."""
    if len(raw) > MAX_EVENT_BYTES:
        raise InvalidEvent("too_large", f"{len(raw)} bytes, the limit is {MAX_EVENT_BYTES}")
    try:
        return _decoder.decode(raw)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidEvent("bad_json", str(error)) from None
    except UnicodeDecodeError as error:
        raise InvalidEvent("bad_encoding", str(error)) from None


def _invalid(message: str) -> InvalidEvent:
    """Sort msgspec's sentence into one of our reasons."""
    if "missing required field" in message:
        found = _FIELD.search(message)
        name = found.group(1) if found else "?"
        return InvalidEvent("missing_field", name)
    if message.startswith("field "):  # a struct's own complaint about fields that do not fit together
        return InvalidEvent("bad_field", message)
    where = _PATH.search(message)
    if where is None and message.startswith("Expected"):  # the record itself is wrong: an array, a number, a text
        return InvalidEvent("bad_json", message)
    if where is None:  # fields that do not go together
        return InvalidEvent("bad_field", message)
    field = where.group(1)
    if field == "type":
        return InvalidEvent("unknown_type", message)
    if field == "occurred_at_ms":
        return InvalidEvent("bad_timestamp", message)
    return InvalidEvent("bad_field", message)


def encode_event(event: Event) -> bytes:
    """The event as one JSON record; fields without a value are left out."""
    return _encoder.encode({k: v for k, v in msgspec.to_builtins(event).items() if v is not None})


def record_key(event: Event) -> str:
    """The Kafka key: contact, else agent, else the id of the event's subject."""
    if isinstance(event, ContactEvent):
        return event.contact_id
    if isinstance(event, AgentEvent):
        return event.agent_id
    for field in ("queue_id", "campaign_id", "incident_id", "op_id", "customer_ref", "case_id", "fingerprint"):
        value = getattr(event, field, None)
        if value:
            return str(value)
    return event.source or "source"
