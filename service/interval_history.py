"""Closed intervals of the last weeks, as `cti.intervals` has them: kept encoded, decoded when read."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Final

import msgspec

from service.domain.state_feed import ClosedInterval

DAY_MS: Final = 86_400_000
_decode = msgspec.msgpack.Decoder(ClosedInterval).decode


def interval_key(scope: str, start_ms: int) -> bytes:
    """Key of a record of `cti.intervals`."""
    return f"{scope}|{start_ms}".encode()


class IntervalHistory:
    """What is older than `kept_days` before a scope's newest interval is dropped, to bound the memory."""

    def __init__(self, kept_days: int) -> None:
        self._kept_ms = kept_days * DAY_MS
        self._scopes: dict[str, dict[int, bytes]] = {}
        self._starts: dict[str, list[int]] = {}
        self._late_changes: dict[str, int] = {}

    def apply(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take over records of `cti.intervals`; None is a tombstone. A key that is not ours is passed over."""
        for key, value in records:
            scope, _, start = key.decode(errors="replace").rpartition("|")
            if scope and start.isdigit():
                self._put(scope, int(start), value)

    def between(self, scope: str, since_ms: int, until_ms: int) -> list[ClosedInterval]:
        """The scope's intervals that begin in [since_ms, until_ms), in order."""
        starts = self._starts.get(scope, [])
        within = starts[bisect_left(starts, since_ms) : bisect_left(starts, until_ms)]
        return [_decode(self._scopes[scope][start_ms]) for start_ms in within]

    def at(self, scope: str, start_ms: int) -> ClosedInterval | None:
        """The scope's interval that begins then; None if there is none, for instance since nothing happened."""
        raw = self._scopes.get(scope, {}).get(start_ms)
        return None if raw is None else _decode(raw)

    def any_between(self, scope: str, since_ms: int, until_ms: int) -> bool:
        """Whether the scope has an interval that begins in [since_ms, until_ms)."""
        starts = self._starts.get(scope, [])
        return bisect_left(starts, since_ms) < bisect_left(starts, until_ms)

    def newest_ms(self, scope: str) -> int | None:
        """When the scope's newest interval begins; None if there is none."""
        starts = self._starts.get(scope)
        return starts[-1] if starts else None

    def late_changes(self, scope: str) -> int:
        """A number that grows when an interval changes that begins a day or longer before the scope's newest."""
        return self._late_changes.get(scope, 0)

    def clear(self) -> None:
        """Forget everything, before reading from the start again."""
        for scope in self._scopes:
            self._late_changes[scope] = self._late_changes.get(scope, 0) + 1
        self._scopes.clear()
        self._starts.clear()

    def _put(self, scope: str, start_ms: int, value: bytes | None) -> None:
        kept, starts = self._scopes.setdefault(scope, {}), self._starts.setdefault(scope, [])
        newest_ms = starts[-1] if starts else 0
        if start_ms <= newest_ms - DAY_MS:
            self._late_changes[scope] = self._late_changes.get(scope, 0) + 1
        if value is None:
            if kept.pop(start_ms, None) is not None:
                starts.remove(start_ms)
            return
        if start_ms <= newest_ms - self._kept_ms:
            return
        if start_ms not in kept:
            insort(starts, start_ms)
        kept[start_ms] = value
        if start_ms // DAY_MS > newest_ms // DAY_MS:  # once a day is often enough to forget
            forgotten = bisect_left(starts, start_ms - self._kept_ms + 1)
            for old in starts[:forgotten]:
                del kept[old]
            del starts[:forgotten]
