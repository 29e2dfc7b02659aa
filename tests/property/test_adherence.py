"""Adherence is a function of what happened and what was told: no order of arrival, restart or late publication changes
it. Compared with a computation over the whole log that looks at one moment after the other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.calendar import Calendars
from service.domain.events import Event
from service.domain.settings import Adherence, Fit
from service.domain.view import FloorView
from tests.support.examples import examples
from tests.unit.domain.schedules import Shift, activity, at, call, changed, excepted, published, state

MINUTE_MS = 60_000
DAY_START, DAY_END = -9 * 60, 15 * 60
"""The business day, in minutes after T0."""

NAMES = ("work", "break", "meeting", "lunch")
ON_QUEUE = ("ready", "reserved", "on_contact", "acw")
Span = tuple[float, float]


@dataclass
class Day:
    """What happened and what was planned, as it was drawn, in minutes."""

    policy: Adherence
    own: list[tuple[float, str, str | None]] = field(default_factory=list)
    calls: list[tuple[float, float, float, float]] = field(default_factory=list)
    units: list[tuple[int, float, bool, str, list[dict[str, Any]]]] = field(default_factory=list)
    """(version, minute of telling, whether it is a change, event id, activities)."""
    exceptions: list[tuple[float, float, str, str, bool]] = field(default_factory=list)
    """(from, to, event id, activity, paid)."""
    looked_up: dict[float, tuple[str, dict[str, Any]] | None] = field(default_factory=dict, repr=False)

    # --- what the product is told ---

    def own_events(self) -> list[Event]:
        return [state(minute, name, reason=reason, source="acd") for minute, name, reason in self.own]

    def other_events(self) -> list[Event]:
        made = [told for number, times in enumerate(self.calls) for told in call(f"c{number}", *times)]
        for version, minute, is_change, event_id, activities in self.units:
            tell = changed if is_change else published
            made.append(tell(*activities, version=version, minutes=minute, event_id=event_id, source="wfm"))
        for start, end, event_id, name, paid in self.exceptions:
            made.append(excepted(start, end, name, event_id=event_id, paid=paid, source="wfm"))
        return made

    # --- the same, looked up moment by moment ---

    def state_at(self, minute: float) -> tuple[str, str | None, float]:
        """(state, reason, since when the contact under way began)."""
        for offered, answered, ended, wrapped in self.calls:
            if offered <= minute < wrapped:
                name = "reserved" if minute < answered else "on_contact" if minute < ended else "acw"
                return name, None, offered
        known = [(name, reason) for since, name, reason in self.own if since <= minute]
        return (*known[-1], minute) if known else ("unknown", None, minute)

    def planned_at(self, minute: float) -> tuple[str, dict[str, Any]] | None:
        """(what tells two stretches apart, the activity) of the highest unit that speaks of the moment."""
        if minute not in self.looked_up:
            self.looked_up[minute] = self.look_up(minute)
        return self.looked_up[minute]

    def look_up(self, minute: float) -> tuple[str, dict[str, Any]] | None:
        days: dict[float, Any] = {}
        for unit in self.units:
            if not unit[2] and unit[4]:
                day = (min(a["start_ms"] for a in unit[4]) - at(DAY_START)) // (24 * 60 * MINUTE_MS)
                days[day] = max(days.get(day, unit), unit, key=_order)
        units = [unit for unit in self.units if unit[2] and unit[4]] + list(days.values())
        speaking = [
            unit for unit in units
            if min(a["start_ms"] for a in unit[4]) <= at(minute) < max(a["end_ms"] for a in unit[4])
        ]  # fmt: skip
        if not speaking:
            return None
        unit = max(speaking, key=_order)
        here = [a for a in unit[4] if a["start_ms"] <= at(minute) < a["end_ms"]]
        if not here:
            return None
        found = max(here, key=lambda a: tuple(a.values()))
        return f"{unit[3]}/{found}", found

    def excused_at(self, minute: float) -> tuple[str, bool] | None:
        here = [(start, event_id, name, paid) for start, end, event_id, name, paid in self.exceptions
                if start <= minute < end]  # fmt: skip
        return None if not here else max(here)[2:]

    def fits(self, name: str, productive: bool, shown: str, reason: str | None) -> bool:
        fit = self.policy.fits.get(name)
        if fit is None:
            return shown in ON_QUEUE if productive else shown in ("not_ready", "offline")
        return shown in fit.states and (fit.reasons is None or shown != "not_ready" or reason in fit.reasons)

    def moments(self) -> list[float]:
        """Every moment at which something may become different."""
        found: set[float] = {DAY_START, DAY_END}
        found |= {minute for minute, _, _ in self.own}
        found |= {minute for times in self.calls for minute in times}
        borders = {m for e in self.exceptions for m in e[:2]}
        for unit in self.units:
            for a in unit[4]:
                borders |= {(a["start_ms"] - at(0)) / MINUTE_MS, (a["end_ms"] - at(0)) / MINUTE_MS}
        grace = (self.policy.grace_after_ms, -self.policy.grace_before_ms, self.policy.call_overrun_ms)
        found |= borders | {border + shift / MINUTE_MS for border in borders for shift in grace}
        return sorted(minute for minute in found if DAY_START <= minute <= DAY_END)

    def label(self, minute: float) -> tuple[Any, Any]:
        """What is the same as long as the plan is: the activity, and the exception over it."""
        planned = self.planned_at(minute)
        return (None, None) if planned is None else (planned[0], self.excused_at(minute))

    def allows(self, minute: float, shown: str, reason: str | None, other_than: str | None = None) -> bool:
        """Whether the plan at that moment has nothing against the state."""
        planned = self.planned_at(minute)
        if planned is None or self.excused_at(minute) is not None:
            return True
        name, productive = planned[1]["activity"], planned[1]["productive"]
        return name != other_than and self.fits(name, productive, shown, reason)

    def excuses(self, minute: float, name: str, moments: list[float]) -> bool:
        """Whether grace or an overlong contact excuses being out at that moment, of activity `name`."""
        shown, reason, began = self.state_at(minute)
        policy = self.policy
        steps = [m for m in moments if m < DAY_END]
        same = {m for m in steps if self.label(m) == self.label(minute)}
        first = minute
        for m in reversed([m for m in steps if m < minute]):
            if m not in same:
                break
            first = m
        after = [m for m in steps if m > minute]
        end = next((m for m in after if m not in same), DAY_END)
        last = max((m for m in steps if m < first), default=DAY_START - 1)
        if minute < first + policy.grace_after_ms / MINUTE_MS and self.allows(last, shown, reason, other_than=name):
            return True
        if minute >= end - policy.grace_before_ms / MINUTE_MS and self.allows(end, shown, reason, other_than=name):
            return True
        if not policy.call_overrun_ms or shown not in ON_QUEUE[1:] or began >= first:
            return False
        if not self.allows(began, shown, None):
            return False
        broke = next(m for m in steps if m > began and not self.allows(m, shown, None))
        return minute < broke + policy.call_overrun_ms / MINUTE_MS

    def sums(self, until: float) -> dict[str, int]:
        """The sums of the day until then."""
        moments = self.moments()
        if all(self.planned_at(m) is None for m in moments):
            return {}
        found: dict[str, float] = {}
        for since, to in zip(moments, moments[1:], strict=False):
            for key in self.keys_at(since, moments):
                time = max(0.0, min(to, until) - since)
                sign = -1 if key.startswith("-") else 1
                found[key.lstrip("-")] = found.get(key.lstrip("-"), 0) + sign * time
        return {key: round(time * MINUTE_MS) for key, time in found.items() if round(time * MINUTE_MS)}

    def keys_at(self, minute: float, moments: list[float]) -> Iterator[str]:
        """The sums that the moment belongs to; `-` before those it is taken off."""
        shown, reason, _ = self.state_at(minute)
        if shown == "unknown":
            return
        planned, excused = self.planned_at(minute), self.excused_at(minute)
        name = None if planned is None else planned[1]["activity"]
        productive = planned is not None and planned[1]["productive"]
        if planned is not None and excused is None and planned[1].get("counts_for_adherence", True):
            yield "scheduled"
            if not self.fits(str(name), productive, shown, reason):
                yield "out"
                if self.excuses(minute, str(name), moments):
                    yield "excused"
        if shown in ON_QUEUE:
            yield "on_queue"
        if productive and excused is None:
            yield "planned_on_queue"
        yield from self.paid_keys_at(minute, shown, reason, str(name), productive)

    def paid_keys_at(self, minute: float, shown: str, reason: str | None, name: str, productive: bool) -> Iterator[str]:
        """The same of what is paid, and of paid time that is lost."""
        planned, excused = self.planned_at(minute), self.excused_at(minute)
        paid = planned is not None and (planned[1].get("paid", True) if excused is None else excused[1])
        own = [state for since, state, _ in self.own if since <= minute]
        logged_in = bool(own) and own[-1] != "offline"
        if paid and not logged_in:
            yield "paid_beyond_login"
        if logged_in and not paid:
            yield "-paid_beyond_login"
        if shown == "not_ready" and not paid:
            yield f"-lost:{reason or 'unstated'}"
        if shown == "offline" and paid:
            yield "lost:" + (excused[0] if excused is not None else "absent" if productive else name)


def _order(unit: tuple[int, float, bool, str, Any]) -> tuple[int, float, str]:
    return unit[0], unit[1], unit[3]


minutes = st.integers(0, 240)
lengths = st.integers(1, 60)


@st.composite
def activities(draw: st.DrawFn) -> list[dict[str, Any]]:
    made = []
    for _ in range(draw(st.integers(1, 4))):
        start, name = draw(minutes), draw(st.sampled_from(NAMES))
        flags = {"counts_for_adherence": draw(st.sampled_from((True, True, False))), "paid": draw(st.booleans())}
        made.append(activity(start, start + draw(lengths), name, **flags))
    return made


policies = st.builds(
    Adherence,
    st.sampled_from(({}, {"break": Fit(frozenset(("not_ready",)), frozenset(("break",)))})),
    *(st.sampled_from((0, 3 * MINUTE_MS)), st.sampled_from((0, 7 * MINUTE_MS)), st.sampled_from((0, 20 * MINUTE_MS))),
)


@st.composite
def drawn_days(draw: st.DrawFn) -> Day:
    day = Day(draw(policies))
    states = st.tuples(st.sampled_from(("ready", "not_ready", "offline")), st.sampled_from(("break", "email")))
    for minute in sorted(draw(st.sets(st.integers(-30, 300), min_size=1, max_size=6))):
        name, reason = draw(states)
        day.own.append((minute, name, reason if name == "not_ready" else None))
    at_minute = draw(st.integers(0, 30))
    for _ in range(draw(st.integers(0, 4))):
        times = [at_minute]
        for gap in (st.integers(1, 2), lengths, st.integers(1, 5)):
            times.append(times[-1] + draw(gap))
        day.calls.append((times[0], times[1], times[2], times[3]))
        at_minute = times[3] + draw(st.integers(1, 40))
    for number in range(draw(st.integers(1, 4))):
        unit = (draw(st.integers(1, 3)), -60 - number, bool(number) and draw(st.booleans()), f"u{number}")
        day.units.append((*unit, draw(activities())))
    for number in range(draw(st.integers(0, 2))):
        start = draw(minutes)
        day.exceptions.append((start, start + draw(lengths), f"x{number}", draw(st.sampled_from(("sick", "course"))),
                               draw(st.booleans())))  # fmt: skip
    return day


def shown_until(shift: Shift, until: float) -> dict[str, int]:
    """What a reader says of the day until then: settled intervals, and the rest measured."""
    view = FloorView(shift.floor, Calendars(shift.floor), at(until))
    return dict(view.agent_totals(shift.agent, "day").adherence_ms)


@settings(max_examples=examples(40))
@given(drawn_days(), st.data())
def test_any_order_of_arrival_gives_what_the_whole_log_means(day: Day, data: st.DataObject) -> None:
    own, others = day.own_events(), data.draw(st.permutations(day.other_events()))
    places = sorted(data.draw(st.lists(st.integers(0, len(others)), min_size=len(own), max_size=len(own))))
    for place, told in zip(reversed(places), reversed(own), strict=True):  # the agent's own stay in their order
        others.insert(place, told)
    shift = Shift(settings=day.policy)
    for told in others:
        shift.tell(told)
        match data.draw(st.sampled_from(("go on", "go on", "flush", "restart"))):
            case "flush":
                shift.flush()
            case "restart":
                shift.restart()
    until = max([300, *(times[3] for times in day.calls)]) + data.draw(st.integers(0, 120))
    shift.flush()
    assert shown_until(shift, until) == day.sums(until)
    shift.tell(state(until, "ready", agent_id="2002"))
    shift.flush()
    assert shown_until(shift, until) == day.sums(until)
