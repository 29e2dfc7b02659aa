"""Time in state that is added up once is what adding it up anew gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.domain.steps import ACW, NOT_READY, ON_CONTACT, READY, STRETCH_BUCKET_MS, Steps, Stretches, What
from service.state_times import StateTimes

CODES = (READY, ON_CONTACT, ACW, NOT_READY)
ON_QUEUE = frozenset(("ready", "reserved", "on_contact", "acw"))
BEGIN_MS = 100 * STRETCH_BUCKET_MS


def what(code: int) -> What:
    """An own state alone."""
    return code, None, True, 0, 0, 0, 0


STRETCHES = st.dictionaries(
    st.integers(0, STRETCH_BUCKET_MS - 1), st.sampled_from(CODES), min_size=1, max_size=6
).map(lambda found: Stretches(sorted(found), [what(found[at]) for at in sorted(found)]))  # fmt: skip


@given(st.lists(st.tuples(st.booleans(), STRETCHES, st.integers(0, STRETCH_BUCKET_MS), st.integers(0, 2)), max_size=12))
def test_a_bucket_written_again_or_a_new_one_is_never_missed(told: list[tuple[bool, Stretches, int, int]]) -> None:
    steps, kept, bucket = Steps(), StateTimes(), 100
    for again, stretches, after_ms, back in told:
        bucket += not again
        if not steps.put(bucket, stretches):
            raise AssertionError("only the newest bucket is told of")
        since_ms, until_ms = BEGIN_MS - back * 60_000, bucket * STRETCH_BUCKET_MS + after_ms
        assert kept.of(steps, since_ms, until_ms) == steps.times(since_ms, until_ms)
        assert kept.of(steps, since_ms, until_ms + 1_000) == steps.times(since_ms, until_ms + 1_000)


@given(st.lists(STRETCHES, max_size=4), st.integers(0, 5 * STRETCH_BUCKET_MS), st.integers(1, 2 * STRETCH_BUCKET_MS))
def test_work_without_a_break_goes_back_to_the_last_one(told: list[Stretches], after_ms: int, looked_ms: int) -> None:
    steps = Steps()
    for bucket, stretches in enumerate(told, 100):
        steps.put(bucket, stretches)
    now_ms, expected = BEGIN_MS + after_ms, None
    for segment in steps.segments(now_ms - looked_ms, now_ms):
        working = segment.state in ON_QUEUE
        expected = (segment.since_ms if expected is None else expected) if working else None
    assert steps.since_ms(ON_QUEUE, now_ms - looked_ms, now_ms) == expected
