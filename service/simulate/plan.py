"""The simulated floor: queues, agents, skills, shifts; sized so that a calm day is good, not perfect."""

import math
import random
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from service.simulate.arrivals import CLOSES_HOUR, OPENS_HOUR, profile
from service.simulate.breaks import presence
from service.simulate.options import SimulationOptions

DEFAULT_AGENTS: Final = 40
_FULL_MINUTES: Final = 510
_PART_MINUTES: Final = 300
_PART_EVERY: Final = 2
"""One agent in so many works part-time."""
_POOL: Final = 5
_SMALL_POOL: Final = 15
_FIRST_START: Final = OPENS_HOUR * 60 - 15
_LAST_END: Final = CLOSES_HOUR * 60 + 15
_SLOTS: Final = tuple(range(OPENS_HOUR * 60, CLOSES_HOUR * 60, 30))
_SAFETY: Final = 1.2
"""Agents beyond the load, in units of its square root (square-root staffing)."""
_PRESENT: Final = 0.80
"""The part of a shift in which an agent is really there and needed: without breaks, lateness, imperfect cover."""
_PUNCTUAL: Final = 0.95
"""The part of it without lateness and longer breaks."""
_PRODUCTIVE_SLOTS: Final = _PRESENT * ((_PART_EVERY - 1) * _FULL_MINUTES + _PART_MINUTES) / _PART_EVERY / 30
"""Half hours a mean agent is really there a day."""
_EXTRA_WORK: Final = 1.08
"""Transfers and redials come on top of the profile's contacts."""


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """One queue; queues of one pool share agents. `concurrency` is how many contacts an agent takes at once."""

    queue_id: str
    name: str
    site: str
    pool: int
    channel: Literal["voice", "chat"]
    share: float
    talk_ms: int
    acw_ms: int
    threshold_ms: int
    overflow_to: str | None

    @property
    def concurrency(self) -> int:
        """How many contacts an agent takes at once."""
        return 3 if self.channel == "chat" else 1

    @property
    def is_vip(self) -> bool:
        """Whether only VIP customers come here."""
        return self.queue_id == "vip"

    @property
    def work_hours(self) -> float:
        """Hours of one agent a contact takes."""
        return (self.talk_ms + self.acw_ms + 8_000) / 3_600_000 / self.concurrency * _EXTRA_WORK


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """One agent. `shift_start_minutes` is the local minute of the day; the first of `queues` is the main skill."""

    agent_id: str
    team: str
    site: str
    pool: int
    queues: tuple[str, ...]
    concurrency: int
    shift_start_minutes: int
    shift_minutes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole floor. `contacts_per_hour` is the mean of all queues together over the opening hours."""

    queues: tuple[QueuePlan, ...]
    agents: tuple[AgentPlan, ...]
    contacts_per_hour: float


_NAMED: Final = (
    ("sales", "Sales", 0.24, 240_000, 35_000),
    ("service", "Customer service", 0.26, 270_000, 30_000),
    ("support", "Technical support", 0.16, 400_000, 60_000),
    ("billing", "Billing", 0.15, 230_000, 40_000),
    ("vip", "VIP", 0.05, 300_000, 40_000),
    ("chat", "Chat", 0.14, 540_000, 20_000),
)


def build_plan(options: SimulationOptions) -> Plan:
    """Return the floor of these options. Raises ValueError if there are too few agents to cover it."""
    queues = _queues(options)
    if options.agents is None and options.contacts_per_hour is not None:
        rate = options.contacts_per_hour
        heads = max(2 * (queues[-1].pool + 1), math.ceil(_need(queues, rate) / _PRODUCTIVE_SLOTS))
    else:
        heads = options.agents or DEFAULT_AGENTS
        rate = options.contacts_per_hour or _rate_of(queues, heads)
    pools = queues[-1].pool + 1
    if heads < 2 * pools:
        raise ValueError(f"{options.queues} queues need at least {2 * pools} agents, not {heads}")
    return Plan(tuple(queues), tuple(_agents(queues, heads, rate, options.seed)), rate)


def _queues(options: SimulationOptions) -> list[QueuePlan]:
    """The first few have names; the others are alike, in pools of five, each tenth for chat."""
    rows = [_row(number, options.seed) for number in range(options.queues)]
    total = sum(row[2] for row in rows)
    pools: list[tuple[str, list[str]]] = []
    made = []
    for queue_id, name, share, talk_ms, acw_ms in rows:
        chat = queue_id == "chat" or (queue_id[0] == "q" and queue_id.endswith("6"))
        channel: Literal["voice", "chat"] = "chat" if chat else "voice"
        pool = next((p for p, (c, ids) in enumerate(pools) if c == channel and len(ids) < _POOL), len(pools))
        if pool == len(pools):
            pools.append((channel, []))
        mates = pools[pool][1]
        overflow = next((mate for mate in mates if mate != "vip"), None)
        mates.append(queue_id)
        site = options.sites[pool % len(options.sites)]
        threshold_ms = 60_000 if chat else 10_000 if queue_id == "vip" else 20_000
        made.append(
            QueuePlan(queue_id, name, site, pool, channel, share / total, talk_ms, acw_ms, threshold_ms, overflow)
        )
    return sorted(made, key=lambda queue: queue.pool)


def _row(number: int, seed: int) -> tuple[str, str, float, int, int]:
    if number < len(_NAMED):
        return _NAMED[number]
    rng = random.Random(f"{seed}/queue/{number}")
    share, talk_ms = rng.uniform(0.06, 0.22), rng.randrange(180_000, 420_000, 10_000)
    return f"q{number + 1:02d}", f"Queue {number + 1}", share, talk_ms, rng.randrange(20_000, 70_000, 5_000)


def _loads(queues: list[QueuePlan], contacts_per_hour: float) -> list[list[float]]:
    """Agents needed by pool and half hour of the opening hours: the load and a safety by its square root."""
    work = [0.0] * (queues[-1].pool + 1)
    for queue in queues:
        work[queue.pool] += queue.share * contacts_per_hour * queue.work_hours
    peaks = [profile(slot + 15) for slot in _SLOTS]
    return [[w * peak + _SAFETY * math.sqrt(w * peak) for peak in peaks] for w in work]


def _need(queues: list[QueuePlan], contacts_per_hour: float) -> float:
    return sum(map(sum, _loads(queues, contacts_per_hour)))


def _rate_of(queues: list[QueuePlan], heads: int) -> float:
    """The rate those agents carry, by bisection."""
    low, high = 0.0, heads * 100.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _need(queues, middle) < heads * _PRODUCTIVE_SLOTS else (low, middle)
    return low


def _agents(queues: list[QueuePlan], heads: int, contacts_per_hour: float, seed: int) -> list[AgentPlan]:
    loads = _loads(queues, contacts_per_hour)
    made: list[AgentPlan] = []
    for pool, size in enumerate(_split(heads, [sum(load) for load in loads], 2)):
        mine = [queue for queue in queues if queue.pool == pool]
        shifts = sorted(_shifts(size, loads[pool]))
        mains = _dealt(mine, size)
        rng = random.Random(f"{seed}/skills/{pool}")
        for (start, minutes), main in zip(shifts, mains, strict=True):
            agent_id = str(1001 + len(made))
            team = f"team-{1 + len(made) // 12}"
            skills = _skills(mine, main, size, rng)
            made.append(AgentPlan(agent_id, team, main.site, pool, skills, main.concurrency, start, minutes))
    return made


def _split(total: int, weights: list[float], least: int) -> list[int]:
    """Share `total` heads by weight, at least `least` each."""
    spare, whole = total - least * len(weights), sum(weights)
    exact = [spare * weight / whole for weight in weights]
    parts = [math.floor(part) for part in exact]
    by_rest = sorted(range(len(parts)), key=lambda i: parts[i] - exact[i])
    for i in by_rest[: spare - sum(parts)]:
        parts[i] += 1
    return [part + least for part in parts]


def _shifts(size: int, load: list[float]) -> list[tuple[int, int]]:
    """Give each agent the start and length that leave the least squares of what is short or too much, full-timers
    first.
    """
    scale = size * _PRODUCTIVE_SLOTS / sum(load)
    short = [need * scale for need in load]
    shifts = []
    for agent in range(size):
        minutes = _FULL_MINUTES if agent < size - size // _PART_EVERY else _PART_MINUTES
        starts = range(_FIRST_START, _LAST_END - minutes + 1, 15)
        best = min(starts, key=lambda start: sum(part * (part - 2 * short[i]) for i, part in _covered(start, minutes)))
        shifts.append((best, minutes))
        for i, part in _covered(best, minutes):
            short[i] -= part
    return shifts


@cache
def _covered(start: int, minutes: int) -> tuple[tuple[int, float], ...]:
    """The half hours of the opening hours that a shift touches, each with the part of it that the agent is there."""
    parts = [presence(minutes, slot - start, slot + 30 - start) / 30 for slot in _SLOTS]
    return tuple((i, _PUNCTUAL * part) for i, part in enumerate(parts) if part)


def _dealt(queues: list[QueuePlan], size: int) -> list[QueuePlan]:
    """A main queue for each agent, in proportion to the work and evenly over the shifts."""
    dealt: dict[str, float] = {queue.queue_id: 0.0 for queue in queues}
    mains = []
    for _ in range(size):
        main = min(queues, key=lambda queue: (dealt[queue.queue_id] + 1) / (queue.share * queue.work_hours))
        dealt[main.queue_id] += 1
        mains.append(main)
    return mains


def _skills(queues: list[QueuePlan], main: QueuePlan, size: int, rng: random.Random) -> tuple[str, ...]:
    """All queues of a small pool; in a large one the main queue, two others, and VIP for every third agent."""
    others = [queue.queue_id for queue in queues if queue is not main]
    if size <= _SMALL_POOL or len(others) <= 2:
        return (main.queue_id, *others)
    plain = [queue_id for queue_id in others if queue_id != "vip"]
    skills = rng.sample(plain, 2)
    if "vip" in others and rng.random() < 1 / 3:
        skills.append("vip")
    return (main.queue_id, *skills)
