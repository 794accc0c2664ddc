"""`quietline check`: what stops a start is told at once, and what cannot be asked yet is no fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from click.testing import CliRunner

from bridge.config.load import load
from bridge.matrix.api.module_api import ENFORCED
from deploy.carrier import vendor_probes
from deploy.cli import main
from deploy.data_dir.layout import Layout, Ports
from deploy.inspect import doctor_database
from deploy.inspect.check_report import CheckResult
from deploy.preflight import clock_sync, preflight
from deploy.stack.provision import write_line_files
from tests.deploy.carrier.sample_lines import sample
from tests.deploy.carrier.test_vendor_probes import always, vendor
from tests.fakes.served import answering, served
from tests.free_ports import free_ports


@pytest.fixture(autouse=True)
def no_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer for the outside, which a test must not ask."""

    async def unasked(_config: object) -> CheckResult:
        return CheckResult(name="outside", ok=True, asked=False, what="was not asked", do="Ask.")

    monkeypatch.setattr(preflight, "check_dns", unasked)
    monkeypatch.setattr(preflight, "check_certificate", unasked)
    monkeypatch.setattr(clock_sync, "is_synchronised", lambda: True)


async def rows_of(layout: Layout) -> dict[str, CheckResult]:
    report, usable = await preflight.run_checks(layout)
    assert usable
    return {row.name: row for row in report.checks}


def real(directory: Path, **changed: Any) -> Layout:
    """Make a real line with a gateway of its own; the homeserver is away."""
    file = sample(directory, "kannel")
    configuration: dict[str, Any] = yaml.safe_load(file.read_text()) | changed
    configuration["lines"][0]["packs"] = ["base"]
    configuration["lines"][0]["carrier"]["api_base"] = "http://127.0.0.1:1"
    file.write_text(yaml.safe_dump(configuration))
    return Layout(directory, config_file=file)


def rehearsal(directory: Path) -> Layout:
    layout = Layout(directory / "line")
    write_line_files(layout, Ports(free_ports()))
    return layout


async def test_a_rehearsal_before_its_first_start_is_well(tmp_path: Path) -> None:
    """Everything that needs the line running is to do, nothing is wrong, and nothing is made."""
    layout = rehearsal(tmp_path)
    before = sorted(layout.data.rglob("*"))
    report, usable = await preflight.run_checks(layout)
    rows = {row.name: row for row in report.checks}
    assert (usable, report.ok) == (True, True)
    assert {"homeserver", "trust", "webhook"} <= {name for name, row in rows.items() if not row.asked}
    assert all(row.do for row in rows.values() if not row.asked or row.warning)
    assert {name for name, row in rows.items() if row.warning} == {"on-call", "backup"}
    assert sorted(layout.data.rglob("*")) == before
    text = preflight.as_text(report)
    assert [line for line in text[text.index("Before the first text:") :] if "trust: " in line]


async def test_a_real_line_says_what_counsel_reads(tmp_path: Path) -> None:
    """Each text that stops the start is a row; the homeserver of others that does not answer is wrong; warnings are not."""
    file = sample(tmp_path, "kannel")
    configuration = yaml.safe_load(file.read_text())
    configuration["lines"][0]["packs"] = ["base"]
    file.write_text(yaml.safe_dump(configuration))
    report, usable = await preflight.run_checks(Layout(tmp_path, config_file=file))
    rows = {row.name: row for row in report.checks}
    assert usable
    assert not report.ok
    words = [name for name, row in rows.items() if not row.ok and name.startswith("texts.limits")]
    assert words
    assert all(rows[name].do for name in words)
    assert not rows["homeserver"].ok
    assert (rows["on-call"].ok, rows["on-call"].warning) == (True, True)
    assert (rows["webhook"].ok, rows["webhook"].asked) == (True, False)
    assert (rows["trust"].ok, rows["trust"].asked) == (True, False)


@pytest.mark.parametrize(
    ("hours", "is_warned"),
    [({"always": True}, True), ({"always": True, "timezone": "America/Denver"}, False)],
    ids=["none", "of the line"],
)
async def test_a_line_whose_hours_name_no_time_zone(tmp_path: Path, hours: dict[str, object], *, is_warned: bool) -> None:
    """A texter who says "9 to 3" means their own day: in UTC words would leave while somebody else reads them."""
    file, own = sample(tmp_path, "kannel"), tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"name": "own", "hours": hours}))
    configuration = yaml.safe_load(file.read_text())
    configuration["lines"][0]["packs"] = ["base", str(own)]
    file.write_text(yaml.safe_dump(configuration))
    report, _ = await preflight.run_checks(Layout(tmp_path, config_file=file))
    assert any("no time zone" in row.what for row in report.checks if row.name == "clock") is is_warned


