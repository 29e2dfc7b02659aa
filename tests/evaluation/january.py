"""The shipped rules over a month of a real centre, each alert judged by the records: `make january-alerts FOLDER=X`.

The folder holds the daily files of the set that deploy/examples/vanad.yaml reads. The rules see
the calls as they happened, one after the other; the judge sees the whole month, and counts by itself, from the rows. An
alert is compared with the hour around it: service level, calls against the median of the same hour on the same weekday
in the other weeks, agents who took one of the queue's calls likewise, and the time that a call took.
"""

import csv
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import mean, median
from typing import Final, Literal
from zoneinfo import ZoneInfo

import yaml

from service.adapters import AdapterSettings, make_adapter
from service.adapters.mapping import CallRecordsMapping
from service.recordings import read_recording
from tests.evaluation.playing import STATIC, Fired, Playing

CONFIG: Final = Path(__file__).parents[2] / "deploy" / "examples" / "vanad.yaml"
TICK_MS: Final = 60_000
HALF_HOUR: Final = timedelta(minutes=30)
QUARTER: Final = timedelta(minutes=15)
WEEK: Final = timedelta(days=7)
IN_TIME: Final = timedelta(seconds=20)
TARGET: Final = 0.8
CLEARLY: Final = 0.2
"""By so much more or less than in other weeks is not just chance of a quiet hour."""

Verdict = Literal["true", "short", "false", "not known"]
VERDICTS: Final[tuple[Verdict, ...]] = ("true", "short", "false", "not known")


@dataclass(frozen=True, slots=True)
class Call:
    """One row. `answered` None: nobody did."""

    queue: str
    agent: str
    received: datetime
    answered: datetime | None
    free: datetime

    @property
    def is_good(self) -> bool:
        """Answered within the threshold."""
        return self.answered is not None and self.answered - self.received <= IN_TIME

    @property
    def counts(self) -> bool:
        """Whether it is part of the service level: who gave up within the threshold is not."""
        return self.answered is not None or self.free - self.received > IN_TIME


@dataclass(frozen=True)
class Stretch:
    """What came into one queue in one stretch of time."""

    calls: Sequence[Call]

    @property
    def level(self) -> float | None:
        """The service level of those who came; None without any."""
        counted = [call.is_good for call in self.calls if call.counts]
        return sum(counted) / len(counted) if counted else None

    @property
    def agents(self) -> int:
        """How many took one of the calls."""
        return len({call.agent for call in self.calls if call.answered is not None})

    @property
    def seconds(self) -> float | None:
        """How long a call kept its agent; None if none was answered."""
        took = [(call.free - call.answered).total_seconds() for call in self.calls if call.answered is not None]
        return mean(took) if took else None


