"""The whole floor, read out of a log: any queue, agent or roll-up, in any window."""

from collections.abc import Iterable, Sequence

from tests.oracle.agents import BUSY, Agent
from tests.oracle.contacts import see_returns
from tests.oracle.figures import UNSCHEDULED_NOW, Figures, Happened, agent_figures, happened, queue_figures
from tests.oracle.house import House, Level
from tests.oracle.intake import Arrival, Own, take_in
from tests.oracle.legs import Stint
from tests.oracle.stays import Stay

ROLLING_MS = {"5m": 300_000, "15m": 900_000, "30m": 1_800_000, "60m": 3_600_000}
WINDOWS = (*ROLLING_MS, "interval", "day")
PANE_MS = {"queue": 10_000, "agent": 60_000}
EVER = (-(1 << 60), 1 << 60)
STAFF = {"ready": "available", **{state: state for state in ("reserved", "on_contact", "acw", "not_ready")}}


class Floor:
    """What a log comes to."""

    def __init__(self, log: Sequence[Arrival], house: House) -> None:
        self.house = house
        self.intake = take_in(log, house)
        lives = self.lives = [self.intake.life(known) for known in self.intake.lives]
        names = [known.told[0][1]["contact_id"] for known in self.intake.lives]
        see_returns(zip(names, lives, strict=True), house.return_ms)
        self.stays: list[Stay] = [stay for life in lives for stay in life.stays if stay.queue_id is not None]
        self.stints: list[Stint] = [stint for life in lives for stint in life.stints]
        named = [stint.agent_id for stint in self.stints if stint.agent_id is not None]
        self.agents = {
            name: Agent(
                self.intake.agents.get(name, Own()).told, [s for s in self.stints if s.agent_id == name],
                self._hinted(name),
            )
            for name in sorted({*self.intake.agents, *named})
        }  # fmt: skip
        stinted = [stint.queue_id for stint in self.stints if stint.queue_id is not None]
        self.queues = sorted({stay.queue_id for stay in self.stays if stay.queue_id} | set(stinted))
        things: list[Stay | Stint] = [*self.stays, *self.stints]
        self.classes = {(thing.customer_class, thing.queue_id) for thing in things
                        if thing.customer_class and thing.queue_id}  # fmt: skip
        """(class, queue) where there is something of a customer class."""

    def _hinted(self, agent_id: str) -> set[str]:
        queues: set[str] = set()
        for known in self.intake.lives:
            if any(event.get("agent_id") == agent_id for _, event in known.told):
                queues |= {event["queue_id"] for _, event in known.told if event.get("queue_id")}
        return queues

    # --- windows ----------------------------------------------------------------------------------------------------

    def bounds(self, scope: str, window: str, now_ms: int) -> tuple[int, int]:
        """[since, until) of a window. Rolling ones are made of whole panes, the one still open included."""
        if window in ROLLING_MS:
            pane_ms = PANE_MS[scope.partition(":")[0]]
            until_ms = (now_ms // pane_ms + 1) * pane_ms
            return until_ms - ROLLING_MS[window], until_ms
        clock = self.house.clock_of(scope)
        return clock.day(now_ms) if window == "day" else clock.interval(now_ms, self.house.interval_ms)

    def intervals(self, scope: str, times: Iterable[int] = (), of: str | None = None) -> dict[int, int]:
        """Start -> end of the intervals in which something of the scope happened, and of those that hold `times`."""
        kind, _, name = scope.partition(":")
        of_queue = kind == "queue"
        moments = set(times)
        for stay in self.stays:
            if of_queue and stay.queue_id == name and is_of(stay, of):
                moments |= {stay.arrival_ms, stay.end_ms} if stay.outcome else {stay.arrival_ms}
        for stint in [stint for stint in self.stints if is_of(stint, of)]:
            if name == (stint.queue_id if of_queue else stint.agent_id) and stint.over_ms is not None:
                moments |= {at for at in (stint.arrival_ms, stint.over_ms, stint.end_ms) if at is not None}
        clock = self.house.clock_of(scope)
        return dict(clock.interval(at_ms, self.house.interval_ms) for at_ms in sorted(moments))

    # --- queues -----------------------------------------------------------------------------------------------------

    def queue(
        self, queues: Sequence[str], since_ms: int, until_ms: int, arrival: bool = False, of: str | None = None
    ) -> Happened:
        """What happened in some queues together during [since, until); `of`: to one class of customers."""
        stays = [stay for stay in self.stays if stay.queue_id in queues and is_of(stay, of)]
        stints = [stint for stint in self.stints if stint.queue_id in queues and is_of(stint, of)]
        return happened(stays, stints, since_ms, until_ms, arrival)

    def queue_window(
        self, queues: Sequence[str], window: str, now_ms: int, level: Level, of: str | None = None
    ) -> Figures:
        """KPIs of a window of one queue, or of several of one site."""
        since_ms, until_ms = self.bounds("queue:" + queues[0], window, now_ms)
        it = self.queue(queues, since_ms, until_ms, of=of)
        return queue_figures(it, level, self.waits(queues, now_ms, of)["waiting_over_threshold"])

    def waiting(self, queues: Sequence[str], of: str | None = None) -> list[Stay]:
        """The visits that wait."""
        return [s for s in self.stays if s.queue_id in queues and s.outcome is None and is_of(s, of)]

    def waits(self, queues: Sequence[str], now_ms: int, of: str | None = None) -> Figures:
        """Who waits now, each on the clock of the queue."""
        waits = [(waited_ms(stay, now_ms), stay.level.threshold_ms) for stay in self.waiting(queues, of)]
        return {
            "waiting": len(waits),
            "waiting_over_threshold": sum(limit is not None and waited > limit for waited, limit in waits),
            "oldest_wait_seconds": max(waited for waited, _ in waits) / 1000 if waits else None,
        }

    def waits_by_class(self, queue_id: str, now_ms: int) -> dict[str, Figures]:
        """The same by class of customers, where somebody waits."""
        names = {stay.customer_class for stay in self.waiting([queue_id]) if stay.customer_class}
        return {name: self.waits([queue_id], now_ms, name) for name in names}

    def class_now(self, queues: Sequence[str], now_ms: int, of: str) -> Figures:
        """What is true of a class of customers now, who have no agents of their own."""
        return dict.fromkeys(self.queue_now(queues, now_ms)) | self.waits(queues, now_ms, of)

    def queue_now(self, queues: Sequence[str], now_ms: int) -> Figures:
        """What is true of some queues now; agents count once however many of the queues they serve."""
        waits = [waited_ms(stay, now_ms) for stay in self.waiting(queues)]
        staff = self.staff(queues, now_ms)
        return self.waits(queues, now_ms) | {
            "expected_wait_seconds": self._expected(queues, waits, staff, now_ms),
            "agents_staffed": sum(staff.values()),
            **UNSCHEDULED_NOW,
            **{"agents_" + name: staff[name] for name in STAFF.values()},
        }

    def _expected(self, queues: Sequence[str], waits: list[int], staff: dict[str, int], now_ms: int) -> float | None:
        """Longest wait + mean handle time of the last hour / agents serving; nothing to wait for while one is free."""
        serving = sum(staff.values()) - staff["not_ready"]
        if not serving:
            return None
        if not waits and staff["available"]:
            return 0.0
        hour = self.queue(queues, *self.bounds("queue:" + queues[0], "60m", now_ms))
        done = [stint for stint in hour.over if not stint.consult]
        spent = sum(stint.talk_ms + stint.hold_ms + (stint.acw_ms or 0) for stint in done)
        return (max(waits, default=0) + spent / len(done) / serving) / 1000 if done else None

    # --- agents -----------------------------------------------------------------------------------------------------

    def staff(self, queues: Sequence[str], now_ms: int) -> dict[str, int]:
        """Agents by state who serve these queues, each once. Told states of single queues count: available if so in one
        of these, not ready only if so in all.
        """
        counts = dict.fromkeys(STAFF.values(), 0)
        for agent in self.agents.values():
            here = [queue for queue in agent.queues if queue in queues]
            state = agent.state_at(now_ms)[0]
            states = [state] if state in BUSY else [agent.own.in_queue(queue)[0] for queue in here]
            known = sorted({state for state in states if state in STAFF}, key=("ready", *BUSY, "not_ready").index)
            if here and known:
                counts[STAFF[known[0]]] += 1
        return counts

    def team(self, names: Iterable[str], now_ms: int) -> dict[str, int]:
        """These agents by state."""
        counts = dict.fromkeys(STAFF.values(), 0)
        for name in names:
            state = self.agents[name].state_at(now_ms)[0] if name in self.agents else "unknown"
            if state in STAFF:
                counts[STAFF[state]] += 1
        return counts

    def agent(self, name: str, since_ms: int, until_ms: int, states_until_ms: int, arrival: bool = False) -> Figures:
        """KPIs of an agent for [since, until); states count up to `states_until_ms`."""
        agent = self.agents[name]
        it = happened([], agent.stints, since_ms, until_ms, arrival)
        return agent_figures(it, agent, since_ms, min(until_ms, states_until_ms), self.house.reasons)

    def agent_window(self, name: str, window: str, now_ms: int) -> Figures:
        """KPIs of a window of an agent; states count up to now."""
        return self.agent(name, *self.bounds("agent:" + name, window, now_ms), now_ms)


def is_of(thing: Stay | Stint, customer_class: str | None) -> bool:
    """Whether it is of that class of customers; None: of any."""
    return customer_class in (None, thing.customer_class)


def waited_ms(stay: Stay, now_ms: int) -> int:
    """How long a visit that waits has done so, on its queue's clock."""
    return stay.level.waited_ms(stay.arrival_ms, now_ms)