@pytest.mark.parametrize(("status", "ok"), [(403, False), (None, True)])
async def test_a_gateway_that_is_to_start_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, *, ok: bool
) -> None:
    """One that is away is asked later; one that answers and refuses our login would refuse it then, too."""
    monkeypatch.setattr(vendor_probes, "KANNEL_STARTS", 0.01)
    layout = real(tmp_path)
    async with vendor(always(status=status or 200)) as base:
        if status is not None:
            file = layout.config
            file.write_text(file.read_text().replace("http://127.0.0.1:1", base))
        login = (await rows_of(layout))["carrier login"]
    assert (login.ok, login.asked is False) == (ok, ok)
    assert login.do


@pytest.mark.parametrize("readable", [False, True])
async def test_where_backups_would_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: bool) -> None:
    """A place that is not there or on the line's disk, or a passphrase that others read, is a warning; nothing is made."""
    place, phrase = tmp_path / "backups", tmp_path / "passphrase"
    layout = real(tmp_path, backup={"to": str(place), "passphrase_file": str(phrase)})
    row = (await rows_of(layout))["backup"]
    assert (row.ok, row.warning, place.exists()) == (True, True, False)
    assert str(place) in row.what
    assert str(phrase) in row.what
    place.mkdir()
    phrase.write_text("a passphrase of many words\n")
    phrase.chmod(0o644 if readable else 0o600)
    load(layout.config).data_dir.mkdir(exist_ok=True)
    row = (await rows_of(layout))["backup"]
    assert (row.warning, "own disk" in row.what) == (True, not readable)
    monkeypatch.setattr(doctor_database, "is_on_own_disk", lambda _config: False)
    assert (str(phrase) in (await rows_of(layout))["backup"].what) is readable


async def test_a_token_that_the_homeserver_refuses(tmp_path: Path) -> None:
    """It is told as that, and not as a homeserver that is away: Synapse refuses any question with such a token."""

    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401)

    async with served(answering(refuse)) as url:
        homeserver = {"url": url, "server_name": "example.org", "as_token_file": str(tmp_path / "as")}
        rows = await rows_of(real(tmp_path, homeserver=homeserver))
    assert not rows["homeserver"].ok
    assert "as_token" in rows["homeserver"].do


@pytest.mark.parametrize("unclaimed", ["@policy:example.org", "@line-", ""], ids=["the policy bot", "the puppet", "none"])
async def test_a_registration_that_does_not_claim_the_lines_accounts(tmp_path: Path, unclaimed: str) -> None:
    """It is told before the first start, which would end with it; the token alone does not show it."""

    async def answer(request: web.Request) -> web.Response:
        path = request.path
        if path.endswith("/whoami"):
            return web.json_response({"errcode": "M_FORBIDDEN"}, status=403)
        if path.endswith("/health"):
            return web.json_response({"version": "1", "enforces": sorted(ENFORCED), "problems": []})
        if "/quietline/users/" in path:
            return web.json_response({"claimed": not (unclaimed and unclaimed in path)})
        return web.json_response({"versions": ["v1.11"]})

    async with served(answering(answer)) as url:
        homeserver = {"url": url, "server_name": "example.org", "as_token_file": str(tmp_path / "as")}
        rows = await rows_of(real(tmp_path, homeserver=homeserver))
    row = rows["homeserver"]
    assert rows["homeserver module"].ok
    assert (row.ok, unclaimed in row.what, "server_name" in row.do) == (not unclaimed, True, bool(unclaimed))


async def test_a_webhook_that_cannot_be_seen_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a running line whose public name nobody here knows it is to do, and not wrong; where it is known it is."""

    async def runs(_config: object, _http: object) -> bool:
        return True

    async def seen(_config: object) -> CheckResult:
        return CheckResult(name="outside", ok=True, what="was asked")

    monkeypatch.setattr(preflight, "is_live", runs)
    layout = rehearsal(tmp_path)
    webhook = (await rows_of(layout))["webhook"]
    assert (webhook.ok, webhook.asked, bool(webhook.do)) == (True, False, True)
    for name in ("check_dns", "check_certificate"):
        monkeypatch.setattr(preflight, name, seen)
    assert not (await rows_of(layout))["webhook"].ok


def test_what_cannot_be_used_is_told_whole(tmp_path: Path) -> None:
    """All errors of the configuration, its secrets and its packs at once, in JSON too; exit code 2."""
    layout = rehearsal(tmp_path)
    (layout.secrets / "vault.key").chmod(0o644)
    pack = layout.data / "agency.yaml"
    pack.write_text("name: agency\nnonsense: 1\n")
    configuration = yaml.safe_load(layout.config.read_text())
    configuration["lines"][0]["packs"].append(str(pack))
    layout.config.write_text(yaml.safe_dump(configuration))
    result = CliRunner().invoke(main.cli, ["check", "--data", str(layout.data), "--json"])
    assert result.exit_code == 2
    report = json.loads(result.stdout)
    wrong = [row["what"] for row in report["checks"] if row["name"] == "configuration"]
    assert not report["ok"]
    assert [what for what in wrong if "vault_key_file" in what]
    assert [what for what in wrong if "agency.yaml" in what]
    result = CliRunner().invoke(main.cli, ["check", "--data", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
