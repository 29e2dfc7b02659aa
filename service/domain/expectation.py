"""What is expected of a queue in one of its intervals: by forecast where one is published, else as in past weeks.

The weekday profile is that of the same local time on the same weekday of the last weeks, as far as the queue was open
on that day at all: the median of the contacts offered, so that one odd week does not count, and handle time and service
level as sums over sums of all these weeks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Final, Literal

from service.domain.calendar import Calendar
from service.domain.erlang import Load, agents_needed, patience_ms
from service.domain.facts import Forecast
from service.domain.service_level import ratio, service_level_share
from service.domain.settings import ServiceLevel
from service.domain.totals import Totals, total_of

Basis = Literal["forecast", "profile"]
MOST_WEEKS: Final = 8


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of one interval of a queue.

    `aht_ms` (never 0), `service_level_ratio` and `patience_ms` are None where nothing says so; `required_agents` is
    what the forecast requires, None where it does not say or there is none. `basis` says where volume and handle time
    come from, `weeks` how many past weeks the profile has: service level and patience are always theirs.
    """

    start_ms: int
    end_ms: int
    offered: float
    aht_ms: float | None
    basis: Basis
    weeks: int = 0
    service_level_ratio: float | None = None
    required_agents: float | None = None
    patience_ms: float | None = None

    def offered_until(self, now_ms: int) -> float:
        """What of the contacts is expected before `now_ms`: their share of the time, none before the interval."""
        passed = (now_ms - self.start_ms) / (self.end_ms - self.start_ms)
        return self.offered * min(max(passed, 0.0), 1.0)

    def agents_needed(self, level: ServiceLevel) -> float | None:
        """The agents the forecast requires, else those by Erlang for the queue's target; None where neither says."""
        if self.required_agents is not None or self.aht_ms is None:
            return self.required_agents
        return agents_needed(Load(self.offered, self.aht_ms, self.end_ms - self.start_ms, self.patience_ms), level)


def expect(
    start_ms: int, end_ms: int, forecasts: Iterable[Forecast], weeks: Sequence[Totals], level: ServiceLevel
) -> Expectation | None:
    """What is expected in [start_ms, end_ms), from the queue's forecasts and what past weeks had then; None if there
    is neither. A forecast that leaves part of the time open does not count.
    """
    past = by_profile(start_ms, end_ms, weeks, level)
    told = by_forecast(start_ms, end_ms, forecasts)
    if told is None or past is None:
        return told or past
    return replace(
        told, weeks=past.weeks, service_level_ratio=past.service_level_ratio, patience_ms=past.patience_ms
    )  # fmt: skip


def past_weeks(
    calendar: Calendar, start_ms: int, find: Callable[[int], Totals | None], was_open: Callable[[int], bool]
) -> list[Totals]:
    """What the interval had in each of the past weeks in which the queue was open on that day, the newest first.

    `find` gives the totals of an earlier interval by its start, None where nothing happened in it; `was_open` says
    whether there was anything on the day that holds a moment.
    """
    then_ms = calendar.weeks_before_ms(start_ms, MOST_WEEKS)
    return [find(at_ms) or Totals() for at_ms in then_ms if was_open(at_ms)]


def by_profile(start_ms: int, end_ms: int, weeks: Sequence[Totals], level: ServiceLevel) -> Expectation | None:
    """The expectation from what each of the past weeks had in this interval; None without any."""
    if not weeks:
        return None
    together = total_of(list(weeks))
    return Expectation(
        start_ms, end_ms,
        offered=median(week.offered for week in weeks),
        aht_ms=aht_ms(together) or None,
        basis="profile",
        weeks=len(weeks),
        service_level_ratio=None if level.threshold_ms is None else ratio(*service_level_share(together, 0, level)),
        patience_ms=patience_ms(together),
    )  # fmt: skip


def by_forecast(start_ms: int, end_ms: int, forecasts: Iterable[Forecast]) -> Expectation | None:
    """The expectation from published forecasts, each taken evenly over its time; None if they leave a part open.

    Where two overlap, the one of the higher order counts for the time they share.
    """
    touching = [f for f in forecasts if f.start_ms < end_ms and f.end_ms > start_ms]
    open_spans = [(start_ms, end_ms)]
    offered = handle_ms = agent_ms = 0.0
    says_agents = True
    for forecast in sorted(touching, key=lambda forecast: forecast.order, reverse=True):
        covered_ms, open_spans = _cover(open_spans, forecast.start_ms, forecast.end_ms)
        if not covered_ms:
            continue
        contacts = forecast.volume * covered_ms / (forecast.end_ms - forecast.start_ms)
        offered += contacts
        handle_ms += contacts * forecast.aht_ms
        says_agents = says_agents and forecast.required_agents is not None
        agent_ms += (forecast.required_agents or 0.0) * covered_ms
    if open_spans:
        return None
    required = agent_ms / (end_ms - start_ms) if says_agents else None
    mean_ms = handle_ms / offered if offered else next((float(f.aht_ms) for f in touching), None)
    return Expectation(start_ms, end_ms, offered, mean_ms or None, "forecast", required_agents=required)


def _cover(spans: list[tuple[int, int]], start_ms: int, end_ms: int) -> tuple[int, list[tuple[int, int]]]:
    """How much of the spans lies in [start_ms, end_ms), and what of them lies outside."""
    covered_ms, rest = 0, []
    for since_ms, until_ms in spans:
        first_ms, last_ms = max(since_ms, start_ms), min(until_ms, end_ms)
        if first_ms >= last_ms:
            rest.append((since_ms, until_ms))
            continue
        covered_ms += last_ms - first_ms
        rest += [span for span in ((since_ms, first_ms), (last_ms, until_ms)) if span[0] < span[1]]
    return covered_ms, rest


def aht_ms(totals: Totals) -> float | None:
    """Mean handle time; None where nothing was handled."""
    return ratio(totals.talk_ms + totals.hold_ms + totals.acw_ms, totals.handled)


def reforecast_factor(expected: Mapping[int, float], actual: Mapping[int, float]) -> float | None:
    """By how much the day runs above its expectation: sum A / sum F over the completed intervals that have one, the
    ratio method of intraday re-forecasts, F'(t) = F(t) x factor; None while nothing was expected so far.
    """
    return ratio(sum(actual.get(start_ms, 0.0) for start_ms in expected), sum(expected.values()))
