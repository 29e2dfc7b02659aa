"""Tests of alert rules: timelines of values in, expected alerts out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from service.alert_measures import is_ratio
from service.config_messages import explain
from service.config_rules import (
    RuleConfig,
    Window,
    complaints,
    merged_rules,
    parse_duration_ms,
    rules_in_force,
    shipped_rules,
    wrong_kpi,
)
from service.config_section import Section
from service.config_source import ConfigError, Location, read_source
from service.domain.alert_record import Alert, AlertState, CausePart
from service.domain.evaluator import Evaluator
from service.domain.rules import NOTHING, RANK, Measured, Own, Rule, Values, kind_of

TICK_MS: Final = 1_000
BEGIN_MS: Final = 1_000_000
MOST_VALUES: Final = 100_000
_VALUE: Final = re.compile(r"(-?[0-9.]+|_)(?:([+-][0-9.]+))?(?:x([0-9]+))?")


def parse_values(text: str) -> list[float | None]:
    """The values of `0.9x3 0.8-0.1x4 _ 1`: 0.9 three times, four values from 0.8 downwards, undefined, 1.

    Raises ValueError.
    """
    found: list[float | None] = []
    for word in text.split():
        parts = _VALUE.fullmatch(word)
        if parts is None:
            raise ValueError(f"{word!r} is no value: write 0.9, 0.9x10, 0.9+0.1x10, or _ for undefined")
        count = int(parts[3] or 1)
        if len(found) + count > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values: use a longer `interval`")
        start, by = (None, 0.0) if parts[1] == "_" else (float(parts[1]), float(parts[2] or 0))
        found += [None if start is None else start + by * number for number in range(count)]
    return found


class SeriesConfig(Section):
    """The values of one KPI of one scope, one each `interval`; the last one stays. `sample`: contacts behind each."""

    scope: str
    kpi: str
    window: Window | None = None
    values: str
    sample: Annotated[int, Field(ge=0)] | None = None

    @field_validator("scope")
    @classmethod
    def _scope(cls, scope: str) -> str:
        if kind_of(scope) not in RANK:
            raise ValueError(
                f"{scope!r} is no scope: write all, or one of {', '.join(RANK)} with its id, as queue:sales"
            )
        return scope

    @field_validator("values")
    @classmethod
    def _values(cls, text: str) -> str:
        if not parse_values(text):
            raise ValueError("there is no value: write at least one")
        return text


class ExpectConfig(Section):
    """What must be so at a moment: exactly these `rule scope` pairs are told as firing, or are in the state named."""

    at: str
    firing: list[str] | None = None
    pending: list[str] | None = None
    resolved: list[str] | None = None
    inhibited: list[str] | None = None

    @model_validator(mode="after")
    def _right(self) -> Self:
        parse_duration_ms(self.at)
        if not self.stated():
            raise ValueError("an expectation names `firing`, `pending`, `resolved` or `inhibited` (`[]` for none)")
        return self

    def stated(self) -> dict[str, list[str]]:
        """What is expected, by state."""
        found = {name: getattr(self, name) for name in ("firing", "pending", "resolved", "inhibited")}
        return {name: pairs for name, pairs in found.items() if pairs is not None}


class TestedScope(Section):
    """What a scope is like beside its values."""

    labels: dict[str, str] = {}
    target_ratio: float | None = 0.8
    threshold_seconds: float | None = 20
    sources: list[str] = []
    open: bool = True


class TestConfig(Section):
    """One test. `scopes` describes scopes that differ from the default."""

    name: str
    interval: str = "10s"
    scopes: dict[str, TestedScope] = {}
    series: list[SeriesConfig]
    expect: list[ExpectConfig]

    @field_validator("interval")
    @classmethod
    def _interval(cls, text: str) -> str:
        if parse_duration_ms(text) < TICK_MS:
            raise ValueError(f"{text!r} is shorter than a second")
        return text


class TestFile(Section):
    """Rules of one's own, if any, and tests of them and the shipped ones."""

    rules: list[RuleConfig] = []
    default_rules: bool = True
    tests: list[TestConfig] = []

    def in_force(self) -> list[Rule]:
        """The rules that are tested."""
        return merged_rules(self.rules, with_shipped=self.default_rules)


def read_tests(path: Path) -> TestFile:
    """The rules and tests of a file. Raises ConfigError with file and line."""
    source = read_source(path)
    try:
        found = TestFile.model_validate(source.values)
    except ValidationError as error:
        source.complain((tuple(e["loc"]), explain(TestFile, e)) for e in error.errors())
        raise ConfigError(source.sentences()) from None
    shipped = frozenset(rule.id for rule in shipped_rules()) if found.default_rules else frozenset[str]()
    source.complain((("rules", *at), text) for at, text in complaints(found.rules, shipped))
    source.complain((("tests", *at), text) for at, text in _unasked(found))
    if source.problems:
        raise ConfigError(source.sentences())
    return found


