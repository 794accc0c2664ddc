"""`compose.yaml`: closed containers of one image, and only the proxy outside."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.init.answers import answers, joined, run_init
from tests.deploy.processes import ROOT
from tests.outside_programs import OutsidePrograms

CONTAINERFILE = ROOT / "deploy" / "containers" / "Containerfile"


def services(tmp_path: Path, told: dict[str, Any]) -> dict[str, Any]:
    assert run_init(tmp_path, {**told, "service": "compose"}).exit_code == 0
    found: dict[str, Any] = yaml.safe_load((tmp_path / "line" / "compose.yaml").read_text())["services"]
    return found


def test_every_container_is_closed_and_only_the_proxy_listens(tmp_path: Path) -> None:
    """Read-only, without rights, not as root; the line shares the proxy's network, so that its ports are on loopback."""
    found = services(tmp_path, answers())
    assert found.keys() == {"line", "proxy"}
    for each in found.values():
        assert (each["read_only"], each["cap_drop"], each["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    line = found["line"]
    assert line["user"].split(":")[0] != "0"
    assert (line["network_mode"], "ports" in line) == ("service:proxy", False)
    assert line["volumes"] == [f"{tmp_path}/line:{tmp_path}/line"]
    assert line["command"] == ["up", "--data", f"{tmp_path}/line"]
    assert found["proxy"]["ports"] == ["80:80", "443:443"]
    assert "./proxy/Caddyfile:/etc/caddy/Caddyfile:ro" in found["proxy"]["volumes"]


def test_healthy_means_alive_and_not_ready(tmp_path: Path) -> None:
    """A homeserver that is away must not have the bridge ended, which takes texts in meanwhile."""
    (words,) = [word for word in services(tmp_path, answers())["line"]["healthcheck"]["test"] if "http" in word]
    assert re.findall(r"http://[^']+", words) == ["http://127.0.0.1:8449/live"]


def test_on_another_homeserver_the_bridge_runs_alone(tmp_path: Path) -> None:
    """And with a proxy of the agency's own it is on the machine's network, still on loopback."""
    found = services(tmp_path, joined(proxy="none"))
    assert found.keys() == {"line"}
    assert (found["line"]["command"][0], found["line"]["network_mode"]) == ("bridge", "host")


@pytest.mark.parametrize("told", [answers(), joined(proxy="nginx")], ids=["embedded", "joined"])
def test_compose_takes_the_file(tmp_path: Path, told: dict[str, Any], outside_programs: OutsidePrograms) -> None:
    """By its own judgement, without a daemon."""
    if (program := outside_programs.find("docker-compose")) is None:
        return
    services(tmp_path, told)
    file = tmp_path / "line" / "compose.yaml"
    judged = subprocess.run([program, "-f", file, "config", "-q"], capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stderr) == (0, "")


def test_the_image_holds_what_is_locked_and_runs_as_nobody_in_particular() -> None:
    """Packages by hash alone; a user that is not root; nothing is copied that is not there; no shell is needed."""
    text = CONTAINERFILE.read_text()
    assert "--require-hashes --only-binary :all: -r deploy/requirements/runtime.txt" in text
    assert re.search(r"^USER [1-9][0-9]*:[1-9][0-9]*$", text, re.MULTILINE)
    assert text.count('ENTRYPOINT ["') == 1
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)]
    assert [path for paths in copied for path in paths if not (ROOT / path).exists()] == []
