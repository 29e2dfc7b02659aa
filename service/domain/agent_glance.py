"""Which queues an agent serves, told by the stored live record without decoding all of it."""

from typing import Final

import msgspec
from msgspec import Raw, Struct


class _Own(Struct, array_like=True, gc=False):
    """`own_side.Own` as far as it matters here; what follows is not decoded at all."""

    state: Raw
    reason: Raw
    login: Raw
    member: Raw
    login_seen: Raw
    logged_out_ms: Raw
    queues: tuple[str, ...]


class _Record(Struct, array_like=True, gc=False):
    """The same of `agents.AgentRecord`."""

    state: Raw
    reason: Raw
    since_ms: Raw
    logged_in: Raw
    own: _Own
    base: Raw
    base_ms: Raw
    horizon_ms: Raw
    seen: dict[str, Raw]


class _Live(Struct, array_like=True, gc=False):
    """The same of `scopes.AgentLive`."""

    record: _Record


_decode: Final = msgspec.msgpack.Decoder(_Live).decode


def queues_told(value: bytes) -> tuple[str, ...]:
    """What `view.queues_served` says of an `AgentLive` with this value. Raises msgspec.DecodeError."""
    record = _decode(value).record
    return record.own.queues or tuple(record.seen)
