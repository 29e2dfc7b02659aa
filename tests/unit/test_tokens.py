"""Access tokens: how they are made, what the file may say, and that it is followed while the service runs."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from service.access import ROLES, Role
from service.cli import run_command_line
from service.errors import UsageError
from service.main import GROUPS, all_commands
from service.timetext import DAY_MS, parse_span_ms
from service.tokens import Tokens, new_token, read_tokens

NOW_MS = 1_795_348_800_000
LATER_MS = 2_000
BOUND: dict[Role, tuple[list[str], str | None]] = {
    "agent": ([], "1001"),
    "supervisor": (["blue", 'o\'neil, "x": 客服'], None),
}


class Clock:
    """A clock that stands still."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


def viewer(name: str = "wall", expires_ms: int | None = None) -> tuple[str, str]:
    return new_token("viewer", name, [], None, expires_ms)


@pytest.mark.parametrize("role", ROLES)
def test_the_printed_line_lets_the_printed_token_in(role: Role, file: Path, clock: Clock):
    teams, agent = BOUND.get(role, ([], None))
    token, line = new_token(role, None, teams, agent, None)
    file.write_text(line + "\n", "utf-8")
    grant = Tokens(file, clock, clock).grant_of(token)
    assert grant is not None
    assert (grant.role, grant.teams, grant.agent_id) == (role, frozenset(teams), agent)


def test_the_file_knows_only_the_hash():
    token, line = viewer()
    assert hashlib.sha256(token.encode()).hexdigest() in line
    assert token.partition(".")[2] not in line


def test_no_two_tokens_are_alike_and_each_has_256_random_bits():
    secrets = {viewer()[0].partition(".")[2] for _ in range(100)}
    assert len(secrets) == 100
    assert {len(secret) for secret in secrets} == {43}, "32 bytes in base64"


@pytest.mark.parametrize("change", [
    lambda t: t[:-1], lambda t: t + "x", lambda t: t.upper(), lambda t: t.replace("wall", "other"),
    lambda t: "", lambda t: "fw_wall.",
    lambda t: "fw_wall", lambda t: "fw_客服." + t, lambda t: t.removeprefix("fw_"), lambda t: " " + t,
])  # fmt: skip
def test_only_the_whole_token_is_the_token(change, file: Path, clock: Clock):
    token, line = viewer()
    file.write_text(f"{line}\n{viewer('other')[1]}\n", "utf-8")
    tokens = Tokens(file, clock, clock)
    assert tokens.grant_of(change(token)) is None
    assert tokens.grant_of(token) is not None


def test_a_token_expires_at_its_time(file: Path, clock: Clock):
    token, line = viewer(expires_ms=NOW_MS + 1_000)
    file.write_text(line, "utf-8")
    tokens = Tokens(file, clock, clock)
    clock.now_ms = NOW_MS + 999
    assert tokens.grant_of(token) is not None
    clock.now_ms = NOW_MS + 1_000
    assert tokens.grant_of(token) is None


def test_a_new_line_counts_without_a_restart_and_a_removed_one_no_longer(file: Path, clock: Clock):
    (old, old_line), (new, new_line) = viewer("old"), viewer("new")
    file.write_text(old_line, "utf-8")
    tokens = Tokens(file, clock, clock)
    file.write_text(f"{old_line}\n{new_line}\n", "utf-8")
    clock.now_ms += LATER_MS
    assert tokens.grant_of(old) is not None and tokens.grant_of(new) is not None
    other = file.with_suffix(".new")
    other.write_text(new_line, "utf-8")
    other.replace(file)
    clock.now_ms += LATER_MS
    assert tokens.grant_of(old) is None
    assert tokens.grant_of(new) is not None


def test_a_removed_token_is_out_even_when_the_wall_clock_was_set_back(file: Path, clock: Clock):
    token, line = viewer()
    file.write_text(line, "utf-8")
    passed = Clock()
    tokens = Tokens(file, clock, passed)
    file.write_text("", "utf-8")
    clock.now_ms -= DAY_MS
    passed.now_ms += LATER_MS
    assert tokens.grant_of(token) is None


