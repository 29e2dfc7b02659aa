"""Alert rules as people write them: `rules:` in the configuration, and those that are shipped."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from service.alert_measures import known_kpis, windows_of
from service.config_messages import explain
from service.config_section import Section
from service.config_source import ConfigError, Location, read_source
from service.domain.alert_record import Severity
from service.domain.alert_text import PLACES
from service.domain.evaluator import SERVICE_LEVEL
from service.domain.rules import ALL, AllOf, AnyOf, Condition, Expression, Level, Op, Rule, ScopeKind, Selector

SHIPPED: Final = Path(__file__).with_name("default_rules.yaml")
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000}
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_TARGET: Final = re.compile(rf"target(?:\s*([-+])\s*({_NUMBER}))?")
_THRESHOLD: Final = re.compile(rf"threshold(?:\s*\*\s*({_NUMBER}))?")
LABEL_NAMES: Final = ("site", "channel", "group", "team")
LABELS: Final[dict[ScopeKind, tuple[str, ...]]] = {
    "queue": ("site", "channel", "group"), "agent": ("site", "team"), "source": ("site",), "site": ("site",),
    "channel": ("channel",), "group": ("group",), "team": ("team",), "class": (), "all": (),
}  # fmt: skip
"""What scopes of a kind belong to, as far as a rule can ask for it."""

Window = Literal["5m", "15m", "30m", "60m", "interval", "day"]


def parse_duration_ms(text: str) -> int:
    """The milliseconds of `30s`, `5m` or `2h`. Raises ValueError."""
    found = re.fullmatch(r"([0-9]{1,6})([smh])", text)
    if found is None:
        raise ValueError(f"{text!r} is no duration: write a number with s, m or h, such as 90s")
    return int(found[1]) * _UNITS_MS[found[2]]


def parse_level(value: float | str) -> Level:
    """What to compare with: a number, `target`, `target - 0.05`, `threshold` or `threshold * 3`. Raises ValueError."""
    if not isinstance(value, str):
        return Level(float(value))
    if found := _TARGET.fullmatch(value.strip()):
        return Level(float(found[2] or 0) * (-1 if found[1] == "-" else 1), "target")
    if found := _THRESHOLD.fullmatch(value.strip()):
        return Level(float(found[1] or 1), "threshold")
    raise ValueError(f"{value!r} is no level: write a number, `target - 0.05` or `threshold * 3`")


class WhenConfig(Section):
    """A comparison (`kpi`, `window`, `op`, `value`), or several of them under `all` or `any`.

    `op: rises` asks whether the value is higher than what was last told. `clear`: the level at which it is over again.
    """

    kpi: str | None = None
    window: Window | None = None
    op: Op | None = None
    value: float | str | None = None
    clear: float | str | None = None
    all: list["WhenConfig"] | None = None
    any: list["WhenConfig"] | None = None

    _levels = field_validator("value", "clear")(lambda value: value if value is None or parse_level(value) else value)

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        said = [name for name in ("kpi", "all", "any") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"a condition has one of `kpi`, `all` and `any`, not {' and '.join(said) or 'none'}")
        if self.all == [] or self.any == []:
            raise ValueError(f"`{said[0]}` is empty: write at least one comparison")
        compared = (self.window, self.op, self.value, self.clear)
        if self.kpi is None and compared != (None,) * 4:
            raise ValueError(f"`window`, `op`, `value` and `clear` belong to a comparison inside `{said[0]}`")
        if self.kpi is not None and (self.op is None or (self.value is None) is not (self.op == "rises")):
            raise ValueError("a comparison needs `kpi`, `op` and `value` (with `op: rises` no `value`)")
        return self

    def expression(self) -> Expression:
        """Return it as the domain wants it."""
        if self.all is not None:
            return AllOf(tuple(part.expression() for part in self.all))
        if self.any is not None:
            return AnyOf(tuple(part.expression() for part in self.any))
        assert self.kpi is not None
        assert self.op is not None
        clear = None if self.clear is None else parse_level(self.clear)
        return Condition(self.kpi, self.op, parse_level(self.value or 0), self.window, clear)

    def leaves(self, at: Location = ()) -> Iterator[tuple[Location, "WhenConfig"]]:
        """Yield every comparison with where it stands."""
        if self.kpi is not None:
            yield at, self
        for name, parts in (("all", self.all), ("any", self.any)):
            for number, part in enumerate(parts or ()):
                yield from part.leaves((*at, name, number))


class ScopesConfig(Section):
    """What a rule watches: scopes of one kind, of these ids or with these labels; nothing said: all of the kind."""

    kind: ScopeKind
    ids: list[str] = []
    site: list[str] = []
    channel: list[str] = []
    group: list[str] = []
    team: list[str] = []

    @model_validator(mode="after")
    def _can_have(self) -> Self:
        able = LABELS[self.kind]
        for name in LABEL_NAMES:
            if getattr(self, name) and name not in able:
                raise ValueError(f"a {self.kind} has no `{name}`: it has {', '.join(able) or 'no labels'}")
        if self.ids and self.kind == ALL:
            raise ValueError("`all` is one scope without an id: remove `ids`")
        return self

    def selector(self) -> Selector:
        """Return it as the domain wants it."""
        labels = {name: frozenset(getattr(self, name)) for name in LABEL_NAMES if getattr(self, name)}
        return Selector(self.kind, frozenset(self.ids), labels)


class RuleConfig(Section):
    """One rule. A rule with the id of a shipped one replaces it; `enabled: false` switches it off.

    `inhibits`: the rules whose alerts this one explains, about the same scope and what belongs to it; true: all.
    `freezes`: while it fires nothing is known of those scopes, so their alerts do not end either.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    severity: Severity = "warning"
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    scopes: ScopesConfig
    when: WhenConfig
    for_: str = Field(default="0s", alias="for")
    keep_firing_for: str = "0s"
    min_sample: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    business_hours: bool = False
    inhibits: bool | list[str] = False
    freezes: bool = False
    message: str = ""
    message_zh: str = ""
    enabled: bool = True

    @field_validator("for_", "keep_firing_for")
    @classmethod
    def _duration(cls, text: str) -> str:
        parse_duration_ms(text)
        return text

    @field_validator("message", "message_zh")
    @classmethod
    def _places(cls, text: str) -> str:
        for place in re.findall(r"\{([^}]*)\}", text):
            if place not in PLACES:
                raise ValueError(f"{{{place}}} is not known: in braces may stand {', '.join(PLACES)}")
        return text

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.freezes and not self.inhibits:
            raise ValueError("`freezes` goes with `inhibits`: say what the rule explains")
        return self

    def rule(self) -> Rule:
        """Return it as the domain wants it."""
        named = frozenset(self.inhibits) if isinstance(self.inhibits, list) else frozenset[str]()
        first = next(leaf for _, leaf in self.when.leaves())
        return Rule(
            rule_id=self.id, severity=self.severity, selector=self.scopes.selector(), when=self.when.expression(),
            kind=self.kind or kind_of_kpi(first.kpi or ""), message=self.message,
            message_zh=self.message_zh,
            for_ms=parse_duration_ms(self.for_), keep_firing_ms=parse_duration_ms(self.keep_firing_for),
            min_sample=self.min_sample, business_hours=self.business_hours,
            inhibits=named if self.inhibits else None, freezes=self.freezes,
        )  # fmt: skip


