"""The configuration says what is wrong, in which file and line, and what would be right."""

from pathlib import Path

import pytest

from service.config import load_config
from service.config_source import ConfigError
from service.domain.settings import Limits

WHOLE = """\
sites: {berlin: {timezone: Europe/Berlin, day_starts_at: "00:00"}}
queues:
  sales: {site: berlin, channel: voice, group: front, service_level:
    {threshold_seconds: 20, target_ratio: 0.8, variant: abandon_ignored, short_abandon_seconds: 5}}
defaults: {queue: {service_level: {threshold_seconds: 20, target_ratio: 0.8, variant: abandon_ignored}}}
agents: {"1001": {team: blue}}
sources: {asterisk.queue_log: {format: asterisk-queue-log, timezone: UTC}}
rules: []
goals: []
not_ready_reasons: {sick: external, outbound: productive, break: internal}
"""


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str, name: str = "floor.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return caught.value.problems


def test_the_documented_example_becomes_the_floor(write):
    floor = load_config(write(WHOLE)).floor()
    sales = floor.queues["sales"]
    assert (sales.site, sales.group, sales.configured) == ("berlin", "front", True)
    assert (sales.service_level.threshold_ms, sales.service_level.short_abandon_ms) == (20_000, 5_000)
    assert floor.sites["berlin"].timezone == "Europe/Berlin"
    assert floor.agents["1001"].team == "blue"
    assert floor.reason_kinds == {"sick": "external", "outbound": "productive", "break": "internal"}


def test_the_documented_example_raises_no_doubts(write):
    assert load_config(write(WHOLE)).warnings == ()


def test_without_a_file_the_defaults_hold():
    floor = load_config(None).floor()
    assert (floor.queues, floor.default_queue.service_level.threshold_ms, floor.interval_ms) == ({}, 20_000, 900_000)


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        pytest.param("queue: {}\n", 1, "did you mean 'queues'?", id="an unknown section"),
        pytest.param(
            "queues:\n  a:\n    servicelevel: {}\n", 3, "did you mean 'service_level'?", id="an unknown key deep inside"
        ),
        pytest.param(
            "queues:\n  a: {site: paris}\nsites: {rome: {}}\n", 2, "`sites` has: rome", id="a site nobody configured"
        ),
        pytest.param("agents:\n  '1':\n    site: x\n", 3, "`sites` has: none", id="an agent's site nobody configured"),
        pytest.param("defaults: {queue: {site: x}}\n", 1, "names the site 'x'", id="a default site nobody configured"),
        pytest.param("sources:\n  a: {format: canonical, site: x}\n", 2, "names the site 'x'", id="a source's site"),
        pytest.param(
            "sites:\n  a: {timezone: Europe/Berln}\n", 2, "did you mean Europe/Berlin?", id="a misspelt time zone"
        ),
        pytest.param("sites:\n  a: {timezone: ../../etc/passwd}\n", 2, "not an IANA time zone", id="a path as zone"),
        pytest.param("sites:\n  a: {day_starts_at: 24:00}\n", 2, 'use "HH:MM"', id="a day that starts at 24:00"),
        pytest.param("sites:\n  a: {day_starts_at: 6}\n", 2, "a valid string", id="a day that starts at a number"),
        pytest.param(
            "queues: {a: {service_level: {threshold_seconds: 0}}}\n", 1, "greater than 0", id="a threshold of zero"
        ),
        pytest.param(
            "queues:\n a:\n  service_level:\n   threshold_seconds: -5\n", 4, "greater than 0", id="a negative threshold"
        ),
        pytest.param(
            "queues: {a: {service_level: {threshold_seconds: '20'}}}\n", 1, "valid number", id="a threshold as text"
        ),
        pytest.param(
            "queues: {a: {service_level: {target_ratio: 80}}}\n", 1, "less than or equal to 1", id="a target in percent"
        ),
        pytest.param(
            "queues: {a: {service_level: {variant: strict}}}\n",
            1,
            "'short_positive', 'genesys'",
            id="an unknown variant",
        ),
        pytest.param("queues: {a: {channel: phone}}\n", 1, "use one of 'voice'", id="an unknown channel"),
        pytest.param(
            "queues:\n m:\n  service_level: {clock: business_hours}\n",
            3,
            "nor its site has",
            id="a clock without hours",
        ),
        pytest.param(
            "defaults:\n queue:\n  service_level: {clock: business_hours}\n", 3, "defaults.queue", id="in the defaults"
        ),
        pytest.param("queues: {m: {service_level: {clock: wall}}}\n", 1, "use one of 'elapsed'", id="another clock"),
        pytest.param("queues: {m: {abandonment: never}}\n", 1, "a valid boolean", id="abandonment in words"),
        pytest.param("channels: {mail: {abandonment: true}}\n", 1, "channels.mail is 'mail'", id="no such channel"),
        pytest.param(
            "agents: {a: {capacity: {phone: 2}}}\n", 1, "agents.a.capacity.phone", id="capacity for no channel"
        ),
        pytest.param(
            "agents: {a: {capacity: {chat: 0}}}\n", 1, "greater than or equal to 1", id="capacity for nothing"
        ),
        pytest.param("interval: 7m\n", 1, "a divisor of a day from 5m to 24h", id="an interval that divides no day"),
        pytest.param("interval: 1m\n", 1, "a divisor of a day from 5m to 24h", id="an interval that is too short"),
        pytest.param("sources: {a: {format: csv}}\n", 1, "use one of canonical", id="an unknown format"),
        pytest.param("sources: {a: {}}\n", 1, "lacks the key 'format'", id="a source without a format"),
        pytest.param("sources: {a: {format: call-records}}\n", 1, "`mapping` belongs", id="call records unmapped"),
        pytest.param(
            "sources: {a: {format: canonical, agent_pattern: x}}\n", 1, "remove it", id="a pattern nobody would use"
        ),
        pytest.param(
            "sources: {a: {format: asterisk-queue-log, agent_pattern: '('}}\n", 1, "not a regular", id="a bad pattern"
        ),
        pytest.param("not_ready_reasons: {sick: outside}\n", 1, "'external'", id="a reason of an unknown kind"),
        pytest.param("not_ready_reasons: {'': external}\n", 1, "1 to 256 characters", id="a reason without text"),
        pytest.param("rules: {a: 1}\n", 1, "a valid list", id="rules that are no list"),
        pytest.param("queues:\n  a:\n", 2, "it must be a mapping", id="a queue without anything"),
        pytest.param("queues: {'': {}}\n", 1, "1 to 256 characters", id="an empty id"),
        pytest.param("settings: {port: 70000}\n", 1, "less than or equal to 65535", id="an impossible port"),
        pytest.param("settings: {prot: 1}\n", 1, "did you mean 'port'?", id="an unknown process setting"),
        pytest.param("queues: {a: {}\n", 2, "not YAML", id="a bracket that is never closed"),
        pytest.param("a: [1\nb: ]\n", 2, "not YAML", id="broken YAML"),
        pytest.param("- sales\n", 1, "must be a mapping", id="a list at the top"),
        pytest.param("queues: &q {a: *q}\n", 1, "contains itself", id="an anchor within itself"),
        pytest.param("queues: {a: !!python/name:os.system ''}\n", 1, "is not supported", id="a foreign YAML tag"),
        pytest.param("queues: {[a]: {}}\n", 1, "a key must be text", id="a list as key"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, text, line, sentence):
    path = write(text)
    found = problems(path)
    assert len(found) == 1
    assert found[0].startswith(f"{path}, line {line}: ")
    assert sentence in found[0]


