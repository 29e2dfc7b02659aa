"""Canonical events about schedules, forecasts, campaigns, outcomes and the feed itself.

They are accepted, counted per source and kept on `cti.events`; the KPIs that need the rest come with their own issue.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from service.domain.events import AgentEvent, ContactEvent, DurationMs, Event, Id, MomentMs, Name, State, Text, Whole

Ratio = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e6)]
"""Contacts or agents that a queue may be planned for."""

PlanMs = Annotated[int, Meta(ge=631_152_000_000, le=4_102_444_800_000)]
"""A moment from 1990 to 2100: plans lie ahead of the events that tell of them."""

LONGEST_PLANNED_MS: Final = 7 * 86_400_000
LONGEST_RANGE_MS: Final = 366 * 86_400_000


class CallbackEvent(ContactEvent, kw_only=True, gc=False):
    """Something in the life of a promised callback."""

    queue_id: Id | None = None
    due_at_ms: MomentMs | None = None
    attempt: Whole | None = None


class CallbackScheduled(CallbackEvent, kw_only=True, tag="callback.scheduled", gc=False):
    """A callback was promised."""


class CallbackAttempted(CallbackEvent, kw_only=True, tag="callback.attempted", gc=False):
    """The customer was dialled."""


class CallbackConnected(CallbackEvent, kw_only=True, tag="callback.connected", gc=False):
    """The customer was reached."""


class CallbackExpired(CallbackEvent, kw_only=True, tag="callback.expired", gc=False):
    """The promise was given up."""


class Activity(Struct, kw_only=True, gc=False):
    """One planned stretch of an agent's day, [start_ms, end_ms), of at most 7 days."""

    start_ms: PlanMs
    end_ms: PlanMs
    activity: Text
    productive: bool = True
    counts_for_adherence: bool = True
    paid: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for a stretch that ends before it begins or is too long."""
        _check_span("end_ms", self.start_ms, self.end_ms, LONGEST_PLANNED_MS)


def _check_span(name: str, start_ms: int, end_ms: int, longest_ms: int) -> None:
    if not 0 <= end_ms - start_ms <= longest_ms:
        raise ValueError(f"field `{name}` is before the start, or more than {longest_ms} ms after it")


class Schedule(AgentEvent, kw_only=True, gc=False):
    """Something about an agent's plan. Of one day, or one span, the highest `version` counts, then the newest event."""

    intervals: Annotated[list[Activity], Meta(max_length=2000)]
    version: Whole = 0
    from_ms: PlanMs | None = None
    to_ms: PlanMs | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a range with one end, or that ends before it begins or is too long."""
        if (self.from_ms is None) != (self.to_ms is None):
            raise ValueError("field `from_ms` or `to_ms` is missing: give both or none")
        if self.from_ms is not None and self.to_ms is not None:
            _check_span("to_ms", self.from_ms, self.to_ms, LONGEST_RANGE_MS)


class SchedulePublished(Schedule, kw_only=True, tag="schedule.published", gc=False):
    """The agent's whole plan of the business days on which its shifts begin, and of those that begin in [from_ms,
    to_ms).
    """


class ScheduleChanged(Schedule, kw_only=True, tag="schedule.changed", gc=False):
    """Another plan for one span: [from_ms, to_ms), else from the first interval's start to the last one's end. Its
    version is at least that of the publication it changes.
    """


class ActivityException(AgentEvent, kw_only=True, tag="activity.exception", gc=False):
    """An excused departure from the plan, of at most 366 days."""

    start_ms: PlanMs
    end_ms: PlanMs
    activity: Text
    paid: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for a departure that ends before it begins or is too long."""
        _check_span("end_ms", self.start_ms, self.end_ms, LONGEST_RANGE_MS)


