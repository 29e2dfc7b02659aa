"""The parts of the configuration file, as people write them."""

import re
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from service.adapters import ADAPTERS
from service.adapters.mapping import CallRecordsMapping
from service.config_hours import BusinessHoursConfig
from service.config_section import Section
from service.domain import settings as domain
from service.domain.business_hours import BusinessHours
from service.domain.events import Channel, State
from service.timetext import parse_minutes_of_day, parse_moment_ms, parse_zone

Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
ReturnHours = Annotated[float, Field(gt=0, le=47, allow_inf_nan=False)]
"""A contact is told of the one that follows it while its interval is kept, which is 48 hours."""

ThresholdSeconds = Annotated[float, Field(gt=0, le=31 * 86_400, allow_inf_nan=False)]


class SiteConfig(Section):
    """A place: IANA zone, the local time at which its business day starts, and when it is open."""

    name: str | None = None
    timezone: str = "UTC"
    day_starts_at: str = "00:00"
    business_hours: BusinessHoursConfig | None = None

    _zone = field_validator("timezone")(parse_zone)

    @field_validator("day_starts_at")
    @classmethod
    def _time_of_day(cls, text: str) -> str:
        parse_minutes_of_day(text)
        return text

    def site(self, site_id: str) -> domain.Site:
        """Return what the domain needs of it."""
        return domain.Site(site_id, self.timezone, parse_minutes_of_day(self.day_starts_at))


class GenesysConfig(Section):
    """What counts against the service level of variant `genesys`."""

    abandons: bool = True
    short: bool = True
    flow_outs: bool = False


class ServiceLevelConfig(Section):
    """A queue's service level. `threshold_seconds` null: undefined. `clock` says which time its waits count."""

    threshold_seconds: ThresholdSeconds | None = 20
    clock: Literal["elapsed", "business_hours"] = "elapsed"
    target_ratio: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.8
    variant: domain.Variant = "abandon_ignored"
    short_abandon_seconds: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 5
    genesys: GenesysConfig = GenesysConfig()

    def service_level(self, hours: BusinessHours | None, abandonment: bool) -> domain.ServiceLevel:
        """Return it in the domain's milliseconds; `hours` are those in force if waits count open time only."""
        return domain.ServiceLevel(
            threshold_ms=None if self.threshold_seconds is None else round(self.threshold_seconds * 1000),
            target_ratio=self.target_ratio,
            variant=self.variant,
            short_abandon_ms=round(self.short_abandon_seconds * 1000),
            genesys=domain.GenesysSwitches(**self.genesys.model_dump()),
            hours=hours if self.clock == "business_hours" else None,
            abandonment=abandonment,
        )


class ChannelConfig(Section):
    """A channel: whether its customers can abandon, that is, be seen to leave while they wait."""

    abandonment: bool


class QueueConfig(Section):
    """A business queue. What it does not say comes from `defaults.queue`; `site` null: the only site there is.

    `business_hours` null: those of the site. `abandonment` null: as on its channel. `service_level_from` has what
    changes in the service level, by the moment from which it holds: a date (the start of the site's business day) or an
    RFC 3339 time.
    """

    name: str | None = None
    site: str | None = None
    channel: Channel = "voice"
    group: str | None = None
    service_level: ServiceLevelConfig = ServiceLevelConfig()
    service_level_from: dict[str, ServiceLevelConfig] = {}
    business_hours: BusinessHoursConfig | None = None
    abandonment: bool | None = None

    @field_validator("service_level_from")
    @classmethod
    def _moments(cls, changes: dict[str, ServiceLevelConfig]) -> dict[str, ServiceLevelConfig]:
        for moment in changes:
            parse_moment_ms(moment, "UTC")
        return changes


class AgentConfig(Section):
    """A human agent. What it does not say comes from `defaults.agent`.

    `capacity` says how many contacts of a channel the agent takes at once; one where nothing is said.
    """

    name: str | None = None
    team: str | None = None
    site: str | None = None
    capacity: dict[Channel, Annotated[int, Field(ge=1, le=100)]] = {}


LongSeconds = Annotated[float, Field(gt=0, le=14 * 86_400, allow_inf_nan=False)]


