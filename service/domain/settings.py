"""What the domain needs to know of the configuration: sites, queues, agents. Built by `service.config`, never read from
disk here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from service.domain.business_hours import BusinessHours

Variant = Literal[
    "answered_only", "abandon_negative", "abandon_ignored", "abandon_positive", "short_positive", "genesys", "dequeued"
]
ReasonKind = Literal["internal", "external", "productive"]
"""How a reason for being not ready counts: as shrinkage inside the house (break, training), outside it (sick leave), or
as work and thus not as shrinkage.
"""

DEFAULT_INTERVAL_MS: Final = 900_000
DEFAULT_SITE: Final = "default"
NO_ABANDONMENT: Final = frozenset(("email", "fax", "sms", "wechat", "weibo"))
"""Channels on which nobody is seen to leave: a message waits until it is answered or taken back."""


@dataclass(frozen=True, slots=True)
class GenesysSwitches:
    """The three switches of the `genesys` service level: whether abandons, short abandons and flow-outs count against
    it.
    """

    abandons: bool = True
    short: bool = True
    flow_outs: bool = False


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """A queue's service level. `threshold_ms` None: not set, the ratio is undefined. A wait equal to the threshold is
    within.

    With `hours`, every wait of the queue counts open time only; None: every minute counts. Without `abandonment` the
    queue's customers cannot abandon: a visit that is told to be abandoned counts as cancelled. `ordinary` says that
    there is neither, once and for all.
    """

    threshold_ms: int | None = 20_000
    target_ratio: float = 0.8
    variant: Variant = "abandon_ignored"
    short_abandon_ms: int = 5_000
    genesys: GenesysSwitches = field(default_factory=GenesysSwitches)
    hours: BusinessHours | None = None
    abandonment: bool = True
    ordinary: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ordinary", self.hours is None and self.abandonment)

    def wait_ms(self, since_ms: int, until_ms: int) -> int:
        """How long a visit has waited at `until_ms`, on the queue's clock; never negative."""
        if self.hours is not None:
            return self.hours.open_ms(since_ms, until_ms)
        return until_ms - since_ms if until_ms > since_ms else 0


@dataclass(frozen=True, slots=True)
class Site:
    """A place with a time zone (IANA name) and the local minute of the day at which its business day starts."""

    site_id: str = DEFAULT_SITE
    timezone: str = "UTC"
    day_starts_at_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """A business queue. `configured` is False for one first seen in the stream; it then has the defaults.

    `later_levels` are the service levels that take the place of `service_level`, each from a moment on (ms, ascending).
    """

    queue_id: str
    name: str = ""
    site: str = DEFAULT_SITE
    channel: str = "voice"
    group: str | None = None
    service_level: ServiceLevel = field(default_factory=ServiceLevel)
    configured: bool = False
    later_levels: tuple[tuple[int, ServiceLevel], ...] = ()

    def level_at(self, at_ms: int) -> ServiceLevel:
        """The service level in force at a moment."""
        level = self.service_level
        for from_ms, later in self.later_levels:
            if at_ms < from_ms:
                break
            level = later
        return level


@dataclass(frozen=True, slots=True)
class Agent:
    """A human agent. `configured` is False for one first seen in the stream.

    `capacity` says how many contacts of a channel the agent takes at once, where that is more than one.
    """

    agent_id: str
    name: str = ""
    team: str | None = None
    site: str = DEFAULT_SITE
    configured: bool = False
    capacity: Mapping[str, int] = field(default_factory=dict)


HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How long something may stay open before the watchdog closes it; None: for ever (a contact nobody hears of is
    given up after 14 days).
    """

    ringing_ms: int | None = 300_000
    connected_ms: int | None = 12 * HOUR_MS
    after_call_ms: int | None = 2 * HOUR_MS
    waiting_ms: int | None = 24 * HOUR_MS


ASYNCHRONOUS: Final = Limits(7 * 24 * HOUR_MS, 7 * 24 * HOUR_MS, 24 * HOUR_MS, 13 * 24 * HOUR_MS)
"""Limits of written channels, where an answer may take days."""

DEFAULT_LIMITS: Final = {
    "chat": Limits(connected_ms=24 * HOUR_MS),
    **dict.fromkeys(("email", "fax", "sms", "wechat", "weibo", "other"), ASYNCHRONOUS),
}
"""Channel -> limits, where they are not those of a call."""

ONE_AT_A_TIME: Final = frozenset({"voice", "video", "callback"})
"""Channels on which an agent has one contact at a time."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """What is closed because the source never told of its end.

    `next_contact`: an agent who takes another contact, or becomes ready, has ended the one before.
    """

    channels: dict[str, Limits] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    next_contact: bool = True

    def limits(self, channel: str) -> Limits:
        """The channel's limits."""
        return self.channels.get(channel, CALL_LIMITS)

    @property
    def shortest_ms(self) -> int:
        """The shortest of all limits: what begins now is over none of them before."""
        every = [CALL_LIMITS, *self.channels.values()]
        set_ms = [
            limit_ms
            for limits in every
            for limit_ms in (limits.ringing_ms, limits.connected_ms, limits.after_call_ms, limits.waiting_ms)
            if limit_ms is not None
        ]
        return min(set_ms)


