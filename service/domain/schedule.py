"""Agents' schedules: what was published, changed and excused, and the plan that all of it together makes.

Everything here is a function of what was told, never of the order in which it came. A publication speaks of whole
business days: of each day the highest one counts, by version, then by time. A change replaces the plan during its own
span, unless a higher publication speaks of it. An exception excuses a departure from whatever is planned.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from service.domain.business_events import Activity, ActivityException, ScheduleChanged, SchedulePublished
from service.domain.calendar import Calendar
from service.domain.facts import Excepted, Planned, PlannedActivity
from service.domain.settings import Adherence, Fit

SHIFT_GAP_MS: Final = 4 * 3_600_000
"""An activity that begins no later than this after the one before belongs to the same shift."""


PLANS: Final = (SchedulePublished, ScheduleChanged, ActivityException)
"""The events that tell of a plan."""


class Unit(Struct, array_like=True, frozen=True, gc=False):
    """What one event says about [start_ms, end_ms). The highest `order` counts: (version, event time, is a
    correction, event id).
    """

    order: tuple[int, int, bool, str]
    start_ms: int
    end_ms: int
    activities: tuple[PlannedActivity, ...]


class DayPlan(Struct, array_like=True, gc=False):
    """What was told of one business day of an agent: the publication that counts, changes and exceptions that begin on
    it.
    """

    published: Unit | None = None
    changes: list[Unit] = field(default_factory=list)
    exceptions: list[Excepted] = field(default_factory=list)

    @property
    def end_ms(self) -> int:
        """Nothing told here is about a later time; 0 if nothing is told."""
        units = (*self.changes, *(() if self.published is None else (self.published,)))
        return max((*(unit.end_ms for unit in units), *(told.end_ms for told in self.exceptions)), default=0)


class Piece(Struct, frozen=True, gc=False):
    """One activity of the plan, or the part of it that an exception excuses: `excused` names that one."""

    start_ms: int
    end_ms: int
    activity: str
    productive: bool
    counts: bool
    paid: bool
    excused: str | None
    fit: Fit

    def fits(self, state: str, reason: str | None) -> bool:
        """Whether an agent in that state does what is planned."""
        fit = self.fit
        if state not in fit.states:
            return False
        return fit.reasons is None or state != "not_ready" or reason in fit.reasons


def schedule_fact(event: SchedulePublished | ScheduleChanged | ActivityException, at_ms: int) -> Planned | Excepted:
    """The event as a fact for its agent."""
    scope, corrects = "agent:" + event.agent_id, event.corrects
    if isinstance(event, ActivityException):
        span = (event.start_ms, event.end_ms)
        return Excepted(scope, event.source, event.event_id, corrects, *span, event.activity, event.paid)
    changed = isinstance(event, ScheduleChanged)
    order = (event.version, at_ms, corrects is not None, event.event_id)
    activities = tuple(sorted(map(_planned, event.intervals)))
    return Planned(scope, event.source, changed, order, activities, event.from_ms, event.to_ms)


def _planned(a: Activity) -> PlannedActivity:
    return a.start_ms, a.end_ms, a.activity, a.productive, a.counts_for_adherence, a.paid


def units_by_day(fact: Planned, calendar: Calendar) -> dict[int, Unit]:
    """What the fact says of each business day, by the day's start. A change is one unit, of the day it begins on."""
    activities = fact.activities
    if fact.changed:
        if fact.from_ms is None and not activities:
            return {}
        start_ms = min(a[0] for a in activities) if fact.from_ms is None else fact.from_ms
        end_ms = max(a[1] for a in activities) if fact.to_ms is None else fact.to_ms
        return {calendar.day_bounds_ms(start_ms)[0]: Unit(fact.order, start_ms, end_ms, activities)}
    days: dict[int, list[PlannedActivity]] = {day_ms: [] for day_ms in _days_spoken_of(fact, calendar)}
    day_ms, end_ms = 0, -SHIFT_GAP_MS
    for activity in activities:
        if activity[0] > end_ms + SHIFT_GAP_MS or not day_ms:
            day_ms = calendar.day_bounds_ms(activity[0])[0]
        end_ms = max(end_ms, activity[1])
        days.setdefault(day_ms, []).append(activity)
    return {
        day_ms: Unit(fact.order, min((a[0] for a in told), default=day_ms), max((a[1] for a in told), default=day_ms),
                     tuple(told))
        for day_ms, told in days.items()
    }  # fmt: skip


def _days_spoken_of(fact: Planned, calendar: Calendar) -> Iterator[int]:
    """Starts of the business days in the range that a publication names, if it names one."""
    if fact.from_ms is None or fact.to_ms is None:
        return
    start_ms, end_ms = calendar.day_bounds_ms(fact.from_ms)
    while start_ms < fact.to_ms:
        if start_ms >= fact.from_ms:
            yield start_ms
        start_ms, end_ms = calendar.day_bounds_ms(end_ms)


def put_unit(day: DayPlan, unit: Unit, changed: bool) -> int | None:
    """Take a unit into its day; returns from when on the plan may differ now, None if it does not."""
    if changed:
        if unit in day.changes:
            return None
        insort(day.changes, unit, key=lambda known: known.order)
        return unit.start_ms
    before = day.published
    if before is not None and before.order >= unit.order:
        return None
    day.published = unit
    return unit.start_ms if before is None else min(unit.start_ms, before.start_ms)


def put_exception(day: DayPlan, told: Excepted) -> bool:
    """Take an exception into its day; False if it was there before."""
    if any(known.event_id == told.event_id for known in day.exceptions):
        return False
    insort(day.exceptions, told, key=lambda known: (known.start_ms, known.event_id))
    return True


