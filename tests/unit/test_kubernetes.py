"""The Kubernetes manifests: valid by the published schemas, true to the program, with no more rights than needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from api.settings import ApiSettings
from service.cli import build_parser
from service.config import load_config
from service.main import GROUPS, all_commands
from service.settings import PREFIX, ProcessSettings

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
MANIFESTS: list[dict[str, Any]] = [
    manifest for path in sorted(FOLDER.glob("*.yaml")) for manifest in yaml.safe_load_all(path.read_text("utf-8"))
]
VERSIONS = ("1.30", "1.37")


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {manifest["metadata"]["name"]: manifest for manifest in MANIFESTS if manifest["kind"] == kind}


DEPLOYMENTS = of_kind("Deployment")
each_deployment = pytest.mark.parametrize("name", DEPLOYMENTS)


def pod_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = DEPLOYMENTS[name]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: f"{m['kind']}-{m['metadata']['name']}")
def test_a_manifest_is_valid(manifest: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_there_are_the_worker_and_the_api_each_with_a_disruption_budget() -> None:
    assert set(DEPLOYMENTS) == set(of_kind("PodDisruptionBudget")) == {"floorwalker-worker", "floorwalker-api"}


@each_deployment
def test_the_command_is_one_of_the_program(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    assert f"floorwalker-{container['args'][0]}" == name
    build_parser(all_commands(), GROUPS).parse_args(container["args"])


@each_deployment
def test_every_variable_is_a_setting(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    names = {variable["name"].removeprefix(PREFIX).lower() for variable in container["env"]} - {"config"}
    assert names <= ProcessSettings.model_fields.keys() | ApiSettings.model_fields.keys()


@each_deployment
def test_a_container_may_do_no_more_than_it_must(name: str) -> None:
    pod, (container,) = pod_of(name), pod_of(name)["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


@each_deployment
def test_it_is_probed_on_a_port_that_it_has_and_asks_for_what_it_needs(name: str) -> None:
    (container,) = pod_of(name)["containers"]
    ports = {port["name"] for port in container["ports"]}
    probes = [container[probe] for probe in ("startupProbe", "livenessProbe")]
    assert {probe["httpGet"]["port"] for probe in probes} == ports
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_where_metrics_are_probed_they_are_served_to_other_addresses_than_the_pods_own_loopback() -> None:
    (container,) = pod_of("floorwalker-worker")["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/metrics"
    options = build_parser(all_commands(), GROUPS).parse_args(container["args"])
    assert options.metrics_host == "0.0.0.0"
    assert {"name": "metrics", "containerPort": int(options.metrics_port)} in container["ports"]


def test_the_api_gets_requests_only_while_it_is_ready() -> None:
    (container,) = pod_of("floorwalker-api")["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert [port["containerPort"] for port in container["ports"]] == [ProcessSettings().port]
    service = of_kind("Service")["floorwalker-api"]
    labels = DEPLOYMENTS["floorwalker-api"]["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


@each_deployment
def test_every_volume_is_there_and_used(name: str) -> None:
    pod, (container,) = pod_of(name), pod_of(name)["containers"]
    assert {volume["name"] for volume in pod["volumes"]} == {mount["name"] for mount in container["volumeMounts"]}


def test_the_scaler_scales_the_workers() -> None:
    target = of_kind("HorizontalPodAutoscaler")["floorwalker-worker"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "floorwalker-worker")
    assert "replicas" not in DEPLOYMENTS["floorwalker-worker"]["spec"], "it would undo what the scaler did"


def test_kafka_and_the_receivers_of_alerts_can_be_reached() -> None:
    rules = of_kind("NetworkPolicy")["floorwalker"]["spec"]["egress"]
    open_ports = {port["port"] for rule in rules for port in rule["ports"] if port["protocol"] == "TCP"}
    kafka = of_kind("ConfigMap")["floorwalker"]["data"]["bootstrap"].rpartition(":")[2]
    shipped = yaml.safe_load((FOLDER.parent / "alertmanager" / "notify.yaml").read_text("utf-8"))
    alertmanagers = {urlsplit(one["url"]).port for one in shipped["notify"]["alertmanager"]}
    https = 443
    assert open_ports >= {int(kafka), https} | alertmanagers


def test_no_secret_is_in_the_files_and_the_configuration_is_valid(tmp_path: Path) -> None:
    assert not of_kind("Secret")
    path = tmp_path / "floor.yaml"
    path.write_text(of_kind("ConfigMap")["floorwalker"]["data"]["floor.yaml"], "utf-8")
    assert "sales" in load_config(path).queues
