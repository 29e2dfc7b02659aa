"""The container files fit together and fit the program: without an engine, by their structure."""

from __future__ import annotations

import json
import re
import shlex
import socket
import threading
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from api.settings import ApiSettings
from deploy.topology.apache_kafka import known_brokers
from service.cli import build_parser
from service.config import load_config
from service.embedded import HOST
from service.main import GROUPS, all_commands
from service.notify.receivers import build_receivers
from service.settings import PREFIX, ProcessSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("floorwalker:"))
# of the Compose specification, those used here: a misspelt key is silently of no effect in some versions
SERVICE_KEYS = {
    "image", "build", "environment", "volumes", "read_only", "tmpfs", "cap_drop", "security_opt", "init", "command",
    "depends_on", "healthcheck", "restart", "ports", "profiles", "stop_grace_period", "secrets", "deploy", "env_file",
}  # fmt: skip
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "disable"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


@cache
def instructions() -> list[tuple[str, str]]:
    """(instruction, rest) of the Dockerfile, comments gone and continued lines joined."""
    lines = [x for x in (ROOT / "Dockerfile").read_text("utf-8").splitlines() if not x.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(at for at, (word, _) in enumerate(found) if word == "FROM") :]


def rests(word: str, among: list[tuple[str, str]]) -> list[str]:
    return [rest for name, rest in among if name == word]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_uses_known_keys_and_existing_neighbours(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() <= SERVICE_KEYS
    assert service.get("healthcheck", {}).keys() <= HEALTH_KEYS
    for other, how in service.get("depends_on", {}).items():
        assert how["condition"] in CONDITIONS
        if how["condition"] == "service_healthy":
            assert "test" in SERVICES[other].get("healthcheck", {}) or other == "api", (
                "the image brings the API's check"
            )
        assert other in SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_has_an_exact_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


def test_our_image_has_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"floorwalker:{version}"}


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_one_of_two_workers_and_one_of_two_replicas_of_the_api_may_go() -> None:
    assert all(SERVICES[name]["deploy"] == {"replicas": 2} for name in ("worker", "api"))
    first, last = map(int, SERVICES["api"]["ports"][0].split(":")[1].split("-"))
    assert last - first + 1 == 2, "each replica needs a port of its own"


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_are_files_that_everybody_makes_and_git_ignores(name: str) -> None:
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    for secret in SERVICES[name].get("secrets", []):
        folder, _, file = COMPOSE["secrets"][secret]["file"].removeprefix("./").partition("/")
        assert f"/deploy/{folder}/" in ignored
        assert f"deploy/{folder}/{file}" in (DEPLOY / "compose.yaml").read_text("utf-8"), "the head says so"


