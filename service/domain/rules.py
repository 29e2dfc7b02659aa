"""Rules: which scopes they watch, what they ask of their values, and what an answer means.

A rule's condition is a tree of comparisons, each of one KPI or other measure in one window. What is measured comes from
outside (`Values`), so the same rules run over the live floor and over the timelines of a rule test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Final, Literal, Protocol

import msgspec

from service.domain.alert_record import Severity

Op = Literal["<", "<=", ">", ">=", "==", "!=", "rises"]
"""`rises`: higher than what the alert told last, which is nothing (0) at first."""

Base = Literal["number", "target", "threshold"]
ScopeKind = Literal["source", "all", "site", "group", "channel", "team", "class", "queue", "agent"]

RANK: Final[dict[str, int]] = {
    "source": 0, "all": 1, "site": 2, "group": 3, "channel": 3, "team": 3, "class": 3, "queue": 4, "agent": 5,
}  # fmt: skip
"""What is evaluated, and inhibits, first."""

ALL: Final = "all"
"""The scope of everything."""

CERTAIN_SHARE: Final = 0.5
"""From this share of the minimum sample on, a ratio that is certainly on the wrong side is enough."""

_Z: Final = 1.96
_COMPARE: Final[dict[Op, Callable[[float, float], bool]]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "rises": lambda a, b: a > b,
}  # fmt: skip


def kind_of(scope: str) -> str:
    """The kind of a scope: what comes before the colon; of `all` it is the whole."""
    return scope.partition(":")[0]


def rank_of(scope: str) -> int:
    """The rank of a scope's kind."""
    return RANK.get(kind_of(scope), len(RANK))


@dataclass(frozen=True, slots=True)
class Own:
    """What a scope's own service level says; None where it has none or merges several."""

    target_ratio: float | None = None
    threshold_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """What a value is compared with: a number, an offset from the scope's target ratio, or a multiple of its threshold
    in seconds.
    """

    number: float
    base: Base = "number"

    def of(self, own: Own) -> float | None:
        """The number for one scope; None where the scope has no such thing."""
        if self.base == "number":
            return self.number
        if self.base == "target":
            return None if own.target_ratio is None else own.target_ratio + self.number
        return None if own.threshold_seconds is None else own.threshold_seconds * self.number


class Measured(msgspec.Struct, frozen=True, gc=False):
    """One value of one scope. `value` None: undefined. `sample`: contacts behind it; None: it needs none.

    `grows`: it grows by one a second as long as nothing happens. `slides`: it may change as time passes; a value that
    does neither changes by events alone. `not_yet`: an undefined one that is only not known yet, as after a restart: it
    raises nothing, and what it once raised goes on.
    """

    value: float | None
    sample: int | None = None
    variant: str | None = None
    grows: bool = False
    slides: bool = True
    ratio: bool = False
    not_yet: bool = False


NOTHING: Final = Measured(None)
NOT_YET: Final = Measured(None, not_yet=True)


class Values(Protocol):
    """What is known of one scope at one moment."""

    own: Own

    def measure(self, kpi: str, window: str | None) -> Measured:
        """The value of a KPI or other measure."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `clear`: the level at which it counts as over again; None: the same one.

    `window` None: a value of the moment.
    """

    kpi: str
    op: Op
    level: Level
    window: str | None = None
    clear: Level | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds if every part does."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds if some part does."""

    parts: tuple["Expression", ...]


