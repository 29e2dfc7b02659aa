"""What rules can ask of a scope beside its KPIs, as one table, and the values of each kind of scope at one moment.

To add a measure: a row in `MEASURES` and a case in tests/unit/test_alert_measures.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Final

from service.alert_outlook import AlertOutlook, Drifts, Volume
from service.domain.adherence import AdherenceNow
from service.domain.chance import count_deviations, share_deviations
from service.domain.drift import Drift
from service.domain.kpi_times import NOW_KPIS
from service.domain.kpis import KPIS, KPIS_OF, Kpi, Reading
from service.domain.projection import Projection
from service.domain.rules import NOT_YET, NOTHING, Measured, Own
from service.domain.scopes import QUEUE_PANE_MS, AgentScope, QueueScope
from service.domain.service_level import closed, ratio, service_level, service_level_share
from service.domain.settings import ON_QUEUE, ServiceLevel
from service.domain.totals import Totals
from service.domain.view import ROLLING_MS, WINDOWS, FloorView, WaitingNow, state_of, sub_state_of
from service.floor_state import FloorState
from service.rollups import judged
from service.window_cache import sums_of

AGENT_STATES: Final = ("reserved", "on_contact", "acw", "not_ready", "ready")
BREAK_LOOKED_MS: Final = 6 * 3_600_000
"""How far back a break is looked for; a shift without any in that time counts as that long."""

BASELINE_MS: Final = 7_200_000
"""How far back a queue's own volume is known without an expectation: as long as panes are kept."""

TO_COME: Final = ("interval", "day")
"""Windows with something to come."""

_BY_NAME: Final[dict[str, Kpi]] = {kpi.name: kpi for kpi in KPIS}
_NOW_NAMES: Final = frozenset(kpi.name for kpis in NOW_KPIS.values() for kpi in kpis)
_GROWING: Final = frozenset(("oldest_wait_seconds", "state_seconds"))
_BY_CLOCK: Final = frozenset(("waiting_over_threshold", "expected_wait_seconds"))
"""KPIs of the moment that change as time passes, though not by one a second."""

_NO_TOTALS: Final = Totals()

_SAMPLES: Final[dict[str, str]] = {
    "asa_seconds": "answered", "average_contact_wait_seconds": "answered", "average_abandon_seconds": "abandoned",
    "average_talk_seconds": "handled", "average_acw_seconds": "handled", "aht_seconds": "handled",
    "average_hold_seconds": "held", "transfer_ratio": "handled", "average_ring_seconds": "rung",
    **dict.fromkeys(("wait_p50_seconds", "wait_p90_seconds", "wait_p95_seconds"), "answered"),
    **dict.fromkeys(("handle_p50_seconds", "handle_p90_seconds", "handle_p95_seconds"), "handled"),
}  # fmt: skip
"""What a mean or share is taken over, where that is not the visits that left the queue."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: `scopes` it can be asked of, whether it needs a window, and what it is."""

    name: str
    scopes: tuple[str, ...]
    windowed: bool
    help: str
    of: Callable[[Any, str], Measured]
    windows: tuple[str, ...] = WINDOWS
    """Those it can be asked of."""


