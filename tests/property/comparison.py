"""The product's answers beside the oracle's: same names, same values, down to the millisecond."""

from collections.abc import Iterable, Mapping
from math import isclose
from typing import Any, Final

from api.rollups import queues_view, team_view
from api.views import Views, read, read_agent
from service.domain.kpi_times import WINDOW_KPIS
from service.domain.kpis import Reading
from service.domain.recent import RECENT_KEPT
from service.domain.scopes import HISTOGRAM_EDGES_MS, AgentScope, QueueScope
from service.domain.totals import Totals, total_of
from service.domain.view import add_open_state, queues_served
from service.rollups import class_parts, member_agents, member_queues
from service.timetext import format_moment
from tests.oracle import floor as oracle
from tests.oracle.figures import UNSCHEDULED_NOW, Figures, queue_figures
from tests.oracle.house import Level
from tests.property.houses import TEAMS
from tests.property.line import Line
from tests.property.logs import PARTITIONS

QUALITY: Final = ("late", "duplicates", "conflicts")
Line_ = list[tuple[int, str, str | None, bool]]


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> (the product's, the oracle's) where they differ. Every KPI must be known to both.

    Counts and sums of milliseconds are equal; a division may differ in its last bits, a quantile by one per cent.
    """
    names = found.keys() | expected.keys()
    pairs = {name: (found.get(name, "absent"), expected.get(name, "absent")) for name in names}
    return {name: pair for name, pair in pairs.items() if not _same(name, *pair)}


def _same(name: str, found: Any, value: Any) -> bool:
    if isinstance(value, float) and isinstance(found, float | int):
        quantile = name.startswith(("wait_p", "handle_p"))
        return isclose(found, value, rel_tol=0.01 if quantile else 1e-12, abs_tol=0.001 if quantile else 0)
    return bool(found == value)


class Comparison:
    """What differs between the floor that a reader of the state feed sees and the oracle's, at one moment."""

    def __init__(self, line: Line, truth: oracle.Floor, now_ms: int) -> None:
        line.now_ms = now_ms
        self.truth, self.now_ms, self.state = truth, now_ms, line.reader
        self.views, self.view = Views(self.state), self.state.view()
        self.found: dict[str, Any] = {}

    def everything(self) -> dict[str, Any]:
        """Where the two differ: scope and window -> name -> (product, oracle)."""
        self.staff_is_exact = all(self._serves_exactly(agent_id) for agent_id in self.truth.agents)
        for queue_id in self.truth.queues:
            self._queue(queue_id)
        for agent_id in self.truth.agents:
            self._agent(agent_id)
        self._rollups()
        self._classes()
        sources = self.state.scopes.sources.values()
        found = {word: sum(seen.counts.get(word, 0) for seen in sources) for word in QUALITY}
        self._note("quality", found, {word: self.truth.intake.counts[word] for word in QUALITY})
        return self.found

    def _note(self, what: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        if differing := differences(found, expected):
            self.found[what] = differing

    def _note_now(self, what: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        """What is true now; without staff where the queues an agent serves depend on the order of telling."""
        names = [name for name in found if self.staff_is_exact or not name.startswith(("agents_", "expected"))]
        self._note(what + " now", {name: found[name] for name in names}, {name: expected[name] for name in names})

    # --- queues -----------------------------------------------------------------------------------------------------

    def _queue(self, queue_id: str) -> None:
        scope, queue, truth = "queue:" + queue_id, self.state.queue(queue_id), self.truth
        assert queue is not None, scope
        level = truth.house.level_of(queue_id, self.now_ms)
        shown = self.views.queue(self.view, queue, oracle.WINDOWS)
        self._note_now(scope, shown["now"], truth.queue_now([queue_id], self.now_ms))
        self._note(scope + " by class", shown["by_class"], truth.waits_by_class(queue_id, self.now_ms))
        for window, values in shown["windows"].items():
            self._note(f"{scope} {window}", values, truth.queue_window([queue_id], window, self.now_ms, level))
        self._lifetime(queue, level)
        left = [stay for stay in truth.stays if stay.queue_id == queue_id and stay.outcome not in (None, "refused")]
        ids = {stay.visit_id for stay in left}  # a contact met again after it was forgotten has some of them twice
        if len(ids) == len(left) <= RECENT_KEPT:  # of more, those that were heard of last are kept
            found = {
                (visit.visit_id, visit.outcome, visit.queued_ms, visit.ended_ms, visit.wait_ms, visit.waited_before_ms)
                for visit in queue.recent.slots.values()
            }
            expected = {(s.visit_id, s.outcome, s.arrival_ms, s.end_ms, s.wait_ms, s.before_ms) for s in left}
            self._note(scope + " visits that left", {"visits": found}, {"visits": expected})
        self._intervals(queue)

    def _intervals(self, queue: QueueScope) -> None:
        """Every interval of a queue, or of a customer class in it."""
        queue_id, of, truth = queue.queue_id, queue.customer_class, self.truth
        for start_ms, end_ms in truth.intervals("queue:" + queue_id, queue.intervals, of).items():
            level = truth.house.level_of(queue_id, start_ms)
            for attribution in ("outcome", "arrival"):
                kept = queue.intervals.get(start_ms)
                found = self._queue_figures(kept.totals(attribution) if kept else Totals(), queue_id, start_ms)
                it = truth.queue([queue_id], start_ms, end_ms, attribution == "arrival", of)
                self._note(f"{queue.scope} {attribution} {start_ms}", found, queue_figures(it, level))

    def _lifetime(self, queue: QueueScope, level: Level) -> None:
        """Totals since ever, which have neither sketch nor maximum, and the two histograms."""
        ever = self.truth.queue([queue.queue_id], *oracle.EVER, of=queue.customer_class)
        found, expected = (
            self._queue_figures(queue.live.lifetime, queue.queue_id, self.now_ms),
            queue_figures(ever, level),
        )
        names = [name for name in expected if not name.startswith(("wait_p", "handle_p", "max_"))]
        self._note(queue.scope + " lifetime", {n: found[n] for n in names}, {n: expected[n] for n in names})
        waits = [stay.wait_ms for stay in ever.left if stay.outcome == "answered"]
        spent = [s.talk_ms + s.hold_ms + (s.acw_ms or 0) for s in ever.over if not s.consult]
        self._note(
            queue.scope + " histograms",
            {"wait": queue.live.wait_histogram, "handle": queue.live.handle_histogram},
            {"wait": _histogram(waits), "handle": _histogram(spent)},
        )

    def _queue_figures(self, totals: Totals, queue_id: str, at_ms: int) -> dict[str, Any]:
        """The KPIs by the service level of a moment."""
        return dict(read(WINDOW_KPIS["queue"], Reading(totals, self.state.floor.queue(queue_id).level_at(at_ms))))

    # --- agents -----------------------------------------------------------------------------------------------------

    def _serves_exactly(self, agent_id: str) -> bool:
        agent, truth = self.state.agent(agent_id), self.truth.agents[agent_id]
        return not truth.blurred and (agent is None or set(queues_served(agent.record)) == set(truth.queues))

    def _agent(self, agent_id: str) -> None:
        scope, agent, truth = "agent:" + agent_id, self.state.agent(agent_id), self.truth.agents[agent_id]
        if agent is None:
            assert not truth.stretches and all(stint.over_ms is None for stint in truth.stints), scope
            return
        shown = self.views.agent(self.view, agent, oracle.WINDOWS)
        queues = set(shown["queues"])
        if truth.own.queues or not set(truth.queues) <= queues <= truth.hinted:
            self._note(scope + " serves", {"queues": queues}, {"queues": set(truth.queues)})
        if truth.blurred:
            return
        self._state(agent, shown)
        for window, values in shown["windows"].items():
            self._note(f"{scope} {window}", values, self.truth.agent_window(agent_id, window, self.now_ms))
        segments = agent.timeline.segments(0, oracle.EVER[1])
        found = _from_known([(s.since_ms, s.state, s.reason, s.logged_in) for s in segments])
        expected = _from_known([(s.since_ms, s.state, s.reason, s.logged_in) for s in truth.stretches])
        self._note(scope + " timeline", {"line": found}, {"line": expected})
        self._agent_intervals(agent)

    def _state(self, agent: AgentScope, shown: Mapping[str, Any]) -> None:
        """The present state, and since when; of what was not known yet nobody can say since when."""
        truth = self.truth.agents[agent.agent_id]
        state, reason, since_ms = truth.state_at(self.now_ms)
        if state == "unknown" and (since_ms is None or since_ms == truth.stretches[0].since_ms):
            self._note(agent.scope, {"state": shown["state"]}, {"state": state})
            return
        expected = {"state": state, "state_reason": reason, "state_since": since_ms and format_moment(since_ms)}
        self._note(agent.scope, {name: shown[name] for name in expected}, expected)
        seconds = None if since_ms is None else max(0, self.now_ms - since_ms) / 1000
        self._note(agent.scope + " now", shown["now"], {"state_seconds": seconds})

    def _agent_intervals(self, agent: AgentScope) -> None:
        """Every interval; what is open in the end counts up to now."""
        name, now_ms = agent.agent_id, self.now_ms
        for start_ms, end_ms in self.truth.intervals(agent.scope, agent.intervals).items():
            for attribution in ("outcome", "arrival"):
                kept = agent.intervals.get(start_ms)
                totals = total_of([kept.totals(attribution)] if kept else [])
                add_open_state(totals, agent, start_ms, end_ms, now_ms)
                expected = self.truth.agent(name, start_ms, end_ms, now_ms, attribution == "arrival")
                seen, kinds = agent.record.own.login_seen, self.state.floor.reason_kinds
                found = read_agent(Reading(totals, login_seen=seen, reason_kinds=kinds))
                self._note(f"{agent.scope} {attribution} {start_ms}", found, expected)

    # --- roll-ups ---------------------------------------------------------------------------------------------------

    def _rollups(self) -> None:
        """Groups and sites of queues, teams of agents: sums of their members, each agent once."""
        for kind, name in {("group", "front")} | {("site", queue.site) for queue in self.state.floor.queues.values()}:
            queues = member_queues(self.state, kind, name)
            ids = [queue.queue_id for queue in queues]
            shown = queues_view(self.views, self.view, kind, name, queues, oracle.ROLLING_MS, None)
            self._note_now(f"{kind} {name}", shown["now"], self.truth.queue_now(ids, self.now_ms))
            for window, values in shown["windows"].items():
                expected = self.truth.queue_window(ids, window, self.now_ms, Level())
                self._note(f"{kind} {name} {window}", _plain(values), _plain(expected))
        for team in sorted(set(TEAMS.values())):
            names = [agent_id for agent_id, its in TEAMS.items() if its == team]
            shown = team_view(self.views, self.view, team, member_agents(self.state, team), (), None)
            staff = self.truth.team(names, self.now_ms)
            present = {"agents_" + state: count for state, count in staff.items()} | UNSCHEDULED_NOW
            self._note_now(f"team {team}", shown["now"], present | {"agents_staffed": sum(staff.values())})

    # --- customer classes -------------------------------------------------------------------------------------------

    def _classes(self) -> None:
        """Every customer class: in each queue, and over all of them. All partitions know of the same moves."""
        heard = self.truth.intake.moves
        told = {move for moves in heard.values() for move in moves}
        assert all(set(heard.get(number, ())) == told for number in range(PARTITIONS))
        shown = self.state.scopes.classes_of
        found = {(name, queue_id): part for queue_id, parts in shown.items() for name, part in parts.items()}
        assert self.truth.classes <= found.keys()
        for (name, queue_id), part in found.items():
            level = self.truth.house.level_of(queue_id, self.now_ms)
            self._class_in([part], name, oracle.WINDOWS, level)
            self._lifetime(part, level)
            self._intervals(part)
        for name in {name for name, _ in found}:
            self._class_in(class_parts(self.state, name), name, oracle.ROLLING_MS, None)

    def _class_in(self, parts: list[QueueScope], name: str, windows: Iterable[str], level: Level | None) -> None:
        """A class in some queues together. Without a level the service levels are left out: there are several."""
        ids = [part.queue_id for part in parts]
        shown = queues_view(self.views, self.view, "class", name, parts, windows, None)
        self._note(f"class {name} in {ids} now", shown["now"], self.truth.class_now(ids, self.now_ms, name))
        for window, values in shown["windows"].items():
            expected = self.truth.queue_window(ids, window, self.now_ms, level or Level(), name)
            both = (values, expected) if level else (_plain(values), _plain(expected))
            self._note(f"class {name} in {ids} {window}", *both)


def _from_known(line: Line_) -> Line_:
    """Without what is unknown before the first thing known: a correction may leave some of it behind."""
    return line[1:] if line and line[0][1:] == ("unknown", None, False) else line


def _plain(figures: Mapping[str, Any]) -> Figures:
    """Without service levels, whose variant a roll-up chooses by a rule of its own."""
    return {name: value for name, value in figures.items() if not name.startswith("service_level")}


def _histogram(values: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for value in values:
        edge = next((edge for edge in HISTOGRAM_EDGES_MS if value <= edge), -1)
        counts[edge] = counts.get(edge, 0) + 1
    return counts
