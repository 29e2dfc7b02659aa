"""The command line: exit codes, and one clear sentence on standard error."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli import Command, run_command_line
from service.errors import FailedError, UsageError
from service.main import all_commands, main

ROOT = Path(__file__).parents[2]


def failing(error: BaseException) -> Command:
    def run(args: object) -> int:
        raise error

    return Command("fail", "fails", lambda parser: None, run)


def start(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.main", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param([], "required: COMMAND", id="no command"),
        pytest.param(["fly"], "invalid choice: 'fly'", id="an unknown command"),
        pytest.param(["config"], "required: COMMAND", id="half a command"),
        pytest.param(["config", "check"], "required: FILE", id="no file"),
        pytest.param(["config", "check", "a", "--fast"], "unrecognized arguments: --fast", id="an unknown option"),
        pytest.param(["report", "a"], "required: --format", id="no format"),
        pytest.param(["report", "a", "--format", "csv"], "invalid choice: 'csv'", id="an unknown format"),
        pytest.param(["report", "--format", "canonical"], "required: FILE", id="a report of nothing"),
        pytest.param(
            ["report", "a", "--format", "canonical", "--timezone", "Berlin"],
            "did you mean Europe/Berlin?",
            id="a bad zone",
        ),
        pytest.param(
            ["report", "a", "--format", "canonical", "--interval", "7m"], "a divisor of a day", id="a bad interval"
        ),
        pytest.param(
            ["report", "a", "--format", "canonical", "--json", "--csv"], "not allowed with", id="two outputs at once"
        ),
        pytest.param(
            ["report", "a", "--format", "canonical", "--from", "soon"], "--from: 'soon' is neither", id="a bad moment"
        ),
        pytest.param(
            ["report", "a", "--format", "canonical", "--from", "2026-01-02", "--to", "2026-01-02"],
            "--from 2026-01-02 is not before --to 2026-01-02",
            id="an empty range",
        ),
        pytest.param(["top"], "standard output is no terminal: use --once", id="a live screen on a pipe"),
        pytest.param(["top", "--once", "--url", "floor:8080"], "is no address of an API", id="an address without http"),
        pytest.param(
            ["top", "--once", "--token-file", "/no/such"], "/no/such: the token cannot be read", id="no token"
        ),
        pytest.param(["top", "--once", "--interval", "nan"], "--interval must be 0.5 or more", id="no interval"),
        pytest.param(["top", "--show", "floors"], "invalid choice: 'floors'", id="a table that is not there"),
        pytest.param(["report", "/no/such", "--format", "canonical"], "/no/such", id="a missing recording"),
        pytest.param(["report", ".", "--format", "canonical"], "directory", id="a folder as recording"),
        pytest.param(["report", "a", "--format", "call-records"], "need a column mapping", id="call records unmapped"),
        pytest.param(
            ["report", "a", "--format", "canonical", "--source", "x"],
            "has no source of the format",
            id="no such source",
        ),
        pytest.param(["report", "a", "--format", "canonical", "--config", "/no.yaml"], "/no.yaml", id="no such config"),
        pytest.param(["ingest", "a", "--format", "canonical", "--speed", "0"], "is not a speed", id="a standstill"),
        pytest.param(["ingest", "a", "--format", "canonical", "--speed", "nan"], "is not a speed", id="speed nan"),
        pytest.param(["ingest", "a", "b", "--format", "canonical", "--follow"], "takes one file", id="follow two"),
        pytest.param(
            ["ingest", "a", "--format", "canonical", "--follow"], "no such file to follow", id="follow nothing"
        ),
        pytest.param(["worker", "--metrics-port", "http"], "--metrics-port is 'http'", id="a port that is no number"),
        pytest.param(["worker", "--data-dir", "/dev/null/x"], "data directory cannot be made", id="no data directory"),
        pytest.param(["topics", "create", "--partitions", "0"], "--partitions is 0", id="no partitions"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_sentence(words, sentence, capsys):
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("floorwalker: ")
    assert sentence in printed.err


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UsageError("name a file"), 2, "name a file"),
        (FailedError("no broker"), 1, "no broker"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (KeyboardInterrupt(), 1, "interrupted"),
        (ZeroDivisionError("oh"), 1, "failed by a fault of its own (ZeroDivisionError: oh): run it with --debug"),
    ],
)
def test_what_a_command_raises_becomes_an_exit_code_and_a_sentence(error, code, sentence, capsys):
    assert run_command_line(["fail"], [failing(error)], {}) == code
    err = capsys.readouterr().err
    assert sentence in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words", [["--debug", "fail"], ["fail", "--debug"]])
def test_debug_adds_the_traceback_and_keeps_the_exit_code(words, capsys):
    assert run_command_line(words, [failing(UsageError("name a file"))], {}) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith("floorwalker: name a file\n")


def test_a_configuration_with_two_problems_prints_two_lines(tmp_path, capsys):
    path = tmp_path / "floor.yaml"
    path.write_text("interval: 7m\nbogus: 1\n")
    assert main(["config", "check", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [f"{path}, line 1", f"{path}, line 2"]


def test_a_right_configuration_is_counted_and_doubts_go_to_standard_error(tmp_path, capsys):
    path = tmp_path / "floor.yaml"
    path.write_text("queues: {a: {}, b: {}}\ngoals: [{name: x}]\n")
    assert main(["config", "check", str(path)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{path}: right; 2 queues, 1 goals\n"
    assert printed.err.startswith("floorwalker: warning: ")


def test_a_configuration_that_a_variable_names_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FLOORWALKER_CONFIG", str(tmp_path / "no.yaml"))
    assert main(["report", "a", "--format", "canonical"]) == 2
    assert "no.yaml: there is no such configuration file" in capsys.readouterr().err


@pytest.mark.parametrize("name", [command.name for command in all_commands()])
def test_every_command_explains_itself(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    assert f"usage: floorwalker {name}" in capsys.readouterr().out


def test_help_lists_the_commands():
    done = start("--help")
    assert done.returncode == 0
    assert all(command.name.split()[0] in done.stdout for command in all_commands())


def test_a_process_ends_with_2_after_wrong_usage():
    done = start("report")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("floorwalker: ")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "service.main", "--help"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=60
    )
    os.close(write)
    assert done.stderr == b""


def test_a_terminated_simulation_ends_in_peace():
    words = [sys.executable, "-m", "service.main", "simulate", "--speed", "1"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30)[1] == b""


CALLS = """
sources:
  calls:
    format: call-records
    mapping: {queue_id: q, enqueue: [at], wait: w, outcome: o, customer_ref: phone, contact: [phone]}
"""


def test_customers_numbers_without_a_key_and_in_ids_are_worth_a_warning(tmp_path, capsys):
    path = tmp_path / "floor.yaml"
    path.write_text(CALLS)
    assert main(["config", "check", str(path)]) == 0
    said = capsys.readouterr().err
    assert "source calls makes contact ids of customers' numbers" in said
    assert "source calls has customers' numbers, which are dropped without `customer_key_file`" in said


def test_a_file_of_keys_that_cannot_be_used_is_found_by_the_check(tmp_path, capsys):
    keys, path = tmp_path / "keys", tmp_path / "floor.yaml"
    keys.write_text("k1: short\n")
    path.write_text(f"settings: {{customer_key_file: {keys}}}\n")
    assert main(["config", "check", str(path)]) == 2
    assert f"{keys}, line 1: key k1" in capsys.readouterr().err
