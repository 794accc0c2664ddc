"""What starts a line at boot: one of the two kinds, closed, and with nothing secret."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.config.load import load
from bridge.runtime.program import ROOT
from bridge.runtime.settings import credential_name, secret_files
from deploy.cli.main import cli
from deploy.init.service_files import SERVICE_USER, user_name
from tests.deploy.init.answers import answers, answers_file, joined, run_init
from tests.outside_programs import OutsidePrograms

BACKUP = {"to": "/srv/backups", "passphrase_file": "/etc/quietline/passphrase"}
MOST_EXPOSED = 2.0


def unit(file: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(file.read_text())
    return parser


def test_the_units_run_this_line_and_its_backups(tmp_path: Path) -> None:
    """`up` of this directory, not started again on a wrong configuration; a backup only where a person said where to."""
    assert run_init(tmp_path, answers(backup=BACKUP)).exit_code == 0
    units = tmp_path / "line" / "units"
    service = unit(units / "quietline.service")["Service"]
    assert service["ExecStart"].endswith(f"/quietline up --data {tmp_path / 'line'}")
    assert (service["RestartPreventExitStatus"], service["LimitCORE"], service["ProtectSystem"]) == ("2", "0", "strict")
    assert (service["Type"], service["WatchdogSec"], service["LimitNOFILE"]) == ("notify", "120", "65535")
    assert int(service["TimeoutStopSec"]) > 30
    backup = unit(units / "quietline-backup.service")["Service"]
    assert backup["ExecStart"].endswith(f"/quietline backup --data {tmp_path / 'line'} --passphrase-file %d/passphrase")
    assert backup["LoadCredential"] == "passphrase:/etc/quietline/passphrase"
    assert "/srv/backups" in backup["ReadWritePaths"].split()
    assert unit(units / "quietline-backup.timer")["Timer"]["OnCalendar"] == "weekly"
    drill = unit(units / "quietline-drill.service")["Service"]
    assert drill["ExecStart"].endswith(f"/quietline drill --data {tmp_path / 'line'} --passphrase-file %d/passphrase")
    assert (drill["PrivateNetwork"], drill["LoadCredential"]) == ("yes", "passphrase:/etc/quietline/passphrase")
    assert unit(units / "quietline-drill.timer")["Timer"]["OnCalendar"] == "monthly"
    doctor = unit(units / "quietline-doctor.service")["Service"]
    assert doctor["ExecStart"].endswith(f"/quietline doctor --data {tmp_path / 'line'} --alarm")
    assert unit(units / "quietline-doctor.timer")["Timer"]["OnCalendar"] == "hourly"
    failed = unit(units / "quietline-failed.service")["Service"]
    assert failed["ExecStart"].endswith(f"/quietline alarm failed --data {tmp_path / 'line'}")
    assert (failed["Restart"], failed["RestartPreventExitStatus"]) == ("on-failure", "2")
    for name in ("quietline", "quietline-backup", "quietline-drill"):
        assert unit(units / f"{name}.service")["Unit"]["OnFailure"] == "quietline-failed.service"
    settings = load(tmp_path / "line" / "config.yaml").backup
    assert settings is not None
    assert settings.model_dump(mode="json", exclude_none=True) == BACKUP


def test_a_joined_line_gets_its_secrets_as_credentials(tmp_path: Path) -> None:
    """The bridge runs alone; each secret of the configuration is handed over, and their directory is closed to it."""
    assert run_init(tmp_path, joined()).exit_code == 0
    line = tmp_path / "line"
    text = (line / "units" / "quietline.service").read_text()
    assert f"/quietline bridge --data {line}\n" in text
    files = [path for _, path in secret_files(load(line / "config.yaml"))]
    assert len(files) == 6
    handed = dict(pair.split(":") for pair in re.findall(r"^LoadCredential=(.+)$", text, re.MULTILINE))
    assert handed == {credential_name(path): str(path) for path in files}
    closed = f"InaccessiblePaths=-{line}/secrets -{line}/handout -{line}/synapse\n"
    assert closed in text


def test_only_a_bridge_on_postgresql_gives_backup_and_drill_a_network(tmp_path: Path) -> None:
    """The URL of the bridge is in a private file that the configuration names; of the homeserver they read nothing."""
    for key, closed in (("homeserver_url", True), ("bridge_url", False)):
        home = tmp_path / key
        home.mkdir()
        assert run_init(home, answers(database={key: "postgresql://q:a@127.0.0.1/q"}, backup=BACKUP)).exit_code == 0
        line = home / "line"
        for name in ("backup", "drill"):
            assert (unit(line / "units" / f"quietline-{name}.service")["Service"].get("PrivateNetwork") == "yes") == closed
        config = load(line / "config.yaml")
        assert (config.database is None) == closed
        if config.database is not None:
            assert config.database.url_file.stat().st_mode & 0o077 == 0
            assert config.database_url == "postgresql://q:a@127.0.0.1/q"


def test_nobody_runs_a_line_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by root, it runs as an account of its own, and the checklist says how that comes to be."""
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert user_name() == SERVICE_USER
    assert run_init(tmp_path, answers(backup=BACKUP)).exit_code == 0
    line = tmp_path / "line"
    for file in (line / "units").glob("*.service"):
        assert unit(file)["Service"]["User"] == SERVICE_USER
    page = (line / "CHECKLIST.md").read_text()
    assert f"chown -R {SERVICE_USER}: {line}" in page
    assert f"install -d -m 700 -o {SERVICE_USER} -g {SERVICE_USER} /srv/backups`" in page


