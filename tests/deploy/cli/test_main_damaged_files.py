"""What every verb says where a file that it reads is damaged, or something else lies in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click
import pytest
from click.testing import CliRunner, Result

from bridge.runtime import log
from deploy.cli.main import cli
from tests.deploy.init.answers import answers, answers_file, run_init
from tests.fakes.full_disk import cut_off_at

NO_LINE: Final = {"test", "bench", "init", "stay", "version", "policy schema"}
"""Verbs that read nothing of a line that is there, or what another verb reads."""
WORDS: Final = {
    "alarm failed": ["quietline.service"],
    "backup": ["--passphrase-file", "PASSPHRASE", "--to", "NEW"],
    "carrier kit": ["--out", "NEW"],
    "drill": ["--passphrase-file", "PASSPHRASE"],
    "init": ["NEW/south", "--answers", "ANSWERS"],
    "lookup": ["--hold"],
    "migrate": ["--to", "sqlite"],
    "report": ["--html", "NEW"],
    "restore": ["--passphrase-file", "PASSPHRASE", "BACKUP"],
    "staff add": ["zed", "--role", "advocate", "--password-file", "NEW"],
    "staff make": ["--admin-token-file", "PASSPHRASE"],
    "staff remove": ["noor"],
    "staff reset": ["noor", "--password-file", "NEW"],
    "upgrade": ["--without-backup"],
}
"""What a verb needs beside the line; what begins with a capital is a file of the test."""
LARGE: Final = 100_000_000


def verbs(group: click.Group = cli, before: str = "") -> Iterator[tuple[str, set[str]]]:
    """Find every verb, with its options."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", {option for each in command.params for option in each.opts}


VERBS: Final = dict(verbs())
OF_A_LINE: Final = sorted(name for name, options in VERBS.items() if "--data" in options and name not in NO_LINE)


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGE)


DAMAGES: Final[dict[str, Callable[[Path], Any]]] = {
    "empty": Path.touch,
    "a directory": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "not UTF-8": lambda path: path.write_bytes(bytes(range(256))),
    "a list": lambda path: path.write_text("- a\n"),
    "a number": lambda path: path.write_text("7\n"),
    "a tab": lambda path: path.write_text("homeserver:\n\turl: x\n"),
    "a key twice": lambda path: path.write_text("lines: []\nlines: []\n"),
    "nested": lambda path: path.write_text("[" * 10_000),
    "a zero byte": lambda path: path.write_bytes(b"\0"),
    "large": large,
}


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
    return directory


def ended(place: Path, verb: str, *where: str) -> Result:
    words = [str(place / word) if word[0].isupper() else word for word in WORDS.get(verb, [])]
    return CliRunner().invoke(cli, [*verb.split(), *words, *where])


