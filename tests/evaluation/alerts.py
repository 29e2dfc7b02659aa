"""Precision, recall and delay of the shipped rules on labelled days: `make alert-figures [DAYS=200] [SEED=1000]`.

Half of the days are calm. Beside our rules runs the plain static threshold (service level of the last 15 minutes below
target, same minimum sample), over the same floor. Seeds below 1,000 are for tuning, those from 1,000 on for figures.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Final

import yaml

from service.alert_floor import LiveFloor
from service.config import Config
from service.domain.codec import encode_event
from service.domain.evaluator import Evaluator
from service.simulate.centre import simulate
from service.simulate.options import MINUTE_MS, MONDAY_MS, SimulationOptions
from service.simulate.plan import build_plan
from service.simulate.sample import sample_yaml
from service.simulate.scenarios import Label, labels_of
from tests.unit.api.floors import Centre

TROUBLES: Final = ("surge", "outage", "campaign", "snowball", "feed-loss")
TICK_MS: Final = 15_000
OPEN: Final = {"start_ms": MONDAY_MS + 450 * MINUTE_MS, "duration_ms": 780 * MINUTE_MS}
"""From 7:30 to 20:30: the night has nothing to say."""

AFTER_MS: Final = 20 * MINUTE_MS
"""A trouble's queues still feel it for so long: an alert then is no false one."""

STATIC: Final = "static_threshold"
STATIC_RULE: Final = {
    "id": STATIC, "severity": "page", "scopes": {"kind": "queue"}, "min_sample": 20,
    "when": {"kpi": "service_level_ratio", "window": "15m", "op": "<", "value": "target"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fired:
    """One alert that a person was told of."""

    rule: str
    severity: str
    scope: str
    at_ms: int


@dataclass
class Tally:
    """What one way of alerting did on all days."""

    troubles: int = 0
    delays_ms: list[int] = field(default_factory=list)
    right: int = 0
    wrong: int = 0
    calm_pages: int = 0


def alerts_of(options: SimulationOptions) -> list[Fired]:
    """Play a day, judge it every fifteen seconds, and say what fired."""
    config = _config(options)
    centre = Centre(config.floor())
    evaluator, floor = Evaluator(config.alert_rules(), "figures"), LiveFloor(centre.state, {}, {})
    fired: list[Fired] = []
    seen: set[tuple[str, int]] = set()
    next_ms = options.start_ms
    for event in simulate(options):
        while event.occurred_at_ms >= next_ms:
            centre.now_ms = next_ms
            centre.flush()
            for name, alert in evaluator.tick(max(floor.begin(), evaluator.last_ms + 1), floor):
                if alert is not None and alert.told and (name, alert.episode) not in seen:
                    seen.add((name, alert.episode))
                    fired.append(Fired(alert.rule, alert.severity, alert.scope, next_ms))
            next_ms += TICK_MS
        centre.now_ms = event.occurred_at_ms
        centre.raw(encode_event(event))
    return fired


def _config(options: SimulationOptions) -> Config:
    values = yaml.safe_load(sample_yaml(options))
    return Config.model_validate({**values, "rules": [*values.get("rules", []), STATIC_RULE]})


def days(number: int, first_seed: int) -> Iterator[SimulationOptions]:
    """Every second day is calm; the others take the troubles in turn."""
    for place in range(number):
        scenario = "calm" if place % 2 == 0 else TROUBLES[place // 2 % len(TROUBLES)]
        yield SimulationOptions(seed=first_seed + place, agents=60, scenario=scenario, **OPEN)  # type: ignore[arg-type]


def judge(options: SimulationOptions, tallies: dict[tuple[str, str], Tally]) -> None:
    """Add one day to the tallies, by (scenario, ours or static)."""
    labels, fired = labels_of(options, build_plan(options)), alerts_of(options)
    for way in ("ours", STATIC):
        tally = tallies[options.scenario, way]
        mine = [each for each in fired if (each.rule == STATIC) == (way == STATIC) and each.severity != "info"]
        for label in labels:
            tally.troubles += 1
            hits = [each.at_ms for each in mine if _belongs(each, label)]
            if hits:
                tally.delays_ms.append(min(hits) - label.from_ms)
        pages = [each for each in mine if each.severity == "page"]
        right = sum(any(_belongs(each, label) for label in labels) for each in pages)
        tally.right += right
        tally.wrong += len(pages) - right
        if not labels:
            tally.calm_pages += len(pages)


def _belongs(fired: Fired, label: Label) -> bool:
    """Whether the alert is about the trouble: in time, and about its queues (or nobody's in particular)."""
    kind, _, name = fired.scope.partition(":")
    about = kind != "queue" or not label.queues or name in label.queues
    return about and label.from_ms <= fired.at_ms < label.to_ms + AFTER_MS


def main() -> None:
    """Print a row a scenario and way."""
    number, first_seed = int(sys.argv[1]), int(sys.argv[2])
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    calm_days = 0
    for options in days(number, first_seed):
        judge(options, tallies)
        calm_days += options.scenario == "calm"
    queues = len(build_plan(next(days(1, first_seed))).queues)
    print(f"{number} days from seed {first_seed}, {calm_days} of them calm, {queues} queues")
    heads = f"{'scenario':<10} {'way':<17} {'recall':>7} {'precision':>10} {'delay, median':>14}"
    print(heads, f"{'false pages a queue and week':>30}")
    for (scenario, way), tally in sorted(tallies.items()):
        recall = f"{len(tally.delays_ms) / tally.troubles:.2f}" if tally.troubles else "–"
        pages = tally.right + tally.wrong
        precision = f"{tally.right / pages:.2f}" if pages and tally.troubles else "–"
        delay = f"{median(tally.delays_ms) / 60_000:.1f} min" if tally.delays_ms else "–"
        false = f"{tally.calm_pages / calm_days / queues * 7:.2f}" if scenario == "calm" and calm_days else "–"
        print(f"{scenario:<10} {way:<17} {recall:>7} {precision:>10} {delay:>14} {false:>30}")


if __name__ == "__main__":
    main()
