"""What goes on for long, or is told with a wrong time: shifts over midnight and restarts, long calls, skew."""

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.calendar import Calendars
from service.domain.correlate import CorrelateStore
from service.domain.errors import InvalidEvent
from service.domain.events import Event
from service.domain.facts import FactBatch
from service.domain.settings import Floor, Site
from service.domain.view import FloorView
from tests.property.lives import picture
from tests.unit.domain.build import T0, aggregate, event, ms, take

HOUR_S, DAY_S = 3_600, 86_400
MIDNIGHT_S = 14 * HOUR_S
"""In Berlin, counted from T0."""

FLOOR = Floor(default_site=Site("default", "Europe/Berlin"))


class Worker:
    """One partition of both stages, which can be restarted from what it flushed."""

    def __init__(self) -> None:
        self.correlate, self.aggregate = CorrelateStore(FLOOR), AggregateStore(FLOOR)
        self.contacts: list[tuple[bytes, bytes | None]] = []
        self.state: list[tuple[bytes, bytes | None]] = []
        self.offset = 0

    def tell(self, *events: Event, received_s: float | None = None) -> None:
        """Events as records, received when they happened unless told otherwise."""
        for told in events:
            facts = take(self.correlate, told, self.offset, received_s)
            batch = FactBatch(0, self.correlate.newest_ms(), [self.offset] * len(facts), facts)
            self.aggregate.apply_batch(batch)
            self.offset += 1

    def restart(self) -> None:
        """Flush, forget everything, and read it again."""
        self.contacts += self.correlate.drain()
        self.aggregate.drain_closed()
        self.state += self.aggregate.drain()
        self.correlate, self.aggregate = CorrelateStore(FLOOR), AggregateStore(FLOOR)
        self.correlate.load(self.contacts)
        self.aggregate.load(self.state)

    def agent(self, window: str, now_s: float) -> dict[str, float]:
        """The agent's time in state of a window, in seconds."""
        view = FloorView(FLOOR, Calendars(FLOOR), ms(now_s))
        totals = view.agent_totals(self.aggregate.scopes.agents["agent:1001"], window)
        return {name: getattr(totals, name) / 1000 for name in ("login_ms", "available_ms", "on_contact_ms")}


@pytest.mark.parametrize(
    "restarts", [(), (MIDNIGHT_S - 60,), (MIDNIGHT_S + 60,), (MIDNIGHT_S - 60, MIDNIGHT_S, HOUR_S)]
)
def test_a_shift_over_midnight_and_restarts_is_split_at_midnight(restarts: tuple[int, ...]) -> None:
    worker = Worker()
    worker.tell(event("agent.login", MIDNIGHT_S - 2 * HOUR_S))
    for _ in restarts:
        worker.restart()
    assert worker.agent("day", MIDNIGHT_S - 1)["login_ms"] == 2 * HOUR_S - 1
    assert worker.agent("day", MIDNIGHT_S)["login_ms"] == 0
    assert worker.agent("day", MIDNIGHT_S + 60)["login_ms"] == 60
    worker.tell(event("agent.logout", MIDNIGHT_S + 6 * HOUR_S))
    assert worker.agent("day", MIDNIGHT_S + 20 * HOUR_S)["login_ms"] == 6 * HOUR_S
    logins = {at: i.outcome.login_ms for at, i in worker.aggregate.scopes.agents["agent:1001"].intervals.items()}
    assert len(logins) == 32 and set(logins.values()) == {900_000}


def long_call(hours: float) -> list[Event]:
    """A call answered an hour before midnight."""
    start_s = MIDNIGHT_S - HOUR_S
    return [
        event("agent.state_changed", start_s - 60, state="ready"),
        event("visit.queued", start_s - 10),
        event("visit.answered", start_s, agent_id="1001"),
        event("leg.ended", start_s + hours * HOUR_S),
    ]


