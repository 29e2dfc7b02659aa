"""The floor's state of one partition as records: read at recovery, written at every flush.

The second of four layers, between `Buckets` (buckets.py) and `SettledFeed` (settling.py).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from service.domain import state_keys as keys
from service.domain.buckets import Buckets
from service.domain.mark import Mark
from service.domain.returns import ReturningCustomers
from service.domain.scopes import Interval, QueueScope, Scope, Waiting, bucket_scope, waiting_bucket
from service.domain.settings import Floor


class ClosedInterval(Struct, array_like=True, gc=False):
    """One record of `cti.intervals`: an interval that a newer one followed, with its revision."""

    scope: str
    start_ms: int
    end_ms: int
    interval: Interval


_encode = msgspec.msgpack.Encoder().encode
_decode_mark = msgspec.msgpack.Decoder(Mark).decode
PREFIXES_KEPT: Final = 1024
_CUSTOMER: Final = keys.encode_key(keys.CUSTOMER, 0, "")
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
        self._new_visits: dict[tuple[str, str], Waiting] = {}
        self._returning = ReturningCustomers()
        self._marked = False

    def load(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Apply records of the state feed (recovery). Raises ValueError for another schema version."""
        self._admission.recount()
        for key, value in records:
            if key == MARK_KEY and value is not None:
                self.mark = _decode_mark(value)
                self._reach()
                if self.mark.schema != keys.SCHEMA:
                    raise ValueError(keys.other_schema(self.mark.schema))
            elif key.startswith(_CUSTOMER):
                self._returning.load(key[len(_CUSTOMER) :].decode(), value)
            else:
                self.scopes.put(key, value)

    def pending_keys(self) -> int:
        """How many records the next `drain` would write."""
        return (
            len(self._dirty_panes) + len(self._dirty_intervals) + len(self._dirty_stretches) + len(self._dirty_live)
            + len(self._dirty_visits) + len(self._new_visits) + len(self._dirty_recent) + len(self._dirty_sources)
            + len(self._dirty_forecasts) + len(self._dirty_plans) + len(self._gone) + len(self._returning.changed)
        )  # fmt: skip

    def drain_closed(self) -> list[ClosedInterval]:
        """Closed intervals that changed since the last call, for `cti.intervals`; call before `drain`."""
        result = []
        for (scope, start_ms), interval in self._closed.items():  # some have expired in the meantime
            end_ms = self.calendars.of_scope(scope.scope).interval_end_ms(start_ms)
            result.append(ClosedInterval(scope.scope, start_ms, end_ms, interval))
            scope.forget_found()
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
                self._new_visits.pop((scope_name, visit_id), None)
                queue = self.scopes.find(scope_name)
                waiting = queue.waiting.get(visit_id) if isinstance(queue, QueueScope) else None
                self._dirty_visits[scope_name, visit_id] = waiting
            elif kind == keys.SOURCE:
                if (name, int(bucket)) in self.scopes.sources:
                    self._dirty_sources.add((name, int(bucket)))
            elif kind == keys.CUSTOMER:
                self._returning.changed.add(name)
            elif kind != keys.MARK and self.scopes.find(name) is None:
                self._gone.add((kind, int(bucket), name))
            elif kind != keys.MARK:
                self._touch_scope(kind, int(bucket), self._known[name])
        self._marked = True

    def _touch_scope(self, kind: str, bucket: int, scope: Any) -> None:
        if kind == keys.LIVE:
            self._dirty_live.add(scope)
        elif kind == keys.STRETCHES:
            self._dirty_stretches.add((bucket, scope))
        elif kind == keys.RECENT:
            self._dirty_recent.add((bucket, scope))
        elif kind == keys.FORECAST:
            self._dirty_forecasts.add((bucket, scope))
        elif kind == keys.PLAN:
            self._dirty_plans.add((bucket, scope))
        elif kind == keys.PANE and bucket in scope.panes:
            self._dirty_panes[bucket, scope] = scope.panes[bucket]
        elif kind == keys.INTERVAL and bucket in scope.intervals:
            self._dirty_intervals[bucket, scope] = scope.intervals[bucket]
        else:
            self._gone.add((kind, bucket, scope.scope))

    def drain(self, max_bytes: int = 0) -> list[tuple[bytes, bytes | None]]:
        """Everything that changed since the last call, encoded, with the mark; empty when nothing did.

        `max_bytes` is not used: the caller bounds a flush by how much it applies before one.
        """
        if not self._marked:
            return []
        panes, intervals = self._dirty_panes, self._dirty_intervals
        records: list[tuple[bytes, bytes | None]] = [
            *((_prefix(keys.PANE, number) + scope.key, _encode(pane)) for (number, scope), pane in panes.items()),
            *((_prefix(keys.INTERVAL, start) + scope.key, _encode(kept)) for (start, scope), kept in intervals.items()),
        ]
        for bucket, agent in self._dirty_stretches:
            stored = agent.timeline.stored(bucket)
            key = _prefix(keys.STRETCHES, bucket) + agent.key
            records.append((key, None if stored is None else _encode(stored)))
        for scope in self._dirty_live:
            records.append((_prefix(keys.LIVE, 0) + scope.key, _encode(_live(scope))))
        for visit, waiting in (*self._dirty_visits.items(), *self._new_visits.items()):
            key = keys.encode_key(keys.WAITING, *waiting_bucket(*visit))
            records.append((key, None if waiting is None else _encode(waiting)))
        for slot, queue in self._dirty_recent:
            left = queue.recent.slots.get(slot)
            records.append((_prefix(keys.RECENT, slot) + queue.key, None if left is None else _encode(left)))
        for start_ms, queue in self._dirty_forecasts:
            forecast = queue.forecasts.get(start_ms)
            key = _prefix(keys.FORECAST, start_ms) + queue.key
            records.append((key, None if forecast is None else _encode(forecast)))
        for day_ms, agent in self._dirty_plans:
            told = agent.days.get(day_ms)
            records.append((_prefix(keys.PLAN, day_ms) + agent.key, None if told is None else _encode(told)))
        for source, partition in self._dirty_sources:
            records.append(
                (keys.encode_key(keys.SOURCE, partition, source), _encode(self.scopes.sources[source, partition]))
            )
        records += [(keys.encode_key(kind, bucket, scope_name), None) for kind, bucket, scope_name in self._gone]
        records += [(_CUSTOMER + customer.encode(), value) for customer, value in self._returning.drain()]
        records.append((MARK_KEY, _encode(self.mark)))
        self._all_written()
        return records

    def _all_written(self) -> None:
        """Nothing has changed since the last flush."""
        for dirty in (self._dirty_panes, self._dirty_intervals, self._dirty_visits, self._new_visits):
            dirty.clear()
        for noted in (self._dirty_stretches, self._dirty_live, self._dirty_recent, self._dirty_sources, self._gone):
            noted.clear()
        self._dirty_forecasts.clear()
        self._dirty_plans.clear()
        for scope in self._warm:
            scope.cool()
        self._warm.clear()
        self._marked = False


@lru_cache(PREFIXES_KEPT)
def _prefix(kind: str, bucket: int) -> bytes:
    """The key up to the scope, which most scopes have in common: they fill the same buckets."""
    return keys.encode_key(kind, bucket, "")


def _live(scope: Scope) -> Any:
    """What a scope keeps for ever, brought up to date."""
    if isinstance(scope, QueueScope):
        scope.live.newest_ms = scope.newest_ms
    else:
        scope.timeline.show()
    return scope.live
