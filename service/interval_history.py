"""Closed intervals of the last weeks, as `cti.intervals` has them: kept encoded, decoded when read."""

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
        self._newest_ms: dict[str, int] = {}
        self._changes: dict[str, int] = {}

    def apply(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Take over records of `cti.intervals`; None is a tombstone. A key that is not ours is passed over."""
        for key, value in records:
            scope, _, start = key.decode(errors="replace").rpartition("|")
            if scope and start.isdigit():
                self._put(scope, int(start), value)

    def between(self, scope: str, since_ms: int, until_ms: int) -> list[ClosedInterval]:
        """The scope's intervals that begin in [since_ms, until_ms), in order."""
        kept = self._scopes.get(scope, {})
        return [_decode(kept[start_ms]) for start_ms in sorted(kept) if since_ms <= start_ms < until_ms]

    def at(self, scope: str, start_ms: int) -> ClosedInterval | None:
        """The scope's interval that begins then; None if there is none, for instance since nothing happened."""
        raw = self._scopes.get(scope, {}).get(start_ms)
        return None if raw is None else _decode(raw)

    def any_between(self, scope: str, since_ms: int, until_ms: int) -> bool:
        """Whether the scope has an interval that begins in [since_ms, until_ms)."""
        return any(since_ms <= start_ms < until_ms for start_ms in self._scopes.get(scope, {}))

    def changes(self, scope: str) -> int:
        """A number that grows with every change of the scope's intervals."""
        return self._changes.get(scope, 0)

    def clear(self) -> None:
        """Forget everything, before reading from the start again."""
        self._scopes.clear()
        self._newest_ms.clear()

    def _put(self, scope: str, start_ms: int, value: bytes | None) -> None:
        kept = self._scopes.setdefault(scope, {})
        self._changes[scope] = self._changes.get(scope, 0) + 1
        if value is None:
            kept.pop(start_ms, None)
            return
        newest_ms = self._newest_ms.get(scope, 0)
        if start_ms <= newest_ms - self._kept_ms:
            return
        kept[start_ms] = value
        if start_ms // DAY_MS > newest_ms // DAY_MS:  # once a day is often enough to forget
            for old in [s for s in kept if s <= start_ms - self._kept_ms]:
                del kept[old]
        self._newest_ms[scope] = max(newest_ms, start_ms)