class QueueValues:
    """A queue, or several together, at one moment. `level` is what they share; `own` what rules may refer to."""

    def __init__(
        self, state: FloorState, view: FloorView, queues: Sequence[QueueScope], level: ServiceLevel, mixed: bool,
        staff: Mapping[str, int] | None, outlook: AlertOutlook,
    ) -> None:  # fmt: skip
        self.queues, self.level, self.view = list(queues), level, view
        threshold = None if mixed or level.threshold_ms is None else level.threshold_ms / 1000
        self.own = Own(None if mixed else level.target_ratio, threshold)
        self.staff = None if staff is None else dict(staff)
        self.outlook = outlook
        self.waiting = WaitingNow(state.floor, queues, view.now_ms)
        self._mixed = mixed
        self._floor = state.floor
        self._totals: dict[str, Totals] = {}
        self._projections: dict[str, Projection | None] = {}

    def projection(self, window: str) -> Projection | None:
        """Where the service level of the window will end; None where nothing more is expected."""
        if window not in self._projections:
            queue, now_ms = self.queues[0], self.view.now_ms
            totals, over = self.totals(window), self.waiting.over
            self._projections[window] = self.outlook.projection(queue, window, now_ms, totals, over)
        return self._projections[window]

    def totals(self, window: str) -> Totals:
        """The totals of a window."""
        found = self._totals.get(window)
        if found is None:
            parts = [self.view.queue_sums(queue, window) for queue in self.queues]
            found = self._totals[window] = parts[0] if len(parts) == 1 else sums_of(parts)
        return found

    def measure(self, kpi: str, window: str | None) -> Measured:
        """The value of a KPI or measure; undefined for one that queues do not have."""
        if kpi in MEASURES:
            return MEASURES[kpi].of(self, window or "")
        if kpi in _NOW_NAMES:
            return self._now(kpi)
        row = _BY_NAME.get(kpi)
        if row is None or window is None or "queue" not in row.scopes:
            return NOTHING
        totals, over = self.totals(window), self.waiting.over
        left: int | None = None
        timed = self._judged(window) if self._mixed and kpi.startswith("service_level") else None
        if self._mixed and kpi == "abandonment_ratio":
            able = [q for q in self.queues if self._floor.queue(q.queue_id).service_level.abandonment]
            left = round(sum(closed(self.view.queue_sums(queue, window)) for queue in able))
        value = row.value(Reading(totals, self.level, over_threshold=over, closed_with_abandonment=left, judged=timed))
        sample: int = getattr(totals, _SAMPLES[kpi]) if kpi in _SAMPLES else round(closed(timed or totals)) + over
        is_level = kpi.startswith("service_level")
        variant = self.level.variant if kpi == "service_level_ratio" else None
        needs = is_level or kpi in _SAMPLES or row.unit == "ratio"
        return Measured(value, sample if needs else None, variant, ratio=row.unit == "ratio")

    def _judged(self, window: str) -> Totals | None:
        levels = [self._floor.queue(queue.queue_id).level_at(self.view.now_ms) for queue in self.queues]
        timed = judged([self.view.queue_sums(queue, window) for queue in self.queues], levels)
        return None if timed is None else sums_of(timed)

    def _now(self, kpi: str) -> Measured:
        waiting, wait_ms = self.waiting, None
        if kpi == "expected_wait_seconds":
            wait_ms = self.view.queue_now(self.queues, self.staff, self.level).expected_wait_ms
        reading = Reading(
            Totals(), self.level, waiting.count, waiting.over, waiting.oldest_ms, self.staff, wait_ms
        )  # fmt: skip
        return Measured(_BY_NAME[kpi].value(reading), grows=kpi in _GROWING, slides=kpi in _BY_CLOCK)


class AgentValues:
    """One agent at one moment, in `state` since `since_ms`: several rules ask for that."""

    own = Own()

    def __init__(self, view: FloorView, agent: AgentScope) -> None:
        self.view, self.agent = view, agent
        self.state, _, self.since_ms = state_of(agent, view.now_ms)
        self._totals: dict[str, Totals] = {}
        self._now: Reading | None = None

    def measure(self, kpi: str, window: str | None) -> Measured:
        """The value of a KPI or measure; undefined for one that agents do not have."""
        measure = MEASURES.get(kpi)
        if measure is not None:
            return measure.of(self, window or "")
        row = _BY_NAME.get(kpi)
        if row is None or "agent" not in row.scopes:
            return NOTHING
        if kpi in _NOW_NAMES:
            return Measured(row.value(self._reading(_NO_TOTALS)), grows=kpi in _GROWING, slides=False)
        if window is None:
            return NOTHING
        totals = self._sums(window)
        sample = getattr(totals, _SAMPLES[kpi]) if kpi in _SAMPLES else None
        return Measured(row.value(self._reading(totals)), sample, ratio=row.unit == "ratio")

    def _reading(self, totals: Totals) -> Reading:
        """The one reading of the agent, with these totals until it is asked for again."""
        if self._now is None:
            self._now = self.view.agent_now(self.agent, totals)
        self._now.totals = totals
        return self._now

    def _sums(self, window: str) -> Totals:
        found = self._totals.get(window)
        if found is None:
            found = self._totals[window] = self.view.agent_sums(self.agent, window)
        return found


