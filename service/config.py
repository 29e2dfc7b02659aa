"""The configuration: what is watched and how. Validated, with file and line in every complaint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError, field_validator

from service.config_messages import explain
from service.config_notify import NotifyConfig, rules_switched_off, unknown_rules
from service.config_rules import RuleConfig, complaints, merged_rules, shipped_rules
from service.config_section import Section
from service.config_sections import (
    AdherenceConfig,
    AgentConfig,
    ChannelConfig,
    DefaultsConfig,
    QueueConfig,
    ReturnHours,
    ScopeLimitsConfig,
    Seconds,
    ServiceLevelConfig,
    SiteConfig,
    SourceConfig,
    WatchdogConfig,
)
from service.config_source import ConfigError, Location, Source, read_source
from service.domain import settings as domain
from service.domain.business_hours import BusinessHours
from service.domain.events import Channel
from service.domain.rules import Rule
from service.settings import ProcessSettings
from service.timetext import parse_interval_ms, parse_moment_ms


class Config(Section):
    """The whole configuration. Everything is optional; `warnings` says what is legal but probably not meant."""

    sites: dict[str, SiteConfig] = {}
    queues: dict[str, QueueConfig] = {}
    defaults: DefaultsConfig = DefaultsConfig()
    channels: dict[Channel, ChannelConfig] = {}
    agents: dict[str, AgentConfig] = {}
    sources: dict[str, SourceConfig] = {}
    rules: list[RuleConfig] = []
    default_rules: bool = True
    goals: list[dict[str, Any]] = []
    notify: NotifyConfig = NotifyConfig()
    not_ready_reasons: dict[str, domain.ReasonKind] = {}
    interval: str = "15m"
    contact_linger_seconds: Seconds = 900
    max_skew_seconds: Seconds = 60
    return_window_hours: ReturnHours = 24
    watchdog: WatchdogConfig = WatchdogConfig()
    limits: ScopeLimitsConfig = ScopeLimitsConfig()
    adherence: AdherenceConfig = AdherenceConfig()
    settings: ProcessSettings = ProcessSettings()
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @field_validator("interval")
    @classmethod
    def _interval(cls, text: str) -> str:
        parse_interval_ms(text)
        return text

    @field_validator("sites", "queues", "agents", "sources", "not_ready_reasons")
    @classmethod
    def _ids_have_text(cls, section: dict[str, Any]) -> dict[str, Any]:
        if any(not 1 <= len(key) <= 256 for key in section):
            raise ValueError("an id must have 1 to 256 characters")
        return section

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences with file and line."""
        return self._warnings

    @property
    def single_site(self) -> str | None:
        """The only site there is; None with several or none."""
        return next(iter(self.sites)) if len(self.sites) == 1 else None

    @property
    def common_day_start_minutes(self) -> int:
        """The local minute at which the business day starts everywhere; midnight (0) where sites differ."""
        floor = self.floor()
        starts = {site.day_starts_at_minutes for site in floor.sites.values()}
        starts = starts or {floor.default_site.day_starts_at_minutes}
        return starts.pop() if len(starts) == 1 else 0

    def floor(self) -> domain.Floor:
        """Return sites, queues and agents as the domain wants them, defaults filled in."""
        sites = {key: site.site(key) for key, site in self.sites.items()}
        default_site = self.defaults.site or (self.sites[self.single_site] if self.single_site else SiteConfig())
        return domain.Floor(
            sites=sites,
            queues={key: self._queue(key, queue, configured=True) for key, queue in self.queues.items()},
            agents={key: self._agent(key, agent, configured=True) for key, agent in self.agents.items()},
            default_queue=self._queue("", QueueConfig(), configured=False),
            default_agent=self._agent("", AgentConfig(), configured=False),
            default_site=default_site.site(self.single_site or domain.DEFAULT_SITE),
            reason_kinds=dict(self.not_ready_reasons),
            interval_ms=parse_interval_ms(self.interval),
            return_window_ms=round(self.return_window_hours * 3_600_000),
            watchdog=self.watchdog.watchdog(),
            limits=self.limits.limits(),
            adherence=self.adherence.adherence(),
        )

    def alert_rules(self) -> list[Rule]:
        """Return the alert rules in force, the shipped ones included."""
        return merged_rules(self.rules, with_shipped=self.default_rules)

    def business_hours(self) -> dict[str, BusinessHours]:
        """Return the business hours of `queue:ID` and `site:ID`, of those that have any."""
        queues = {f"queue:{key}": self._hours(self.with_defaults(queue)) for key, queue in self.queues.items()}
        found = {scope: hours for scope, hours in queues.items() if hours is not None}
        for key, site in self.sites.items():
            if site.business_hours is not None:
                found[f"site:{key}"] = site.business_hours.hours(site.timezone)
        return found

    def site_of_source(self) -> dict[str, str]:
        """Return the site of each source that names one."""
        return {key: source.site for key, source in self.sources.items() if source.site is not None}

    def with_defaults(self, queue: QueueConfig) -> QueueConfig:
        """Return the queue with `defaults.queue` below what it says itself."""
        return QueueConfig.model_validate(_overlay(_said(self.defaults.queue), _said(queue)))

    def _queue(self, key: str, queue: QueueConfig, *, configured: bool) -> domain.Queue:
        full = self.with_defaults(queue)
        return domain.Queue(
            queue_id=key,
            name=full.name or key,
            site=full.site or self.single_site or domain.DEFAULT_SITE,
            channel=full.channel,
            group=full.group,
            service_level=full.service_level.service_level(self._hours(full), self._abandonment(full)),
            configured=configured,
            later_levels=tuple(self._later_levels(full)),
        )

    def _later_levels(self, queue: QueueConfig) -> Iterator[tuple[int, domain.ServiceLevel]]:
        """Yield the service levels that follow the first one, each on top of the one before it, in order of time."""
        site = self._site(queue.site).site("")
        moments = {
            parse_moment_ms(moment, site.timezone, site.day_starts_at_minutes): change
            for moment, change in queue.service_level_from.items()
        }
        said = _said(queue.service_level)
        for from_ms, change in sorted(moments.items()):
            said = _overlay(said, _said(change))
            level = ServiceLevelConfig.model_validate(said)
            yield from_ms, level.service_level(self._hours(queue), self._abandonment(queue))

    def _site(self, name: str | None) -> SiteConfig:
        """The site named, else the only one there is, else the default."""
        return self.sites.get(name or self.single_site or "") or self.defaults.site or SiteConfig()

    def _hours(self, queue: QueueConfig) -> BusinessHours | None:
        """The hours of a queue that has its defaults: its own, else those of its site; None without any."""
        site = self._site(queue.site)
        hours = queue.business_hours or site.business_hours
        return hours.hours(site.timezone) if hours is not None else None

    def _abandonment(self, queue: QueueConfig) -> bool:
        """Whether customers can abandon: the queue says so, else its channel, else what the channel is like."""
        if queue.abandonment is not None:
            return queue.abandonment
        channel = self.channels.get(queue.channel)
        return channel.abandonment if channel is not None else queue.channel not in domain.NO_ABANDONMENT

    def _agent(self, key: str, agent: AgentConfig, *, configured: bool) -> domain.Agent:
        full = AgentConfig.model_validate(_overlay(_said(self.defaults.agent), _said(agent)))
        site = full.site or self.single_site or domain.DEFAULT_SITE
        several: dict[str, int] = {channel: most for channel, most in full.capacity.items() if most > 1}
        return domain.Agent(key, full.name or key, full.team, site, configured, several)


