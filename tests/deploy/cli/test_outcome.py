"""What verbs beside a line say when its database cannot be used: the reason, and what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.storage.errors import (
    Busy,
    Corrupt,
    DatabaseError,
    InUse,
    InvalidStatement,
    LeadLost,
    Unavailable,
    UnsuitableServer,
    UnsupportedSchema,
)
from deploy.cli.main import cli
from deploy.cli.outcome import database_problem
from tests.deploy.init.answers import answers, run_init

BESIDE = [
    ["trust"],
    ["audit"],
    ["report"],
    ["erasure", "verify"],
    ["alarm", "test"],
    ["backup", "--passphrase-file", "PASSPHRASE", "--to", "FILE"],
]


def test_an_output_that_takes_no_more_is_said() -> None:
    """`doctor > FILE` on a full disk: one sentence with the remedy, exit code 2, and no traceback."""
    program = "from deploy.cli.outcome import print_lines; print_lines(['a row'])"
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run([sys.executable, "-P", "-c", program], stdout=full, stderr=subprocess.PIPE, check=False)
    error = result.stderr.decode()
    assert (result.returncode, error.count("\n")) == (2, 1), error
    assert error.startswith("quietline: standard output: No space left on device; ")


@pytest.mark.parametrize("to", ["postgresql", "sqlite"])
def test_a_move_without_a_place_is_a_fault_of_the_configuration(tmp_path: Path, to: str) -> None:
    """`migrate` of a configuration without `database`: exit code 2, the file, and where it is explained."""
    assert run_init(tmp_path, answers(reviewed={"by": "Counsel", "on": "2026-11-01"})).exit_code == 0
    result = CliRunner().invoke(cli, ["migrate", "--to", to, "--data", str(tmp_path / "line")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"quietline: {tmp_path / 'line' / 'config.yaml'}: database: is not there; write it")


@pytest.mark.parametrize("words", BESIDE, ids=lambda words: words[0])
def test_a_line_that_was_never_started(tmp_path: Path, words: list[str]) -> None:
    """It has no database yet: the sentence says that a start makes it; nothing is made, and the exit code is 2."""
    (tmp_path / "PASSPHRASE").write_text("a passphrase that is long enough\n")
    (tmp_path / "PASSPHRASE").chmod(0o600)
    on_call = {"webhook": "http://127.0.0.1:1/call"}
    assert run_init(tmp_path, answers(on_call=on_call, reviewed={"by": "Counsel", "on": "2026-11-01"})).exit_code == 0
    placed = [str(tmp_path / word) if word.isupper() else word for word in words]
    result = CliRunner().invoke(cli, [*placed, "--data", str(tmp_path / "line")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no database that can be opened: start it once" in result.stderr
    assert list((tmp_path / "line" / "bridge").iterdir()) == []
    assert not (tmp_path / "FILE").exists()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Unavailable("SQLITE_FULL"), "the disk is full"),
        (Unavailable("SQLITE_CANTOPEN_ISDIR"), "start it once"),
        (Unavailable("TimeoutError"), "does not answer"),
        (Busy("SQLITE_BUSY"), "try again"),
        (Corrupt("SQLITE_NOTADB"), "quietline restore"),
        (UnsupportedSchema("9"), "install that version"),
        (UnsuitableServer("encoding"), "`database server`"),
        (InUse("x"), "stop the line"),
        (LeadLost("x"), "stop the line"),
        (InvalidStatement("x"), "quietline doctor"),
    ],
)
def test_each_reason_has_its_remedy(error: DatabaseError, says: str) -> None:
    """By its kind; the code of the database is told of a full disk alone, as words."""
    assert says in database_problem(error)
