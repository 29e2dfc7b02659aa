"""Recall, precision and delay of the shipped rules on labelled days: `make alert-figures [DAYS=200] [SEED=1000]`.

With `KEEP=FOLDER` each day is kept there and not played again: an interrupted run goes on. Give every version of rules
and simulator a folder of its own.

Half of the days are calm. Every queue has a forecast, which knows the time of day and nothing of the trouble. Beside
our rules runs the plain static threshold (service level of the last 15 minutes below target, same minimum sample), over
the same floor. Rules about agents are left out: a trouble is one of queues. Seeds below 1,000 are for tuning, those
from 1,000 on for figures. Two days are played at a time.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import yaml

from service.alert_floor import LiveFloor
from service.domain.business_events import ForecastPublished
from service.domain.events import Event, VisitAbandoned, VisitAnswered
from service.simulate.arrivals import profile
from service.simulate.centre import simulate
from service.simulate.options import MINUTE_MS, MONDAY_MS, SimulationOptions
from service.simulate.plan import build_plan
from service.simulate.sample import sample_yaml
from service.simulate.scenarios import Label, labels_of
from tests.evaluation.playing import STATIC, Fired, Playing

TROUBLES: Final = ("surge", "build-up", "outage", "campaign", "snowball", "feed-loss", "absence", "slow-handling")
TICK_MS: Final = 15_000
PROCESSES: Final = 2
OPEN: Final = {"start_ms": MONDAY_MS + 450 * MINUTE_MS, "duration_ms": 780 * MINUTE_MS}
"""From 7:30 to 20:30: the night has nothing to say."""

AFTER_MS: Final = 20 * MINUTE_MS
"""A trouble's queues still feel it for so long: an alert then is no false one."""

LEAST: Final = 12
"""Contacts that left a queue since the trouble began: what the rule that pages asks for."""

FORECAST_MS: Final = 30 * MINUTE_MS
MORE_THAN_ARRIVE: Final = 1.05
"""Contacts offered to a queue for each that arrives: transfers and redials, less those who hang up first."""


@dataclass
class Day:
    """What was injected and what fired. `neighbours`: the queues of the trouble and those that share agents with them;
    `sample_ms`: when the first queue of the trouble had seen LEAST contacts; `missed_ms`: when the service level of 30
    minutes of its queues together first was below target; None: never.
    """

    scenario: str
    labels: list[Label]
    queues: int
    neighbours: list[str] = field(default_factory=list)
    fired: list[Fired] = field(default_factory=list)
    sample_ms: int | None = None
    missed_ms: int | None = None


@dataclass
class Tally:
    """What one way of alerting did. Times in milliseconds: from the trouble, from its sample, and before the miss.
    `right` alerts are about a queue of the trouble, `near` ones about one that shares agents with it.
    """

    troubles: int = 0
    delays_ms: list[int] = field(default_factory=list)
    after_sample_ms: list[int] = field(default_factory=list)
    leads_ms: list[int] = field(default_factory=list)
    right: int = 0
    near: int = 0
    wrong: int = 0


def play(options: SimulationOptions) -> Day:
    """Play a day, judge it every fifteen seconds, and say what fired."""
    plan = build_plan(options)
    day = Day(options.scenario, labels_of(options, plan), len(plan.queues))
    pools = {queue.pool for queue in plan.queues for label in day.labels if queue.queue_id in label.queues}
    day.neighbours = [queue.queue_id for queue in plan.queues if queue.pool in pools]
    watch = _Watch(day)
    playing = Playing(yaml.safe_load(sample_yaml(options)), options.start_ms, TICK_MS, watch.look)
    watch.floor = playing.floor
    for event in forecasts(options):
        playing.know(event)
    for event in simulate(options):
        playing.take(event)
        watch.event(event)
    day.fired = playing.fired
    return day