@pytest.mark.parametrize("restart", [False, True])
def test_a_call_of_ten_hours_counts_where_it_ends_and_its_time_in_state_where_it_passes(restart: bool) -> None:
    worker = Worker()
    *begin, end = long_call(10)
    worker.tell(*begin)
    for hour in range(1, 9):  # the floor goes on: contacts long closed are forgotten, this one is not
        at_s = MIDNIGHT_S + hour * HOUR_S
        other = {"contact_id": f"o{hour}"}
        worker.tell(event("visit.queued", at_s, **other), event("visit.abandoned", at_s + 30, **other))
    if restart:
        worker.restart()
    assert worker.agent("day", MIDNIGHT_S + 8 * HOUR_S)["on_contact_ms"] == 8 * HOUR_S
    worker.tell(end)
    scopes = worker.aggregate.scopes
    queue, agent = scopes.queues["queue:sales"].intervals, scopes.agents["agent:1001"].intervals
    assert {at: i.outcome.talk_ms for at, i in queue.items() if i.outcome.handled} == {
        ms(MIDNIGHT_S + 9 * HOUR_S): 10 * HOUR_S * 1000
    }
    assert {at: i.arrival.talk_ms for at, i in queue.items() if i.arrival.handled} == {
        ms(MIDNIGHT_S - HOUR_S - 900): 10 * HOUR_S * 1000
    }
    on_contact = [i.outcome.on_contact_ms for i in agent.values() if i.outcome.on_contact_ms]
    assert on_contact == [900_000] * 40


@pytest.mark.parametrize(
    ("ahead_s", "skewed", "talk_s"),
    [
        pytest.param(60, 0, 160, id="as far ahead as is allowed"),
        pytest.param(60.001, 1, 160, id="a millisecond further"),
        pytest.param(10 * DAY_S, 1, 160, id="ten days"),
    ],
)
def test_an_event_from_the_future_counts_as_of_the_most_it_may_be_ahead(
    ahead_s: float, skewed: int, talk_s: float
) -> None:
    worker = Worker()
    worker.tell(event("visit.queued", -10), event("visit.answered", 0, agent_id="1001"))
    worker.tell(event("leg.ended", 100 + ahead_s), received_s=100)
    (handled,) = [
        i.outcome for i in worker.aggregate.scopes.queues["queue:sales"].intervals.values() if i.outcome.handled
    ]
    assert handled.talk_ms == talk_s * 1000
    assert worker.correlate.mark.sources[""].counts.get("clock_skew", 0) == skewed
    assert worker.correlate.newest_ms() <= ms(160)


def test_an_event_from_the_past_corrects_its_contact_and_the_interval_it_belongs_to() -> None:
    told = [event("visit.queued", 0), event("visit.answered", 20, agent_id="1001"), event("leg.ended", 50)]
    belated = event("visit.queued", -890)  # the same visit entered the queue a quarter of an hour before
    worker = Worker()
    worker.tell(*told)
    worker.tell(belated, received_s=60)
    in_order = aggregate([belated, *told[1:]], FLOOR, live=True)
    assert picture(worker.aggregate) == picture(in_order)


def test_an_event_of_an_unknown_contact_older_than_the_linger_time_is_late_and_not_lost_in_silence() -> None:
    worker = Worker()
    worker.tell(event("visit.queued", 2_000, contact_id="new"))
    worker.tell(event("visit.queued", 1_100, contact_id="just in time"), received_s=2_001)
    with pytest.raises(InvalidEvent) as refused:
        worker.tell(event("visit.queued", 1_099, contact_id="too late"), received_s=2_001)
    assert refused.value.reason == "late"
    assert worker.correlate.mark.sources[""].counts["late"] == 1
    assert set(worker.aggregate.scopes.queues["queue:sales"].waiting) == {"new/1", "just in time/1"}


def test_an_agents_own_event_that_comes_late_reorders_the_last_minute_and_is_late_before() -> None:
    worker = Worker()
    worker.tell(event("agent.login", 0), event("agent.state_changed", 300, state="not_ready", reason="break"))
    worker.tell(event("agent.state_changed", 280, state="not_ready", reason="training"), received_s=301)
    assert worker.agent("day", 300)["available_ms"] == 280
    worker.tell(event("agent.state_changed", 500, state="ready"))
    worker.tell(event("agent.state_changed", 100, state="not_ready", reason="lunch"), received_s=501)
    assert worker.agent("day", 500)["available_ms"] == 280
    late = sum(seen.counts.get("late", 0) for seen in worker.aggregate.scopes.sources.values())
    assert late == 1


def test_times_are_counted_from_the_epoch() -> None:
    assert ms(0) == T0 and ms(MIDNIGHT_S) % (DAY_S * 1000) == 23 * HOUR_S * 1000