def test_every_problem_is_reported_in_the_order_of_the_lines(write):
    found = problems(write("queues:\n  a: {colour: red}\n  b: {channel: phone}\ninterval: 7m\n"))
    assert [problem.split(", line ")[1][0] for problem in found] == ["2", "3", "4"]


def test_the_error_of_a_command_shows_the_first_problem_and_how_many_follow(write):
    with pytest.raises(ConfigError, match=r"line 1: .*\(and 1 more: `floorwalker config check` lists them\)$"):
        load_config(write("interval: 7m\nbogus: 1\n"))


@pytest.mark.parametrize("text", ["queues:\n  a: {}\n  a: {}\n", "queues: {a: {}}\nsites: {}\nqueues: {b: {}}\n"])
def test_a_key_written_twice_in_a_file_is_an_error(write, text):
    (found,) = problems(write(text))
    assert ", line 3: " in found
    assert "is written twice, first in" in found


def test_a_folder_is_one_configuration(write, tmp_path):
    write("sites: {rome: {timezone: Europe/Rome}}\nqueues: {a: {site: rome}}\ngoals: [{name: one}]\n", "1.yaml")
    write("queues:\n  b: {site: rome}\ngoals: [{name: two}]\n", "2.yml")
    write("not: yaml: at: all\n", "notes.txt")
    config = load_config(tmp_path)
    assert list(config.queues) == ["a", "b"]
    assert [goal["name"] for goal in config.goals] == ["one", "two"]


def test_a_key_written_in_two_files_of_a_folder_is_an_error_that_names_both(write, tmp_path):
    first, second = write("queues:\n  a: {}\n", "1.yaml"), write("# again\nqueues:\n  a: {}\n", "2.yaml")
    assert problems(tmp_path) == [f"{second}, line 3: queues.a is written twice, first in {first}, line 2: remove one"]


def test_a_problem_in_the_second_file_of_a_folder_names_that_file(write, tmp_path):
    write("goals: [{a: 1}]\n", "1.yaml")
    second = write("goals:\n  - {b: 1}\n  - text\n", "2.yaml")
    (found,) = problems(tmp_path)
    assert found.startswith(f"{second}, line 3: ")


def test_a_folder_without_yaml_is_an_error(tmp_path):
    assert problems(tmp_path) == [f"{tmp_path}: the folder has no *.yaml file"]


def test_a_missing_file_is_an_error(tmp_path):
    assert problems(tmp_path / "no.yaml") == [f"{tmp_path / 'no.yaml'}: there is no such configuration file"]