class ForecastPublished(Event, kw_only=True, tag="forecast.published", gc=False):
    """Expected volume and handle time of one queue in [start_ms, end_ms), which need not be one of its intervals.

    Where forecasts overlap, that of the highest `version` counts; of equal ones, the one published last.
    """

    queue_id: Id
    start_ms: PlanMs
    end_ms: PlanMs
    volume: Amount
    aht_ms: DurationMs
    required_agents: Amount | None = None
    version: Whole = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a span that is empty, ends before it begins or is too long."""
        if self.start_ms == self.end_ms:
            raise ValueError("field `end_ms` is the start: nothing lies between them")
        _check_span("end_ms", self.start_ms, self.end_ms, LONGEST_RANGE_MS)


class CampaignEvent(Event, kw_only=True, gc=False):
    """Something about a marketing campaign."""

    campaign_id: Id
    department: Text | None = None
    audience_size: Whole | None = None
    reviewed: bool | None = None
    expected_uplift: float | None = None


class CampaignAnnounced(CampaignEvent, kw_only=True, tag="campaign.announced", gc=False):
    """A campaign is planned."""


class CampaignStarted(CampaignEvent, kw_only=True, tag="campaign.started", gc=False):
    """A campaign runs."""


class CampaignEnded(CampaignEvent, kw_only=True, tag="campaign.ended", gc=False):
    """A campaign is over."""


class IncidentOpened(Event, kw_only=True, tag="incident.opened", gc=False):
    """A fault that customers will call about."""

    incident_id: Id
    title: Text | None = None


class IncidentClosed(Event, kw_only=True, tag="incident.closed", gc=False):
    """The fault is mended."""

    incident_id: Id


class BatchOpDue(Event, kw_only=True, tag="batch_op.due", gc=False):
    """A batch operation of the business is to be done by `due_at_ms`."""

    op_id: Id
    due_at_ms: MomentMs
    department: Text | None = None
    kind: Text | None = None


class BatchOpCompleted(Event, kw_only=True, tag="batch_op.completed", gc=False):
    """A batch operation of the business was done."""

    op_id: Id
    done_at_ms: MomentMs
    department: Text | None = None
    kind: Text | None = None


class SurveyAnswered(ContactEvent, kw_only=True, tag="survey.answered", gc=False):
    """The customer's satisfaction with one contact, on a scale that ends at `scale`."""

    score: float
    scale: float = 5
    agent_id: Id | None = None
    queue_id: Id | None = None


class QualityScored(AgentEvent, kw_only=True, tag="quality.scored", gc=False):
    """A quality form about one agent, 0 to 100."""

    score: Annotated[float, Meta(ge=0, le=100)]
    form: Text | None = None
    contact_id: Id | None = None
    critical_error: bool = False


class OutcomeRecorded(ContactEvent, kw_only=True, tag="outcome.recorded", gc=False):
    """What one contact brought the business."""

    amount: float | None = None
    currency: Text | None = None
    product: Text | None = None
    agent_id: Id | None = None
    queue_id: Id | None = None


class ComplaintFiled(Event, kw_only=True, tag="complaint.filed", gc=False):
    """A customer complained."""

    case_id: Id
    product: Text | None = None
    queue_id: Id | None = None


class CustomersServed(Event, kw_only=True, tag="customers.served", gc=False):
    """The denominator of complaints: customers served in a period."""

    customers: Whole
    product: Text | None = None


class CustomerClassChanged(Event, kw_only=True, tag="customer.class_changed", gc=False):
    """A customer moves to another class: at once for what waits, on every channel, and for what comes later."""

    customer_ref: Id
    customer_class: Name


class AlertAcknowledged(Event, kw_only=True, tag="alert.acknowledged", gc=False):
    """A supervisor took an alert in hand."""

    fingerprint: Id
    who: Text
    note: Text | None = None


class WaitingVisit(Struct, kw_only=True, gc=False):
    """One visit that waits. Without `visit_id` it is the contact's visit in that queue; `since_ms` defaults to now."""

    contact_id: Id
    queue_id: Id
    visit_id: Id | None = None
    since_ms: MomentMs | None = None


class ConnectedLeg(Struct, kw_only=True, gc=False):
    """One agent connected to one contact; `since_ms` defaults to now."""

    contact_id: Id
    agent_id: Id
    visit_id: Id | None = None
    leg_id: Id | None = None
    queue_id: Id | None = None
    since_ms: MomentMs | None = None


class AgentNow(Struct, kw_only=True, gc=False):
    """One agent's own state."""

    agent_id: Id
    state: State
    reason: Text | None = None
    queues: list[Id] | None = None


class SourceSnapshot(Event, kw_only=True, tag="source.snapshot", gc=False):
    """Everything that is open at the source at this moment, for reconciliation.

    A list that is left out says nothing; an empty one says that there is nothing. What the source told of before and
    does not list is closed as of now, what it lists and never told of is opened. `queues` limits the snapshot to visits
    and legs of these queues. The lists of contact ids close and never open.
    """

    queues: list[Id] | None = None
    waiting: list[WaitingVisit] | None = None
    connected: list[ConnectedLeg] | None = None
    agents: list[AgentNow] | None = None
    waiting_contact_ids: list[Id] | None = None
    connected_contact_ids: list[Id] | None = None


class AgentMovedOn(Event, kw_only=True, tag="agent.moved_on", gc=False):
    """Made by the watchdog for every partition: the agent took another contact or became ready at this moment, so that
    older contacts of theirs that are still connected are over.
    """

    agent_id: Id


class SourceGap(Event, kw_only=True, tag="source.gap", gc=False):
    """The source restarted or lost events between `from_ms` and `to_ms`."""

    from_ms: MomentMs | None = None
    to_ms: MomentMs | None = None
    reason: Text | None = None


class ConfigChanged(Event, kw_only=True, tag="config.changed", gc=False):
    """The source's own configuration changed."""

    detail: Text | None = None