def play_once(options: SimulationOptions, folder: Path | None) -> Day:
    """The day as it is kept in the folder, else played now and kept."""
    if folder is None:
        return play(options)
    file = folder / f"{options.seed}-{options.scenario}.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        begun = file.with_suffix(".begun")
        begun.write_bytes(msgspec.json.encode(play(options)))
        begun.replace(file)
    return msgspec.json.decode(file.read_bytes(), type=Day)


class _Watch:
    """What happens to the queues of the day's first trouble."""

    floor: LiveFloor

    def __init__(self, day: Day) -> None:
        self.day = day
        self._label = day.labels[0] if day.labels else None
        self._left: dict[str, int] = defaultdict(int)

    def event(self, event: Event) -> None:
        """Count who leaves a queue of the trouble since it began."""
        label, day = self._label, self.day
        if label is None or day.sample_ms is not None or not isinstance(event, VisitAnswered | VisitAbandoned):
            return
        if event.queue_id in label.queues and label.from_ms <= event.occurred_at_ms:
            self._left[event.queue_id] += 1
            if self._left[event.queue_id] >= LEAST:
                day.sample_ms = event.occurred_at_ms

    def look(self, now_ms: int) -> None:
        """See whether the queues, taken together, miss their target by now."""
        label, day = self._label, self.day
        if label is None or day.missed_ms is not None or not label.from_ms <= now_ms < label.to_ms + AFTER_MS:
            return
        found = [self.floor.values(f"queue:{queue_id}") for queue_id in label.queues]
        levels = [(values.measure("service_level_ratio", "30m"), values.own.target_ratio) for values in found]
        known = [(each.value, each.sample, target) for each, target in levels if each.value is not None]
        sample = sum(count or 0 for _, count, _ in known)
        gap = sum((value - (target or 0.0)) * (count or 0) for value, count, target in known)
        if sample >= LEAST and gap < 0:
            day.missed_ms = now_ms


def forecasts(options: SimulationOptions) -> Iterator[Event]:
    """A forecast of each half hour of each queue: what comes on a calm day without noise."""
    plan = build_plan(options)
    for queue in plan.queues:
        a_minute = plan.contacts_per_hour * queue.share * MORE_THAN_ARRIVE / 60
        for start_ms in range(options.start_ms, options.end_ms, FORECAST_MS):
            local = options.local(start_ms)
            minutes = range(local.hour * 60 + local.minute, local.hour * 60 + local.minute + 30)
            yield ForecastPublished(
                event_id=f"forecast-{queue.queue_id}-{start_ms}", occurred_at_ms=options.start_ms, source="wfm",
                queue_id=queue.queue_id, start_ms=start_ms, end_ms=start_ms + FORECAST_MS,
                volume=a_minute * sum(map(profile, minutes)), aht_ms=queue.talk_ms + queue.acw_ms,
            )  # fmt: skip


