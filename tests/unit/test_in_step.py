"""The partitions of `cti.events` are read in step while there is a backlog, and nobody waits where there is none."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from service.fetches import Batch
from streams.in_step import HOLD_S, InStep

MONDAY, TUESDAY = (TP("cti.events", partition) for partition in range(2))
FACTS = TP("cti.facts", 0)


def batch(next_offset: int, at_ms: int | None) -> Batch:
    """Records up to `next_offset`, the last of which arrived at `at_ms`; None: compaction left none of them."""
    found = Batch(0)
    if at_ms is not None:
        found.append(cast(Any, SimpleNamespace(timestamp=at_ms)))
    found.next_offset = next_offset
    return found


@pytest.fixture
def ends() -> dict[TP, int | None]:
    return {MONDAY: 100, TUESDAY: 100}


@pytest.fixture
def in_step(ends: dict[TP, int | None]) -> InStep:
    found = InStep(ends.__getitem__)
    found.restart([MONDAY, TUESDAY, FACTS], now=0.0)
    return found


def test_a_partition_that_has_come_further_waits_for_the_one_behind(in_step: InStep) -> None:
    in_step.took(MONDAY, batch(50, at_ms=1_000), now=0.0)
    in_step.took(TUESDAY, batch(50, at_ms=2_000), now=0.0)
    assert (in_step.ahead(MONDAY, 0.1), in_step.ahead(TUESDAY, 0.1)) == (False, True)
    in_step.took(MONDAY, batch(60, at_ms=3_000), now=0.1)
    assert (in_step.ahead(MONDAY, 0.2), in_step.ahead(TUESDAY, 0.2)) == (True, False)


def test_partitions_that_are_equally_far_go_on_together(in_step: InStep) -> None:
    for tp in (MONDAY, TUESDAY):
        assert not in_step.ahead(tp, 0.0)
        in_step.took(tp, batch(50, at_ms=1_000), now=0.0)
    assert not any(in_step.ahead(tp, 0.0) for tp in (MONDAY, TUESDAY))


def test_a_partition_that_is_read_to_its_end_holds_nobody_back(in_step: InStep, ends: dict[TP, int | None]) -> None:
    in_step.took(MONDAY, batch(100, at_ms=1_000), now=0.0)
    in_step.took(TUESDAY, batch(50, at_ms=2_000), now=0.0)
    assert not in_step.ahead(TUESDAY, 0.0)
    ends[MONDAY] = 101
    assert in_step.ahead(TUESDAY, 0.0)


def test_a_partition_whose_end_is_not_known_yet_may_have_more(in_step: InStep, ends: dict[TP, int | None]) -> None:
    ends[MONDAY] = None
    in_step.took(TUESDAY, batch(50, at_ms=2_000), now=0.0)
    assert in_step.ahead(TUESDAY, 0.0)


def test_a_partition_whose_records_do_not_come_holds_the_others_back_for_a_moment_only(in_step: InStep) -> None:
    in_step.took(TUESDAY, batch(50, at_ms=2_000), now=0.0)
    assert in_step.ahead(TUESDAY, HOLD_S * 0.9)
    assert not in_step.ahead(TUESDAY, HOLD_S * 1.1)


def test_a_partition_whose_records_wait_in_the_worker_goes_on_holding_the_others(in_step: InStep) -> None:
    in_step.took(TUESDAY, batch(50, at_ms=2_000), now=0.0)
    in_step.full({MONDAY, FACTS}, now=10.0)
    assert in_step.ahead(TUESDAY, 10.0 + HOLD_S * 0.9)


def test_offsets_without_records_leave_a_partition_where_it_was_in_time(in_step: InStep) -> None:
    in_step.took(MONDAY, batch(50, at_ms=1_000), now=0.0)
    in_step.took(MONDAY, batch(60, at_ms=None), now=0.0)
    in_step.took(TUESDAY, batch(50, at_ms=1_500), now=0.0)
    assert in_step.ahead(TUESDAY, 0.0)


def test_other_topics_have_producers_clocks_and_never_wait(in_step: InStep) -> None:
    in_step.took(FACTS, batch(50, at_ms=9_000), now=0.0)
    assert not in_step.ahead(FACTS, 0.0)


def test_after_a_rebalance_only_what_is_assigned_counts(in_step: InStep) -> None:
    in_step.took(TUESDAY, batch(50, at_ms=2_000), now=0.0)
    in_step.restart([TUESDAY], now=1.0)
    in_step.took(TUESDAY, batch(60, at_ms=3_000), now=1.0)
    assert not in_step.ahead(TUESDAY, 1.0)
