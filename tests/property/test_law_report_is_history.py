"""The law for recordings: what `report` says in total, by day and by interval is what the whole log comes to."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.codec import decode_event
from service.recordings import Recording
from service.report import build_report
from service.report_options import Attribution, ReportOptions
from tests.oracle.figures import Figures, agent_figures, happened, queue_figures
from tests.oracle.floor import EVER, Floor, waited_ms
from tests.oracle.house import Clock, House
from tests.oracle.intake import Arrival
from tests.property.comparison import QUALITY, differences
from tests.property.houses import ZONES, houses, product_floor
from tests.property.logs import logs
from tests.support.examples import examples

BY_REASON: Final = ("flowed_out_by_reason", "refused_by_reason")


class Expected:
    """What a report of the log has to say."""

    def __init__(self, log: list[Arrival], house: House, options: ReportOptions) -> None:
        clock = Clock(options.timezone, _common_reset(house))
        times = [record.event["occurred_at_ms"] for record in log]
        self.from_ms = clock.day(min(times))[0] if options.from_ms is None else options.from_ms
        self.to_ms = clock.day(max(times))[1] if options.to_ms is None else options.to_ms
        told = [replace(record, partition=0) for record in log if record.event["occurred_at_ms"] < self.to_ms]
        last_ms = max((record.event["occurred_at_ms"] for record in told), default=self.from_ms)
        self.cut_ms = max(last_ms, self.from_ms) if options.to_ms is None else options.to_ms
        self.clock, self.interval_ms = clock, options.interval_ms
        self.arrival = options.attribution == "arrival"
        clocks = dict.fromkeys(("", *house.clocks), clock)
        house = replace(house, linger_ms=EVER[1], skew_ms=EVER[1], clocks=clocks, interval_ms=options.interval_ms)
        self.floor = Floor(told, house)

    def intervals(self, kind: str, name: str, shown: Iterable[int]) -> dict[int, int]:
        """Start -> end of the intervals to look at: those shown, and those in which something happened."""
        if kind == "queues":
            return self.floor.intervals("queue:" + name, shown)
        stretches = self.floor.agents[name].stretches
        begun_ms = max(self.from_ms, stretches[0].since_ms) if stretches else self.cut_ms
        within = range(begun_ms, self.cut_ms, self.interval_ms // 2)
        return self.floor.intervals("agent:" + name, {*shown, *within})

    def queue(self, queue_id: str, since_ms: int, until_ms: int, total: bool = False) -> dict[str, Any]:
        """A queue's block for [since, until): `waiting` are the visits enqueued in it and open at the cut-off."""
        truth = self.floor
        level = truth.house.level_of(queue_id, self.cut_ms if total else since_ms)
        since_ms, until_ms = max(since_ms, self.from_ms), min(until_ms, self.to_ms)
        it = truth.queue([queue_id], since_ms, until_ms, self.arrival)
        open_since_ms = 0 if total else since_ms
        waits = [(waited_ms(stay, self.cut_ms), stay.level.threshold_ms) for stay in truth.waiting([queue_id])
                 if open_since_ms <= stay.arrival_ms < until_ms]  # fmt: skip
        now = {
            "waiting": len(waits),
            "waiting_over_threshold": sum(limit_ms is not None and wait > limit_ms for wait, limit_ms in waits),
            "oldest_wait_seconds": max(wait for wait, _ in waits) / 1000 if waits else None,
        }
        present = truth.queue_now([queue_id], self.cut_ms)
        staff = {name: value if total else None for name, value in present.items() if name.startswith("agents_")}
        gone = it.left + it.refused
        others = {f"{stay.outcome}_by_reason" for stay in gone if stay.reason}
        reasons = {name: _reasons(name, gone) for name in {*BY_REASON, *others}}
        figures = queue_figures(it, level)
        return {**figures, **now, **staff, **reasons, "expected_wait_seconds": None}

    def agent(self, agent_id: str, since_ms: int, until_ms: int, total: bool = False) -> Figures:
        """An agent's block; states count up to the cut-off."""
        since_ms, until_ms = max(since_ms, self.from_ms), min(until_ms, self.to_ms)
        agent = self.floor.agents[agent_id]
        it = happened([], agent.stints, since_ms, until_ms, self.arrival)
        state, _, begun_ms = agent.state_at(self.cut_ms)
        lasts = None if begun_ms is None or not total else (self.cut_ms - begun_ms) / 1000
        figures = agent_figures(it, agent, since_ms, min(until_ms, self.cut_ms), self.floor.house.reasons)
        # of what is not known nobody can say since when
        return figures | ({} if total and state == "unknown" else {"state_seconds": lasts})


