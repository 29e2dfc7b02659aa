"""What a scenario injects, and the labels that say so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from service.simulate.options import MINUTE_MS, SimulationOptions

if TYPE_CHECKING:
    from service.simulate.plan import Plan

Kind = Literal["surge", "build-up", "outage", "campaign", "fault", "snowball", "feed-loss", "absence", "slow-handling"]

CAMPAIGN_ID: Final = "autumn"
CAMPAIGN_DNIS: Final = "08005550100"
INCIDENT_ID: Final = "incident-1"
CAMPAIGN_FACTOR: Final = 2.2
HANDLE_FACTOR: Final = 2.0


@dataclass(frozen=True, slots=True)
class Label:
    """One thing injected in [from_ms, to_ms); `volume_factor` multiplies the arrivals of `queues`, in a build-up at the
    end, `handle_factor` is what the talks of their contacts have grown to at the end: both grow evenly from the
    beginning on.
    """

    kind: Kind
    from_ms: int
    to_ms: int
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    site: str | None = None
    volume_factor: float = 1.0
    handle_factor: float = 1.0

    def covers(self, at_ms: int) -> bool:
        """Whether it is on at that time."""
        return self.from_ms <= at_ms < self.to_ms


def labels_of(options: SimulationOptions, plan: "Plan") -> list[Label]:
    """What is injected into this floor; nothing on a calm day."""
    after_ms = options.inject_after_ms if options.inject_after_ms is not None else options.duration_ms * 2 // 5
    from_ms = options.start_ms + after_ms
    first_pool = [queue.queue_id for queue in plan.queues if queue.pool == 0]
    some = tuple(first_pool[:2])
    match options.scenario:
        case "calm":
            return []
        case "surge":
            return [Label("surge", from_ms, from_ms + 45 * MINUTE_MS, some, volume_factor=3.0)]
        case "build-up":
            return [Label("build-up", from_ms, from_ms + 90 * MINUTE_MS, some, volume_factor=3.0)]
        case "outage":
            return [_outage(options, plan, from_ms)]
        case "campaign":
            to_ms = from_ms + 120 * MINUTE_MS
            return [Label("campaign", from_ms, to_ms, some[:1], volume_factor=CAMPAIGN_FACTOR)]
        case "snowball":
            return [
                Label("fault", from_ms, from_ms + 40 * MINUTE_MS, tuple(first_pool), volume_factor=2.5),
                Label("snowball", from_ms, from_ms + 100 * MINUTE_MS, tuple(first_pool)),
            ]
        case "absence":
            return [_absence(plan, from_ms)]
        case "slow-handling":
            to_ms = from_ms + 180 * MINUTE_MS
            return [Label("slow-handling", from_ms, to_ms, tuple(first_pool), handle_factor=HANDLE_FACTOR)]
        case "feed-loss":
            return [Label("feed-loss", from_ms, from_ms + 12 * MINUTE_MS)]


def _outage(options: SimulationOptions, plan: "Plan", from_ms: int) -> Label:
    """The last of several sites goes dark; with one site, six of ten agents of the first pool drop out."""
    if len(options.sites) > 1 and any(queue.site == options.sites[-1] for queue in plan.queues):
        site = options.sites[-1]
        gone = tuple(agent.agent_id for agent in plan.agents if agent.site == site)
        queues = tuple(queue.queue_id for queue in plan.queues if queue.site == site)
        return Label("outage", from_ms, from_ms + 30 * MINUTE_MS, queues, gone, site)
    mates = [agent.agent_id for agent in plan.agents if agent.pool == 0]
    gone = tuple(agent for place, agent in enumerate(mates) if place % 5 < 3)
    queues = tuple(queue.queue_id for queue in plan.queues if queue.pool == 0)
    return Label("outage", from_ms, from_ms + 30 * MINUTE_MS, queues, gone)


def _absence(plan: "Plan", from_ms: int) -> Label:
    """Two of five agents of the first pool are away for three hours, whatever their schedule says."""
    mates = [agent.agent_id for agent in plan.agents if agent.pool == 0]
    gone = tuple(agent for place, agent in enumerate(mates) if place % 5 < 2)
    queues = tuple(queue.queue_id for queue in plan.queues if queue.pool == 0)
    return Label("absence", from_ms, from_ms + 180 * MINUTE_MS, queues, gone)


def volume_factor(labels: Iterable[Label], at_ms: int) -> float:
    """By how much the labels multiply the arrivals at that time."""
    factor = 1.0
    for label in labels:
        if label.covers(at_ms):
            grown = _part_of(label, at_ms) if label.kind == "build-up" else 1.0
            factor *= 1 + (label.volume_factor - 1) * grown
    return factor


def handle_factor(labels: Iterable[Label], queue_id: str, at_ms: int) -> float:
    """By how much the labels make a talk of the queue longer that begins at that time."""
    factor = 1.0
    for label in labels:
        if label.handle_factor != 1 and queue_id in label.queues and label.covers(at_ms):
            factor *= 1 + (label.handle_factor - 1) * _part_of(label, at_ms)
    return factor


def _part_of(label: Label, at_ms: int) -> float:
    """How much of the label's time has passed."""
    return (at_ms - label.from_ms) / (label.to_ms - label.from_ms)


def active(labels: Sequence[Label], kind: Kind, queue_id: str, at_ms: int) -> bool:
    """Whether a label of that kind is on for the queue."""
    return any(label.kind == kind and queue_id in label.queues and label.covers(at_ms) for label in labels)


def is_withheld(labels: Sequence[Label], at_ms: int) -> bool:
    """Whether the feed loses what happens at that time."""
    return any(label.kind == "feed-loss" and label.covers(at_ms) for label in labels)
