"""What the agency's own Synapse is given: it can be pasted, and it says what the bridge says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bridge.config.load import load
from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.secret_files import SetupError
from deploy.stack.homeserver_database import LOG_SETTINGS
from deploy.stack.up import StatusOutput, up
from tests.deploy.init.answers import joined, run_init


def make(tmp_path: Path, **changed: object) -> Path:
    result = run_init(tmp_path, joined(**changed))
    assert (result.exit_code, result.stderr) == (0, "")
    return tmp_path / "line"


def test_configuration_registration_and_settings_agree(tmp_path: Path) -> None:
    """One token, one server name, one policy bot; and the module takes its part as it stands."""
    from quietline_synapse.settings import ModuleSettings

    place = tmp_path / "registration.yaml"
    home = {"url": "http://127.0.0.1:8008", "registration_file": str(place)}
    line = make(tmp_path, homeserver=home)
    config = load(line / "config.yaml")
    assert (config.homeserver.url, config.homeserver.joined) == ("http://127.0.0.1:8008", True)
    place.write_text((line / "synapse" / "quietline-registration.yaml").read_text())
    place.chmod(0o600)
    configuration = yaml.safe_load((line / "synapse" / "quietline.yaml").read_text())
    assert configuration["app_service_config_files"] == [str(place)]
    (module,) = configuration["modules"]
    settings = ModuleSettings.read(module["config"])
    settings.check("text.agency.org")
    assert module["module"] == "quietline_synapse.Quietline"
    (own,) = settings.lines
    assert own.token == config.homeserver.as_token_file.read_text().strip()
    assert own.is_ours(config.policy_mxid)
    assert own.is_ours(config.puppet_mxid)
    assert not own.accounts, "accounts of the agency are not ours"
    assert configuration["redaction_retention_period"] == "1s"
    assert configuration["experimental_features"] == {"msc4222_enabled": True}
    assert configuration["enable_search"] is False


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_the_proxy_of_a_joined_line_passes_webhooks_alone(tmp_path: Path, proxy: str) -> None:
    """The agency's homeserver has a proxy of its own; ours leads nobody there."""
    line = make(tmp_path, proxy=proxy)
    (file,) = [each for each in (line / "proxy").iterdir() if each.name != "egress.txt"]
    assert re.findall(r"(?:reverse_proxy|proxy_pass) (\S+?);?(?: \{)?\n", file.read_text()) in (
        ["127.0.0.1:8449"],
        ["http://127.0.0.1:8449"],
    )
    assert "_matrix" not in file.read_text()


def test_workers_lead_the_module_to_the_main_process(tmp_path: Path) -> None:
    """Both snippets name the module's path and where the bridge comes in."""
    line = make(tmp_path)
    for name, ways in (
        ("workers.nginx", ["location /_synapse/client/quietline {", "proxy_pass http://127.0.0.1:8008;"]),
        ("workers.caddy", ["handle /_synapse/client/quietline/* {", "reverse_proxy 127.0.0.1:8008"]),
    ):
        text = (line / "synapse" / name).read_text()
        assert [way for way in ways if way not in text] == []
    server = (line / "synapse" / "postgresql.conf").read_text().splitlines()
    assert [f"{name} = {value}" for name, value in LOG_SETTINGS.items() if f"{name} = {value}" not in server] == []
    assert "wal_recycle = off" in server


async def test_up_leaves_a_joined_line_alone(tmp_path: Path) -> None:
    """It says which verb runs it, and no file of the directory changes; no homeserver is made beside the agency's."""
    line = make(tmp_path)
    before = {path: path.read_bytes() for path in line.rglob("*") if path.is_file()}
    quiet = StatusOutput(progress=lambda _: None, message=lambda _: None)
    with pytest.raises(SetupError, match="quietline bridge --data"):
        await up(Layout(line), Ports(20000), quiet)
    assert {path: path.read_bytes() for path in line.rglob("*") if path.is_file()} == before