def load_config(path: Path | None) -> Config:
    """Read and check one file or a folder of *.yaml; None gives the defaults. Raises ConfigError with every problem."""
    source = Source() if path is None else read_source(path)
    try:
        config = Config.model_validate(source.values)
    except ValidationError as error:
        source.complain((tuple(e["loc"]), explain(Config, e)) for e in error.errors())
        raise ConfigError(source.sentences()) from None
    source.complain(_unknown_sites(config))
    source.complain(_clocks_without_hours(config))
    source.complain(_wrong_rules(config))
    if source.problems:
        raise ConfigError(source.sentences())
    source.complain(_doubts(config))
    off = {rule.id for rule in config.rules if not rule.enabled}
    source.complain((("notify", *at), text) for at, text in rules_switched_off(config.notify, off))
    config._warnings = tuple(source.sentences())
    return config


def _unknown_sites(config: Config) -> Iterator[tuple[Location, str]]:
    """Yield every reference to a site that is not configured."""
    users: list[tuple[Location, str | None]] = [(("queues", key), queue.site) for key, queue in config.queues.items()]
    users += [(("agents", key), agent.site) for key, agent in config.agents.items()]
    users += [(("sources", key), source.site) for key, source in config.sources.items()]
    users += [(("defaults", "queue"), config.defaults.queue.site), (("defaults", "agent"), config.defaults.agent.site)]
    for at, site in users:
        if site is not None and site not in config.sites:
            known = ", ".join(config.sites) or "none"
            yield (*at, "site"), f"{'.'.join(map(str, at))}.site names the site {site!r}, but `sites` has: {known}"