class TeamValues:
    """Several agents together at one moment."""

    own = Own()

    def __init__(self, view: FloorView, agents: Sequence[AgentScope], staff: Mapping[str, int]) -> None:
        self._view, self.agents, self.staff = view, agents, dict(staff)

    def measure(self, kpi: str, window: str | None) -> Measured:
        """The value of a KPI of agents or a measure, or how many are in a state."""
        if kpi in MEASURES:
            return MEASURES[kpi].of(self, window or "")
        row = _BY_NAME.get(kpi)
        if row is not None and kpi.startswith("agents_"):
            return Measured(row.value(Reading(Totals(), staff=self.staff)), slides=False)
        if row is None or window is None or "agent" not in row.scopes or kpi in _NOW_NAMES:
            return NOTHING
        totals = sums_of([self._view.agent_sums(agent, window) for agent in self.agents])
        sample = getattr(totals, _SAMPLES[kpi]) if kpi in _SAMPLES else None
        return Measured(row.value(Reading(totals)), sample, ratio=row.unit == "ratio")


@dataclass(slots=True)
class SourceValues:
    """One source at one moment. `silent_ms`: since its newest event reached Kafka, None while silence means nothing;
    `per_second`: how many events it sent lately, None while that is not known, or while no contact is under way: agents
    who have signed in and wait for the first call are silent.
    """

    silent_ms: int | None
    per_second: float | None
    gaps: int
    own: Own = Own()

    def measure(self, kpi: str, window: str | None) -> Measured:
        """The value of a measure."""
        return MEASURES[kpi].of(self, "") if kpi in MEASURES else NOTHING


def _burn_rate(values: QueueValues, window: str) -> Measured:
    if values.own.target_ratio is None or values.own.target_ratio >= 1:
        return NOTHING
    totals, over = values.totals(window), values.waiting.over
    level = service_level(totals, over, values.level)
    value = None if level is None else (1 - level) / (1 - values.own.target_ratio)
    return Measured(value, round(closed(totals)) + over, values.level.variant)


def _service_level_deviations(values: QueueValues, window: str) -> Measured:
    if values.own.target_ratio is None or values.level.threshold_ms is None:
        return NOTHING
    share = service_level_share(values.totals(window), values.waiting.over, values.level)
    return Measured(share_deviations(*share, values.own.target_ratio), variant=values.level.variant)


def _offered_per_expected(values: QueueValues, window: str) -> Measured:
    expected = _expected(values, window)
    if expected is None:
        return NOTHING
    offered = values.totals(window).offered
    return Measured(ratio(offered, expected.contacts), offered)


def _offered_deviations(values: QueueValues, window: str) -> Measured:
    expected = _expected(values, window)
    if expected is None:
        return NOTHING
    return Measured(count_deviations(values.totals(window).offered, expected.contacts, expected.variance))


def _expected(values: QueueValues, window: str) -> Volume | None:
    """The volume expected, else by the queue's own pace in the panes before the window; None: too young for one."""
    if window not in ROLLING_MS:
        return None
    now_ms, span_ms = values.view.now_ms, ROLLING_MS[window]
    parts = [values.outlook.offered(queue.queue_id, now_ms - span_ms, now_ms) for queue in values.queues]
    known = [part for part in parts if part is not None]
    if len(known) == len(parts):
        return Volume(sum(part.contacts for part in known), sum(part.variance for part in known))
    newest = now_ms // QUEUE_PANE_MS
    first, end = newest - BASELINE_MS // QUEUE_PANE_MS + 1, newest - span_ms // QUEUE_PANE_MS + 1
    oldest = min((min(queue.panes, default=newest) for queue in values.queues), default=newest)
    if oldest > first + (end - first) // 2:
        return None
    begun = max(first, oldest)  # not the night before the lines opened
    share = span_ms / ((end - begun) * QUEUE_PANE_MS)
    before = sum(values.view.queue_panes(queue, begun, end).offered for queue in values.queues)
    return Volume(before * share, before * share * share)


