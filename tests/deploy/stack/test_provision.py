"""What a first run makes: private, repeatable, hardened, and never written over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bridge.carriers.vendors.rehearsal import Settings
from bridge.config.load import load
from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.secret_files import SetupError
from deploy.stack import provision as provisioning
from deploy.stack.provision import (
    first_accounts,
    make_accounts,
    open_secrets,
    run_homeserver,
    write_line_files,
)
from deploy.stack.supervisor import MALLOC_TUNABLES
from tests.deploy.homeserver_api import RunningHomeserver
from tests.deploy.processes import eventually, read_ready_file, run_up
from tests.fakes.provisioned_homeserver import put_homeserver
from tests.free_ports import free_ports


def kernel_shows(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_text()


async def test_no_secret_in_arguments_or_environment(tmp_path: Path) -> None:
    """No secret's value, password or number is in the arguments or environment of `up` or any child of it."""
    await put_homeserver(Layout(tmp_path))
    with run_up(tmp_path, free_ports(), "homeserver=real"):
        pids = (await asyncio.to_thread(read_ready_file, tmp_path))["pids"]
        secrets = open_secrets(Layout(tmp_path))
        values = [path.read_text().strip() for path in secrets.directory.iterdir() if path != secrets.accounts]
        values += [account.password for account in secrets.read_accounts()]
        values += [values[0].split()[-1], load(tmp_path / "config.yaml").line.number]
        assert len(values) > 12
        for pid in pids.values():
            shown = kernel_shows(pid, "cmdline") + kernel_shows(pid, "environ")
            assert len(shown) > 20
            assert not any(value in shown for value in values)
        assert f"GLIBC_TUNABLES={MALLOC_TUNABLES}" in kernel_shows(pids["bridge"], "environ").split("\0")
        environment = kernel_shows(pids["homeserver"], "environ")
        variables = {entry.split("=")[0] for entry in environment.split("\0") if entry}
        assert variables <= {"PATH", "HOME", "LANG", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "GLIBC_TUNABLES", "LC_CTYPE"}


def settings(tmp_path: Path) -> dict[str, Any]:
    layout, ports = Layout(tmp_path / "line"), Ports(20000)
    write_line_files(layout, ports)
    configuration: dict[str, Any] = yaml.safe_load(layout.homeserver_config.read_text())
    return configuration


def test_the_configuration_is_hardened(tmp_path: Path) -> None:
    """The written `homeserver.yaml` says every hardening, and only files where secrets are."""
    configuration = settings(tmp_path)
    hardened: dict[str, object] = {
        "federation_domain_whitelist": [],
        "trusted_key_servers": [],
        "enable_registration": False,
        "allow_guest_access": False,
        "encryption_enabled_by_default_for_room_type": "all",
        "url_preview_enabled": False,
        "presence": {"enabled": False},
        "enable_room_list_search": False,
        "room_list_publication_rules": [{"action": "deny"}],
        "redaction_retention_period": "1s",
        "forgotten_room_retention_period": "1m",
        "push": {"enabled": True, "include_content": False},
        "report_stats": False,
        "enable_metrics": False,
        "experimental_features": {"msc4222_enabled": True},
    }
    assert {key: configuration.get(key) for key in hardened} == hardened
    (listener,) = configuration["listeners"]
    assert listener["bind_addresses"] == ["127.0.0.1"]
    assert listener["resources"] == [{"names": ["client"], "compress": False}]
    text = (tmp_path / "line" / "homeserver" / "homeserver.yaml").read_text()
    for path in (tmp_path / "line" / "secrets").iterdir():
        assert path.read_text().strip() not in text


def test_the_registration_is_as_measured(tmp_path: Path) -> None:
    """`url` is null, the sender is a third user, both identities are exclusive, MSC4190 is on, no rate limit."""
    settings(tmp_path)
    registration = yaml.safe_load((tmp_path / "line" / "homeserver" / "registration.yaml").read_text())
    assert registration["url"] is None
    assert registration["sender_localpart"] not in {"policy", "line-main"}
    assert registration["rate_limited"] is False
    assert registration["io.element.msc4190"] is True
    assert registration["namespaces"]["users"] == [
        {"exclusive": True, "regex": r"@policy:quietline\.localhost"},
        {"exclusive": True, "regex": r"@line\-main:quietline\.localhost"},
    ]


