"""What the API shows of queues and agents: QueueView and AgentView, from readings of the floor."""

from collections.abc import Iterable
from typing import Any, Final

from service.domain.adherence import AdherenceNow
from service.domain.kpi_times import NOW_KPIS, WINDOW_KPIS
from service.domain.kpis import KPIS_OF, Kind, Kpi, Reading, not_ready_seconds_by_reason
from service.domain.scopes import AgentScope, QueueScope
from service.domain.settings import Floor, ServiceLevel
from service.domain.totals import Totals
from service.domain.view import (
    FloorView,
    WaitingNow,
    can_take,
    free_by_channel,
    next_due_ms,
    queues_served,
    state_of,
    sub_state_of,
)
from service.floor_state import FloorState
from service.timetext import format_moment

Values = dict[str, float | int | None]
AgentValues = dict[str, float | int | None | dict[str, float]]
Fields = frozenset[str] | None

BY_REASON: Final = "not_ready_seconds_by_reason"
NAMES: Final[dict[Kind, tuple[str, ...]]] = {
    "queue": tuple(kpi.name for kpi in KPIS_OF["queue"]),
    "agent": (*(kpi.name for kpi in KPIS_OF["agent"]), BY_REASON),
}
"""What may be asked for by `fields`."""

_LEVEL: Final = next(kpi for kpi in KPIS_OF["queue"] if kpi.name == "service_level_ratio")


def read(kpis: Iterable[Kpi], reading: Reading, fields: Fields = None) -> Values:
    """The KPIs' values by name."""
    return {kpi.name: kpi.value(reading) for kpi in kpis if fields is None or kpi.name in fields}


def read_agent(reading: Reading, fields: Fields = None) -> AgentValues:
    """The values of one window of an agent or a team: KPIs by name, and time not ready by reason."""
    values: AgentValues = {**read(WINDOW_KPIS["agent"], reading, fields)}
    if fields is None or BY_REASON in fields:
        values[BY_REASON] = not_ready_seconds_by_reason(reading.totals)
    return values


def level_view(level: ServiceLevel, mixed: bool = False) -> dict[str, Any]:
    """The service level a ratio is to be read with; threshold and target are null where several are merged."""
    return {
        "threshold_seconds": None if mixed or level.threshold_ms is None else level.threshold_ms / 1000,
        "target_ratio": None if mixed else level.target_ratio,
        "variant": level.variant,
    }


def hours_view(level: ServiceLevel, queue: QueueScope, now_ms: int) -> dict[str, Any] | None:
    """Of a queue that counts open time: whether it is open, and by when the next waiting visit is to be answered."""
    if level.hours is None:
        return None
    due_ms = next_due_ms(queue, level.hours, now_ms)
    return {"open": level.hours.is_open(now_ms), "next_due_at": None if due_ms is None else format_moment(due_ms)}


def capacity_view(floor: Floor, agent: AgentScope, now_ms: int) -> dict[str, dict[str, int] | None]:
    """What an agent who takes several contacts at once has and can still take, by channel; null for others."""
    free = free_by_channel(floor, agent, now_ms)
    if free is None:
        return {"capacity": None, "contacts": None, "free_capacity": None}
    capacity, contacts = floor.agent(agent.agent_id).capacity, agent.record.contacts
    return {
        "capacity": {channel: capacity.get(channel, 1) for channel in free},
        "contacts": {channel: contacts.get(channel, 0) for channel in {**free, **contacts}},
        "free_capacity": free,
    }


def adherence_view(found: AdherenceNow) -> dict[str, Any]:
    """Whether an agent does what is planned, and since when not. `impact_seconds` is negative where time for contacts
    is lost.
    """
    return {
        "state": found.state,
        "activity": found.activity,
        "since": _moment(found.since_ms),
        "until": _moment(found.until_ms),
        "out_since": _moment(found.out_since_ms),
        "impact_seconds": found.impact_ms / 1000,
    }