def _common_reset(house: House) -> int:
    """A report has one clock: the reset time of the sites if they agree on one."""
    resets = {clock.reset_minutes for clock in house.clocks.values()}
    return resets.pop() if len(resets) == 1 else 0


def _reasons(name: str, stays: list[Any]) -> dict[str, int]:
    told = [stay.reason for stay in stays if stay.reason and f"{stay.outcome}_by_reason" == name]
    return {reason: told.count(reason) for reason in told}


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


class Compared:
    """One report beside what was expected."""

    def __init__(self, report: dict[str, Any], expected: Expected) -> None:
        self.report, self.expected = report, expected
        self.found: dict[str, Any] = {}

    def everything(self) -> dict[str, Any]:
        """Where the two differ."""
        truth = self.expected.floor
        for queue_id in truth.queues:
            self._blocks("queues", queue_id, self.expected.queue)
        for agent_id, agent in truth.agents.items():
            if agent_id not in self.report["agents"]:
                assert not agent.stretches and all(stint.over_ms is None for stint in agent.stints)
            elif not agent.blurred:
                self._blocks("agents", agent_id, self.expected.agent)
        quality = {word: truth.intake.counts[word] for word in QUALITY}
        self._note("quality", {word: self.report["quality"][word] for word in quality}, quality)
        return self.found

    def _note(self, what: str, found: dict[str, Any], expected: dict[str, Any]) -> None:
        agents = self.expected.floor.agents.values()
        exact = not any(agent.blurred or set(agent.queues) < agent.hinted for agent in agents)
        differing = differences(found, expected)
        if differing := {name: pair for name, pair in differing.items() if exact or not name.startswith("agents_")}:
            self.found[what] = differing

    def _blocks(self, kind: str, name: str, expected: Any) -> None:
        """Total, days, and intervals of one scope; what is left out must be empty."""
        block, it = self.report[kind][name], self.expected
        total = expected(name, it.from_ms, it.to_ms, True)
        if kind == "agents" and "state_seconds" not in total:
            del block["total"]["state_seconds"]
        self._note(f"{name} total", block["total"], total)
        rows = {_ms(row.pop("start")): row for row in block["intervals"]}
        nothing = expected(name, EVER[1], EVER[1])
        days: dict[str, tuple[int, int]] = {}
        for start_ms, end_ms in it.intervals(kind, name, rows).items():
            bounds = it.clock.day(start_ms)
            days[datetime.fromtimestamp(bounds[0] / 1000, ZoneInfo(it.clock.zone)).date().isoformat()] = bounds
            self._note(f"{name} {start_ms}", rows.get(start_ms, nothing), expected(name, start_ms, end_ms))
        assert set(block["days"]) <= set(days)
        for day, bounds in days.items():
            self._note(f"{name} {day}", block["days"].get(day, nothing), expected(name, *bounds))


@st.composite
def asked(draw: st.DrawFn, log: list[Arrival]) -> ReportOptions:
    """What a report may be asked for."""
    first_ms = min(record.event["occurred_at_ms"] for record in log)
    from_ms = draw(
        st.none() | st.sampled_from([-60_000, 0, 300_000]).map(lambda ms: (first_ms + ms) // 60_000 * 60_000)
    )
    to_ms = draw(st.none() | st.sampled_from([1, 400_000, 2_000_000]).map(lambda ms: first_ms + ms))
    if from_ms is not None and to_ms is not None and to_ms <= from_ms:
        to_ms = None
    attribution: Attribution = draw(st.sampled_from(("outcome", "arrival")))
    return ReportOptions(
        draw(st.sampled_from(ZONES)), from_ms, to_ms, draw(st.sampled_from([300_000, 900_000, 1_800_000])), attribution
    )


@settings(max_examples=examples(60))
@given(st.data(), houses(), logs())
def test_a_report_says_what_the_whole_log_comes_to(data: st.DataObject, house: House, log: list[Arrival]) -> None:
    if not log:
        return
    house = replace(house, watch=None)  # the oracle is told of closures by the log, which a recording does not have
    options = data.draw(asked(log))
    log = sorted(log, key=lambda record: record.event["occurred_at_ms"])
    events = [decode_event(msgspec.json.encode(record.event)) for record in log]
    report = build_report(Recording(events), product_floor(house), options)
    assert Compared(report, Expected(log, house, options)).everything() == {}