Expression = Condition | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Selector:
    """Which scopes a rule watches: those of the kind that have one of the ids, if any are named, and all the labels."""

    kind: str
    ids: frozenset[str] = frozenset()
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def takes(self, scope: str, labels: Mapping[str, str]) -> bool:
        """Whether the scope, with these labels, is one of them."""
        kind, _, name = scope.partition(":")
        if kind != self.kind or (self.ids and name not in self.ids):
            return False
        return all(labels.get(label) in values for label, values in self.labels.items())


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Times in milliseconds; `min_sample` is asked of every value that has a sample.

    `inhibits`: the rules whose alerts about the same scope, or about what it covers, nobody is told of while this one
    fires; None: none, empty: all. `freezes`: such alerts do not end either, since nothing is known.
    `message_zh` is the message in Chinese; empty: there is none.
    """

    rule_id: str
    severity: Severity
    selector: Selector
    when: Expression
    kind: str = "threshold"
    message: str = ""
    message_zh: str = ""
    for_ms: int = 0
    keep_firing_ms: int = 0
    min_sample: int = 0
    business_hours: bool = False
    inhibits: frozenset[str] | None = None
    freezes: bool = False

    def inhibits_rule(self, rule_id: str) -> bool:
        """Whether alerts of that rule are explained by one of this."""
        return self.inhibits is not None and rule_id != self.rule_id and (not self.inhibits or rule_id in self.inhibits)


class Finding(msgspec.Struct, frozen=True):
    """A comparison that holds."""

    condition: Condition
    measured: Measured
    level: float


class Verdict(msgspec.Struct):
    """What a rule finds of a scope: `raised` at the level of raising, `held` at that of clearing; None: nothing.

    `due_ms`: when to look again though nothing happens; None: no need.
    """

    raised: Finding | None = None
    held: Finding | None = None
    due_ms: int | None = None


def judge(
    rule: Rule, values: Values, now_ms: int, slide_ms: int, *, told: float | None = None, firing: bool = True
) -> Verdict:
    """What the rule finds of the scope with these values; a value that slides is looked at again after `slide_ms`.

    `told`: the value that the rule's alert about the scope told last; None if there was none. Only of a `firing` one is
    the level of clearing of interest.
    """
    look = _Look(values, now_ms, slide_ms, 0.0 if told is None else told)
    raised = look.finds(rule.when, rule.min_sample)
    held = look.finds(rule.when, None) if raised is None and firing else raised
    return Verdict(raised, held, look.due_ms)


class _Look:
    """One rule over the values of one scope. What decides nothing is not measured."""

    __slots__ = ("_measured", "_now_ms", "_slide_ms", "_told", "_values", "due_ms")

    def __init__(self, values: Values, now_ms: int, slide_ms: int, told: float) -> None:
        self._values = values
        self._now_ms = now_ms
        self._slide_ms = slide_ms
        self._told = told
        self._measured: dict[int, Measured] = {}
        self.due_ms: int | None = None

    def finds(self, expression: Expression, min_sample: int | None) -> Finding | None:
        """The first comparison that makes the expression true; `min_sample` None: by the levels of clearing."""
        if isinstance(expression, Condition):
            found = self._measured.get(id(expression)) or self._measure(expression)
            if found.value is None and (min_sample is not None or not found.not_yet):
                return None
            return self._compares(expression, found, min_sample)
        any_of, first = isinstance(expression, AnyOf), None
        for part in expression.parts:
            finding = self.finds(part, min_sample)
            if any_of:
                if finding is not None:
                    return finding
            elif finding is None:
                return None
            first = first or finding
        return first

    def _compares(self, condition: Condition, found: Measured, min_sample: int | None) -> Finding | None:
        own = self._values.own
        shown = self._told if condition.op == "rises" else condition.level.of(own)
        level = shown if min_sample is not None or condition.clear is None else condition.clear.of(own)
        if level is None or shown is None:
            return None
        if found.value is None:
            return Finding(condition, found, shown)
        if not _COMPARE[condition.op](found.value, level):
            return None
        if min_sample is not None and not _enough(found, level, condition.op, min_sample):
            return None
        return Finding(condition, found, shown)

    def _measure(self, condition: Condition) -> Measured:
        found = self._measured[id(condition)] = self._values.measure(condition.kpi, condition.window)
        if (found.value is None and not found.not_yet) or not (found.grows or found.slides):
            return found
        due_ms: int | None = self._now_ms + self._slide_ms
        if found.grows and found.value is not None:
            level = condition.level.of(self._values.own)
            over_ms = 0 if level is None else int((level - found.value) * 1000) + 1
            due_ms = self._now_ms + over_ms if over_ms > 0 and condition.op in (">", ">=") else None
        if due_ms is not None and (self.due_ms is None or due_ms < self.due_ms):
            self.due_ms = due_ms
        return found


def _enough(found: Measured, level: float, op: Op, min_sample: int) -> bool:
    """Whether the sample suffices: it is large enough, or half as large and the ratio certainly beyond the level."""
    if found.sample is None or found.sample >= min_sample:
        return True
    if not found.ratio or found.value is None or found.sample < min_sample * CERTAIN_SHARE:
        return False
    low, high = wilson(found.value, found.sample)
    return high < level if op in ("<", "<=") else low > level


def wilson(ratio: float, sample: int) -> tuple[float, float]:
    """The 95 % interval of a ratio seen in a sample (Wilson 1927); (0, 1) without a sample."""
    if sample <= 0:
        return 0.0, 1.0
    z2 = _Z * _Z
    ratio = min(max(ratio, 0.0), 1.0)
    middle = (ratio + z2 / (2 * sample)) / (1 + z2 / sample)
    half = _Z * sqrt(ratio * (1 - ratio) / sample + z2 / (4 * sample * sample)) / (1 + z2 / sample)
    return middle - half, middle + half
