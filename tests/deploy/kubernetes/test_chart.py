"""The chart as helm renders it: over every fragment of values, and what the program and the cluster say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bridge.config.load import load
from bridge.config.sections import Config
from tests.deploy.kubernetes.rendered import (
    EVERYTHING,
    FRAGMENTS,
    RELEASE,
    Chart,
    Manifest,
    fragments,
    one,
    pods,
    problems,
)
from tests.outside_programs import OutsidePrograms

KEY = "0123456789abcdef" * 4
CREDENTIALS = "/run/credentials"
FRAGMENT = pytest.mark.parametrize("fragment", [None, *fragments()], ids=lambda path: path.stem if path else "line")


def files(fragment: Path | None) -> tuple[Path, ...]:
    return () if fragment is None else (fragment,)


def everything() -> tuple[Path, ...]:
    return tuple(FRAGMENTS / f"{name}.yaml" for name in EVERYTHING)


@FRAGMENT
def test_it_renders_and_every_object_is_one_that_a_cluster_takes(
    chart: Chart, fragment: Path | None, outside_programs: OutsidePrograms
) -> None:
    """Its own judgement is strict; each object is held to the schema of its kind, oldest and newest version."""
    assert "1 chart(s) linted, 0 chart(s) failed" in chart.lint(*files(fragment))
    objects = chart.render(*files(fragment))
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(names)) == len(names)
    if (schemas := outside_programs.find("kubernetes-schemas")) is not None:
        assert [problem for each in objects for problem in problems(each, Path(schemas))] == []


def mount(objects: list[Manifest], spec: Manifest, directory: Path) -> Path:
    """Lay the volumes of a pod into a directory as the cluster does; return its `config.yaml`. Raises `KeyError`."""
    volumes = {each["name"]: each for each in spec["volumes"]}
    for source in volumes["credentials"]["projected"]["sources"]:
        (item,) = source["secret"]["items"]
        file = directory / item["path"]
        text = f"{item['key']} of {source['secret']['name']}"
        if item["path"] in {"vault_key", "index_key", "suppression_key", "canary"}:
            text = f"{len(list(directory.iterdir())):02x}{KEY[2:]}"
        if item["path"] == "database_url":
            text = "postgresql://quietline:word@quietline-db-rw:5432/quietline"
        if item["path"] == "calendar_address":
            text = "https://calendar.agency.org/shifts.ics"
        file.write_text(text)
        file.chmod(volumes["credentials"]["projected"]["defaultMode"])
    (source,) = (
        each["configMap"]
        for each in volumes["configuration"]["projected"]["sources"]
        if "items" in each.get("configMap", {}) and each["configMap"]["name"] == RELEASE
    )
    (item,) = source["items"]
    assert item["path"] == "config.yaml"
    text = one(objects, "ConfigMap", source["name"])["data"][item["key"]]
    (path := directory / "config.yaml").write_text(text.replace(CREDENTIALS, str(directory)))
    return path


def read(objects: list[Manifest], name: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Have the program read what a pod would have."""
    directory.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))
    (spec,) = (spec for pod, spec in pods(objects) if pod == name)
    (value,) = (each["value"] for each in spec["containers"][0]["env"] if each["name"] == "CREDENTIALS_DIRECTORY")
    assert value == CREDENTIALS
    return load(mount(objects, spec, directory))


