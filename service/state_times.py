"""An agent's time in state in rolling windows, added up once as far as the stretches stay what they were."""

from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from service.domain.steps import STRETCH_BUCKET_MS, Steps, What, said
from service.domain.totals import bump

_WINDOWS_KEPT: Final = 4

Times = dict[tuple[str, str | None, bool], int]
"""Milliseconds by (state, reason, logged in), as `Steps.times` tells them."""


class _Kept(NamedTuple):
    """Times up to `until_ms`, where a stretch begins; they hold while the stretches from the place `first` on, up to
    that one, begin at `starts` and are `whats`.
    """

    until_ms: int
    first: int
    starts: list[int]
    whats: list[What]
    times: Times


class StateTimes:
    """The same as `Steps.times` of one agent, for a reader of the state feed.

    There only the newest bucket of stretches, which is never empty, is stored again, and its stretches are compared;
    with an older one the timeline is made anew.
    """

    __slots__ = ("_kept", "_steps")

    def __init__(self) -> None:
        self._steps: Steps | None = None
        self._kept: dict[int, _Kept] = {}

    def of(self, steps: Steps, since_ms: int, until_ms: int) -> Times:
        """How long the agent did what in [since_ms, until_ms)."""
        last = bisect_right(steps.starts, until_ms) - 1
        open_ms = steps.starts[last] if last >= 0 else since_ms
        if open_ms <= since_ms:
            return steps.times(since_ms, until_ms)
        if self._steps is not steps:
            self._steps = steps
            self._kept.clear()
        kept = self._kept.get(since_ms)
        if kept is None or kept.until_ms != open_ms or not _holds(kept, steps):
            kept = self._keep(steps, since_ms, last, kept)
        times = kept.times.copy()
        bump(times, said(steps.whats[last]), until_ms - open_ms)
        return times

    def _keep(self, steps: Steps, since_ms: int, last: int, before: _Kept | None) -> _Kept:
        """Add up to where the stretch at the place `last` begins, going on from what was kept before if that holds."""
        open_ms = steps.starts[last]
        if before is not None and before.until_ms <= open_ms and _holds(before, steps):
            times = before.times.copy()
            for place in range(before.first + len(before.whats), last):
                bump(times, said(steps.whats[place]), steps.starts[place + 1] - steps.starts[place])
        else:
            times = steps.times(since_ms, open_ms)
        first = bisect_left(steps.starts, open_ms // STRETCH_BUCKET_MS * STRETCH_BUCKET_MS, hi=last)
        if len(self._kept) > _WINDOWS_KEPT:
            self._kept.clear()
        kept = _Kept(open_ms, first, steps.starts[first : last + 1], steps.whats[first:last], times)
        self._kept[since_ms] = kept
        return kept


def _holds(kept: _Kept, steps: Steps) -> bool:
    """Whether what was added up is still so."""
    first, end = kept.first, kept.first + len(kept.starts)
    return steps.starts[first:end] == kept.starts and steps.whats[first : end - 1] == kept.whats