def _projected(of: Callable[[Projection], float | None]) -> Callable[[QueueValues, str], Measured]:
    def measure(values: QueueValues, window: str) -> Measured:
        found = values.projection(window) if window in TO_COME else None
        if found is None:
            return NOTHING
        return Measured(of(found), round(closed(values.totals(window))) + values.waiting.over, values.level.variant)

    return measure


def _drift(
    of: Callable[[Drifts], Drift | None], value: Callable[[Drift], float]
) -> Callable[[QueueValues, str], Measured]:
    def measure(values: QueueValues, window: str) -> Measured:
        found = of(values.outlook.drifts(values.queues[0], values.view.now_ms))
        return NOTHING if found is None else Measured(value(found), found.intervals)

    return measure


def _seconds_in(state: str) -> Callable[[AgentValues, str], Measured]:
    def of(values: AgentValues, window: str) -> Measured:
        if values.state != state or not values.since_ms:
            return NOTHING
        return Measured(max(0, values.view.now_ms - values.since_ms) / 1000, grows=True)

    return of


def _seconds_dead(values: AgentValues, window: str) -> Measured:
    now_ms = values.view.now_ms
    if values.state != "on_contact" or sub_state_of(values.agent, now_ms) is None:
        return NOTHING
    return Measured((now_ms - values.since_ms) / 1000, grows=True)


def _seconds_without_break(values: AgentValues, window: str) -> Measured:
    now_ms = values.view.now_ms
    if values.state not in ON_QUEUE:
        return NOTHING
    since_ms = values.agent.timeline.since_ms(ON_QUEUE, now_ms - BREAK_LOOKED_MS, now_ms)
    return Measured(None if since_ms is None else (now_ms - since_ms) / 1000, grows=True)


def _adherence(values: AgentValues) -> AdherenceNow | None:
    """How the agent is out of adherence beyond what is excused; None while that is not so."""
    found = values.view.adherence(values.agent)
    return found if found.state == "out" else None


def _seconds_out(values: AgentValues, window: str) -> Measured:
    found = _adherence(values)
    if found is None or found.out_since_ms is None:
        return Measured(None, slides=False)
    return Measured((values.view.now_ms - found.out_since_ms) / 1000, grows=True)


def _impact(values: AgentValues, window: str) -> Measured:
    found = _adherence(values)
    return Measured(None, slides=False) if found is None else Measured(found.impact_ms / 1000)


def _absent_share(values: QueueValues | TeamValues, window: str) -> Measured:
    heads = values.staff or {}
    return Measured(ratio(heads.get("absent", 0), heads.get("scheduled", 0)), slides=False, ratio=True)


def _silence(values: SourceValues, window: str) -> Measured:
    return Measured(None if values.silent_ms is None else values.silent_ms / 1000, grows=True)


def _silent_gaps(values: SourceValues, window: str) -> Measured:
    if values.silent_ms is None:
        return NOTHING
    if values.per_second is None:
        return NOT_YET
    return Measured(values.silent_ms / 1000 * values.per_second)