class Month:
    """All calls of all files."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._of_queue: dict[str, list[Call]] = defaultdict(list)
        for path in paths:
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    call = _call(row)
                    self._of_queue[call.queue].append(call)
        for calls in self._of_queue.values():
            calls.sort(key=lambda call: call.received)

    @cached_property
    def days(self) -> set[object]:
        """The days on which anybody called."""
        return {call.received.date() for calls in self._of_queue.values() for call in calls}

    def stretch(self, queue: str, since: datetime, until: datetime) -> Stretch:
        """Who came into the queue in [since, until)."""
        return Stretch([call for call in self._of_queue.get(queue, ()) if since <= call.received < until])

    def others(self, queue: str, since: datetime, until: datetime) -> list[Stretch]:
        """The same of the other weeks."""
        weeks = [n * WEEK for n in range(-4, 5) if n and (since + n * WEEK).date() in self.days]
        return [self.stretch(queue, since + week, until + week) for week in weeks]


@dataclass(frozen=True, slots=True)
class Judged:
    """One alert and what the records say of the hour around it, against the median of the other weeks."""

    fired: Fired
    at: datetime
    verdict: Verdict
    calls: int
    level: float | None
    level_of_quarter: float | None
    more_calls: float | None
    more_agents: float | None
    longer: float | None


def judge(fired: Fired, at: datetime, month: Month) -> Judged:
    """Judge one alert about a queue."""
    queue, since, until = fired.scope.partition(":")[2], at - HALF_HOUR, at + HALF_HOUR
    hour, others = month.stretch(queue, since, until), month.others(queue, since, until)
    quarter = month.stretch(queue, at - QUARTER, at + QUARTER)
    calls = _more(len(hour.calls), [len(other.calls) for other in others])
    agents = _more(hour.agents, [other.agents for other in others])
    longer = _more(hour.seconds, [each for other in others if (each := other.seconds) is not None])
    verdict = _verdict(fired, hour, quarter, calls, longer)
    return Judged(fired, at, verdict, len(hour.calls), hour.level, quarter.level, calls, agents, longer)


def _verdict(fired: Fired, hour: Stretch, quarter: Stretch, more_calls: float | None, longer: float | None) -> Verdict:
    """Whether what the rule says was so: `short` is a target missed in half of the hour only."""
    if not fired.scope.startswith("queue:"):
        return "not known"
    if fired.kind == "volume":
        return _known(more_calls)
    if fired.kind == "handling":
        return _known(longer)
    if hour.level is None:
        return "not known"
    if hour.level < TARGET:
        return "true"
    return "short" if quarter.level is not None and quarter.level < TARGET else "false"


def _known(more: float | None) -> Verdict:
    if more is None:
        return "not known"
    return "true" if more >= CLEARLY else "false"


def _more(now: float | None, before: Sequence[float]) -> float | None:
    """By what share it is more than usual; None where there is nothing usual."""
    usual = median(before) if before else 0.0
    return now / usual - 1 if now is not None and usual else None


def _call(row: dict[str, str]) -> Call:
    answered, hangup = _time(row["answered"]), _time(row["hangup"])
    received = datetime.fromisoformat(row["date_received"])
    free = _time(row["transfer"]) or hangup or received
    return Call(row["queue_name"], row["agent_number"], received, answered, free)


def _time(text: str) -> datetime | None:
    return None if text in ("", "NULL") else datetime.fromisoformat(text)


def fired_in(paths: Sequence[Path]) -> list[Fired]:
    """What the rules and the static threshold told while the month went by."""
    values = yaml.safe_load(CONFIG.read_text())
    source = values["sources"]["vanad"]
    settings = AdapterSettings("vanad", source["timezone"], None, CallRecordsMapping(**source["mapping"]))
    now_ms = time.time_ns() // 1_000_000
    events = read_recording(paths, make_adapter("call-records", settings), now_ms).events
    playing = Playing(values, events[0].occurred_at_ms, TICK_MS)
    for event in events:
        playing.take(event)
    return playing.fired


def table(judged: Sequence[Judged]) -> Iterator[str]:
    """A row a rule, then one an alert of ours; Markdown."""
    by_rule: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        by_rule[each.fired.rule].append(each)
    yield "| rule | severity | alerts | true | short | false | not known |"
    yield "|---|---|---|---|---|---|---|"
    for rule, some in sorted(by_rule.items()):
        found = Counter(each.verdict for each in some)
        counts = " | ".join(str(found[verdict]) for verdict in VERDICTS)
        yield f"| `{rule}` | {some[0].fired.severity} | {len(some)} | {counts} |"
    yield ""
    yield "| told | rule | about | verdict | calls | to usual | agents | time a call | level | of the half hour |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for each in judged:
        if each.fired.rule != STATIC:
            shares = " | ".join(_percent(share, "+") for share in (each.more_calls, each.more_agents, each.longer))
            levels = f"{_percent(each.level)} | {_percent(each.level_of_quarter)}"
            told = f"{each.at:%m-%d %H:%M} | `{each.fired.rule}` | {each.fired.scope}"
            yield f"| {told} | {each.verdict} | {each.calls} | {shares} | {levels} |"


def _percent(share: float | None, sign: str = "") -> str:
    return "–" if share is None else f"{100 * share:{sign}.0f} %"


def main() -> None:
    """Print the tables."""
    paths = sorted(Path(sys.argv[1]).glob("*.csv"))
    zone, month = ZoneInfo("Europe/Amsterdam"), Month(paths)
    print(*table([judge(fired, _local(fired, zone), month) for fired in fired_in(paths)]), sep="\n")


def _local(fired: Fired, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(fired.at_ms / 1000, zone).replace(tzinfo=None)


if __name__ == "__main__":
    main()
