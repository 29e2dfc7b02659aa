"""Canonical events: what every vendor's feed becomes, one JSON object a Kafka record on `cti.events`.

Times are integer milliseconds UTC, durations end in `_ms`. Unknown fields are ignored; a missing or mistyped
required field makes the whole event invalid. `docs/events.md` and the JSON Schema are generated from here.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

Id = Annotated[str, Meta(min_length=1, max_length=256)]
Name = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
DurationMs = Annotated[int, Meta(ge=0, le=366 * 86_400_000)]
MomentMs = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]
"""A moment up to 2100. `occurred_at_ms` has a check of its own, by the clock."""

WIDEST: Final = 1 << 62
Whole = Annotated[int, Meta(ge=-WIDEST, le=WIDEST)]
"""A whole number that every encoding we use can carry."""

Channel = Literal["voice", "fax", "sms", "chat", "email", "wechat", "weibo", "callback", "video", "other"]
Initiation = Literal["inbound", "outbound", "transfer", "callback", "api", "monitor"]
State = Literal["ready", "reserved", "on_contact", "acw", "not_ready", "offline", "unknown"]
Party = Literal["customer", "agent", "system"]


class Event(Struct, kw_only=True, tag_field="type", gc=False):
    """What every event carries. `event_id` is stable over redelivery.

    `corrects` names an earlier event of the same contact or agent that this one replaces. `synthetic` events are not
    the source's: the watchdog or a snapshot made them, and `synthetic_reason` says why.
    """

    event_id: Id
    occurred_at_ms: int
    received_at_ms: MomentMs | None = None
    source: Name = ""
    site: Name | None = None
    seq: Whole | None = None
    corrects: Id | None = None
    synthetic: bool = False
    synthetic_reason: Text | None = None


class ContactEvent(Event, kw_only=True, gc=False):
    """Something in the life of one contact; the record's key is `contact_id`."""

    contact_id: Id


class ContactStarted(ContactEvent, kw_only=True, tag="contact.started", gc=False):
    """A customer's contact begins, before any queue.

    `customer_ref` is a keyed hash that begins with `h:`; anything else is a customer's number, which is hashed where it
    comes in, or dropped (docs/privacy.md). `dnis` is the number that was dialled.
    """

    channel: Channel = "voice"
    direction: Literal["inbound", "outbound"] = "inbound"
    initiation: Initiation = "inbound"
    customer_ref: Text | None = None
    customer_class: Name | None = None
    dnis: Text | None = None
    campaign_id: Text | None = None
    reason: Text | None = None
    parent_contact_id: Id | None = None
    root_contact_id: Id | None = None


class ContactEnded(ContactEvent, kw_only=True, tag="contact.ended", gc=False):
    """The contact is over; visits and legs still open end with it."""

    disconnect_by: Party | None = None
    cause: Text | None = None


class VisitEvent(ContactEvent, kw_only=True, gc=False):
    """Something in a contact's stay in one queue. `wait_ms`, where the feed states it, wins over the difference of
    times.
    """

    visit_id: Id
    queue_id: Id | None = None
    wait_ms: DurationMs | None = None


class VisitQueued(VisitEvent, kw_only=True, tag="visit.queued", gc=False):
    """The contact enters a queue: offered. A transfer to another queue is a new visit. `customer_ref` is as in
    `contact.started`.
    """

    queue_id: Id
    channel: Channel = "voice"
    customer_ref: Text | None = None
    customer_class: Name | None = None
    priority: Whole | None = None
    skills: list[Text] | None = None
    position: Whole | None = None
    initiation: Initiation = "inbound"
    from_queue_id: Id | None = None


class VisitAnswered(VisitEvent, kw_only=True, tag="visit.answered", gc=False):
    """An agent takes the contact out of the queue; with `agent_id` it also begins that agent's leg."""

    agent_id: Id | None = None
    leg_id: Id | None = None
    ring_ms: DurationMs | None = None


class VisitAbandoned(VisitEvent, kw_only=True, tag="visit.abandoned", gc=False):
    """The customer left while queued or ringing."""

    position: Whole | None = None


class VisitFlowedOut(VisitEvent, kw_only=True, tag="visit.flowed_out", gc=False):
    """The visit left the queue without abandon and without agent: overflow, timeout, empty, key, withdraw, transfer,
    system.
    """

    outcome_reason: Text | None = None
    to_queue_id: Id | None = None


class VisitCallbackRequested(VisitEvent, kw_only=True, tag="visit.callback_requested", gc=False):
    """The customer accepted a callback instead of waiting; not an abandon."""

    due_at_ms: MomentMs | None = None


class VisitCancelled(VisitEvent, kw_only=True, tag="visit.cancelled", gc=False):
    """The visit was taken back by the system or an operator."""

    outcome_reason: Text | None = None


class VisitRefused(VisitEvent, kw_only=True, tag="visit.refused", gc=False):
    """The queue did not let the contact in (full, closed, nobody there): refused, never offered."""

    queue_id: Id
    outcome_reason: Text | None = None


