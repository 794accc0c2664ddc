"""`--data` and `--config`: which line a verb is about."""

from __future__ import annotations

import errno
import os
import pathlib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from deploy.cli.main import cli
from deploy.cli.options import chosen_layout
from deploy.data_dir.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

NOT_ABOUT_A_LINE = {"init", "test", "bench", "stay"}
"""What stands behind `stay` takes the options."""
WORDS = {
    "alarm": ["test"],
    "backup": ["--passphrase-file", "x", "--to", "y"],
    "carrier": ["check"],
    "drill": ["--passphrase-file", "x", "y"],
    "erasure": ["verify"],
    "migrate": ["--to", "sqlite"],
    "policy": ["lint"],
    "restore": ["--passphrase-file", "x", "y"],
    "staff": ["add", "ana", "--role", "advocate"],
}
"""What a verb needs besides, to come as far as the line."""
VERBS = sorted(cli.commands.keys() - NOT_ABOUT_A_LINE)


def test_every_verb_about_a_line_takes_both(tmp_path: Path) -> None:
    """Each has `--data` and `--config`, and both at once are 2 and make nothing."""
    both = ["--data", str(tmp_path / "a"), "--config", str(tmp_path / "b")]
    for name in VERBS:
        result = CliRunner().invoke(cli, [name, *WORDS.get(name, []), *both])
        assert (result.exit_code, list(tmp_path.iterdir())) == (2, []), name
        assert "either --config or --data" in result.stderr, name


def test_a_line_of_another_account_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a closed directory nothing is missing or damaged: the message says by whom the verb can be run."""
    closed = tmp_path / "closed"
    stat = pathlib.Path.stat

    def refuse(path: pathlib.Path, **follow: bool) -> os.stat_result:
        if path.is_relative_to(closed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **follow)

    monkeypatch.setattr(pathlib.Path, "stat", refuse)  # root, who runs tests as well, is refused nothing
    for option, place in (("--data", closed / "line"), ("--config", closed / "config.yaml")):
        result = CliRunner().invoke(cli, ["status", option, str(place)])
        assert result.exit_code == 2, result.output
        do = "say it again as root, or as the account that runs the line"
        assert result.stderr == f"quietline: {place}: this account may not read it; {do}\n"


def test_a_configuration_names_its_line(tmp_path: Path) -> None:
    """Beside its line as `up` makes it, or anywhere, with the line where `data_dir` is; a broken one stays one."""
    config, elsewhere, broken = (tmp_path / name for name in ("config.yaml", "other.yaml", "broken.yaml"))
    config.write_text(f"data_dir: {tmp_path / 'bridge'}\n")
    elsewhere.write_text("data_dir: /var/lib/quietline\n")
    broken.write_text("[\n")
    assert chosen_layout(None, None) is None
    for file, data in ((config, tmp_path), (broken, tmp_path), (tmp_path / "none.yaml", tmp_path)):
        assert chosen_layout(None, file) == Layout(data, config_file=file)
    layout = chosen_layout(None, elsewhere)
    assert layout is not None
    assert (str(layout.data), layout.config) == ("/var/lib/quietline", elsewhere)
    named = chosen_layout(tmp_path, None)
    assert named is not None
    assert named.config == config