def kind_of_kpi(kpi: str) -> str:
    """The kind of a rule that says none: whether it is about the service level, whose misses have their cause split."""
    return SERVICE_LEVEL if kpi.startswith(("service_level", "burn_rate")) else "threshold"


def complaints(rules: Sequence[RuleConfig], known_ids: frozenset[str]) -> Iterator[tuple[Location, str]]:
    """Yield what is wrong with the rules together: ids twice, KPIs the scope does not have, windows, unknown ids."""
    seen: set[str] = set()
    ids = known_ids | {rule.id for rule in rules}
    for number, rule in enumerate(rules):
        if rule.id in seen:
            yield (number, "id"), f"the rule {rule.id!r} is written twice"
        seen.add(rule.id)
        for at, leaf in rule.when.leaves((number, "when")):
            if sentence := wrong_kpi(f"rule {rule.id} asks for", rule.scopes.kind, leaf.kpi or "", leaf.window):
                yield (*at, "kpi"), sentence
        for other in rule.inhibits if isinstance(rule.inhibits, list) else ():
            if other not in ids:
                yield (number, "inhibits"), f"rule {rule.id} inhibits {other!r}, which is no rule"


def wrong_kpi(who: str, kind: str, kpi: str, window: str | None) -> str | None:
    """What is wrong with a KPI of a kind of scope in a window, as a sentence that begins with `who`; None: nothing."""
    known = known_kpis(kind)
    if kpi not in known:
        near = get_close_matches(kpi, known, n=1)
        hint = f": did you mean {near[0]!r}?" if near else ""
        return f"{who} {kpi!r}, which a {kind} does not have{hint}"
    if known[kpi] and window is None:
        return f"{who} {kpi} and needs its `window`: one of {', '.join(windows_of(kpi))}"
    if not known[kpi] and window is not None:
        return f"{who} {kpi}, which is of the moment: remove its `window`"
    if window is not None and window not in windows_of(kpi):
        return f"{who} {kpi} in {window}, which it does not have: its windows are {', '.join(windows_of(kpi))}"
    return None


class RulesFile(Section):
    """A file of nothing but rules."""

    rules: list[RuleConfig]


def read_rules(path: Path, known_ids: frozenset[str] = frozenset()) -> list[RuleConfig]:
    """The rules of a file that has nothing else. Raises ConfigError with file and line."""
    source = read_source(path)
    try:
        rules = RulesFile.model_validate(source.values).rules
    except ValidationError as error:
        source.complain((tuple(e["loc"]), explain(RulesFile, e)) for e in error.errors())
        raise ConfigError(source.sentences()) from None
    source.complain((("rules", *at), text) for at, text in complaints(rules, known_ids))
    if source.problems:
        raise ConfigError(source.sentences())
    return rules


@cache
def shipped_rules() -> tuple[RuleConfig, ...]:
    """The rules that hold where the configuration does not say otherwise."""
    return tuple(read_rules(SHIPPED))


def merged_rules(own: Sequence[RuleConfig], *, with_shipped: bool) -> list[Rule]:
    """The rules in force as the domain wants them."""
    return [rule.rule() for rule in rules_in_force(own, with_shipped=with_shipped)]


def rules_in_force(own: Sequence[RuleConfig], *, with_shipped: bool) -> list[RuleConfig]:
    """The rules in force: the shipped ones, each replaced by the own one of its id, then the other own ones."""
    found = {rule.id: rule for rule in shipped_rules()} if with_shipped else {}
    found |= {rule.id: rule for rule in own}
    return [rule for rule in found.values() if rule.enabled]