CALL_LIMITS: Final = Limits()

ON_QUEUE: Final = frozenset(("ready", "reserved", "on_contact", "acw"))
"""States in which an agent is there for contacts."""

OFF_QUEUE: Final = frozenset(("not_ready", "offline"))


@dataclass(frozen=True, slots=True)
class Fit:
    """The states that fit an activity, and the reasons for being not ready that do; None: any."""

    states: frozenset[str]
    reasons: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Adherence:
    """What keeps to the schedule. `fits` has the activities whose states are set; others fit by being productive.

    Excused, in the excused ratio and in what is told now: the activity next to a boundary of the plan for the grace
    before and after it, and a contact that began before an activity's end for `call_overrun_ms` after that.
    """

    fits: Mapping[str, Fit] = field(default_factory=dict)
    grace_before_ms: int = 0
    grace_after_ms: int = 0
    call_overrun_ms: int = 0

    def fit(self, activity: str, productive: bool) -> Fit:
        """What fits an activity."""
        return self.fits.get(activity) or (PRODUCTIVE if productive else UNPRODUCTIVE)


PRODUCTIVE: Final = Fit(ON_QUEUE)
UNPRODUCTIVE: Final = Fit(OFF_QUEUE)


@dataclass(frozen=True, slots=True)
class ScopeLimits:
    """How many scopes that are not configured one partition of the state takes in; facts of further ones are dropped.
    `classes` counts customer classes in queues.
    """

    queues: int = 5_000
    agents: int = 20_000
    classes: int = 5_000


LEARNT_KEPT: Final = 1 << 16
"""Of so many queues or agents, those first seen in the stream are forgotten, and made again when asked for."""


@dataclass(slots=True)
class Floor:
    """Sites, queues and agents, with defaults for what is first seen in the stream. A reason for being not ready that
    `reason_kinds` does not name is internal. A customer who comes again within
    `return_window_ms` has returned. `watchdog` None: it is off.
    """

    sites: dict[str, Site] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    default_queue: Queue = field(default_factory=lambda: Queue(""))
    default_agent: Agent = field(default_factory=lambda: Agent(""))
    default_site: Site = field(default_factory=Site)
    reason_kinds: dict[str, ReasonKind] = field(default_factory=dict)
    interval_ms: int = DEFAULT_INTERVAL_MS
    return_window_ms: int = 86_400_000
    watchdog: Watchdog | None = None
    limits: ScopeLimits = field(default_factory=ScopeLimits)
    adherence: Adherence = field(default_factory=Adherence)

    def queue(self, queue_id: str) -> Queue:
        """The queue's settings; the defaults for an unknown one."""
        found = self.queues.get(queue_id)
        if found is None:
            _make_room(self.queues)
            found = self.queues[queue_id] = replace(self.default_queue, queue_id=queue_id, name=queue_id)
        return found

    def agent(self, agent_id: str) -> Agent:
        """The agent's settings; the defaults for an unknown one."""
        found = self.agents.get(agent_id)
        if found is None:
            _make_room(self.agents)
            found = self.agents[agent_id] = replace(self.default_agent, agent_id=agent_id, name=agent_id)
        return found

    def site(self, site_id: str) -> Site:
        """The site's settings; the defaults for an unknown one."""
        found = self.sites.get(site_id)
        if found is None:
            found = self.sites[site_id] = replace(self.default_site, site_id=site_id)
        return found


def _make_room(known: dict[str, Queue] | dict[str, Agent]) -> None:
    """Forget what was learnt, once in a while: a broken feed may have names without end."""
    if known and len(known) % LEARNT_KEPT == 0:
        for name in [name for name, settings in known.items() if not settings.configured]:
            del known[name]