def test_all_replicas_of_the_api_know_the_sessions_that_one_of_them_has_begun() -> None:
    (file,) = SERVICES["api"]["env_file"]
    head = (DEPLOY / "compose.yaml").read_text("utf-8")
    made = re.search(r'echo "(\w+)=\$\(openssl rand -hex (\d+)\)" > deploy/(\S+)', head)
    assert made and f"./{made[3]}" == file
    assert made[1].removeprefix(PREFIX).lower() in ApiSettings.model_fields
    assert ApiSettings(session_key=SecretStr("0" * 2 * int(made[2]))), "long enough"
    assert f"/deploy/{made[3].partition('/')[0]}/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_the_api_listens_to_other_containers_only_with_tokens() -> None:
    environment, image = SERVICES["api"]["environment"], rests("ENV", last_stage())[0]
    assert "FLOORWALKER_HOST=0.0.0.0" in image
    assert environment["FLOORWALKER_TOKENS"].removeprefix("/run/secrets/") in SERVICES["api"]["secrets"]
    job = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text("utf-8"))["scrape_configs"][0]
    credentials = job["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert credentials in SERVICES["prometheus"]["secrets"]


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_one_of_the_program(name: str) -> None:
    build_parser(all_commands(), GROUPS).parse_args([str(word) for word in SERVICES[name]["command"]])


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_and_only_known_settings(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    known = {PREFIX + field.upper() for field in ProcessSettings.model_fields} | {PREFIX + "CONFIG"}
    assert service["environment"].keys() <= known


def options_of(name: str) -> dict[str, str]:
    """The options on the command line of one of our services, each of which has a value."""
    return dict(zip(*[iter(SERVICES[name]["command"][1:])] * 2, strict=True))


def test_prometheus_scrapes_the_api_and_the_workers_where_they_are() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text("utf-8"))
    found = {
        (job["job_name"], name, sd["port"])
        for job in config["scrape_configs"]
        for sd in job["dns_sd_configs"]
        for name in sd["names"]
    }
    worker = options_of("worker")
    assert found == {
        ("floorwalker-api", "api", ProcessSettings().port),
        ("floorwalker-worker", "worker", int(worker["--metrics-port"])),
    }
    assert worker["--metrics-host"] == "0.0.0.0", "on its loopback address no other container reaches it"


def test_floorwalker_and_prometheus_tell_the_alertmanager_where_it_is(tmp_path: Path) -> None:
    mounts = [mount.split(":") for mount in SERVICES["worker"]["volumes"]]
    for source, target, *_ in mounts:
        (tmp_path / Path(target).name).write_bytes((DEPLOY / source).read_bytes())
    receivers = build_receivers(load_config(tmp_path).notify)
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "compose.yml").read_text("utf-8"))
    (target,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert [receiver.name for receiver in receivers] == [f"alertmanager-{target}"]
    assert target.split(":")[0] in SERVICES
    folders = {str(Path(target).parent) for _, target, *_ in mounts}
    assert {SERVICES["worker"]["environment"]["FLOORWALKER_CONFIG"]} == folders


def test_the_base_image_is_pinned_and_the_same_in_both_stages() -> None:
    arguments = dict(rest.split("=", 1) for rest in rests("ARG", instructions()))
    assert re.fullmatch(r"3\.\d+\.\d+-slim-\w+", arguments["PYTHON_TAG"])
    assert {rest.split()[0] for rest in rests("FROM", instructions())} == {"python:${PYTHON_TAG}"}


def test_the_container_does_not_run_as_root_and_passes_signals_on() -> None:
    assert rests("USER", last_stage()) == ["10001:10001"]
    assert json.loads(rests("ENTRYPOINT", last_stage())[0]) == ["floorwalker"], "no shell in between"
    build_parser(all_commands(), GROUPS).parse_args(json.loads(rests("CMD", last_stage())[0]))


def test_the_health_checks_are_valid_programs() -> None:
    image = rests("HEALTHCHECK", last_stage())[0].partition("CMD ")[2]
    worker = SERVICES["worker"]["healthcheck"]["test"][1:]
    for command in (json.loads(image), worker):
        assert command[:2] == ["python", "-c"]
        compile(command[2], "health check", "exec")
    assert f":{options_of('worker')['--metrics-port']}/metrics" in worker[2]


def test_the_build_installs_what_is_locked() -> None:
    installs = [rest for rest in rests("RUN", instructions()) if "pip install" in rest]
    assert installs
    assert all("--constraint requirements.lock" in rest or "--no-deps" in rest for rest in installs)


def test_everything_that_is_copied_exists_and_is_not_ignored() -> None:
    allowed = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for rest in rests("COPY", instructions()):
        words = shlex.split(rest)
        if words[0].startswith("--from"):
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}" in allowed


def test_the_image_has_the_settings_that_it_names() -> None:
    names = re.findall(rf"\b{PREFIX}\w+", " ".join(rests("ENV", instructions())))
    assert names
    assert {name.removeprefix(PREFIX).lower() for name in names} <= ProcessSettings.model_fields.keys()


def test_a_broker_that_takes_connections_and_does_not_answer_counts_for_none_and_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())
    with socket.create_server((HOST, 0)) as silent:
        assert known_brokers(f"{HOST}:{silent.getsockname()[1]}") == 0
    assert set(threading.enumerate()) <= before