def fault(result: Result, names: str, *, codes: tuple[int, ...] = (2,)) -> str:
    """Say what is wrong with how a verb ended: it is to be told in sentences that name the file. Empty when it is well."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"ended with {result.exception!r}"
    if result.exit_code not in codes:
        return f"exit code {result.exit_code}: {result.output[:200]}"
    return "" if names in result.output and "Traceback" not in result.output else f"says {result.output[:300]}"


def tree(directory: Path) -> set[str]:
    """List what lies there, but for locks and marks of what runs."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if "run" not in path.parts}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_configuration(place: Path, how: str) -> None:
    """Every verb about a line names the file and ends with 2, `status` with what it sees; nothing is made or waited for.

    A link to nothing was taken for no line: `up` made a rehearsal in its place.
    """
    line, before = place / "line", tree(place)
    with damaged(line / "config.yaml", how):
        for verb in OF_A_LINE:
            result = ended(place, verb, "--data", str(line))
            expected = "BACKUP" if verb == "restore" else "nothing is ready" if verb == "status" else "config.yaml"
            assert fault(result, expected, codes=(1,) if verb == "status" else (2,)) == "", verb
        assert fault(CliRunner().invoke(cli, ["check", "--config", str(line / "config.yaml")]), "config.yaml") == ""
    assert tree(place) == before


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["empty", "a directory", "a link to itself", "a pipe", "not UTF-8", "large"])
@pytest.mark.parametrize("secret", ["vault.key", "carrier_password"])
def test_a_damaged_secret(place: Path, secret: str, how: str) -> None:
    """Every verb that reads the configuration names its key; none waits for a pipe."""
    key = {"vault.key": "keys.vault_key_file", "carrier_password": "lines.0.carrier.password_file"}[secret]
    with damaged(place / "line" / "secrets" / secret, how):
        for verb in ("check", "doctor", "report", "exposure", "policy lint", "bridge", "staff list", "trust", "backup"):
            assert fault(ended(place, verb, "--data", str(place / "line")), key) == "", verb


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_pack(place: Path, how: str) -> None:
    """Those that need the words name the pack; the others do their work, or say what else they lack."""
    with damaged(place / "line" / "agency.yaml", how):
        for verb in ("check", "doctor", "policy lint", "policy preview", "privacy", "carrier kit", "bridge", "practices"):
            assert fault(ended(place, verb, "--data", str(place / "line")), "agency.yaml") == "", verb
        for verb in ("backup", "report", "trust", "erasure verify"):
            assert fault(ended(place, verb, "--data", str(place / "line")), "start it once") == "", verb


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["policy", "lint", "PACK"], "PACK"),
        (["policy", "preview", "base", "PACK"], "PACK"),
        (["init", "NEW/south", "--answers", "ANSWERS"], "ANSWERS"),
        (["restore", "BACKUP", "--passphrase-file", "PASSPHRASE", "--data", "NEW/south"], "BACKUP"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_a_damaged_file_that_is_named(place: Path, words: list[str], file: str, how: str) -> None:
    """It is named, and the exit code is 2."""
    (place / "PACK").touch()
    placed = [str(place / word) if word[0].isupper() else word for word in words]
    with damaged(place / file, how):
        assert fault(CliRunner().invoke(cli, placed), file) == ""
    assert not (place / "NEW").exists()


@pytest.mark.parametrize("how", ["empty", "a directory", "a link to itself", "a pipe", "not UTF-8", "large"])
@pytest.mark.parametrize("verb", ["backup", "restore", "drill"])
def test_a_damaged_passphrase(place: Path, verb: str, how: str) -> None:
    """Its file is named before anything is made of it."""
    more = [str(place / "BACKUP")] if verb == "drill" else []
    with damaged(place / "PASSPHRASE", how):
        assert fault(ended(place, verb, *more, "--data", str(place / "line")), "PASSPHRASE") == ""


@pytest.mark.parametrize("verb", ["carrier kit", "report", "staff add", "backup"])
def test_a_full_disk(place: Path, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is said with its file, and half of it is not left."""
    cut_off_at(0, monkeypatch)
    result = ended(place, verb, "--data", str(place / "line"))
    assert fault(result, "", codes=(2,)) == ""
    assert not (place / "NEW").exists()


@pytest.mark.timeout(120)
def test_a_pipe_in_the_place_of_what_a_running_line_writes(place: Path) -> None:
    """Nobody is waited for: `status` says that the line does not run, and who needs the lock that it is none."""
    line = place / "line"
    for directory in ("run", "bridge"):
        (line / directory).mkdir(mode=0o700, exist_ok=True)
    os.mkfifo(line / "run" / "ready.json")
    os.mkfifo(line / "bridge" / "lock")
    try:
        assert fault(ended(place, "status", "--data", str(line)), "nothing is ready", codes=(1,)) == ""
        assert fault(ended(place, "upgrade", "--data", str(line)), str(line / "bridge" / "lock")) == ""
    finally:
        for directory in ("run", "bridge"):
            shutil.rmtree(line / directory)


def test_every_verb_is_tried() -> None:
    """A new verb is about a line, or named here."""
    assert set(VERBS) - set(OF_A_LINE) == NO_LINE
    assert set(WORDS) <= set(VERBS)
