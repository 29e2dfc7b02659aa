"""An agent's timeline: the short way for what is new at the end gives what the long way gives."""

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from service.domain.agents import AgentRecord, AgentTimeline
from service.domain.facts import LegMoved, Move
from service.domain.steps import NOT_READY, UNKNOWN, Change, Shown

MOVES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2), st.sampled_from((1, -1))), max_size=30)


class Kept:
    """A timeline with what it told: closed time by what it counts as, and changed buckets."""

    def __init__(self) -> None:
        self.timeline = AgentTimeline(AgentRecord())
        self.time: Counter[tuple[int, Shown]] = Counter()
        self.change = Change(self._add)

    def _add(self, since_ms: int, until_ms: int, what: Shown, sign: int) -> None:
        for at_ms in range(since_ms, until_ms):
            self.time[at_ms, what] += sign

    def seen(self) -> tuple[object, ...]:
        """All that can be told of it."""
        closed = {key: count for key, count in self.time.items() if count}
        return [*self.timeline.starts], [*self.timeline.whats], closed, self.change.buckets


@given(MOVES, st.integers(1, 3))
@example([(1, 0, 1), (5, 1, 1), (5, 1, -1)], 1)
def test_a_step_at_the_end_is_taken_as_any_other_step(moves: list[Move], at_once: int) -> None:
    short, long = Kept(), Kept()
    for first in range(0, len(moves), at_once):
        short.timeline.take_leg(LegMoved("agent:1", None, 0, moves[first : first + at_once]), short.change)
    for at_ms, phase, sign in moves:
        long.timeline.count_from(at_ms, phase, sign, long.change)
    assert short.seen() == long.seen()


@given(MOVES, st.integers(0, 10), st.integers(1, 5))
def test_a_pause_that_is_taken_back_leaves_no_trace(moves: list[Move], after_ms: int, length_ms: int) -> None:
    kept = Kept()
    for at_ms, phase, sign in [(0, 0, 1), *moves]:
        kept.timeline.count_from(at_ms, phase, sign, kept.change)
    since_ms = kept.timeline.starts[0] + after_ms
    before = kept.seen()[:3]
    for own in ((NOT_READY, "break", True), (UNKNOWN, None, False)):
        kept.timeline.lay(since_ms, since_ms + length_ms, own, kept.change)
    assert kept.seen()[:3] == before
