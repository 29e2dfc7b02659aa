"""The law: what streams through the product, in any order, in any batches, through crashes, is what the whole log comes
to when it is computed once.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.floor import Floor as Truth
from tests.oracle.house import House
from tests.oracle.intake import Arrival
from tests.oracle.watch import left_behind, overdue
from tests.property.balance import assert_balanced
from tests.property.comparison import Comparison
from tests.property.houses import houses, product_floor
from tests.property.line import Line
from tests.property.logs import PARTITIONS, logs
from tests.support.examples import examples

Step = tuple[str, int, int, int]

steps = st.lists(
    st.tuples(
        st.sampled_from(["correlate", "aggregate", "watch"]), st.integers(0, PARTITIONS - 1), st.integers(1, 30),
        st.integers(0, 3),
    ),
    max_size=12,
)  # fmt: skip
waits_ms = st.sampled_from([0, 1, 7_000, 70_000, 400_000, 4_000_000])


def stream(line: Line, log: list[Arrival], plan: list[Step]) -> None:
    """Let the log arrive in parts between steps that take some of it in, every fourth of which ends in a crash."""
    part = len(log) // (len(plan) + 1) + 1
    for number, start in enumerate(range(0, part * (len(plan) + 1), part)):
        for record in log[start : start + part]:
            line.arrive(record)
        if number < len(plan):
            stage, partition, size, fate = plan[number]
            if stage == "watch":
                line.watch(partition)
                continue
            getattr(line, stage)(partition, size, crash=fate == 0)
            assert_balanced(line.aggregates[partition])
    line.settle()
    for store in line.aggregates:
        assert_balanced(store)


def found_wrong(line: Line, house: House, later_ms: int) -> dict[str, Any]:
    """What the product shows otherwise than the oracle, some time after the last record of the log."""
    return Comparison(line, Truth(line.log, house), line.clock_ms() + later_ms).everything()


def watched_wrong(line: Line, house: House) -> list[str]:
    """What the watchdog should have closed, and how often it closed what it should not have. That an agent moved on may
    be forgotten in a crash. A contact of which something was closed is looked at again minutes after that was read,
    which may be yet to come.
    """
    if house.watch is None:
        return []
    truth, now_ms = Truth(line.log, house), line.clock_ms()
    untouched = [life for known, life in zip(truth.intake.lives, truth.lives, strict=True) if not known.closures]
    left = overdue(untouched, house.watch, now_ms) + ([] if line.crashed else left_behind(truth.lives, now_ms))
    return left + ["not due"] * truth.intake.counts["not due"]


@settings(max_examples=examples(120))
@given(houses(), logs(watched=True), steps, st.floats(0, 1), waits_ms, st.booleans())
def test_what_streams_equals_the_whole_log_computed_once(
    house: House, log: list[Arrival], plan: list[Step], looked: float, later_ms: int, restart: bool
) -> None:
    line, half = Line(product_floor(house)), round(looked * len(log))
    stream(line, log[:half], plan[::2])
    assert found_wrong(line, house, 0) == {}
    stream(line, log[half:], plan[1::2])
    assert watched_wrong(line, house) == []
    if restart:
        line.restart()
    assert found_wrong(line, house, later_ms) == {}