def days(number: int, first_seed: int) -> Iterator[SimulationOptions]:
    """Every second day is calm; the others take the troubles in turn."""
    for place in range(number):
        scenario = "calm" if place % 2 == 0 else TROUBLES[place // 2 % len(TROUBLES)]
        yield SimulationOptions(seed=first_seed + place, agents=60, scenario=scenario, **OPEN)  # type: ignore[arg-type]


def tally(played: Iterable[Day], takes: Callable[[Fired], bool]) -> Tally:
    """What the alerts that `takes` wants did on these days."""
    found = Tally()
    for day in played:
        fired = [each for each in day.fired if takes(each)]
        right = sum(any(_belongs(each, label, label.queues) for label in day.labels) for each in fired)
        near = sum(any(_belongs(each, label, day.neighbours) for label in day.labels) for each in fired)
        found.right += right
        found.near += near - right
        found.wrong += len(fired) - near
        for label in day.labels[:1]:
            found.troubles += 1
            told = [each.at_ms for each in fired if _tells(each, label)]
            if not told:
                continue
            found.delays_ms.append(min(told) - label.from_ms)
            if day.sample_ms is not None:
                found.after_sample_ms.append(min(told) - day.sample_ms)
            if day.missed_ms is not None:
                found.leads_ms.append(day.missed_ms - min(told))
    return found


def _belongs(fired: Fired, label: Label, queues: Collection[str]) -> bool:
    """Whether the alert is about the trouble: in time, and about these queues (or nobody's in particular)."""
    kind, _, name = fired.scope.partition(":")
    about = kind != "queue" or not label.queues or name in queues
    return about and label.from_ms <= fired.at_ms < label.to_ms + AFTER_MS


def _tells(fired: Fired, label: Label) -> bool:
    """Whether the alert tells of the trouble: of a lost feed only one about the feed does."""
    return _belongs(fired, label, label.queues) and (fired.kind == "feed") == (label.kind == "feed-loss")


def table(played: Sequence[Day]) -> Iterator[str]:
    """A row a scenario and way, then one a kind of rule; Markdown."""
    by_scenario: dict[str, list[Day]] = defaultdict(list)
    for day in played:
        by_scenario[day.scenario].append(day)
    calm = by_scenario.pop("calm", [])
    ways: dict[str, Callable[[Fired], bool]] = {
        "ours": lambda each: each.rule != STATIC and each.severity != "info",
        "static": lambda each: each.rule == STATIC,
    }
    yield "| trouble | days | way | recall | precision | with neighbours | delay | after the sample | lead |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for scenario, some in [*sorted(by_scenario.items()), ("all", [day for day in played if day.labels])]:
        for way, takes in ways.items():
            yield f"| {scenario} | {len(some)} | {way} {_row(tally(some, takes))}"
    kinds = sorted({(each.kind, each.rule) for day in played for each in day.fired})
    yield ""
    yield "| kind | rule | severity | recall | precision | with neighbours | delay | after the sample | lead | false |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    troubled = [day for day in played if day.labels]
    weeks = sum(day.queues for day in calm) / 7
    for kind, rule in kinds:
        severity = next(each.severity for day in played for each in day.fired if each.rule == rule)
        false = f"{tally(calm, lambda each, rule=rule: each.rule == rule).wrong / weeks:.2f}" if weeks else "–"  # type: ignore[misc]
        row = _row(tally(troubled, lambda each, rule=rule: each.rule == rule))  # type: ignore[misc]
        yield f"| {kind} | `{rule}` | {severity} {row} {false} |"
    pages = tally(calm, lambda each: each.rule != STATIC and each.severity == "page").wrong
    static = tally(calm, ways["static"]).wrong
    if weeks:
        yield ""
        each_week = f"ours {pages / weeks:.2f}, static {static / weeks:.2f}"
        yield f"{len(calm)} calm days; false pages a queue and week: {each_week}"


def _row(found: Tally) -> str:
    recall, fired = _share(len(found.delays_ms), found.troubles), found.right + found.near + found.wrong
    precisions = f"{_share(found.right, fired)} | {_share(found.right + found.near, fired)}"
    times = (found.delays_ms, found.after_sample_ms, found.leads_ms)
    return f"| {recall} | {precisions} | " + " | ".join(_minutes(each) for each in times) + " |"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "–"


def _minutes(times_ms: Sequence[int]) -> str:
    return f"{median(times_ms) / MINUTE_MS:.1f} min" if times_ms else "–"


def main() -> None:
    """Print the tables."""
    number, first_seed = int(sys.argv[1]), int(sys.argv[2])
    once = partial(play_once, folder=Path(sys.argv[3]) if len(sys.argv) > 3 else None)
    with get_context("spawn").Pool(PROCESSES) as pool:
        played = pool.map(once, days(number, first_seed), chunksize=1)
    print(f"{number} days from seed {first_seed}")
    print(*table(played), sep="\n")


if __name__ == "__main__":
    main()
