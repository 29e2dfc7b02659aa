"""Rules are written, checked and tested without a broker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.alert_measures import MEASURES
from service.config import load_config
from service.config_rules import parse_duration_ms, parse_level, shipped_rules
from service.config_source import ConfigError
from service.domain.rules import Level
from service.main import main
from service.rule_tests import parse_values, read_tests, run_test

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "deploy" / "examples" / "alert-rules.yaml"
SHIPPED = HERE / "shipped_rules.yaml"
RULE = """\
rules:
  - id: slow
    scopes: {kind: queue}
    when: {kpi: oldest_wait_seconds, op: ">", value: 60}
"""


def names(path: Path) -> list[str]:
    return [test.name for test in read_tests(path).tests]


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for path in (EXAMPLE, SHIPPED) for name in names(path)],
    ids=lambda part: str(part)[-60:],
)
def test_rules_do_what_they_say(path: Path, name: str) -> None:
    found = read_tests(path)
    (test,) = [test for test in found.tests if test.name == name]
    assert list(run_test(test, found.in_force())) == []


def test_every_shipped_rule_has_a_test_in_which_it_fires() -> None:
    fired = {pair.split()[0] for test in read_tests(SHIPPED).tests for at in test.expect for pair in at.firing or ()}
    assert {rule.id for rule in shipped_rules()} <= fired


def test_every_shipped_rule_says_in_words_what_it_found() -> None:
    for rule in shipped_rules():
        named = [set(re.findall(r"{(\w+)}", sentence)) for sentence in (rule.message, rule.message_zh)]
        assert rule.message and rule.message_zh and named[0] == named[1], rule.id


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 0.5x2 _", [1, 0.5, 0.5, None]), ("0+5x3", [0, 5, 10]), ("1-0.25x3", [1, 0.75, 0.5]),
        ("_x2 -1", [None, None, -1]),
    ],
)  # fmt: skip
def test_a_timeline_is_written_in_few_words(text: str, values: list[float | None]) -> None:
    assert parse_values(text) == values


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (3, Level(3)), ("target", Level(0, "target")), ("target - 0.05", Level(-0.05, "target")),
        ("target+0.1", Level(0.1, "target")), ("threshold", Level(1, "threshold")),
        ("threshold * 2.5", Level(2.5, "threshold")),
    ],
)  # fmt: skip
def test_a_level_is_a_number_or_follows_the_scopes_own_service_level(value: float | str, level: Level) -> None:
    assert parse_level(value) == level


def test_durations_have_a_unit() -> None:
    assert [parse_duration_ms(text) for text in ("0s", "90s", "5m", "2h")] == [0, 90_000, 300_000, 7_200_000]
    with pytest.raises(ValueError, match="no duration"):
        parse_duration_ms("90")


@pytest.mark.parametrize(
    ("line", "text", "complaint"),
    [
        (4, RULE.replace("oldest_wait_seconds", "oldest_wait"), "did you mean 'oldest_wait_seconds'"),
        (4, RULE.replace("oldest_wait_seconds", "occupancy_ratio, window: 60m"), "a queue does not have"),
        (4, RULE.replace("oldest_wait_seconds", "oldest_wait_seconds, window: 5m"), "remove its `window`"),
        (4, RULE.replace("oldest_wait_seconds", "asa_seconds"), "needs its `window`"),
        (4, RULE.replace("oldest_wait_seconds", "recovery_ratio, window: 15m"), "its windows are interval, day"),
        (4, RULE.replace("value: 60", "value: aim - 1"), "'aim - 1' is no level"),
        (4, RULE.replace(", value: 60", ""), "needs `kpi`, `op` and `value`"),
        (4, RULE.replace('">"', '"=>"'), "use one of"),
        (4, RULE.replace("kpi:", "all: [], kpi:"), "has one of `kpi`, `all` and `any`"),
        (5, RULE + "    inhibits: [nothing]\n", "which is no rule"),
        (5, RULE + "    message: it is {vaule}\n", "{vaule} is not known"),
        (5, RULE + "    for: 3\n", "for is 3"),
        (5, RULE + "    fro: 3s\n", "did you mean 'for'"),
        (2, RULE + "    freezes: true\n", "`freezes` goes with `inhibits`"),
        (5, RULE + RULE.removeprefix("rules:\n"), "is written twice"),
        (2, RULE.replace("slow", "Slow!"), "should match pattern"),
        (
            3,
            RULE.replace("kind: queue", "kind: queue, team: [blue]"),
            "a queue has no `team`: it has site, channel, group",
        ),
        (3, RULE.replace("kind: queue", "kind: class, site: [berlin]"), "a class has no `site`: it has no labels"),
        (3, RULE.replace("kind: queue", "kind: all, ids: [all]"), "remove `ids`"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_line(tmp_path: Path, line: int, text: str, complaint: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    for read in (read_tests, load_config):
        with pytest.raises(ConfigError) as refused:
            read(path)
        assert f"{path}, line {line}: " in refused.value.problems[0]
        assert complaint in refused.value.problems[0]


@pytest.mark.parametrize(
    ("series", "more", "complaint"),
    [
        ("kpi: oldest_wait", "", "did you mean 'oldest_wait_seconds'"),
        ("kpi: oldest_wait_seconds, window: 15m", "", "remove its `window`"),
        ("kpi: abandonment_ratio, window: 5m", "", "abandonment_ratio in 5m that no rule for a queue asks for"),
        ("kpi: abandonment_ratio", "", "needs its `window`"),
        (
            "kpi: oldest_wait_seconds",
            "    scopes: {'queue:aa': {open: false}}\n",
            "'queue:aa', of which it has no values",
        ),
    ],
)
def test_a_slip_of_the_pen_in_a_test_is_no_test_that_passes(
    tmp_path: Path, series: str, more: str, complaint: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        f"{RULE}tests:\n  - name: calm\n    series:\n      - {{scope: 'queue:a', {series}, values: '0'}}\n"
        f"    expect:\n      - {{at: 1s, firing: []}}\n{more}"
    )
    with pytest.raises(ConfigError) as refused:
        read_tests(path)
    (problem,) = refused.value.problems
    assert f"{path}, line {11 if more else 8}: the test 'calm' " in problem
    assert complaint in problem


def test_the_configuration_has_the_shipped_rules_with_its_own_over_them(tmp_path: Path) -> None:
    path = tmp_path / "floor.yaml"
    path.write_text(RULE.replace("slow", "oldest_wait") + "    severity: page\n")
    rules = {rule.rule_id: rule for rule in load_config(path).alert_rules()}
    assert set(rules) == {rule.id for rule in shipped_rules()}
    assert (rules["oldest_wait"].severity, rules["oldest_wait"].for_ms) == ("page", 0)
    path.write_text("default_rules: false\n" + RULE)
    assert [rule.rule_id for rule in load_config(path).alert_rules()] == ["slow"]


def test_a_rule_is_switched_off_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "floor.yaml"
    path.write_text(RULE.replace("slow", "oldest_wait") + "    enabled: false\n")
    assert "oldest_wait" not in {rule.rule_id for rule in load_config(path).alert_rules()}


def test_the_command_line_tells_what_was_expected_and_what_came(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(
        f"{RULE}tests:\n  - name: a long wait\n    series:\n"
        "      - {scope: 'queue:a', kpi: oldest_wait_seconds, values: '61'}\n"
        "    expect:\n      - {at: 1s, firing: []}\n"
    )
    assert main(["rules", "test", str(path)]) == 1
    printed = capsys.readouterr()
    assert printed.out == f"{path}: 0 of 1 tests passed\n"
    assert printed.err == "floorwalker: a long wait, at 1s: firing are slow queue:a, expected none\n"


def test_the_command_line_checks_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULE)
    assert main(["rules", "check", str(path)]) == 0
    assert "1 rules of its own" in capsys.readouterr().out
    assert main(["rules", "test", str(path)]) == 2
    assert "has no `tests`" in capsys.readouterr().err
    path.write_text(RULE.replace("oldest_wait_seconds", "oldest_wait"))
    assert main(["rules", "check", str(path)]) == 2
    assert f"{path}, line 4: " in capsys.readouterr().err


def test_every_shipped_rule_has_a_runbook_and_every_runbook_a_rule() -> None:
    text = (HERE.parents[1] / "docs" / "runbooks.md").read_text()
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert sorted(headings) == sorted(rule.id for rule in shipped_rules())


def test_every_measure_is_documented() -> None:
    text = (HERE.parents[1] / "docs" / "alert-rules.md").read_text()
    assert [name for name in MEASURES if f"`{name}`" not in text] == []
