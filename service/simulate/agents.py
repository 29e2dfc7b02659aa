"""The simulated agents: shifts, breaks, outages, and who is free for whom."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from service.domain.business_events import Activity, SchedulePublished
from service.domain.events import AgentLogin, AgentLogout, AgentQueueJoined, AgentStateChanged
from service.simulate.breaks import STAGGERS, breaks
from service.simulate.engine import Engine
from service.simulate.options import MINUTE_MS
from service.simulate.plan import AgentPlan, Plan
from service.simulate.scenarios import Label


@dataclass(slots=True, eq=False)
class Pause:
    """Time away from contacts; it begins when the agent is free."""

    state: Literal["not_ready", "offline"]
    reason: str
    duration_ms: int
    begun: bool = False


@dataclass(slots=True, eq=False)
class Seat:
    """One agent at work. `load` counts contacts that ring, are served or wrapped up; `dark_until_ms` an outage."""

    plan: AgentPlan
    signed_in: bool = False
    leaving: bool = False
    pause: Pause | None = None
    load: int = 0
    idle_since_ms: int = 0
    dark_until_ms: int = 0

    @property
    def is_free(self) -> bool:
        """Whether another contact may be offered."""
        return self.signed_in and not self.leaving and self.pause is None and self.load < self.plan.concurrency


@dataclass(slots=True)
class Staff:
    """All agents. `on_free` is called with a seat that can take a contact; it may well take none."""

    engine: Engine
    plan: Plan
    on_free: Callable[[Seat], None]
    _by_queue: dict[str, list[Seat]] = field(default_factory=dict)
    _seats: dict[str, Seat] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Seat everybody and plan the shifts of the first day."""
        for agent in self.plan.agents:
            seat = self._seats[agent.agent_id] = Seat(agent)
            for queue_id in agent.queues:
                self._by_queue.setdefault(queue_id, []).append(seat)
        local = self.engine.options.local(self.engine.options.start_ms)
        self._plan_day(local.replace(hour=0, minute=0, second=0, microsecond=0))

    def drop_out(self, label: Label) -> None:
        """Take the label's agents away until its end, once they are done with their contacts."""
        for agent_id in label.agents:
            seat = self._seats[agent_id]
            seat.dark_until_ms = label.to_ms
            away = label.site or label.kind == "absence"
            state: Literal["offline", "not_ready"] = "offline" if away else "not_ready"
            self.send_away(seat, Pause(state, label.kind, label.to_ms - self.engine.now_ms), force=True)

    def send_away(self, seat: Seat, pause: Pause, force: bool = False) -> None:
        """Pause the agent as soon as no contact is left; a pause already planned or running wins unless forced."""
        if seat.signed_in and (force or seat.pause is None):
            seat.pause = pause
            self.settle(seat)

    def longest_idle(self, queue_id: str) -> Seat | None:
        """The free agent of the queue who has waited longest, the least loaded first."""
        free = [seat for seat in self._by_queue.get(queue_id, ()) if seat.is_free]
        return min(free, key=lambda seat: (seat.load, seat.idle_since_ms), default=None)

    def staffed(self, queue_id: str) -> int:
        """How many agents of the queue are signed in."""
        return sum(seat.signed_in for seat in self._by_queue.get(queue_id, ()))

    def release(self, seat: Seat) -> None:
        """One contact less for the agent."""
        seat.load -= 1
        seat.idle_since_ms = self.engine.now_ms
        self.settle(seat)

    def settle(self, seat: Seat) -> None:
        """Do what waited for the agent to be free: go home, go on a break, or take the next contact."""
        if seat.is_free:
            self.on_free(seat)
        elif seat.load == 0 and seat.leaving:
            self._sign_out(seat)
        elif seat.load == 0 and seat.pause is not None and not seat.pause.begun:
            seat.pause.begun = True
            self._state(seat, seat.pause.state, seat.pause.reason)
            self.engine.after(seat.pause.duration_ms, self._resume, seat, seat.pause)

    def _resume(self, seat: Seat, pause: Pause) -> None:
        if seat.pause is not pause or not seat.signed_in:
            return
        seat.pause = None
        self._ready(seat)

    def _ready(self, seat: Seat) -> None:
        self._state(seat, "ready", None)
        seat.idle_since_ms = self.engine.now_ms
        self.settle(seat)

    def _state(self, seat: Seat, state: str, reason: str | None) -> None:
        agent = seat.plan
        queues = list(agent.queues)
        self.engine.emit(
            AgentStateChanged, agent.site, agent_id=agent.agent_id, state=state, reason=reason, queues=queues
        )

    def _plan_day(self, midnight: datetime) -> None:
        """Plan every shift of one local day, and the next day's planning."""
        for seat in self._seats.values():
            late = self.engine.rng.uniform(-4, 3)
            wall = midnight + timedelta(minutes=seat.plan.shift_start_minutes)
            planned_ms = int(wall.timestamp() * 1000)
            if planned_ms + (seat.plan.shift_minutes - 10) * MINUTE_MS > self.engine.now_ms:
                self.engine.at(planned_ms - 30 * MINUTE_MS, self._publish, seat, planned_ms)
                self.engine.at(planned_ms + int(late * MINUTE_MS), self._sign_in, seat, planned_ms)
        tomorrow = midnight + timedelta(days=1)
        self.engine.at(int(tomorrow.timestamp() * 1000), self._plan_day, tomorrow)

    def _publish(self, seat: Seat, shift_ms: int) -> None:
        """The agent's plan for the day: work with the breaks cut out."""
        plan, at_ms = [], shift_ms
        for break_ms, minutes, reason in _breaks(seat, shift_ms):
            end_ms = break_ms + minutes * MINUTE_MS
            plan.append(Activity(start_ms=at_ms, end_ms=break_ms, activity="work"))
            plan.append(Activity(start_ms=break_ms, end_ms=end_ms, activity=reason, productive=False))
            at_ms = end_ms
        plan.append(Activity(start_ms=at_ms, end_ms=_shift_end_ms(seat, shift_ms), activity="work"))
        self.engine.emit(SchedulePublished, seat.plan.site, agent_id=seat.plan.agent_id, intervals=plan, version=1)

    def _sign_in(self, seat: Seat, shift_ms: int) -> None:
        engine, agent = self.engine, seat.plan
        if engine.now_ms < seat.dark_until_ms:
            engine.at(seat.dark_until_ms, self._sign_in, seat, shift_ms)
            return
        seat.signed_in, seat.leaving, seat.pause = True, False, None
        queues = list(agent.queues)
        engine.emit(AgentLogin, agent.site, agent_id=agent.agent_id, queues=queues, team=agent.team)
        for queue_id in queues:
            engine.emit(AgentQueueJoined, agent.site, agent_id=agent.agent_id, queue_id=queue_id)
        for break_ms, minutes, reason in _breaks(seat, shift_ms):
            at_ms = break_ms + int(engine.rng.uniform(-2, 5) * MINUTE_MS)
            if at_ms > engine.now_ms:
                duration_ms = int(minutes * MINUTE_MS * engine.rng.uniform(0.9, 1.25))
                engine.at(at_ms, self.send_away, seat, Pause("not_ready", reason, duration_ms))
        engine.at(_shift_end_ms(seat, shift_ms), self._go_home, seat)
        self._ready(seat)

    def _go_home(self, seat: Seat) -> None:
        seat.leaving = seat.signed_in
        self.settle(seat)

    def _sign_out(self, seat: Seat) -> None:
        seat.signed_in, seat.leaving, seat.pause = False, False, None
        self.engine.emit(AgentLogout, seat.plan.site, agent_id=seat.plan.agent_id)


def _shift_end_ms(seat: Seat, shift_ms: int) -> int:
    return shift_ms + seat.plan.shift_minutes * MINUTE_MS


def _breaks(seat: Seat, shift_ms: int) -> list[tuple[int, int, str]]:
    """The planned breaks of a shift that starts at `shift_ms`, staggered: when, how many minutes, why."""
    stagger = STAGGERS[int(seat.plan.agent_id) % len(STAGGERS)]
    planned = breaks(seat.plan.shift_minutes, stagger)
    return [(shift_ms + minute * MINUTE_MS, length, reason) for minute, length, reason in planned]