class LegEvent(ContactEvent, kw_only=True, gc=False):
    """Something in one offer of a contact to one agent.

    Without `leg_id` the leg is the agent's leg in that visit; a feed that offers one visit to the same agent twice
    gives ids. A `consult` leg counts as neither offered nor handled. Without `agent_id` the leg counts for its queue
    only.
    """

    agent_id: Id | None = None
    leg_id: Id | None = None
    visit_id: Id | None = None
    queue_id: Id | None = None
    consult: bool = False


class LegOffered(LegEvent, kw_only=True, tag="leg.offered", gc=False):
    """The contact is reserved for an agent."""


class LegAlerting(LegEvent, kw_only=True, tag="leg.alerting", gc=False):
    """The agent's device rings."""


class LegAnswered(LegEvent, kw_only=True, tag="leg.answered", gc=False):
    """The agent is connected. `ring_ms` stated wins over alerting to answer."""

    ring_ms: DurationMs | None = None


class LegMissed(LegEvent, kw_only=True, tag="leg.missed", gc=False):
    """The offer was not taken: no answer, or withdrawn while ringing."""

    ring_ms: DurationMs | None = None
    reason: Text | None = None


class LegRejected(LegEvent, kw_only=True, tag="leg.rejected", gc=False):
    """The agent declined the offer; counts as missed."""

    ring_ms: DurationMs | None = None
    reason: Text | None = None


class LegHeld(LegEvent, kw_only=True, tag="leg.held", gc=False):
    """The customer is put on hold."""


class LegRetrieved(LegEvent, kw_only=True, tag="leg.retrieved", gc=False):
    """The customer is taken back from hold."""


class LegTransferStarted(LegEvent, kw_only=True, tag="leg.transfer_started", gc=False):
    """The agent begins a transfer."""


class LegTransferred(LegEvent, kw_only=True, tag="leg.transferred", gc=False):
    """The agent handed the contact on; the leg is over unless a later `leg.ended` says when."""

    transfer_kind: Literal["blind", "attended", "queue"] | None = None
    to_queue_id: Id | None = None
    to_agent_id: Id | None = None
    talk_ms: DurationMs | None = None
    hold_ms: DurationMs | None = None


class LegConferenced(LegEvent, kw_only=True, tag="leg.conferenced", gc=False):
    """A third party joined."""


class LegPartyLeft(LegEvent, kw_only=True, tag="leg.party_left", gc=False):
    """A party of a conference left."""


class LegEnded(LegEvent, kw_only=True, tag="leg.ended", gc=False):
    """The agent is no longer connected. Stated `talk_ms` (without hold) and `hold_ms` win over differences of times."""

    talk_ms: DurationMs | None = None
    hold_ms: DurationMs | None = None
    releasing_party: Party | None = None
    disposition: Text | None = None


class LegWrapupStarted(LegEvent, kw_only=True, tag="leg.wrapup_started", gc=False):
    """After-call work begins. `acw_ms` is its planned length where the feed states one (Asterisk WRAPUPSTART): it then
    ends by itself.
    """

    acw_ms: DurationMs | None = None


class LegWrapupEnded(LegEvent, kw_only=True, tag="leg.wrapup_ended", gc=False):
    """After-call work ends; without a start it began when the leg ended. Stated `acw_ms` wins."""

    acw_ms: DurationMs | None = None


class AgentEvent(Event, kw_only=True, gc=False):
    """Something about one human agent; the record's key is `agent_id`."""

    agent_id: Id


class AgentLogin(AgentEvent, kw_only=True, tag="agent.login", gc=False):
    """The agent signs in. `queues`, where given, replaces the agent's memberships."""

    queues: list[Id] | None = None
    team: Text | None = None


class AgentLogout(AgentEvent, kw_only=True, tag="agent.logout", gc=False):
    """The agent signs out. Without a login, stated `login_ms` implies one that much earlier."""

    login_ms: DurationMs | None = None


class AgentStateChanged(AgentEvent, kw_only=True, tag="agent.state_changed", gc=False):
    """The agent's own state. `queues` replaces the memberships; `queue_id` limits the state to that one queue."""

    state: State
    reason: Text | None = None
    pending_state: State | None = None
    queues: list[Id] | None = None
    queue_id: Id | None = None


class AgentQueueJoined(AgentEvent, kw_only=True, tag="agent.queue_joined", gc=False):
    """The agent becomes a member of a queue."""

    queue_id: Id


class AgentQueueLeft(AgentEvent, kw_only=True, tag="agent.queue_left", gc=False):
    """The agent is no longer a member of a queue."""

    queue_id: Id


class AgentSnapshot(AgentEvent, kw_only=True, tag="agent.snapshot", gc=False):
    """The agent's whole state as the source sees it now; `since_ms` says since when."""

    state: State
    reason: Text | None = None
    since_ms: MomentMs | None = None
    queues: list[Id] | None = None


class AgentHeartbeat(AgentEvent, kw_only=True, tag="agent.heartbeat", gc=False):
    """The source is alive for this agent; never opens a session."""