@FRAGMENT
def test_the_program_takes_the_configuration_with_the_secrets_that_its_pod_has(
    chart: Chart, fragment: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of bridges and of jobs, by its own reader: no key is unknown, no secret is missing and none may be read by others."""
    objects = chart.render(*files(fragment))
    config = read(objects, RELEASE, tmp_path / "bridge", monkeypatch)
    assert (config.listen.host, config.listen.port) == ("0.0.0.0", 8449)
    assert config.homeserver.joined
    jobs = [name for name, _ in pods(objects) if name.removeprefix(f"{RELEASE}-").split("-")[0] in JOBS]
    for name in jobs:
        behind = read(objects, name, tmp_path / name, monkeypatch)
        assert behind.listen.host == f"{RELEASE}-inside"
        assert one(objects, "Service", behind.listen.host)["spec"]["ports"][0]["port"] == behind.listen.port
    configs = {key: yaml.safe_load(text) for key, text in one(objects, "ConfigMap", RELEASE)["data"].items()}
    assert configs["config.yaml"] | {"listen": None} == configs["jobs.yaml"] | {"listen": None}


JOBS = ("doctor", "backup", "drill", "upgrade", "canary")


@FRAGMENT
def test_no_pod_may_more_than_it_needs(chart: Chart, fragment: Path | None) -> None:
    """Each is as the profile `restricted` asks (Pod Security Standards), reads its own image only, and has no token."""
    all_pods = list(pods(chart.render(*files(fragment))))
    assert all_pods
    for name, spec in all_pods:
        pod = spec["securityContext"]
        assert (pod["runAsNonRoot"], pod["runAsUser"], pod["seccompProfile"]) == (
            True,
            10001,
            {"type": "RuntimeDefault"},
        ), name
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert {next(iter(volume.keys() - {"name"})) for volume in spec["volumes"]} <= {
            *("persistentVolumeClaim", "projected", "emptyDir", "configMap")
        }
        (container,) = spec["containers"]
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"]["drop"] == ["ALL"]
        # Caddy's image is not executed without this one, which the profile allows.
        assert own["capabilities"].get("add", []) == (["NET_BIND_SERVICE"] if name.endswith("-gate") else [])
        assert "hostPort" not in str(container.get("ports"))


def test_an_update_hands_over(chart: Chart) -> None:
    """Before a bridge of two is stopped it lets the other lead; there is time for both waits of it, and for the stop."""
    for fragment, hands_over in ((None, True), (FRAGMENTS / "one-bridge.yaml", False)):
        ((_, spec),) = (each for each in pods(chart.render(*files(fragment))) if each[0] == RELEASE)
        (container,) = spec["containers"]
        hook = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [])
        assert ("handover" in hook and "--here" in hook) is hands_over
        waited = float(hook[hook.index("--wait") + 1]) + 60 if hands_over else 0
        assert spec["terminationGracePeriodSeconds"] >= waited + 40


def test_what_refuses_is_not_started_for_ever(chart: Chart) -> None:
    """A bridge that refuses answers at `/running`, so none starts it again, and not at `/live`, so it is not ready."""
    objects = chart.render(*everything())
    (container,) = one(objects, "StatefulSet", RELEASE)["spec"]["template"]["spec"]["containers"]
    assert container["args"][:4] == ["stay", "--answer", "0.0.0.0:8449", "bridge"]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: each["path"] for name, each in probes.items()} == {
        "startup": "/running",
        "liveness": "/running",
        "readiness": "/live",
    }
    assert {each["port"] for each in probes.values()} == {"webhooks"}
    assert {"name": "webhooks", "containerPort": 8449} in container["ports"]


def test_from_outside_the_webhooks_are_reached_and_nothing_else(chart: Chart) -> None:
    """By an Ingress and by a route of a gateway alike."""
    (rule,) = one(chart.render(FRAGMENTS / "ingress.yaml"), "Ingress", RELEASE)["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (rule["host"], path["path"], path["pathType"]) == ("text.agency.org", "/carriers/main/", "Prefix")
    route = one(chart.render(FRAGMENTS / "http-route.yaml"), "HTTPRoute", RELEASE)["spec"]
    assert set(route) == {"parentRefs", "hostnames", "rules"}
    assert route["rules"] == [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/carriers/main/"}}],
            "backendRefs": [{"name": RELEASE, "port": 80}],
        }
    ]


def peers(policy: Manifest, way: str) -> str:
    return yaml.safe_dump(policy["spec"][way])


def test_the_network_is_open_to_those_who_are_named(chart: Chart) -> None:
    """Into the bridge: the gate, Prometheus. Out: names, homeserver, database, carrier. The gate: bridges alone."""
    objects = chart.render(FRAGMENTS / "on-call.yaml")
    policies = {each["metadata"]["name"]: each for each in objects if each["kind"] == "NetworkPolicy"}
    assert set(policies) == {f"{RELEASE}-{name}" for name in ("bridge", "gate", "jobs")}
    covered = [policy["spec"]["podSelector"]["matchLabels"] for policy in policies.values()]
    for each in objects:
        spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each.get("spec", {})
        if "template" in spec:
            labels = spec["template"]["metadata"]["labels"].items()
            assert sum(selector.items() <= labels for selector in covered) == 1, each["metadata"]["name"]
    assert all(policy["spec"]["policyTypes"] == ["Ingress", "Egress"] for policy in policies.values())
    bridge, gate, jobs = (policies[f"{RELEASE}-{name}"] for name in ("bridge", "gate", "jobs"))
    assert "monitoring" in peers(bridge, "ingress")
    assert "name: ingress" not in peers(bridge, "ingress")
    for destination in ("kube-system", "haproxy", "quietline-db", "0.0.0.0/0", "192.0.2.10/32"):
        assert destination in peers(bridge, "egress")
    assert "name: ingress" in peers(gate, "ingress")
    assert "0.0.0.0/0" not in peers(gate, "egress")
    assert jobs["spec"]["ingress"] == []
