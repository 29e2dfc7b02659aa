"""A step function of time: what an agent was doing from when on, the last stretch open.

Each stretch holds the agent's own state and how many legs reserve, connect or keep the agent in after-call work; the
state shown is that of the busiest leg, else the own one.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from operator import sub
from typing import Annotated, Final

from msgspec import Meta, Struct

from service.domain.totals import bump

STRETCH_BUCKET_MS: Final = 300_000
"""Stretches are stored by the five minutes they begin in."""

NOT_NOTED: Final = -1

STATES: Final = ("unknown", "offline", "ready", "reserved", "on_contact", "acw", "not_ready")
CODE: Final = {state: code for code, state in enumerate(STATES)}
UNKNOWN, OFFLINE, READY, RESERVED, ON_CONTACT, ACW, NOT_READY = range(len(STATES))

Code = Annotated[int, Meta(ge=0, lt=len(STATES))]
What = tuple[Code, str | None, bool, int, int, int, int]
"""(own state's code, reason, logged in, legs reserving, connected, in after-call work, implied logins)."""

NOTHING: Final[What] = (UNKNOWN, None, False, 0, 0, 0, 0)
FIRST_COUNT: Final = 3
"""Place of the first of the counts, which follow each other in order of the phases."""

RESERVING_LEGS: Final = 3
CONNECTED_LEGS: Final = 4
IMPLIED_LOGINS: Final = 6
"""Places of counts."""

IMPLIED: Final = 3
"""Phase under which implied logins are counted, after the phases of legs."""

Shown = tuple[int, str | None, bool]
"""What a stretch counts as: code of the state shown, the reason if that is not ready, and whether it is login time."""

KNOWN_WHATS: Final = 4096
"""Agents are in few different situations: what follows from one is worked out once."""


class Segment(Struct, array_like=True, frozen=True, gc=False):
    """The agent was in `state` during [since_ms, until_ms)."""

    since_ms: int
    until_ms: int
    state: str
    reason: str | None
    logged_in: bool


class Stretches(Struct, array_like=True, gc=False):
    """The stretches that begin in one bucket, as stored: when each begins after the bucket does, and what it is."""

    after_ms: list[int]
    whats: list[What]


class Change:
    """What one input does to a timeline.

    Closed time is told at once: `add(since_ms, until_ms, shown, sign)`. Buckets whose stretches differ, and whether
    the record is to be stored, are read and reset afterwards: one object serves many inputs. `corrected` is the word
    under which a correction is counted.
    """

    __slots__ = ("add", "buckets", "corrected", "duplicate", "late", "record")

    def __init__(self, add: Callable[[int, int, Shown, int], None]) -> None:
        self.add = add
        self.buckets: set[int] = set()
        self.duplicate = self.late = self.record = False
        self.corrected = ""


@lru_cache(KNOWN_WHATS)
def counted(what: What, phase: int, sign: int) -> What:
    """The same with one of the counts changed by `sign`."""
    own, reason, logged_in, *counts = what
    counts[phase] += sign
    return own, reason, logged_in, counts[0], counts[1], counts[2], counts[3]


@lru_cache(KNOWN_WHATS)
def shown(what: What) -> Shown:
    """What a stretch counts as."""
    own, reason, logged_in, reserving, connected, wrapping, implied = what
    if connected > 0:
        own = ON_CONTACT
    elif wrapping > 0:
        own = ACW
    elif reserving > 0:
        own = RESERVED
    return own, reason if own == NOT_READY else None, logged_in or implied > 0


@lru_cache(KNOWN_WHATS)
def said(what: What) -> tuple[str, str | None, bool]:
    """(state shown, reason, logged in); the reason is that of the own state."""
    code, _, logged_in = shown(what)
    return STATES[code], what[1] if code == what[0] else None, logged_in


class Steps:
    """Stretches in order of time: when each begins, and what it is.

    `noted` is the last bucket whose change the keeper has noted since it last stored any; NOT_NOTED: none.
    """

    __slots__ = ("noted", "starts", "whats")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.whats: list[What] = []
        self.noted = NOT_NOTED

    @property
    def connected(self) -> int:
        """How many legs are connected as far as it is known."""
        return self.whats[-1][CONNECTED_LEGS] if self.whats else 0

    # --- changes ----------------------------------------------------------------------------------------------------

    def count_from(self, at_ms: int, phase: int, sign: int, change: Change) -> None:
        """Add `sign` to one count of every stretch from `at_ms` on."""
        first = self._split(at_ms, change)
        for index in range(first, len(self.starts)):
            self._replace(index, counted(self.whats[index], phase, sign), change)
        self._join(first, change)

    def lay(self, since_ms: int, until_ms: int | None, own: tuple[int, str | None, bool], change: Change) -> None:
        """Lay the own side over every stretch in [since_ms, until_ms); None: to the end."""
        first = self._split(since_ms, change)
        end = len(self.starts) if until_ms is None else self._split(until_ms, change)
        for index in range(first, end):
            self._replace(index, (*own, *self.whats[index][FIRST_COUNT:]), change)
        if until_ms is not None:
            self._join(end, change)
        self._join(first, change)

    def _replace(self, index: int, after: What, change: Change) -> None:
        """Change one stretch; if it is closed, its time counts differently from now on."""
        before = self.whats[index]
        if after == before:
            return
        self.whats[index] = after
        start_ms = self.starts[index]
        change.buckets.add(start_ms // STRETCH_BUCKET_MS)
        if index + 1 < len(self.starts) and (was := shown(before)) != (now := shown(after)):
            change.add(start_ms, self.starts[index + 1], was, -1)
            change.add(start_ms, self.starts[index + 1], now, 1)

    def _split(self, at_ms: int, change: Change) -> int:
        """Have a stretch begin at `at_ms`; returns its place. Splitting the open one closes its first part."""
        starts, whats = self.starts, self.whats
        index = bisect_left(starts, at_ms)
        if index < len(starts):
            if starts[index] == at_ms:
                return index
        elif index:
            change.add(starts[-1], at_ms, shown(whats[-1]), 1)
        starts.insert(index, at_ms)
        whats.insert(index, whats[index - 1] if index else NOTHING)
        change.buckets.add(at_ms // STRETCH_BUCKET_MS)
        return index

    def _join(self, index: int, change: Change) -> None:
        """If the stretch at `index` goes on like the one before it, make them one."""
        starts, whats = self.starts, self.whats
        if not 0 < index < len(starts) or whats[index] != whats[index - 1]:
            return
        if index == len(starts) - 1:
            change.add(starts[index - 1], starts[index], shown(whats[index - 1]), -1)
        change.buckets.add(starts[index] // STRETCH_BUCKET_MS)
        del starts[index], whats[index]

    # --- storing ----------------------------------------------------------------------------------------------------

    def stored(self, bucket: int) -> Stretches | None:
        """The stretches that begin in one bucket; None: there are none."""
        start_ms = bucket * STRETCH_BUCKET_MS
        starts = self.starts
        first, end = bisect_left(starts, start_ms), bisect_left(starts, start_ms + STRETCH_BUCKET_MS)
        if first == end:
            return None
        return Stretches([at_ms - start_ms for at_ms in starts[first:end]], self.whats[first:end])

    def put(self, bucket: int, stretches: Stretches) -> bool:
        """Take over the newest bucket of stretches as stored; False if it is not the newest one known."""
        start_ms = bucket * STRETCH_BUCKET_MS
        if self.starts and self.starts[-1] >= start_ms + STRETCH_BUCKET_MS:
            return False
        first = bisect_left(self.starts, start_ms)
        self.starts[first:] = [start_ms + after_ms for after_ms in stretches.after_ms]
        self.whats[first:] = stretches.whats
        return True

    def forget_before(self, oldest_ms: int) -> list[int]:
        """Forget what lies before `oldest_ms`, the stretch that reaches into it apart; returns the changed buckets."""
        keep_from = bisect_right(self.starts, oldest_ms) - 1
        if keep_from <= 0:
            return []
        changed = {start // STRETCH_BUCKET_MS for start in self.starts[: keep_from + 1]}
        del self.starts[:keep_from], self.whats[:keep_from]
        return sorted(changed)

    def reaches_back(self, oldest_ms: int) -> bool:
        """Whether there is something to forget before `oldest_ms`."""
        return len(self.starts) > 1 and self.starts[1] <= oldest_ms

    # --- reading ----------------------------------------------------------------------------------------------------

    def what(self, index: int) -> tuple[str, str | None, bool]:
        """(state shown, reason, logged in) of one stretch; the reason is that of the own state."""
        return said(self.whats[index])

    def times(self, since_ms: int, until_ms: int) -> dict[tuple[str, str | None, bool], int]:
        """How long the agent did what in [since_ms, until_ms), in the words of `what`: the sums of `segments`."""
        index = max(0, bisect_right(self.starts, since_ms) - 1)
        end = bisect_left(self.starts, until_ms, lo=index)
        begins, places, lengths = self.starts[index:end], dict[What, int](), list[int]()
        if begins:
            begins[0] = max(begins[0], since_ms)
        for what, length_ms in zip(self.whats[index:end], map(sub, [*begins[1:], until_ms], begins), strict=False):
            place = places.get(what)  # hashing such a tuple costs more than the rest: once each
            if place is None:
                places[what] = len(lengths)
                lengths.append(length_ms)
            else:
                lengths[place] += length_ms
        sums: dict[tuple[str, str | None, bool], int] = {}
        for what, time_ms in zip(places, lengths, strict=True):
            bump(sums, said(what), time_ms)
        return sums

    def since_ms(self, states: Collection[str], oldest_ms: int, now_ms: int) -> int | None:
        """Since when, as far back as `oldest_ms`, the agent has been in one of the states until `now_ms`; None: the
        last was another, or nothing is known.
        """
        index = bisect_left(self.starts, now_ms) - 1
        since_ms = None
        while index >= 0 and said(self.whats[index])[0] in states:
            since_ms = max(self.starts[index], oldest_ms)
            if since_ms == oldest_ms:
                break
            index -= 1
        return since_ms

    def segments(self, since_ms: int, until_ms: int) -> Iterator[Segment]:
        """What the agent did in [since_ms, until_ms), cut at its ends; the open stretch counts up to `until_ms`."""
        starts = self.starts
        begun: tuple[int, str, str | None, bool] | None = None
        for index in range(max(0, bisect_right(starts, since_ms) - 1), len(starts)):
            start_ms = max(starts[index], since_ms)
            if start_ms >= until_ms:
                break
            what = self.what(index)
            if begun is not None and begun[1:] != what:
                yield Segment(begun[0], start_ms, *begun[1:])
                begun = None
            begun = begun or (start_ms, *what)
        if begun is not None:
            yield Segment(begun[0], until_ms, *begun[1:])
