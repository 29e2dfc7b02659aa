"""Channels on which nobody hangs on: waits in business hours, and no abandonment."""

from dataclasses import replace

import pytest

from service.domain.aggregate import AggregateStore
from service.domain.business_hours import BusinessHours
from service.domain.correlate import CorrelateStore
from service.domain.events import Event
from service.domain.facts import FactBatch
from service.domain.kpis import Reading, read_kpis
from service.domain.scopes import QueueScope
from service.domain.settings import Floor, Queue, ServiceLevel, Watchdog
from service.domain.totals import Totals
from service.domain.view import WaitingNow, next_due_ms
from tests.unit.domain.build import NEVER_LATE_MS, aggregate, event, ms, net, scope_totals
from tests.unit.domain.watched import Watched

HOUR_S = 3600
HOUR_MS = 3_600_000
FRIDAY_4PM = 7 * HOUR_S
FRIDAY_5PM = 8 * HOUR_S
MONDAY_9AM = 72 * HOUR_S
MONDAY_10AM = 73 * HOUR_S
OFFICE = BusinessHours("UTC", [[(9 * 60, 17 * 60)]] * 5 + [[], []])
MAIL = Queue("mail", channel="email", service_level=ServiceLevel(2 * HOUR_MS, hours=OFFICE, abandonment=False))


def floor(queue: Queue = MAIL) -> Floor:
    return Floor(queues={"mail": queue, "sales": Queue("sales")})


def mail(kind: str, seconds: float, **fields: object) -> Event:
    return event("visit." + kind, seconds, queue_id="mail", **fields)


def totals(*events: Event, queue: Queue = MAIL) -> Totals:
    return scope_totals(aggregate(events, floor(queue)), "queue:mail")


def kpis(found: Totals) -> dict[str, float | int | None]:
    return read_kpis("queue", Reading(found, MAIL.service_level))


def test_a_mail_of_friday_evening_waits_from_monday_morning_on():
    found = totals(mail("queued", FRIDAY_4PM), mail("answered", MONDAY_10AM))
    assert (found.wait_ms, found.answered_in_threshold) == (2 * HOUR_MS, 1)
    assert kpis(found)["asa_seconds"] == kpis(found)["max_wait_seconds"] == 2 * HOUR_S
    assert kpis(found)["service_level_ratio"] == 1


def test_one_second_of_open_time_too_many_is_over_the_threshold():
    found = totals(mail("queued", FRIDAY_4PM), mail("answered", MONDAY_10AM + 1))
    assert (found.wait_ms, found.answered_in_threshold) == (2 * HOUR_MS + 1000, 0)


def test_an_answer_outside_business_hours_is_not_late_for_it():
    found = totals(mail("queued", FRIDAY_4PM), mail("answered", FRIDAY_5PM + 30 * HOUR_S))
    assert (found.wait_ms, found.answered_in_threshold) == (HOUR_MS, 1)


def test_other_outcomes_have_waited_in_business_hours_too():
    flowed = totals(mail("queued", FRIDAY_4PM), mail("flowed_out", MONDAY_10AM))
    assert flowed.flowed_out_wait_ms == 2 * HOUR_MS
    chats = replace(MAIL, service_level=replace(MAIL.service_level, abandonment=True, short_abandon_ms=HOUR_MS))
    left = totals(mail("queued", FRIDAY_4PM), mail("abandoned", MONDAY_9AM), queue=chats)
    assert (left.abandon_wait_ms, left.short_abandoned, left.abandoned_in_threshold) == (HOUR_MS, 1, 1)


def test_a_stated_wait_tells_when_the_mail_came_and_not_how_long_it_waited():
    weekend_ms = round((MONDAY_10AM - FRIDAY_4PM) * 1000)
    found = totals(mail("answered", MONDAY_10AM, wait_ms=weekend_ms))
    assert found.wait_ms == 2 * HOUR_MS
    told = totals(mail("queued", FRIDAY_4PM), mail("answered", MONDAY_10AM, wait_ms=5000))
    assert told.wait_ms == 2 * HOUR_MS
    by_arrival = scope_totals(
        aggregate([mail("answered", MONDAY_10AM, wait_ms=weekend_ms)], floor()), "queue:mail", by_arrival=True
    )
    assert by_arrival.offered == 1