@pytest.mark.parametrize("text", ["wall: {role: vewer}", "wall: [", "- wall", None])
def test_a_broken_file_changes_nothing_and_is_logged(
    text: str | None, file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
):
    token, line = viewer()
    file.write_text(line, "utf-8")
    tokens = Tokens(file, clock, clock)
    if text is None:
        file.unlink()
    else:
        file.write_text(text, "utf-8")
    for _ in range(3):
        clock.now_ms += LATER_MS
        assert tokens.grant_of(token) is not None
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1, "once, not with every request"
    assert str(file) in errors[0].getMessage()
    file.write_text(viewer("other")[1], "utf-8")
    clock.now_ms += LATER_MS
    assert tokens.grant_of(token) is None, "once it is put right, it counts"


@pytest.mark.parametrize(("text", "complaint"), [
    ("wall: {role: vewer, sha256: '%s'}", "line 1: wall.role is 'vewer': use one of"),
    ("\nwall: {role: viewer, sha256: 'abc'}", "line 2: wall.sha256 is 'abc'"),
    ("wall: {role: viewer}", "line 1: wall lacks the key 'sha256'"),
    ("Wall!: {role: viewer, sha256: '%s'}", "'Wall!' is no id of a token"),
    ("wall: {role: viewer, sha256: '%s', team: blue}", "wall.team is not known: did you mean 'teams'?"),
    ("wall: {role: viewer, sha256: '%s', teams: [blue]}", "wall: the role viewer is not bound to teams"),
    ("wall: {role: supervisor, sha256: '%s'}", "wall: the role supervisor has to be bound to teams"),
    ("wall: {role: supervisor, sha256: '%s', teams: [a], agent: x}", "wall: the role supervisor is not bound to agent"),
    ("wall: {role: agent, sha256: '%s'}", "wall: the role agent has to be bound to agent"),
    ("wall: {role: admin, sha256: '%s', expires: soon}", "wall.expires: 'soon' is neither a date"),
    ("wall: {role: admin, sha256: '%s'}\nwall: {role: viewer, sha256: '%s'}", "line 2: wall is written twice"),
    ("wall", "must be a mapping"),
])  # fmt: skip
def test_a_wrong_file_is_refused_with_file_line_and_reason(text: str, complaint: str, file: Path):
    file.write_text(text.replace("%s", "0" * 64), "utf-8")
    with pytest.raises(UsageError) as raised:
        read_tokens(file)
    assert complaint in str(raised.value)
    assert str(file) in str(raised.value)


def test_an_empty_file_lets_nobody_in(file: Path, clock: Clock):
    file.write_text("# nobody yet\n", "utf-8")
    assert Tokens(file, clock, clock).grant_of("fw_wall.x") is None


def test_the_command_prints_the_token_once_and_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, file: Path, clock: Clock
):
    monkeypatch.setattr("service.cli_tokens.time", SimpleNamespace(time_ns=lambda: NOW_MS * 1_000_000))
    words = ["token", "create", "--role", "supervisor", "--team", "blue", "--expires", "30d", "--id", "desk"]
    assert run_command_line(words, all_commands(), GROUPS) == 0
    token, line = capsys.readouterr().out.splitlines()
    assert token.startswith("fw_desk.")
    file.write_text(line, "utf-8")
    grant = Tokens(file, clock, clock).grant_of(token)
    assert grant is not None and grant.teams == {"blue"} and grant.expires_ms == NOW_MS + 30 * DAY_MS


@pytest.mark.parametrize("words", [
    ["--role", "boss"], [], ["--role", "supervisor"], ["--role", "agent"], ["--role", "viewer", "--team", "blue"],
    ["--role", "agent", "--agent", "1001", "--team", "blue"], ["--role", "viewer", "--expires", "soon"],
    ["--role", "viewer", "--id", "Wall board"],
])  # fmt: skip
def test_a_token_that_fits_nobody_is_not_made(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert run_command_line(["token", "create", *words], all_commands(), GROUPS) == 2
    assert capsys.readouterr().out == ""


def test_spans_are_written_with_one_unit():
    assert [parse_span_ms(text) for text in ("90s", "12h", "30d")] == [90_000, 43_200_000, 30 * DAY_MS]
    for text in ("0d", "1w", "d", "1.5h", "-1d", "1d12h"):
        with pytest.raises(ValueError, match="is not a span of time"):
            parse_span_ms(text)
