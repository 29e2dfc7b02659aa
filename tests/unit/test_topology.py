"""What the compose file says for containers becomes what processes of one machine can use."""

from pathlib import Path

import pytest
import yaml

from deploy.topology.compose import OUR_IMAGE, read_services
from deploy.topology.place import Place
from deploy.topology.programs import PROGRAMS, environment, our_command
from service.config import load_config
from service.notify.receivers import build_receivers
from service.tokens import new_token, read_tokens

SERVICES = read_services()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(SERVICES, tmp_path)


def test_every_service_has_something_to_run_or_is_known_to_have_nothing() -> None:
    unknown = {s.name for s in SERVICES.values() if not s.ours and s.image not in PROGRAMS}
    assert unknown == {"kafka", "grafana"}
    assert {s.name for s in SERVICES.values() if s.image == OUR_IMAGE} == {"topics", "worker", "api", "simulate"}


def test_two_replicas_have_ports_of_their_own_and_all_find_the_same_broker(place: Place) -> None:
    worker = SERVICES["worker"]
    first, second = (our_command(worker, replica, place) for replica in range(worker.replicas))
    assert first[:-1] == second[:-1]
    assert first[-1] == str(place.port("worker", 9101, 0)) != second[-1]
    assert first[first.index("--metrics-host") + 1] == "127.0.0.1"
    brokers = {environment(worker, replica, place, {})["FLOORWALKER_BOOTSTRAP"] for replica in (0, 1)}
    assert brokers == {place.address("kafka", 9092)}


def test_the_broker_listens_where_it_says_it_is(place: Place) -> None:
    said = {name: place.own(value, SERVICES["kafka"], 0) for name, value in SERVICES["kafka"].environment.items()}
    inside, controller, outside = (place.address("kafka", port) for port in (9092, 9093, 19092))
    assert said["KAFKA_LISTENERS"] == f"INSIDE://{inside},CONTROLLER://{controller},OUTSIDE://{outside}"
    assert said["KAFKA_ADVERTISED_LISTENERS"] == f"INSIDE://{inside},OUTSIDE://{outside}"
    assert said["KAFKA_CONTROLLER_QUORUM_VOTERS"] == f"1@{controller}"
    assert said["KAFKA_LOG_DIRS"] == str(place.folder("kafka", 0) / "var/lib/kafka/data")


def test_a_health_check_asks_its_own_replica(place: Place) -> None:
    (check,) = [word for word in SERVICES["worker"].health or () if "urlopen" in word]
    assert f"http://{place.address('worker', 9101, 1)}/metrics" in place.own(check, SERVICES["worker"], 1)


def test_the_mounted_configuration_names_alertmanager_and_the_wallboard_where_they_are(place: Place) -> None:
    worker = SERVICES["worker"]
    place.lay_out(worker, 0, {"tokens": ""})
    config = load_config(Path(environment(worker, 0, place, {})["FLOORWALKER_CONFIG"]))
    assert [receiver.name for receiver in build_receivers(config.notify)] == [
        f"alertmanager-{place.address('alertmanager', 9093)}"
    ]
    assert config.notify.public_url == f"http://{place.address('api', 8080)}"


def test_the_api_finds_its_tokens(place: Place) -> None:
    place.lay_out(SERVICES["api"], 1, {"tokens": new_token("viewer", "me", [], None, None)[1]})
    assert set(read_tokens(Path(environment(SERVICES["api"], 1, place, {})["FLOORWALKER_TOKENS"]))) == {"me"}


def test_prometheus_scrapes_every_replica_without_a_name_server(place: Place) -> None:
    place.lay_out(SERVICES["prometheus"], 0, {"prometheus-token": "secret"})
    folder = place.folder("prometheus", 0)
    config = yaml.safe_load((folder / "etc/prometheus/prometheus.yml").read_text("utf-8"))
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert targets == {
        f"floorwalker-{name}": [place.address(name, port, replica) for replica in (0, 1)]
        for name, port in (("api", 8080), ("worker", 9101))
    }
    assert (folder / "etc/prometheus" / config["rule_files"][0]).exists()
    secret = Path(config["scrape_configs"][0]["authorization"]["credentials_file"])
    assert (secret.read_text("utf-8"), secret.stat().st_mode & 0o777) == ("secret", 0o600)


def test_our_own_variables_of_whoever_starts_it_do_not_count(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORWALKER_CLOCK", "stream")
    assert "FLOORWALKER_CLOCK" not in environment(SERVICES["api"], 0, place, {})