def _wrong_rules(config: Config) -> Iterator[tuple[Location, str]]:
    """Yield what is wrong with the alert rules together, and with what names them."""
    shipped = frozenset(rule.id for rule in shipped_rules()) if config.default_rules else frozenset[str]()
    for at, text in complaints(config.rules, shipped):
        yield ("rules", *at), text
    for at, text in unknown_rules(config.notify, shipped | {rule.id for rule in config.rules}):
        yield ("notify", *at), text


def _clocks_without_hours(config: Config) -> Iterator[tuple[Location, str]]:
    """Yield every queue that counts its waits in business hours and has none."""
    queues: list[tuple[Location, QueueConfig]] = [(("queues", key), queue) for key, queue in config.queues.items()]
    for at, queue in [*queues, (("defaults", "queue"), QueueConfig())]:
        full = config.with_defaults(queue)
        levels: dict[Location, ServiceLevelConfig] = {("service_level",): full.service_level}
        levels |= {("service_level_from", moment): level for moment, level in full.service_level_from.items()}
        for where, level in levels.items():
            if level.clock == "business_hours" and config._hours(full) is None:
                name = ".".join(map(str, at))
                text = f"{name} counts waits in business hours, but neither it nor its site has `business_hours`"
                yield (*at, *where, "clock"), text


def _doubts(config: Config) -> Iterator[tuple[Location, str]]:
    """Yield what is legal but probably not meant."""
    for key, queue in config.queues.items():
        level = config.with_defaults(queue).service_level
        if level.threshold_seconds is None:
            yield ("queues", key), f"queue {key} has no service level threshold: its service level is undefined"
        if "genesys" in queue.service_level.model_fields_set and level.variant != "genesys":
            yield ("queues", key), f"queue {key} sets `genesys`, which its variant {level.variant} ignores"
        clocks = {level.clock, *(later.clock for later in config.with_defaults(queue).service_level_from.values())}
        if queue.business_hours is not None and "business_hours" not in clocks:
            yield ("queues", key), f"queue {key} has business hours, which its clock {level.clock} ignores"
        if (queue.site or config.defaults.queue.site) is None and len(config.sites) > 1:
            yield ("queues", key), f"queue {key} names no site of {len(config.sites)}: it counts in 'default' (UTC)"
    for key, source in config.sources.items():
        if source.mapping is not None and source.mapping.customer_ref in source.mapping.contact:
            yield ("sources", key), f"source {key} makes contact ids of customers' numbers, which are not hashed there"
    if config.goals:
        yield ("goals",), "`goals` are kept but not evaluated by this version"


def _said(section: Section) -> dict[str, Any]:
    """Return what the file says, without our defaults."""
    return section.model_dump(exclude_unset=True)


def _overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `top` over it, key by key in nested mappings too, but for business hours."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict) and key != "business_hours"
        merged[key] = _overlay(below, value) if both else value  # type: ignore[arg-type]
    return merged