class Views:
    """Builds views; window values are kept until the window's totals change."""

    def __init__(self, state: FloorState) -> None:
        self.state = state
        self._kept: dict[tuple[str, str], tuple[Totals, int, ServiceLevel, Values]] = {}

    def head(self, view: FloorView) -> dict[str, Any]:
        """When the answer is of, and how old the newest event in it is (null before the first)."""
        return {"as_of": format_moment(view.now_ms), "staleness_seconds": self.state.staleness_seconds}

    def queue(
        self, view: FloorView, queue: QueueScope, windows: Iterable[str], fields: Fields = None
    ) -> dict[str, Any]:
        """QueueView without `as_of` and `staleness_seconds`."""
        settings = self.state.floor.queue(queue.queue_id)
        level = settings.level_at(view.now_ms)
        now = view.queue_now([queue], self.state.staff_of(queue.queue_id), level)
        return {
            "id": queue.queue_id,
            "name": settings.name or queue.queue_id,
            "site": settings.site,
            "timezone": self.state.floor.site(settings.site).timezone,
            "channel": settings.channel,
            "group": settings.group,
            "configured": settings.configured,
            "service_level": level_view(level),
            "business_hours": hours_view(level, queue, view.now_ms),
            "now": read(NOW_KPIS["queue"], now, fields),
            "by_class": self._by_class(view, queue),
            "windows": {w: self._window(view, queue, w, level, now.over_threshold, fields) for w in windows},
        }

    def _by_class(self, view: FloorView, queue: QueueScope) -> dict[str, Values]:
        """Who waits now, by customer class, for the classes of which somebody does."""
        found: dict[str, Values] = {}
        for name, part in sorted(self.state.scopes.classes_of.get(queue.queue_id, {}).items()):
            waiting = WaitingNow(self.state.floor, [part], view.now_ms)
            if waiting.count:
                found[name] = {
                    "waiting": waiting.count,
                    "waiting_over_threshold": waiting.over,
                    "oldest_wait_seconds": _seconds(waiting.oldest_ms),
                }
        return found

    def _window(
        self, view: FloorView, queue: QueueScope, window: str, level: ServiceLevel, over: int, fields: Fields
    ) -> Values:
        """A window's values. The same totals are the same object until they change, which is what is compared."""
        totals = view.queue_totals(queue, window)
        key = (queue.scope, window)
        kept = self._kept.get(key)
        if kept is None or kept[0] is not totals or kept[1] != over or kept[2] is not level:
            values = read(WINDOW_KPIS["queue"], Reading(totals, level, over_threshold=over))
            kept = self._kept[key] = (totals, over, level, values)
        values = kept[3]
        return values if fields is None else {name: value for name, value in values.items() if name in fields}

    def routing(self, view: FloorView, queue: QueueScope) -> dict[str, Any]:
        """The small view for routing."""
        level = self.state.floor.queue(queue.queue_id).level_at(view.now_ms)
        staff = self.state.staff_of(queue.queue_id)
        now = view.queue_now([queue], staff, level)
        lately = Reading(view.queue_sums(queue, "15m"), level, over_threshold=now.over_threshold)
        return {
            "id": queue.queue_id,
            "waiting": now.waiting,
            "oldest_wait_seconds": _seconds(now.oldest_wait_ms),
            "agents_available": can_take(staff),
            "expected_wait_seconds": _seconds(now.expected_wait_ms),
            "service_level_ratio": _LEVEL.value(lately),
        }

    def agent(
        self, view: FloorView, agent: AgentScope, windows: Iterable[str], fields: Fields = None
    ) -> dict[str, Any]:
        """AgentView without `as_of` and `staleness_seconds`. `adherence` is null while no schedule is known."""
        settings = self.state.floor.agent(agent.agent_id)
        record = agent.record
        state, reason, since_ms = state_of(agent, view.now_ms)
        readings = {w: view.agent_now(agent, view.agent_totals(agent, w)) for w in windows}
        return {
            "id": agent.agent_id,
            "name": settings.name or agent.agent_id,
            "team": settings.team,
            "site": settings.site,
            "timezone": self.state.floor.site(settings.site).timezone,
            "configured": settings.configured,
            "state": state,
            "state_reason": reason,
            "sub_state": sub_state_of(agent, view.now_ms),
            "state_since": format_moment(since_ms) if record.since_ms else None,
            "queues": sorted(queues_served(record)),
            **capacity_view(self.state.floor, agent, view.now_ms),
            "adherence": adherence_view(view.adherence(agent)) if agent.days else None,
            "now": read(NOW_KPIS["agent"], view.agent_now(agent, Totals()), fields),
            "windows": {w: read_agent(reading, fields) for w, reading in readings.items()},
        }

    def waiting_over(self, view: FloorView, queue: QueueScope) -> int:
        """Visits of the queue that wait beyond their threshold now."""
        return WaitingNow(self.state.floor, [queue], view.now_ms).over


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_moment(at_ms)


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / 1000
