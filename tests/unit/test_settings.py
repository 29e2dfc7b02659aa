"""The command line wins over the environment, which wins over the configuration."""

from pathlib import Path

import pytest

from service.errors import UsageError
from service.settings import ProcessSettings, load_settings

BELOW = ProcessSettings(port=1111, host="0.0.0.0")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ProcessSettings.model_fields:
        monkeypatch.delenv(f"FLOORWALKER_{name.upper()}", raising=False)


def test_the_defaults_hold_where_nobody_says_anything():
    settings = load_settings({})
    assert (settings.bootstrap, settings.port, settings.partitions, settings.clock) == (
        "127.0.0.1:9092",
        8080,
        8,
        "wall",
    )


def test_the_configuration_wins_over_the_defaults():
    assert load_settings({"port": None}, BELOW).port == 1111


def test_the_environment_wins_over_the_configuration(monkeypatch):
    monkeypatch.setenv("FLOORWALKER_PORT", "2222")
    settings = load_settings({}, BELOW)
    assert (settings.port, settings.host) == (2222, "0.0.0.0")


def test_the_command_line_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("FLOORWALKER_PORT", "2222")
    assert load_settings({"port": 3333, "files": ["x"]}, BELOW).port == 3333


def test_a_variable_that_says_the_default_still_wins_over_the_configuration(monkeypatch):
    monkeypatch.setenv("FLOORWALKER_PORT", "8080")
    assert load_settings({}, BELOW).port == 8080


def test_a_bad_variable_is_named(monkeypatch):
    monkeypatch.setenv("FLOORWALKER_PORT", "http")
    with pytest.raises(UsageError, match=r"^FLOORWALKER_PORT is 'http': .*integer"):
        load_settings({})


def test_a_bad_option_is_named():
    with pytest.raises(UsageError, match=r"^--partitions is 0: .*greater than or equal to 1"):
        load_settings({"partitions": 0})


def test_files_are_kept_where_the_user_keeps_such_things(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert load_settings({}).data_dir == Path("/somewhere/floorwalker")