def test_text_that_is_not_utf8_is_an_error(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("queues: {é: {}}".encode("latin-1"))
    assert "is not UTF-8 text" in problems(path)[0]


def test_an_empty_file_gives_the_defaults(write):
    assert load_config(write("# nothing yet\n")).floor() == load_config(None).floor()


def test_a_byte_order_mark_is_no_part_of_the_first_key(write):
    assert list(load_config(write("\ufeffqueues: {a: {}}\n")).queues) == ["a"]


@pytest.mark.parametrize("key", ["1001", '"1001"', "0017", "no", "12:30", "2026-11-21"])
def test_an_id_is_the_text_as_written_with_or_without_quotes(write, key):
    assert list(load_config(write(f"agents: {{{key}: {{}}}}\n")).agents) == [key.strip('"')]


def test_a_day_may_start_at_an_unquoted_time(write):
    assert load_config(write("sites: {a: {day_starts_at: 22:30}}\n")).floor().sites["a"].day_starts_at_minutes == 1350


def test_a_queue_inherits_field_by_field_from_the_defaults(write):
    path = write(
        "defaults: {queue: {channel: chat,\n"
        "  service_level: {threshold_seconds: 60, variant: genesys, genesys: {short: false}}}}\n"
        "queues: {a: {service_level: {threshold_seconds: 30, genesys: {flow_outs: true}}}}\n"
    )
    floor = load_config(path).floor()
    level = floor.queues["a"].service_level
    assert (level.threshold_ms, level.variant, floor.queues["a"].channel) == (30_000, "genesys", "chat")
    assert (level.genesys.short, level.genesys.flow_outs, level.genesys.abandons) == (False, True, True)
    assert floor.queue("first seen").service_level.threshold_ms == 60_000
    assert not floor.queue("first seen").configured


def test_a_null_threshold_wins_over_the_default_and_is_a_warning(write):
    path = write(
        "defaults: {queue: {service_level: {threshold_seconds: 60}}}\n"
        "queues:\n  a: {service_level: {threshold_seconds: null}}\n"
    )
    config = load_config(path)
    assert config.floor().queues["a"].service_level.threshold_ms is None
    (warning,) = config.warnings
    assert warning.startswith(f"{path}, line 3: ") and "service level is undefined" in warning


def test_goals_that_nobody_evaluates_are_a_warning(write):
    assert "not evaluated by this version" in load_config(write("goals: [{name: x}]\n")).warnings[0]


def test_genesys_switches_of_another_variant_are_a_warning(write):
    assert "ignores" in load_config(write("queues: {a: {service_level: {genesys: {short: false}}}}\n")).warnings[0]


def test_the_only_site_is_everybodys_site(write):
    floor = load_config(write("sites: {rome: {timezone: Europe/Rome}}\nqueues: {a: {}}\nagents: {b: {}}\n")).floor()
    assert (floor.queues["a"].site, floor.agents["b"].site, floor.queue("new").site) == ("rome", "rome", "rome")
    assert floor.default_site.timezone == "Europe/Rome"


def test_with_several_sites_a_queue_without_one_is_a_warning(write):
    config = load_config(write("sites: {rome: {}, oslo: {}}\nqueues: {a: {}}\n"))
    assert "names no site" in config.warnings[0]
    assert config.floor().queues["a"].site == "default"


@pytest.mark.parametrize(
    ("sites", "minutes"),
    [
        ("{a: {day_starts_at: 06:00}, b: {day_starts_at: 06:00}}", 360),
        ("{a: {day_starts_at: 06:00}, b: {}}", 0),
        ("{}", 0),
    ],
)
def test_the_common_start_of_the_day_is_midnight_where_sites_differ(write, sites, minutes):
    assert load_config(write(f"sites: {sites}\n")).common_day_start_minutes == minutes


@pytest.mark.parametrize("name", ["vanad", "anonymous-bank", "simulated"])
def test_the_ready_mappings_are_right(name):
    examples = Path(__file__).parents[2] / "deploy" / "examples"
    assert load_config(examples / f"{name}.yaml").warnings == ()


def test_the_watchdog_is_on_with_long_limits():
    watchdog = load_config(None).floor().watchdog
    assert watchdog is not None and watchdog.next_contact
    assert watchdog.limits("voice").connected_ms == 12 * 3_600_000
    assert watchdog.limits("email").waiting_ms == 13 * 86_400_000


def test_limits_are_changed_channel_by_channel_and_one_by_one(write):
    floor = load_config(write("watchdog: {limits: {chat: {waiting_seconds: null, ringing_seconds: 60}}}")).floor()
    assert floor.watchdog.limits("chat") == Limits(60_000, 24 * 3_600_000, 2 * 3_600_000, None)
    assert floor.watchdog.limits("voice") == Limits()
    assert floor.watchdog.shortest_ms == 60_000


def test_the_watchdog_may_be_off(write):
    assert load_config(write("watchdog: {enabled: false}")).floor().watchdog is None


def test_a_limit_beyond_two_weeks_is_refused(write):
    (problem,) = problems(write("watchdog:\n  limits: {voice: {waiting_seconds: 1300000}}"))
    assert "line 2" in problem or ":2:" in problem
    assert "waiting_seconds" in problem