def test_the_bridge_accepts_its_configuration(tmp_path: Path) -> None:
    """The generated `config.yaml` satisfies the bridge's own model, and `carrier.json` agrees with it."""
    settings(tmp_path)
    config = load(tmp_path / "line" / "config.yaml")
    carrier = json.loads((tmp_path / "line" / "carrier.json").read_text())
    assert (config.line.slug, config.line.rehearsal, config.line.packs) == ("main", True, ["base", "rehearsal"])
    assert (carrier["host"], carrier["port"], carrier["number"]) == ("127.0.0.1", 20002, config.line.number)
    assert carrier["webhook_base"] == f"{config.listen.public_base_url}/carriers/main"
    assert isinstance(config.line.carrier, Settings)
    assert Path(carrier["token_file"]) == config.line.carrier.token_file
    assert [staff.role for staff in config.line.staff] == ["advocate", "advocate", "supervisor"]


def test_an_edited_configuration_is_kept(tmp_path: Path) -> None:
    """A second run keeps an operator's edits letter by letter, also an address elsewhere, and moves only our ports."""
    layout = Layout(tmp_path / "line")
    write_line_files(layout, Ports(20000))
    edited = layout.config.read_text().replace("+15555550100", "+15555550111")
    edited = edited.replace("public_base_url: http://127.0.0.1:20001", "public_base_url: https://line.example.org")
    edited += "log_level: DEBUG # 127.0.0.1:20000 is what we had\n"
    layout.config.write_text(edited)
    write_line_files(layout, Ports(20000))
    assert layout.config.read_text() == edited
    write_line_files(layout, Ports(30000))
    expected = edited.replace("url: http://127.0.0.1:20000", "url: http://127.0.0.1:30000")
    expected = expected.replace("port: 20001", "port: 30001").replace("20002", "30002")
    assert layout.config.read_text() == expected
    assert json.loads(layout.carrier.read_text())["number"] == "+15555550111"


def test_a_bad_configuration_is_told_whole(tmp_path: Path) -> None:
    """All errors of an edited configuration are told at once, each with its path, before anything is started."""
    layout = Layout(tmp_path / "line")
    write_line_files(layout, Ports(20000))
    layout.config.write_text(layout.config.read_text().replace("slug: main", "slug: Main").replace("listen:", "listens:"))
    with pytest.raises(SetupError) as failure:
        write_line_files(layout, Ports(20000))
    assert any("lines.0.slug" in problem for problem in failure.value.problems)
    assert any("listens" in problem for problem in failure.value.problems)


def test_secrets_are_made_once_and_never_replaced(tmp_path: Path) -> None:
    """Secrets survive further runs; a lost key beside existing data stops the start and is not made again."""
    layout = Layout(tmp_path / "line")
    write_line_files(layout, Ports(20000))
    secrets = open_secrets(layout)
    before = {path.name: path.read_text() for path in secrets.directory.iterdir()}
    assert len(set(before.values())) == len(before) == 12
    write_line_files(layout, Ports(20000))
    assert {path.name: path.read_text() for path in secrets.directory.iterdir()} == before
    layout.provisioned_file.touch()
    (layout.homeserver / "homeserver.db").touch()
    for key in (secrets.vault_key, secrets.suppression_key):
        value = key.read_text()
        key.unlink()
        with pytest.raises(SetupError, match="put it back"):
            write_line_files(layout, Ports(20000))
        assert not key.exists()
        key.write_text(value)