class LimitsConfig(Section):
    """How long something may stay open on one channel; null: for ever. What is not said is as it is by default."""

    ringing_seconds: LongSeconds | None = None
    connected_seconds: LongSeconds | None = None
    after_call_seconds: LongSeconds | None = None
    waiting_seconds: LongSeconds | None = None

    def limits(self, default: domain.Limits) -> domain.Limits:
        """Return the default with what is said here, in the domain's milliseconds."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        changes = {
            name.replace("_seconds", "_ms"): None if value is None else round(value * 1000)
            for name, value in said.items()
        }
        return replace(default, **changes)


class WatchdogConfig(Section):
    """What is closed because the source never told of its end; `limits` by channel."""

    enabled: bool = True
    next_contact: bool = True
    limits: dict[Channel, LimitsConfig] = {}

    def watchdog(self) -> domain.Watchdog | None:
        """Return it as the domain wants it; None if it is off."""
        if not self.enabled:
            return None
        default = domain.Watchdog()
        said: dict[str, domain.Limits] = {}
        for channel, limits in self.limits.items():
            said[channel] = limits.limits(default.limits(channel))
        return domain.Watchdog({**default.channels, **said}, self.next_contact)


class ScopeLimitsConfig(Section):
    """How many queues, agents and classes in queues that this file does not name one partition takes in."""

    queues: Annotated[int, Field(ge=0)] = domain.ScopeLimits().queues
    agents: Annotated[int, Field(ge=0)] = domain.ScopeLimits().agents
    classes: Annotated[int, Field(ge=0)] = domain.ScopeLimits().classes

    def limits(self) -> domain.ScopeLimits:
        """Return them as the domain wants them."""
        return domain.ScopeLimits(**self.model_dump())


class FitConfig(Section):
    """What fits an activity: states, and the reasons for being not ready that do; null: any."""

    states: list[State]
    reasons: list[str] | None = None


GraceSeconds = Annotated[float, Field(ge=0, le=14_400, allow_inf_nan=False)]


class AdherenceConfig(Section):
    """What keeps to a schedule. `states` by activity: a list of states, or states and reasons.

    An activity that is not named here fits by being productive: ready, reserved, on_contact and acw fit one that is,
    not_ready and offline one that is not. Grace and the overrun of a contact beyond an activity's end excuse; they do
    by default not.
    """

    states: dict[str, list[State] | FitConfig] = {}
    grace_before_seconds: GraceSeconds = 0
    grace_after_seconds: GraceSeconds = 0
    call_overrun_seconds: GraceSeconds = 0

    def adherence(self) -> domain.Adherence:
        """Return it as the domain wants it, in milliseconds."""
        fits = {}
        for activity, said in self.states.items():
            fit = said if isinstance(said, FitConfig) else FitConfig(states=said)
            reasons = None if fit.reasons is None else frozenset(fit.reasons)
            fits[activity] = domain.Fit(frozenset(fit.states), reasons)
        return domain.Adherence(
            fits,
            round(self.grace_before_seconds * 1000),
            round(self.grace_after_seconds * 1000),
            round(self.call_overrun_seconds * 1000),
        )


class DefaultsConfig(Section):
    """What queues, agents and sites have that say nothing else or are first seen in the stream."""

    queue: QueueConfig = QueueConfig()
    agent: AgentConfig = AgentConfig()
    site: SiteConfig | None = None


class SourceConfig(Section):
    """A feed: its format, the zone of its naive times, and what the format needs to know.

    `topic` names a Kafka topic of native records, one a record, that workers decode to `cti.events`.
    """

    format: str
    topic: str | None = None
    timezone: str | None = None
    site: str | None = None
    agent_pattern: str | None = None
    mapping: CallRecordsMapping | None = None

    _zone = field_validator("timezone")(lambda name: parse_zone(name) if name else None)

    @field_validator("format")
    @classmethod
    def _known_format(cls, name: str) -> str:
        if name not in ADAPTERS:
            raise ValueError(f"{name!r} is not a format: use one of {', '.join(ADAPTERS)}")
        return name

    @field_validator("agent_pattern")
    @classmethod
    def _regular_expression(cls, text: str | None) -> str | None:
        try:
            re.compile(text or "")
        except re.error as error:
            raise ValueError(f"{text!r} is not a regular expression: {error}") from None
        return text

    @model_validator(mode="after")
    def _fits_format(self) -> "SourceConfig":
        if (self.format == "call-records") != (self.mapping is not None):
            raise ValueError("`mapping` belongs to the format call-records, and to no other: add or remove it")
        if self.agent_pattern is not None and self.format != "asterisk-queue-log":
            raise ValueError("`agent_pattern` belongs to the format asterisk-queue-log: remove it")
        return self