class Plan:
    """What an agent is to do, as pieces in order of time, and the business days on which there is anything to do."""

    __slots__ = ("_starts", "days", "pieces", "settings")

    def __init__(self, days: Iterable[DayPlan], calendar: Calendar, settings: Adherence) -> None:
        self.settings = settings
        told = list(days)
        pieces = _excuse(_lay(told), told)
        self.pieces = [_with_fit(piece, settings) for piece in pieces]
        self._starts = [piece.start_ms for piece in self.pieces]
        self.days: list[tuple[int, int]] = []
        """Business days [start, end) that have an activity, in order."""
        for piece in self.pieces:
            at_ms = max(piece.start_ms, self.days[-1][1] if self.days else 0)
            while at_ms < piece.end_ms:
                self.days.append(calendar.day_bounds_ms(at_ms))
                at_ms = self.days[-1][1]

    def days_within(self, since_ms: int, until_ms: int) -> Iterator[tuple[int, int]]:
        """The parts of [since, until) that lie on planned days."""
        for start_ms, end_ms in self.days:
            if start_ms < until_ms and since_ms < end_ms:
                yield max(start_ms, since_ms), min(end_ms, until_ms)

    def index_at(self, at_ms: int) -> int:
        """Place of the last piece that begins at or before a moment; -1 before all."""
        return bisect_right(self._starts, at_ms) - 1

    def at(self, at_ms: int) -> Piece | None:
        """What is planned at a moment; None: nothing."""
        index = self.index_at(at_ms)
        return self.pieces[index] if index >= 0 and at_ms < self.pieces[index].end_ms else None

    def between(self, since_ms: int, until_ms: int) -> Iterator[tuple[int, int, int | None]]:
        """(start, end, place of the piece) of everything in [since, until); None where nothing is planned."""
        index = max(0, self.index_at(since_ms))
        while since_ms < until_ms:
            if index == len(self.pieces) or until_ms <= self.pieces[index].start_ms:
                yield since_ms, until_ms, None
                return
            piece = self.pieces[index]
            if since_ms < piece.start_ms:
                yield since_ms, piece.start_ms, None
                since_ms = piece.start_ms
            if since_ms < piece.end_ms:
                yield since_ms, min(piece.end_ms, until_ms), index
                since_ms = piece.end_ms
            index += 1

    def due_ms(self, since_ms: int, until_ms: int) -> int:
        """How much of [since, until) is planned for contacts, and not excused by an exception."""
        spans = self.between(since_ms, until_ms)
        due = [(start_ms, end_ms, self.pieces[index]) for start_ms, end_ms, index in spans if index is not None]
        return sum(end_ms - start_ms for start_ms, end_ms, piece in due if piece.productive and piece.excused is None)

    def neighbour(self, index: int, step: int) -> Piece | None:
        """The piece right before (step -1) or after (1) another; None where nothing is planned there."""
        if not 0 <= index + step < len(self.pieces):
            return None
        piece, other = self.pieces[index], self.pieces[index + step]
        return other if other.end_ms == piece.start_ms or piece.end_ms == other.start_ms else None


NO_FIT: Final = Fit(frozenset())


def _lay(days: list[DayPlan]) -> list[Piece]:
    """Lay the units over each other, the highest on top; what begins later cuts off what it overlaps."""
    units = [day.published for day in days if day.published is not None]
    units += [change for day in days for change in day.changes]
    laid: list[Piece] = []
    newest_ms = 0  # nothing laid ends later; days published in their order are appended without a look at what is there
    for unit in sorted(units, key=lambda unit: unit.order):
        if unit.start_ms < newest_ms:
            laid = _cut(laid, unit.start_ms, unit.end_ms)
        for start_ms, end_ms, name, productive, counts, paid in unit.activities:
            if start_ms >= end_ms:
                continue
            if start_ms < newest_ms:
                laid = _cut(laid, start_ms, end_ms)
            laid.append(Piece(start_ms, end_ms, name, productive, counts, paid, None, NO_FIT))
            newest_ms = max(newest_ms, end_ms)
    return sorted(laid, key=lambda piece: piece.start_ms)


def _cut(pieces: list[Piece], start_ms: int, end_ms: int) -> list[Piece]:
    """The pieces without [start, end)."""
    if start_ms >= end_ms:
        return pieces
    kept = [piece for piece in pieces if piece.end_ms <= start_ms or end_ms <= piece.start_ms]
    for piece in pieces:
        if piece.start_ms < start_ms < piece.end_ms:
            kept.append(replace(piece, end_ms=start_ms))
        if piece.start_ms < end_ms < piece.end_ms:
            kept.append(replace(piece, start_ms=end_ms))
    return kept


def _excuse(pieces: list[Piece], days: list[DayPlan]) -> list[Piece]:
    """Cut the pieces where exceptions begin and end, and excuse what lies within. A corrected exception is no more."""
    told = [exception for day in days for exception in day.exceptions]
    corrected = {exception.corrects for exception in told}
    for exception in sorted(told, key=lambda e: (e.start_ms, e.event_id)):
        if exception.event_id in corrected or exception.start_ms >= exception.end_ms:
            continue
        start_ms, end_ms = exception.start_ms, exception.end_ms
        within = [
            replace(piece, start_ms=max(piece.start_ms, start_ms), end_ms=min(piece.end_ms, end_ms),
                    excused=exception.activity, paid=exception.paid)
            for piece in pieces if piece.start_ms < end_ms and start_ms < piece.end_ms
        ]  # fmt: skip
        pieces = sorted([*_cut(pieces, start_ms, end_ms), *within], key=lambda piece: piece.start_ms)
    return pieces


def _with_fit(piece: Piece, settings: Adherence) -> Piece:
    return replace(piece, fit=settings.fit(piece.activity, piece.productive))
