"""The floor's state of one partition as records: read at recovery, written at every flush.

The middle of three layers, between `Buckets` (buckets.py) and `AggregateStore` (aggregate.py).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.domain import state_keys as keys
from service.domain.buckets import NO_SPAN, Buckets, Mark
from service.domain.scopes import AgentScope, Interval, Waiting, bucket_scope, waiting_bucket
from service.domain.settings import Floor


class ClosedInterval(Struct, array_like=True, gc=False):
    """One record of `cti.intervals`: an interval that a newer one followed, with its revision."""

    scope: str
    start_ms: int
    end_ms: int
    interval: Interval


_encode = msgspec.msgpack.Encoder().encode
_decode_mark = msgspec.msgpack.Decoder(Mark).decode
MARK_KEY: Final = keys.encode_key(keys.MARK, 0, "")


class StateFeed(Buckets):
    """Loads and drains the state: everything that changed, and the mark, in one go."""

    def __init__(
        self,
        floor: Floor,
        partition: int = 0,
        partitions: int = 1,
        live: bool = True,
        from_ms: int = 0,
        to_ms: int | None = None,
    ) -> None:
        super().__init__(floor, partition, partitions, live, from_ms, to_ms)
        self._dirty_visits: dict[tuple[str, str], Waiting | None] = {}
        self._marked = False

    def load(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Apply records of the state feed (recovery). Raises ValueError for another schema version."""
        for key, value in records:
            if key == MARK_KEY and value is not None:
                self.mark = _decode_mark(value)
                for source, newest_ms in list(self.mark.newest_ms.items()):
                    self.mark.newest_ms[source] = newest_ms - 1
                    self._move_on(source, newest_ms)
                if self.mark.schema != keys.SCHEMA:
                    raise ValueError(keys.other_schema(self.mark.schema))
            else:
                self.scopes.put(key, value)

    def pending_keys(self) -> int:
        """How many records the next `drain` would write."""
        return len(self._dirty) + len(self._dirty_visits) + len(self._dirty_sources) + len(self._gone)

    def drain_closed(self) -> list[ClosedInterval]:
        """Closed intervals that changed since the last call, for `cti.intervals`; call before `drain`."""
        result = []
        for (scope, start_ms), interval in self._closed.items():  # some have expired in the meantime
            end_ms = self.calendars.of_scope(scope.scope).interval_end_ms(start_ms)
            result.append(ClosedInterval(scope.scope, start_ms, end_ms, interval))
            scope.hot.clear()
            if isinstance(scope, AgentScope) and scope.span is not None:
                scope.span = NO_SPAN
        self._closed.clear()
        return result

    def pass_over(self, next_offset: int) -> None:
        """The batch ends at `next_offset`: move the mark over offsets without a record."""
        self.mark.next_offset = max(self.mark.next_offset, next_offset)
        self._marked = True

    def touch(self, touched: Sequence[bytes]) -> None:
        """Have the next `drain` write the present value of these keys, a tombstone for those that are not kept."""
        for key in touched:
            kind, bucket, name = keys.decode_key(key)
            if kind == keys.WAITING:
                scope_name, visit_id = bucket_scope(bucket, name)
                self._dirty_visits[scope_name, visit_id] = self.scopes.queue(scope_name).waiting.get(visit_id)
            elif kind == keys.SOURCE:
                if (name, int(bucket)) in self.scopes.sources:
                    self._dirty_sources.add((name, int(bucket)))
            elif kind != keys.MARK:
                scope = self._scope(name)
                if kind in (keys.LIVE, keys.STRETCHES) or int(bucket) in _buckets_of(kind, scope):
                    self._dirty.add((kind, int(bucket), scope))
                else:
                    self._gone.add((kind, int(bucket), name))
        self._marked = True

    def drain(self, max_bytes: int = 0) -> list[tuple[bytes, bytes | None]]:
        """Everything that changed since the last call, encoded, with the mark; empty when nothing did.

        `max_bytes` is not used: the caller bounds a flush by how much it applies before one.
        """
        if not self._marked:
            return []
        records: list[tuple[bytes, bytes | None]] = []
        for kind, bucket, scope in self._dirty:
            value = _value(kind, bucket, scope)
            records.append((b"%b|%d|%b" % (kind.encode(), bucket, scope.key), _encode(value) if value else None))
        for (scope_name, visit_id), waiting in self._dirty_visits.items():
            key = keys.encode_key(keys.WAITING, *waiting_bucket(scope_name, visit_id))
            records.append((key, None if waiting is None else _encode(waiting)))
        for source, partition in self._dirty_sources:
            records.append(
                (keys.encode_key(keys.SOURCE, partition, source), _encode(self.scopes.sources[source, partition]))
            )
        records += [(keys.encode_key(kind, bucket, scope_name), None) for kind, bucket, scope_name in self._gone]
        records.append((MARK_KEY, _encode(self.mark)))
        for dirty in (self._dirty, self._dirty_visits, self._dirty_sources, self._gone):
            dirty.clear()
        for scope in self._hot:
            scope.hot.clear()
        for agent in self._spans:
            agent.span = None
        self._hot.clear()
        self._spans.clear()
        self._marked = False
        return records


def _value(kind: str, bucket: int, scope: Any) -> Any:
    """What the state feed says under one key; nothing in it means a tombstone."""
    if kind == keys.LIVE:
        if isinstance(scope, AgentScope):
            scope.timeline.show()
        return scope.live
    if kind == keys.STRETCHES:
        return scope.timeline.stored(bucket)
    return _buckets_of(kind, scope)[bucket]


def _buckets_of(kind: str, scope: Any) -> dict[int, Any]:
    """The scope's totals by pane or by interval."""
    return scope.panes if kind == keys.PANE else scope.intervals  # type: ignore[no-any-return]
