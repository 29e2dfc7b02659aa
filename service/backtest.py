"""How well the end of the day would have been projected: the projection at every full hour of a recording's days,
knowing nothing but the hours and the weeks before, against what came.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from service.domain.calendar import Calendar, Calendars
from service.domain.events import Event
from service.domain.expectation import expect, past_weeks
from service.domain.projection import Slot, outlook
from service.domain.service_level import Share, service_level_share
from service.domain.settings import Floor, Queue, ServiceLevel
from service.domain.totals import Totals, bump
from service.recording_pass import RecordingPass

HOUR_MS: Final = 3_600_000
LEAST_CONTACTS: Final = 100
"""A queue's day with fewer is passed over: its service level is a matter of chance."""

LEAST_SO_FAR, LEAST_TO_COME = 10, 20
"""An hour is judged if the day has had so many contacts by then, and so many are to come."""


@dataclass(slots=True)
class Hour:
    """The cases of one hour of the day: absolute errors, in service level, of the projection and of the level so far
    taken for the end's, and how often the end lay within the projection's bounds.
    """

    cases: int = 0
    error: float = 0.0
    error_of_level_so_far: float = 0.0
    within: int = 0

    def add(self, other: "Hour") -> None:
        """Merge `other` into this one."""
        self.cases += other.cases
        self.error += other.error
        self.error_of_level_so_far += other.error_of_level_so_far
        self.within += other.within


@dataclass(slots=True)
class Backtest:
    """Cases by hours since the business day began, and how many queue-days had a past to be projected from."""

    hours: dict[int, Hour] = field(default_factory=dict)
    days: int = 0

    @property
    def total(self) -> Hour:
        """All hours together."""
        result = Hour()
        for hour in self.hours.values():
            result.add(hour)
        return result


def backtest(events: list[Event], floor: Floor) -> Backtest:
    """Back-test the projection on events in order of time."""
    run = RecordingPass(floor)
    run.make_round(run.apply(events))
    result, calendars = Backtest(), Calendars(floor)
    for queue in run.aggregate.scopes.queues.values():
        settings = floor.queue(queue.queue_id)
        past = {start_ms: interval.outcome for start_ms, interval in queue.intervals.items()}
        for slots in _days(past, calendars.of_scope(queue.scope), settings):
            result.days += 1
            _judge_day(slots, settings.level_at(slots[0].start_ms), result)
    return result


def _days(totals: dict[int, Totals], calendar: Calendar, settings: Queue) -> Iterator[list[Slot]]:
    """The slots of each day with enough contacts and a past."""
    contacts: dict[int, int] = {}
    for start_ms, each in totals.items():
        bump(contacts, calendar.day_bounds_ms(start_ms)[0], each.offered)
    for day_ms in sorted(day_ms for day_ms, offered in contacts.items() if offered >= LEAST_CONTACTS):
        slots, end_ms = [], calendar.day_bounds_ms(day_ms)[1]
        start_ms = day_ms
        while start_ms < end_ms:
            until_ms = calendar.interval_end_ms(start_ms)
            weeks = past_weeks(calendar, start_ms, totals.get, lambda at: calendar.day_bounds_ms(at)[0] in contacts)
            expected = expect(start_ms, until_ms, (), weeks, settings.level_at(start_ms))
            slots.append(Slot(start_ms, until_ms, expected, totals.get(start_ms)))
            start_ms = until_ms
        if slots[0].expectation is not None:
            yield slots


def _judge_day(slots: list[Slot], level: ServiceLevel, result: Backtest) -> None:
    """Project the end of the day at every full hour, knowing only what was before."""
    hits, whole = _sum(slots, level)
    for index, slot in enumerate(slots):
        if (slot.start_ms - slots[0].start_ms) % HOUR_MS:
            continue
        before = slots[:index]
        hits_so_far, so_far = _sum(before, level)
        if so_far < LEAST_SO_FAR or whole - so_far < LEAST_TO_COME:
            continue
        later = [Slot(each.start_ms, each.end_ms, each.expectation) for each in slots[index:]]
        found = outlook([*before, *later], slot.start_ms, level).day
        if found is None:
            continue
        end = hits / whole
        case = Hour(1, abs(found.ratio - end), abs(hits_so_far / so_far - end), int(found.low <= end <= found.high))
        result.hours.setdefault((slot.start_ms - slots[0].start_ms) // HOUR_MS, Hour()).add(case)


def _sum(slots: list[Slot], level: ServiceLevel) -> Share:
    shares = [service_level_share(slot.actual, 0, level) for slot in slots if slot.actual is not None]
    return sum(part for part, _ in shares), sum(whole for _, whole in shares)