_QUEUES: Final = ("all", "site", "group", "channel", "class", "queue")
MEASURES: Final[dict[str, Measure]] = {
    row.name: row
    for row in (
        Measure("burn_rate", _QUEUES, True,
            "How many times as fast as the target allows the window's misses use up the budget of misses: "
            "(1 - service level) / (1 - target).", _burn_rate),
        Measure("offered_per_expected", _QUEUES, True,
            "Offered / offered as expected by forecast or profile, else as in the two hours before.",
            _offered_per_expected, tuple(ROLLING_MS)),
        Measure("offered_deviations", _QUEUES, True,
            "How far the contacts offered lie above that expectation, in standard deviations: chance, and what a good "
            "forecast is off by.", _offered_deviations, tuple(ROLLING_MS)),
        Measure("service_level_deviations", _QUEUES, True,
            "How far the service level lies below the target, in standard deviations of chance: what few contacts "
            "miss says less.", _service_level_deviations),
        Measure("service_level_projected_ratio", ("queue",), True,
            "The service level that the interval or the day will end with: what has happened, and what is expected of "
            "the rest. Undefined without forecast or past weeks.", _projected(attrgetter("ratio")), TO_COME),
        Measure("recovery_ratio", ("queue",), True,
            "The share of the contacts still to come that must be served in time for the target of the interval or the "
            "day: above 1 it is lost.", _projected(attrgetter("needed_ratio")), TO_COME),
        *(Measure(f"{name}_{method}", ("queue",), False,
            f"How far {what} has drifted for the worse today against past weeks or the forecast, in standard "
            f"deviations: {method.upper()} over the day's whole intervals.", _drift(of, value))
          for name, what, of in (("service_level", "the service level", itemgetter(0)),
                                 ("aht", "the handle time", itemgetter(1)))
          for method, value in (("ewma", attrgetter("ewma")), ("cusum", attrgetter("cusum")))),
        *(Measure(f"seconds_{state}", ("agent",), False, f"How long the agent has been {state}.", _seconds_in(state))
          for state in AGENT_STATES),
        Measure("seconds_dead", ("agent",), False,
            "How long the source has said that the agent is on a contact while no contact is known.", _seconds_dead),
        Measure("seconds_without_break", ("agent",), False,
            "How long the agent has worked since the last time not ready or away.", _seconds_without_break),
        Measure("seconds_out_of_adherence", ("agent",), False,
            "How long the agent has not done what the schedule wants, beyond what is excused.", _seconds_out),
        Measure("adherence_impact_seconds", ("agent",), False,
            "What that comes to in time for contacts: negative where the agent is missing, positive where the agent "
            "works in a break.", _impact),
        Measure("absent_share", (*_QUEUES, "team"), False,
            "Agents absent / agents scheduled for contacts now.", _absent_share),
        Measure("silence_seconds", ("source",), False,
            "Since the newest event of a source that tells of the floor, while somebody waits or is signed in.",
            _silence),
        Measure("silent_gaps", ("source",), False,
            "The same silence, in usual distances between two events of the source.", _silent_gaps),
        Measure("gaps", ("source",), False, "How often the source has told of lost events.",
            lambda values, window: Measured(values.gaps, slides=False)),
    )
}  # fmt: skip


def known_kpis(kind: str) -> dict[str, bool]:
    """What rules may ask of a kind of scope: name -> whether it needs a window."""
    found = {name: row.windowed for name, row in MEASURES.items() if kind in row.scopes}
    if kind in ("agent", "team", *_QUEUES):
        side = "agent" if kind in ("agent", "team") else "queue"
        kpis = {kpi.name: kpi.name not in _NOW_NAMES for kpi in KPIS_OF[side]}  # type: ignore[index]
        if kind == "team":
            kpis = {name: windowed for name, windowed in kpis.items() if windowed}
            kpis |= {kpi.name: False for kpi in NOW_KPIS["queue"] if kpi.name.startswith("agents_")}
        found |= kpis
    return found


def windows_of(kpi: str) -> tuple[str, ...]:
    """The windows that a rule may ask a KPI or measure of."""
    return MEASURES[kpi].windows if kpi in MEASURES else WINDOWS


def is_ratio(kpi: str) -> bool:
    """Whether the KPI or measure is a share of its sample."""
    row = _BY_NAME.get(kpi)
    return row is not None and row.unit == "ratio"