def _unasked(file: TestFile) -> Iterator[tuple[Location, str]]:
    """Yield what of the tests no rule will ever read: a slip of the pen, by which a test would pass."""
    asked = {
        (rule.scopes.kind, leaf.kpi, leaf.window)
        for rule in rules_in_force(file.rules, with_shipped=file.default_rules)
        for _, leaf in rule.when.leaves()
    }
    for number, test in enumerate(file.tests):
        who = f"the test {test.name!r}"
        for place, series in enumerate(test.series):
            kind = kind_of(series.scope)
            sentence = wrong_kpi(f"{who} has values of", kind, series.kpi, series.window)
            if sentence is None and (kind, series.kpi, series.window) not in asked:
                window = "" if series.window is None else f" in {series.window}"
                sentence = f"{who} has values of {series.kpi}{window} that no rule for a {kind} asks for"
            if sentence is not None:
                yield (number, "series", place, "kpi"), sentence
        for scope in test.scopes.keys() - {series.scope for series in test.series}:
            yield (number, "scopes", scope), f"{who} describes {scope!r}, of which it has no values"


_PLAIN: Final = TestedScope()


class _Timeline:
    """A floor of series; every scope changes with every tick."""

    def __init__(self, test: TestConfig) -> None:
        self._test = test
        self._interval_ms = parse_duration_ms(test.interval)
        self._series: dict[str, dict[tuple[str, str | None], tuple[list[float | None], SeriesConfig]]] = {}
        for series in test.series:
            of_scope = self._series.setdefault(series.scope, {})
            of_scope[series.kpi, series.window] = (parse_values(series.values), series)
        self.at_ms = 0

    def _scope(self, scope: str) -> TestedScope:
        return self._test.scopes.get(scope, _PLAIN)

    def changed(self) -> Sequence[str]:
        return list(self._series)

    def labels(self, scope: str) -> Mapping[str, str]:
        kind, _, name = scope.partition(":")
        return {**({kind: name} if name else {}), **self._scope(scope).labels}

    def values(self, scope: str) -> Values:
        settings = self._scope(scope)
        own = Own(settings.target_ratio, settings.threshold_seconds)
        return _Moment(own, self._series.get(scope, {}), self.at_ms // self._interval_ms)

    def is_open(self, scope: str) -> bool:
        return self._scope(scope).open

    def next_over_ms(self, scope: str) -> int | None:
        return None

    def sources_of(self, scope: str) -> Sequence[str]:
        return self._scope(scope).sources

    def cause(self, alert: Alert) -> list[CausePart] | None:
        return None


class _Moment:
    """The values of one scope at one step."""

    def __init__(
        self, own: Own, series: Mapping[tuple[str, str | None], tuple[list[float | None], SeriesConfig]], step: int
    ) -> None:  # fmt: skip
        self.own, self._series, self._step = own, series, step

    def measure(self, kpi: str, window: str | None) -> Measured:
        found = self._series.get((kpi, window))
        if found is None:
            return NOTHING
        values, series = found
        value = values[min(self._step, len(values) - 1)]
        return Measured(value, series.sample, ratio=is_ratio(kpi), slides=False)


def run_test(test: TestConfig, rules: Sequence[Rule]) -> Iterator[str]:
    """Yield what is not as expected, one sentence each."""
    floor = _Timeline(test)
    evaluator = Evaluator(rules)
    for expected in sorted(test.expect, key=lambda expect: parse_duration_ms(expect.at)):
        until_ms = parse_duration_ms(expected.at)
        while evaluator.last_ms <= BEGIN_MS + until_ms - TICK_MS or not evaluator.last_ms:
            floor.at_ms = evaluator.last_ms + TICK_MS - BEGIN_MS if evaluator.last_ms else 0
            evaluator.tick(BEGIN_MS + floor.at_ms, floor)
        for state, pairs in expected.stated().items():
            found = {f"{a.rule} {a.scope}" for a in evaluator.alerts.values() if _is(a, state)}
            if found != set(pairs):
                yield f"{test.name}, at {expected.at}: {state} are {_list(found)}, expected {_list(set(pairs))}"


def _is(alert: Alert, state: AlertState | str) -> bool:
    if state == "inhibited":
        return alert.state == "firing" and alert.inhibited_by is not None
    return alert.told if state == "firing" else alert.state == state


def _list(pairs: set[str]) -> str:
    return ", ".join(sorted(pairs)) or "none"