@pytest.mark.parametrize("kind", ["answered", "abandoned", "flowed_out", "cancelled"])
def test_the_order_of_arrival_changes_nothing(kind):
    events = [mail("queued", FRIDAY_4PM), mail(kind, MONDAY_10AM), mail("queued", FRIDAY_4PM + 60, event_id="again")]
    expected = totals(*events)
    for order in ((1, 0, 2), (2, 1, 0), (1, 2, 0)):
        assert totals(*[events[index] for index in order]) == expected


def test_a_mail_that_the_watchdog_gives_up_has_waited_in_business_hours():
    configured = floor(replace(MAIL, configured=True))
    watched = Watched(mail("queued", FRIDAY_4PM), floor=replace(configured, watchdog=Watchdog()))
    for _ in range(2):  # whatever else is told of the contact
        watched.round_at(FRIDAY_4PM + 14 * 24 * HOUR_S)
        recent = watched.aggregate.scopes.queues["queue:mail"].recent
        visit = recent.slots[recent.find("c/1") or 0]
        assert (visit.outcome, visit.ended_ms) == ("cancelled", ms(FRIDAY_4PM + 13 * 24 * HOUR_S))
        assert visit.wait_ms == (1 + 5 * 8 + 3 * 8 + 7) * HOUR_MS
        watched.tell(event("contact.started", FRIDAY_4PM))


def test_without_hours_every_minute_counts():
    plain = Queue("mail", service_level=ServiceLevel(2 * HOUR_MS))
    found = totals(mail("queued", FRIDAY_4PM), mail("answered", MONDAY_10AM), queue=plain)
    assert found.wait_ms == (MONDAY_10AM - FRIDAY_4PM) * 1000


@pytest.mark.parametrize(
    ("at_s", "waited_hours", "over"),
    [
        pytest.param(FRIDAY_5PM, 1, 0, id="Friday at closing time"),
        pytest.param(MONDAY_9AM, 1, 0, id="Monday at opening time"),
        pytest.param(MONDAY_10AM, 2, 0, id="at the threshold"),
        pytest.param(MONDAY_10AM + 0.001, 2 + 1 / HOUR_MS, 1, id="one millisecond after it"),
    ],
)
def test_who_waits_now_is_measured_on_the_same_clock(at_s, waited_hours, over):
    queue = aggregate([mail("queued", FRIDAY_4PM)], floor()).scopes.queues["queue:mail"]
    waiting = WaitingNow(floor(), [queue], ms(at_s))
    assert (waiting.oldest_ms, waiting.over) == (round(waited_hours * HOUR_MS), over)


def test_the_next_mail_due_is_the_first_that_is_still_within_its_threshold():
    events = [mail("queued", hours * HOUR_S, contact_id=f"c{hours}") for hours in (0, 7, 30)]
    queue = aggregate(events, floor()).scopes.queues["queue:mail"]
    assert next_due_ms(queue, OFFICE, ms(HOUR_S)) == ms(2 * HOUR_S)
    assert next_due_ms(queue, OFFICE, ms(FRIDAY_5PM)) == ms(MONDAY_10AM)
    assert next_due_ms(queue, OFFICE, ms(MONDAY_10AM + 1)) == ms(MONDAY_10AM + HOUR_S)
    assert next_due_ms(queue, OFFICE, ms(MONDAY_10AM + 2 * HOUR_S)) is None
    assert next_due_ms(QueueScope("queue:mail"), OFFICE, ms(0)) is None


def test_on_a_channel_without_abandonment_an_abandon_is_a_cancellation():
    found = totals(mail("queued", 0), mail("abandoned", 2))
    assert (found.abandoned, found.short_abandoned, found.cancelled, found.offered) == (0, 0, 1, 1)
    assert found.reasons == {"cancelled:abandoned": 1}
    assert kpis(found)["abandonment_ratio"] is None
    assert kpis(found)["answer_ratio"] == 0