@pytest.mark.parametrize("inputs", [answers(backup=BACKUP), joined(backup=BACKUP)], ids=["embedded", "joined"])
def test_systemd_takes_the_units_and_finds_little_exposed(
    tmp_path: Path, inputs: dict[str, Any], outside_programs: OutsidePrograms
) -> None:
    """Its own tools read every unit without a word, and give none of the services more than 2.0."""
    if (analyze := outside_programs.find("systemd-analyze")) is None:
        return
    assert run_init(tmp_path, inputs).exit_code == 0
    units = sorted((tmp_path / "line" / "units").iterdir())
    assert len(units) == (9 if inputs["mode"] == "join" else 8)
    # Verified in a directory of systemd's own kind, whose files are not private; the program that is started is there.
    verified = subprocess.run([analyze, "verify", *units], capture_output=True, text=True, check=False)
    said = [line for line in verified.stderr.splitlines() if str(tmp_path) in line and "not accessible" not in line]
    assert (verified.returncode, said) == (0, [])
    for each in units:
        if each.suffix == ".service":
            judged = subprocess.run(
                [analyze, "security", "--offline=true", each], capture_output=True, text=True, check=True
            )
            (level,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)
            assert float(level) <= MOST_EXPOSED, judged.stdout


SEVERAL = {"slug": "south", "number": "+15555550102", "one_of_several": True}


def make_one_of_several(tmp_path: Path, inputs: dict[str, Any]) -> Path:
    """Make the line `south`, one of several; returns its units."""
    words = ["--answers", str(answers_file(tmp_path, inputs))]
    result = CliRunner().invoke(cli, ["init", str(tmp_path / "south"), *words])
    assert (result.exit_code, result.stderr) == (0, "")
    return tmp_path / "south" / "units"


@pytest.mark.parametrize("kind", ["join", "embedded"])
def test_several_lines_share_templates(tmp_path: Path, kind: str) -> None:
    """A template finds its line by the slug; what this line has alone is in a drop-in, and names no other line's files."""
    inputs = (joined if kind == "join" else answers)(line=SEVERAL, backup=BACKUP)
    units = make_one_of_several(tmp_path, inputs)
    for verb in ("bridge", "doctor", "backup", "drill", "canary"):
        text = (units / f"quietline{'' if verb == 'bridge' else f'-{verb}'}@.service").read_text()
        assert f"/quietline {verb} --data {tmp_path}/%i" in text
        assert "south" not in text
        assert "LoadCredential" not in text
    for name in ("doctor", "backup", "drill"):
        assert (units / f"quietline-{name}@.timer").is_file()
    assert f"/quietline alarm failed --data {tmp_path}/%i" in (units / "quietline-failed@.service").read_text()
    for name in ("quietline", "quietline-backup", "quietline-drill"):
        assert unit(units / f"{name}@.service")["Unit"]["OnFailure"] == "quietline-failed@%i.service"
    for template in units.glob("*@.*"):
        assert not re.search(r"quietline(?:-[a-z]+)?\.(?:service|timer)", template.read_text()), (
            "a unit of a line by itself"
        )
    for name in ("quietline-doctor", "quietline-canary"):
        assert unit(units / f"{name}@.service")["Unit"]["After"] == "quietline@%i.service"
    own = (units / "quietline@south.service.d" / "line.conf").read_text()
    if kind == "join":
        config = load(tmp_path / "south" / "config.yaml")
        handed = dict(pair.split(":") for pair in re.findall(r"^LoadCredential=(.+)$", own, re.MULTILINE))
        assert handed == {credential_name(path): str(path) for _, path in secret_files(config)}
        assert f"InaccessiblePaths=-{tmp_path}/south/secrets" in own
    else:
        assert f"ExecStart=\nExecStart={ROOT}/quietline up --data {tmp_path}/south --port-base 8448\n" in own
        assert "MemoryDenyWriteExecute=no\n" in own
    backup = (units / "quietline-backup@south.service.d" / "line.conf").read_text()
    assert "LoadCredential=passphrase:/etc/quietline/passphrase\nReadWritePaths=/srv/backups\n" in backup
    page = (tmp_path / "south" / "CHECKLIST.md").read_text()
    assert "systemctl enable --now quietline@south quietline-doctor@south.timer" in page
    assert "quietline-backup@south.timer quietline-drill@south.timer" in page
    assert "localpart: canary-south" in page


def test_each_of_several_lines_runs_as_an_account_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made by root: a line that was taken over reads no file of another; the directory above can be passed through."""
    monkeypatch.setattr(os, "getuid", lambda: 0)
    units = make_one_of_several(tmp_path, joined(line=SEVERAL, backup=BACKUP))
    for file in units.glob("*@.service"):
        assert unit(file)["Service"]["User"] == "quietline-%i"
    page = (tmp_path / "south" / "CHECKLIST.md").read_text()
    assert f"chown -R quietline-south: {tmp_path}/south" in page
    assert re.search(rf"`chmod o\+x [^`]*{re.escape(str(tmp_path))}`, so that it comes there", page)


def test_compose_or_nothing(tmp_path: Path) -> None:
    """`compose` gives a file that mounts this directory in its own place; `none` gives neither it nor units."""
    for service in ("compose", "none"):
        home = tmp_path / service
        home.mkdir()
        assert run_init(home, answers(service=service)).exit_code == 0
        assert not (home / "line" / "units").exists()
        assert (home / "line" / "compose.yaml").exists() == (service == "compose")


def test_a_path_that_a_unit_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    """A space or a percent sign in the directory's name is 2 and nothing, unless no service is asked for."""
    home = tmp_path / "a b"
    home.mkdir()
    result = run_init(home, answers())
    assert (result.exit_code, (home / "line").exists()) == (2, False)
    assert result.stderr.count("has letters that `service` cannot have in a path; use a path of letters") == 1
    assert run_init(home, answers(service="none")).exit_code == 0