@pytest.mark.crash
async def test_a_homeserver_killed_while_accounts_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill -9 of the homeserver after the first account: it is started again, and the other accounts are made.

    Their hashes are quick, for a password of a rehearsal is random; one that a person chooses later has a slow hash.
    """
    layout, ports = Layout(tmp_path / "line"), Ports(free_ports())
    write_line_files(layout, ports)
    register, killed = provisioning._register_account, list[int]()

    async def register_then_kill(*arguments: Any) -> bool:
        is_made = await register(*arguments)
        if is_made and not killed:
            killed.append(pid := int(layout.pid("homeserver").read_text()))
            os.kill(pid, signal.SIGKILL)
        return is_made

    monkeypatch.setattr(provisioning, "_register_account", register_then_kill)
    await make_accounts(layout, ports)
    assert killed
    assert layout.provisioned_file.exists()
    accounts = open_secrets(layout).read_accounts()
    async with run_homeserver(layout, ports), aiohttp.ClientSession() as http:
        server = RunningHomeserver(layout, ports, accounts, http)
        tokens = [await server.sign_in(account) for account in accounts]
        assert set(_hashes(layout).values()) == {"$2b$04"}
        auth = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": accounts[0].user},
            "password": accounts[0].password,
        }
        change = {"new_password": "a word of their own", "auth": auth}
        assert (await server.ask("POST", "/_matrix/client/v3/account/password", tokens[0], change))[0] == 200
        assert [user for user, kind in _hashes(layout).items() if kind == "$2b$12"] == [accounts[0].user]


def _hashes(layout: Layout) -> dict[str, str]:
    """Return algorithm and rounds of each account's hash, by its localpart."""
    with contextlib.closing(sqlite3.connect(f"file:{layout.homeserver / 'homeserver.db'}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT name, password_hash FROM users WHERE password_hash IS NOT NULL").fetchall()
    return {name[1:].partition(":")[0]: hashed[:6] for name, hashed in rows}


async def test_a_homeserver_that_cannot_start_is_told(tmp_path: Path) -> None:
    """When Synapse dies again and again at the first start, `up` says which log tells why, and leaves nothing running."""
    layout, ports = Layout(tmp_path / "line"), Ports(free_ports())
    write_line_files(layout, ports)
    layout.homeserver_config.write_text("nonsense: [")
    with pytest.raises(SetupError, match=r"homeserver\.log"):
        await make_accounts(layout, ports)
    eventually(lambda: not layout.provisioned_file.exists())


def test_a_real_line_has_its_own_name_address_and_people(tmp_path: Path) -> None:
    """Of a real line the homeserver takes name and public URL from the configuration, and its staff get hand-outs.

    There is no list of first accounts, and what the carrier was told stays when ports move.
    """
    layout = Layout(tmp_path / "line")
    write_line_files(layout, Ports(20000))
    (layout.secrets / "accounts.json").unlink()
    for name in ("password", "segment"):
        (layout.secrets / name).write_text("x" * 40)
        (layout.secrets / name).chmod(0o600)
    configuration = yaml.safe_load(layout.config.read_text())
    configuration["homeserver"] |= {"server_name": "agency.org", "public_url": "http://127.0.0.1:9"}
    configuration["listen"]["public_base_url"] = "http://127.0.0.1:9"
    configuration["lines"][0] |= {
        "rehearsal": False,
        "staff": [{"mxid": "@mira:agency.org", "role": "supervisor"}],
        "carrier": {
            "kind": "kannel",
            "api_base": "http://127.0.0.1:13013",
            "username": "quietline",
            "password_file": str(layout.secrets / "password"),
            "path_secret_file": str(layout.secrets / "segment"),
            "plain_numbers": "international",
            "region": "US",
        },
    }
    layout.config.write_text(yaml.safe_dump(configuration))
    config = write_line_files(layout, Ports(30000))
    assert config.listen.public_base_url == "http://127.0.0.1:9"
    assert config.homeserver.url == "http://127.0.0.1:30000"
    synapse = yaml.safe_load(layout.homeserver_config.read_text())
    assert (synapse["server_name"], synapse["public_baseurl"]) == ("agency.org", "http://127.0.0.1:9/")
    assert synapse["listeners"][0]["x_forwarded"] is True
    assert synapse["listeners"][0]["bind_addresses"] == ["127.0.0.1"]
    assert synapse["modules"][0]["config"]["policy"] == "@policy:agency.org"
    registration = yaml.safe_load((layout.homeserver / "registration.yaml").read_text())
    assert registration["namespaces"]["users"][0]["regex"] == r"@policy:agency\.org"
    assert not (layout.secrets / "accounts.json").exists()
    (account,) = first_accounts(layout)
    assert (account.user, account.role) == ("mira", "supervisor")
    assert f"password: {account.password}\n" in (layout.handout / "mira.txt").read_text()
    (layout.homeserver / "homeserver.db").touch()
    layout.provisioned_file.touch()
    (layout.handout / "mira.txt").unlink()
    write_line_files(layout, Ports(30000))
    assert not (layout.handout / "mira.txt").exists(), "a password that no account has"