@pytest.mark.parametrize(("by", "cancelled"), [("customer", 1), (None, 1), ("agent", 1), ("system", 1)])
def test_nobody_hangs_up_on_a_message(by, cancelled):
    ended = event("contact.ended", 10, disconnect_by=by)
    found = totals(mail("queued", 0), ended)
    assert (found.abandoned, found.cancelled) == (0, cancelled)
    voice = scope_totals(aggregate([event("visit.queued", 0), ended], floor()), "queue:sales")
    assert (voice.abandoned, voice.cancelled) == ((0, 1) if by in ("agent", "system") else (1, 0))


def test_a_service_level_knows_no_abandons_where_there_are_none():
    events = [
        mail("queued", 0),
        mail("abandoned", 1),
        mail("queued", 0, contact_id="d"),
        mail("answered", 5, contact_id="d"),
    ]
    found = kpis(totals(*events))
    variants = [name for name in found if name.startswith("service_level_") and "dequeued" not in name]
    assert {name: found[name] for name in variants} == dict.fromkeys(variants, 1)
    assert found["service_level_dequeued_ratio"] == 0.5, "what was cancelled left the queue all the same"


@pytest.mark.parametrize("kind", ["answered", "abandoned"])
def test_after_a_restart_a_correction_finds_what_was_said(kind):
    told = [mail("queued", FRIDAY_4PM), mail(kind, MONDAY_10AM)]
    late = mail("queued", FRIDAY_4PM - HOUR_S, event_id="earlier")
    whole, first = (CorrelateStore(floor(), NEVER_LATE_MS, NEVER_LATE_MS) for _ in range(2))
    expected = net([fact for each in (*told, late) for fact in whole.apply(each, NEVER_LATE_MS)])
    facts = [fact for each in told for fact in first.apply(each, NEVER_LATE_MS)]
    first.pass_over(2)
    second = CorrelateStore(floor(), NEVER_LATE_MS, NEVER_LATE_MS)
    second.load(first.drain())
    assert net(facts + second.apply(late, NEVER_LATE_MS)) == expected


def test_a_visit_queued_without_business_hours_ends_without_them():
    plain = Floor(queues={"mail": Queue("mail", service_level=ServiceLevel(2 * HOUR_MS))})
    before = CorrelateStore(plain, NEVER_LATE_MS, NEVER_LATE_MS)
    before.apply(mail("queued", FRIDAY_4PM), NEVER_LATE_MS)
    before.pass_over(1)
    after = CorrelateStore(floor(), NEVER_LATE_MS, NEVER_LATE_MS)
    after.load(before.drain())
    (answered,) = after.apply(mail("answered", MONDAY_10AM), NEVER_LATE_MS)
    assert answered.wait_ms == (MONDAY_10AM - FRIDAY_4PM) * 1000


@pytest.mark.parametrize(
    ("queue", "answered"),
    [
        pytest.param(MAIL, 1, id="a queue whose visits wait for days"),
        pytest.param(Queue("mail"), 0, id="another keeps two days of intervals"),
    ],
)
def test_an_answer_days_later_is_counted_at_the_arrival_too(queue, answered):
    correlate = CorrelateStore(floor(queue), NEVER_LATE_MS, NEVER_LATE_MS)
    store = AggregateStore(floor(queue))
    others = [mail("queued", MONDAY_9AM + 900 * number, contact_id=f"d{number}") for number in range(3)]
    told = [mail("queued", FRIDAY_4PM), *others, mail("answered", MONDAY_10AM)]
    for offset, each in enumerate(told):
        facts = correlate.apply(each, NEVER_LATE_MS)
        store.apply_batch(FactBatch(0, each.occurred_at_ms, [offset] * len(facts), facts))
    assert scope_totals(store, "queue:mail", by_arrival=True).answered == answered
    assert scope_totals(store, "queue:mail").answered == 1
