"""`compose.yaml`: closed containers of one image, and only the proxy outside."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config.load import load
from deploy.init.compose_files import IMAGE
from deploy.stack.homeserver_database import LOG_SETTINGS
from tests.deploy.init.answers import answers, joined, run_init
from tests.outside_programs import OutsidePrograms

GATEWAY = "http://10.0.0.7:13013"


def networked(**changed: Any) -> dict[str, Any]:
    """Return answers of a line whose gateway containers reach."""
    return answers(carrier={**answers()["carrier"], "api_base": GATEWAY}, **changed)


def stored(host: str = "database", **changed: Any) -> dict[str, Any]:
    """Return answers of a line whose homeserver is on a PostgreSQL at that host."""
    return networked(database={"homeserver_url": f"postgresql://quietline:a%20word@{host}/quietline"}, **changed)


def services(tmp_path: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    assert run_init(tmp_path, {**inputs, "service": "compose"}).exit_code == 0
    parts: dict[str, Any] = yaml.safe_load((tmp_path / "line" / "compose.yaml").read_text())["services"]
    return parts


def test_every_container_is_closed_and_only_the_proxy_listens(tmp_path: Path) -> None:
    """Read-only, without rights, not as root; each has an address of its own, and the proxy's alone is open outside."""
    parts = services(tmp_path, stored())
    assert parts.keys() == {"homeserver", "bridge", "canary", "database", "proxy"}
    assert "&id" not in (tmp_path / "line" / "compose.yaml").read_text()
    for each in parts.values():
        assert (each["read_only"], each["cap_drop"], each["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
        assert each["user"].split(":")[0] != "0"
        assert "network_mode" not in each
    for name in ("homeserver", "bridge", "canary"):
        each = parts[name]
        assert (each["image"], each["networks"], "ports" in each) == (IMAGE, ["default", "data"], False)
        assert each["volumes"] == [f"{tmp_path}/line:{tmp_path}/line"]
        assert each["command"][:4] == ["stay", name, "--data", f"{tmp_path}/line"]
    assert [name for name, each in parts.items() if "ports" in each] == ["proxy"]
    assert parts["proxy"]["ports"] == ["80:80", "443:443"]
    assert f"{tmp_path}/line/proxy/Caddyfile:/etc/caddy/Caddyfile:ro" in parts["proxy"]["volumes"]


@pytest.mark.parametrize("inputs", [answers(), joined(carrier={**answers()["carrier"], "api_base": GATEWAY})])
def test_what_is_on_the_machines_loopback_is_reached(tmp_path: Path, inputs: dict[str, Any]) -> None:
    """A gateway or a Synapse on 127.0.0.1: all parts are in the machine's network, and call each other on loopback."""
    parts = services(tmp_path, inputs)
    assert {each["network_mode"] for each in parts.values()} == {"host"}
    assert not any("ports" in each or "networks" in each for each in parts.values())
    config = load(tmp_path / "line" / "config.yaml")
    assert (config.listen.host, config.homeserver.url.startswith("http://127.0.0.1:")) == ("127.0.0.1", True)
    assert "bridge:" not in (tmp_path / "line" / "proxy" / "Caddyfile").read_text()
    assert "--listen" not in str(parts.get("homeserver"))
    # By the right of its program it listens on ports below 1024, and keeps all else closed.
    assert "security_opt" not in parts["proxy"]
    assert (parts["proxy"]["cap_drop"], parts["proxy"]["cap_add"]) == (["ALL"], ["NET_BIND_SERVICE"])


def test_a_rehearsal_is_one_container(tmp_path: Path) -> None:
    """`up` runs the handsets too; all of it on the machine's loopback. The pages say how this one is started and asked."""
    parts = services(tmp_path, answers(mode="rehearsal", carrier=None))
    assert parts.keys() == {"line"}
    assert (parts["line"]["command"][:2], parts["line"]["network_mode"]) == (["stay", "up"], "host")
    head = (tmp_path / "line" / "compose.yaml").read_text().partition("services:")[0]
    assert ("exec line " in head, "exec bridge" in head, "canary" in head) == (True, False, False)
    said = (tmp_path / "line" / "CHECKLIST.md").read_text()
    assert ("what the head of `compose.yaml` says" in said, "quietline up" in said) == (True, False)
    assert ("`chown -R 10001:10001 " in said) == (os.getuid() == 0)


def test_postgresql_is_made_as_synapse_wants_it_and_reaches_nothing(tmp_path: Path) -> None:
    """Where the URL's host is `database`: UTF8 and C, no old log, a closed network; its password is in a file alone."""
    database = services(tmp_path, stored())["database"]
    line = tmp_path / "line"
    compose = yaml.safe_load((line / "compose.yaml").read_text())
    assert compose["networks"]["data"] == {"internal": True}
    assert database["networks"] == ["data"]
    assert "networks" not in compose["services"]["proxy"]  # that is, the default one alone
    assert database["environment"]["POSTGRES_INITDB_ARGS"] == "--encoding=UTF8 --locale=C"
    assert database["command"][-1] == "wal_recycle=off"
    assert [f"{name}={value}" for name, value in LOG_SETTINGS.items() if f"{name}={value}" not in database["command"]] == []
    assert f"{line}/secrets/postgres_password:/run/password:ro" in database["volumes"]
    assert (line / "secrets" / "postgres_password").read_text() == "a word"
    assert "a word" not in (line / "compose.yaml").read_text()
    assert compose["services"]["homeserver"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    for each in compose["services"].values():  # an engine makes what is missing, as root
        assert [path for volume in each["volumes"] if not Path(path := volume.split(":")[0]).exists()] == []


def test_healthy_means_alive_and_not_ready(tmp_path: Path) -> None:
    """A homeserver that is away must not have the bridge ended, which takes texts in meanwhile."""
    parts = services(tmp_path, answers())
    urls = {name: re.findall(r"http://[^']+", str(each.get("healthcheck"))) for name, each in parts.items()}
    assert urls["bridge"] == ["http://127.0.0.1:8449/live"]
    assert urls["homeserver"] == ["http://127.0.0.1:8448/health"]


@pytest.mark.parametrize("inputs", [stored(), answers(mode="rehearsal", carrier=None)], ids=["line", "rehearsal"])
def test_what_refuses_is_not_started_for_ever(tmp_path: Path, inputs: dict[str, Any]) -> None:
    """An engine starts again whatever ended, with 2 as well: each part of ours stays in place of ending with it."""
    ours = [each for each in services(tmp_path, inputs).values() if each["image"] == IMAGE]
    assert ours
    for each in ours:
        assert each["restart"] == "unless-stopped"
        assert each["command"][0] == "stay"


def test_on_another_homeserver_the_bridge_runs_alone(tmp_path: Path) -> None:
    """And with a proxy of the agency's own it is on the machine's network, still on loopback."""
    parts = services(tmp_path, joined(proxy="none"))
    assert parts.keys() == {"bridge", "canary"}
    assert (parts["bridge"]["command"][:2], parts["bridge"]["network_mode"]) == (["stay", "bridge"], "host")


@pytest.mark.parametrize(
    "inputs",
    [
        stored(),
        networked(),
        answers(),
        stored(proxy="none"),
        joined(proxy="nginx"),
        answers(mode="rehearsal", carrier=None),
    ],
)
def test_compose_takes_the_file(tmp_path: Path, inputs: dict[str, Any], outside_programs: OutsidePrograms) -> None:
    """By its own judgement, without a daemon."""
    if (program := outside_programs.find("docker-compose")) is None:
        return
    services(tmp_path, inputs)
    file = tmp_path / "line" / "compose.yaml"
    judged = subprocess.run([program, "-f", file, "config", "-q"], capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stderr) == (0, "")
