"""What readers need of an agent's stored live record, without decoding all of it."""

from typing import Final

import msgspec
from msgspec import Raw, Struct, field

from service.domain.agents import AgentRecord
from service.domain.own_side import Own
from service.domain.scopes import AgentLive


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


class _ReadRecord(Struct, array_like=True, gc=False):
    """`agents.AgentRecord` without what the agent's own events are folded with: that is most of it."""

    state: str = "unknown"
    reason: str | None = None
    since_ms: int = 0
    logged_in: bool = False
    own: Own = field(default_factory=Own)
    base: Raw = Raw()
    base_ms: int = 0
    horizon_ms: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    events: Raw = Raw()
    contacts: dict[str, int] = field(default_factory=dict)


class _ReadLive(Struct, array_like=True, gc=False):
    """`scopes.AgentLive` with such a record."""

    record: _ReadRecord = field(default_factory=_ReadRecord)
    settled_ms: int = 0


_decode: Final = msgspec.msgpack.Decoder(_Live).decode
_decode_read: Final = msgspec.msgpack.Decoder(_ReadLive).decode


def live_read(value: bytes) -> AgentLive:
    """An `AgentLive` for who folds no events: without `base` and `events`. Raises msgspec.DecodeError."""
    read = _decode_read(value)
    told = read.record
    record = AgentRecord(
        told.state, told.reason, told.since_ms, told.logged_in, told.own, base_ms=told.base_ms,
        horizon_ms=told.horizon_ms, seen=told.seen, contacts=told.contacts,
    )  # fmt: skip
    return AgentLive(record, read.settled_ms)


def queues_told(value: bytes) -> tuple[str, ...]:
    """What `view.queues_served` says of an `AgentLive` with this value. Raises msgspec.DecodeError."""
    record = _decode(value).record
    return record.own.queues or tuple(record.seen)
