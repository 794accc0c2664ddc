"""What verbs say where a file that they read is damaged, or something else lies in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from bridge.runtime import log
from deploy.cli.main import cli
from tests.deploy.init.answers import answers, answers_file, run_init
from tests.fakes.full_disk import cut_off_at

LARGE: Final = 100_000_000


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGE)


DAMAGES: Final[dict[str, Callable[[Path], Any]]] = {
    "empty": Path.touch,
    "a directory": Path.mkdir,
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "not UTF-8": lambda path: path.write_bytes(bytes(range(256))),
    "a list": lambda path: path.write_text("- a\n"),
    "nested": lambda path: path.write_text("[" * 10_000),
    "large": large,
}
OF_A_SECRET: Final = ("empty", "a directory", "a pipe", "not UTF-8", "large")


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the verb `bridge` leave this process its log."""
    monkeypatch.setattr(log, "configure", lambda _level: None)


@contextlib.contextmanager
def damaged(path: Path, how: str) -> Iterator[None]:
    """Have something else in the place of a file, of its mode."""
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        DAMAGES[how](path)
        if not path.is_symlink() and not path.is_dir():
            path.chmod(0o600)
        yield
    finally:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        aside.rename(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a line as `init` leaves it, and the files that verbs are given."""
    directory = tmp_path_factory.mktemp("damaged")
    on_call = {"webhook": "http://127.0.0.1:1/call"}
    inputs = answers(on_call=on_call, reviewed={"by": "Counsel", "on": "2026-11-01"})
    assert run_init(directory, inputs).exit_code == 0
    answers_file(directory, {**inputs, "line": {"slug": "south", "number": "+15555550101"}}).rename(directory / "ANSWERS")
    (directory / "PASSPHRASE").touch(mode=0o600)
    (directory / "PASSPHRASE").write_text("a passphrase that is long enough\n")
    (directory / "BACKUP").write_bytes(b"no backup")
    (directory / "PACK").touch()
    return directory


def said(place: Path, words: str, names: str) -> None:
    """Require that a verb ends with 2 and names a file; what begins with a capital is a file of the test."""
    placed = [str(place / word) if word[0].isupper() else word for word in words.split()]
    result: Result = CliRunner().invoke(cli, placed)
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
    assert result.exit_code == 2, (words, result.output)
    assert names in result.output, (words, result.output)
    assert "Traceback" not in result.output, words


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_of_a_line(place: Path, how: str) -> None:
    """A verb names the file and ends with 2; nothing is made or waited for."""
    line = f"--data {place / 'line'}"
    with damaged(place / "line" / "config.yaml", how):
        for verb in ("up", "bridge", "check", "doctor", "report", "backup --to NEW", "staff list"):
            said(place, f"{verb} {line}", "config.yaml")
    with damaged(place / "line" / "agency.yaml", how):
        for verb in ("check", "doctor", "policy lint", "exposure --page en", "bridge"):
            said(place, f"{verb} {line}", "agency.yaml")
    if how in OF_A_SECRET:
        with damaged(place / "line" / "secrets" / "vault.key", how):
            for verb in ("check", "doctor", "bridge", "trust"):
                said(place, f"{verb} {line}", "keys.vault_key_file")
    assert not (place / "NEW").exists()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_that_is_named(place: Path, how: str) -> None:
    """It is named, and the exit code is 2."""
    for words, file in (
        ("policy lint PACK", "PACK"),
        ("init NEW/south --answers ANSWERS", "ANSWERS"),
        ("restore BACKUP --passphrase-file PASSPHRASE --data NEW/south", "BACKUP"),
        *([("drill BACKUP --passphrase-file PASSPHRASE", "PASSPHRASE")] if how in OF_A_SECRET else []),
    ):
        with damaged(place / file, how):
            said(place, words, file)
    assert not (place / "NEW").exists()


def test_a_full_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is said with its file, and half of it is not left."""
    cut_off_at(0, monkeypatch)
    said(place, f"staff add zed --role advocate --password-file NEW --data {place / 'line'}", "")
    assert not (place / "NEW").exists()
