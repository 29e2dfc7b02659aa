"""Handle time is talk, hold and after-call work, wherever and however late its parts are told."""

from collections import Counter

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.events import Event
from service.domain.scopes import HISTOGRAM_EDGES_MS
from service.domain.settings import Floor
from service.domain.totals import Totals, sketch_bin
from service.domain.view import WINDOWS, FloorView
from tests.unit.domain.build import aggregate, event, ms, scope_totals

SALES = "queue:sales"
CALL = [
    event("visit.queued", 0),
    event("leg.answered", 10),
    event("leg.held", 30),
    event("leg.retrieved", 40),
    event("leg.ended", 70),
]


def sketch(*seconds: float) -> dict[int, int]:
    return dict(Counter(sketch_bin(round(each * 1000)) for each in seconds))


def everywhere(store: AggregateStore, now_s: float) -> list[Totals]:
    """The queue's totals of every window and by both attributions."""
    view = FloorView(Floor(), Calendars(Floor()), ms(now_s))
    windows = [view.queue_totals(store.scopes.queues[SALES], window) for window in WINDOWS]
    return [*windows, scope_totals(store, SALES), scope_totals(store, SALES, by_arrival=True)]


def after(*events: Event) -> AggregateStore:
    return aggregate(events, live=True)


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        pytest.param([], 60, id="no after-call work: talk and hold"),
        pytest.param([event("leg.wrapup_started", 70)], 60, id="after-call work that is not over"),
        pytest.param([event("leg.wrapup_started", 70), event("leg.wrapup_ended", 90)], 80, id="ended later"),
        pytest.param([event("leg.wrapup_ended", 90, acw_ms=5_000)], 65, id="stated at its end"),
        pytest.param([event("leg.wrapup_started", 70, acw_ms=30_000)], 90, id="stated beforehand"),
        pytest.param(
            [event("leg.wrapup_started", 70, acw_ms=30_000), event("leg.wrapup_ended", 80)], 70, id="cut short"
        ),
    ],
)
def test_after_call_work_moves_the_handle_time_in_every_window(more: list[Event], seconds: float) -> None:
    for totals in everywhere(after(*CALL, *more), 100):
        assert totals.handle_sketch == sketch(seconds)


def test_a_corrected_talk_time_takes_the_old_handle_time_back() -> None:
    late = event("leg.ended", 70, talk_ms=30_000, event_id="stated")
    store = after(event("visit.queued", 0), event("leg.answered", 10), event("leg.wrapup_ended", 90), late)
    assert [totals.handle_sketch for totals in everywhere(store, 100)] == [sketch(50)] * 8


def test_the_lifetime_histogram_follows_as_the_sketch_does() -> None:
    store = after(*CALL, event("leg.wrapup_ended", 90))
    assert store.scopes.queues[SALES].live.handle_histogram == {90_000: 1}
    assert 90_000 in HISTOGRAM_EDGES_MS


def test_after_call_work_of_a_consultation_is_no_handle_time() -> None:
    consult = [
        event("leg.answered", 40, agent_id="1002", consult=True),
        event("leg.ended", 60, agent_id="1002", consult=True),
        event("leg.wrapup_ended", 65, agent_id="1002"),
    ]
    store = after(*CALL, event("leg.wrapup_ended", 90), *consult)
    for totals in everywhere(store, 100):
        assert (totals.handled, totals.consulted, totals.acw_ms, totals.handle_sketch) == (1, 1, 20_000, sketch(80))
    assert store.scopes.queues[SALES].live.handle_histogram == {90_000: 1}
    assert scope_totals(store, "agent:1002").acw_ms == 0
