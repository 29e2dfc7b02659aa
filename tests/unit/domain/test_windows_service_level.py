"""The service level at its threshold, a millisecond before and after, by every variant: outcomes, and who waits."""

from typing import get_args

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.events import Event
from service.domain.kpis import read_kpis
from service.domain.settings import Floor, Queue, ServiceLevel, Variant
from service.domain.view import WINDOWS, FloorView
from tests.unit.domain.build import aggregate, event, ms

T_S, MS = 20, 0.001
VARIANTS: tuple[Variant, ...] = get_args(Variant)
Level = dict[Variant, float]


def floor(variant: Variant) -> Floor:
    return Floor(
        default_queue=Queue("", service_level=ServiceLevel(T_S * 1000, variant=variant, short_abandon_ms=5_000))
    )


def visit(name: str, outcome: str, wait_s: float, at_s: float = 300) -> list[Event]:
    """A visit that ended at `at_s`, after so long a wait."""
    about = {"contact_id": name} | ({"agent_id": "1001"} if outcome == "answered" else {})
    return [event("visit.queued", at_s - wait_s, contact_id=name), event(f"visit.{outcome}", at_s, **about)]


BEFORE = [
    *visit("a1", "answered", 1), *visit("a2", "answered", T_S), *visit("a3", "answered", T_S - MS),
    *visit("a4", "answered", T_S + MS), *visit("b1", "abandoned", 5), *visit("b2", "abandoned", T_S),
    *visit("b3", "abandoned", T_S + MS), *visit("f1", "flowed_out", 7),
]  # fmt: skip
"""Four answered, three of them in threshold; three abandoned, two in threshold, one of these short; one flowed out."""

HELD: Level = {
    "answered_only": 3 / 4, "abandon_negative": 3 / 7, "abandon_ignored": 3 / 5,
    "abandon_positive": 5 / 7, "short_positive": 4 / 7, "genesys": 3 / 7,
    "dequeued": 5 / 8,
}  # fmt: skip
ONE_WAITS_TOO_LONG: Level = {
    "answered_only": 3 / 4, "abandon_negative": 3 / 8, "abandon_ignored": 3 / 6,
    "abandon_positive": 5 / 8, "short_positive": 4 / 8, "genesys": 3 / 8,
    "dequeued": 5 / 9,
}  # fmt: skip


def levels(events: list[Event], variant: Variant, now_s: float) -> set[float | None]:
    """The queue's own service level and the one named by its variant, in all open windows."""
    here = floor(variant)
    store = aggregate(events, here, live=True)
    queue = store.scopes.queues["queue:sales"]
    view = FloorView(here, Calendars(here), ms(now_s))
    found = set()
    for window in WINDOWS:
        reading = view.queue_now([queue], {}, here.queue("sales").service_level)
        reading.totals = view.queue_totals(queue, window)
        values = read_kpis("queue", reading)
        found |= {values["service_level_ratio"], values[f"service_level_{variant}_ratio"]}
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("age_s", [0, T_S - MS, T_S])
def test_who_waits_up_to_the_threshold_does_not_count_yet(variant: Variant, age_s: float) -> None:
    now_s = 310
    assert levels([*BEFORE, event("visit.queued", now_s - age_s, contact_id="w")], variant, now_s) == {HELD[variant]}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("age_s", [T_S + MS, T_S + 1, 250])
def test_who_waits_a_millisecond_longer_counts_against_every_open_window(variant: Variant, age_s: float) -> None:
    now_s = 310
    waits = event("visit.queued", now_s - age_s, contact_id="w")
    assert levels([*BEFORE, waits], variant, now_s) == {ONE_WAITS_TOO_LONG[variant]}


ANSWERED: dict[bool, Level] = {
    True: {
        "answered_only": 4 / 5, "abandon_negative": 4 / 8, "abandon_ignored": 4 / 6,
        "abandon_positive": 6 / 8, "short_positive": 5 / 8, "genesys": 4 / 8,
        "dequeued": 6 / 9,
    },
    False: {
        "answered_only": 3 / 5, "abandon_negative": 3 / 8, "abandon_ignored": 3 / 6,
        "abandon_positive": 5 / 8, "short_positive": 4 / 8, "genesys": 3 / 8,
        "dequeued": 5 / 9,
    },
}  # fmt: skip
ABANDONED: dict[bool, Level] = {
    True: {
        "answered_only": 3 / 4, "abandon_negative": 3 / 8, "abandon_ignored": 3 / 5,
        "abandon_positive": 6 / 8, "short_positive": 4 / 8, "genesys": 3 / 8,
        "dequeued": 6 / 9,
    },
    False: {
        "answered_only": 3 / 4, "abandon_negative": 3 / 8, "abandon_ignored": 3 / 6,
        "abandon_positive": 5 / 8, "short_positive": 4 / 8, "genesys": 3 / 8,
        "dequeued": 5 / 9,
    },
}  # fmt: skip
CALLED_BACK: dict[bool, Level] = {
    True: {**HELD, "dequeued": 6 / 9},
    False: {**HELD, "dequeued": 5 / 9},
}
FLOWED_OUT: dict[bool, Level] = dict.fromkeys((True, False), {**HELD, "dequeued": 5 / 9})
OUTCOMES = {
    "answered": ANSWERED, "abandoned": ABANDONED, "callback_requested": CALLED_BACK, "flowed_out": FLOWED_OUT,
    "cancelled": FLOWED_OUT,
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize(("wait_s", "within"), [(T_S - MS, True), (T_S, True), (T_S + MS, False)])
def test_the_outcome_takes_the_place_of_the_wait(variant: Variant, outcome: str, wait_s: float, within: bool) -> None:
    ended = visit("w", outcome, wait_s, at_s=310)
    assert levels([*BEFORE, *ended], variant, 310) == {OUTCOMES[outcome][within][variant]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_somebody_alone_in_the_queue_is_no_level_until_the_threshold_and_none_met_after(variant: Variant) -> None:
    alone = [event("visit.queued", 300)]
    assert levels(alone, variant, 300 + T_S) == {None}
    assert levels(alone, variant, 300 + T_S + MS) == ({None} if variant == "answered_only" else {0})


def test_a_threshold_is_fixed_when_the_visit_is_queued() -> None:
    strict, mild = floor("abandon_negative"), floor("abandon_negative")
    mild.default_queue = Queue("", service_level=ServiceLevel(60_000))
    store = aggregate([event("visit.queued", 0)], strict, live=True)
    view = FloorView(mild, Calendars(mild), ms(T_S + MS))  # whoever reads it has heard of a milder threshold since
    assert view.queue_now([store.scopes.queues["queue:sales"]], {}, ServiceLevel(60_000)).over_threshold == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_closed_interval_knows_outcomes_only(variant: Variant) -> None:
    here = floor(variant)
    store: AggregateStore = aggregate([*BEFORE, event("visit.queued", 310, contact_id="w")], here, live=True)
    closed = store.scopes.queues["queue:sales"].intervals[ms(0)].outcome
    here_now = FloorView(here, Calendars(here), ms(1_000))
    over = here_now.queue_now([store.scopes.queues["queue:sales"]], {}, ServiceLevel()).over_threshold
    assert over == 1 and closed.offered == 9
    reading = here_now.queue_now([], {}, here.queue("sales").service_level)
    reading.totals = closed
    assert read_kpis("queue", reading)["service_level_ratio"] == HELD[variant]
