"""What starts a line at boot: one of the two kinds, closed, and with nothing secret."""

from __future__ import annotations

import configparser
from pathlib import Path

import yaml

from tests.deploy.init.answers import answers, run_init


def unit(file: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(file.read_text())
    return parser


def test_the_units_run_this_line_and_its_backups(tmp_path: Path) -> None:
    """`up` of this directory, not started again on a wrong configuration; a backup only where somebody said where to."""
    backup = {"to": "/srv/backups", "passphrase_file": "/etc/quietline/passphrase"}
    assert run_init(tmp_path, answers(backup=backup)).exit_code == 0
    units = tmp_path / "line" / "units"
    service = unit(units / "quietline.service")["Service"]
    assert service["ExecStart"].endswith(f"/quietline up --data {tmp_path / 'line'}")
    assert (service["RestartPreventExitStatus"], service["LimitCORE"], service["ProtectSystem"]) == ("2", "0", "strict")
    assert int(service["TimeoutStopSec"]) > 30
    command = unit(units / "quietline-backup.service")["Service"]["ExecStart"]
    assert "--to /srv/backups/quietline-$$(date" in command
    assert "--passphrase-file /etc/quietline/passphrase" in command
    assert unit(units / "quietline-backup.timer")["Timer"]["OnCalendar"] == "weekly"


def test_compose_or_nothing(tmp_path: Path) -> None:
    """`compose` gives a file that mounts this directory in its own place; `none` gives neither it nor units."""
    for service in ("compose", "none"):
        home = tmp_path / service
        home.mkdir()
        assert run_init(home, answers(service=service)).exit_code == 0
        assert not (home / "line" / "units").exists()
        assert (home / "line" / "compose.yaml").exists() == (service == "compose")
    line = tmp_path / "compose" / "line"
    told = yaml.safe_load((line / "compose.yaml").read_text())["services"]["line"]
    assert f"{line}:{line}" in told["volumes"]
    assert (told["cap_drop"], told["network_mode"]) == (["ALL"], "host")


def test_a_path_that_a_unit_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    """A space or a percent sign in the directory's name is 2 and nothing, unless no service is asked for."""
    home = tmp_path / "a b"
    home.mkdir()
    ended = run_init(home, answers())
    assert (ended.exit_code, (home / "line").exists()) == (2, False)
    assert "has letters that `service` cannot have in a path" in ended.stderr
    assert run_init(home, answers(service="none")).exit_code == 0
