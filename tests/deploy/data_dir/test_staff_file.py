"""A person in and out of `config.yaml`: every other letter stays."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest
import yaml

from deploy.data_dir import atomic_files, staff_file
from deploy.data_dir.secret_files import SetupError
from deploy.data_dir.staff_file import add_entry, remove_entry
from tests.e2e.polling import STEP_TIMEOUT

DAN = "@dan:quietline.localhost"
BLOCK = """\
lines: # one
- slug: main
  staff:
  - mxid: "@ada:quietline.localhost"
    role: advocate # the first
  # who supervises
  - mxid: '@sol:quietline.localhost'
    role: supervisor
  # what follows
  packs: [base]
quiet_hours: [3, 5]
"""
WAYS = {
    "block": BLOCK,
    "block, indented": BLOCK.replace("  - mxid", "      - mxid").replace("    role", "        role"),
    "items in braces": "lines:\n  - staff:\n      - {mxid: '@ada:x', role: advocate} # first\n\n    slug: main\n",
    "in brackets": "lines:\n- staff: [{mxid: '@ada:x', role: advocate}, {mxid: '@sol:x', role: supervisor}]  # all\n",
    "empty": "lines:\n- staff: [] # nobody\n  slug: main\n",
    "no line end": "lines:\n- slug: main\n  staff:\n  - mxid: '@ada:x'\n    role: advocate",
    "carriage returns": BLOCK.replace("\n", "\r\n"),
}


def written(directory: Path, text: str) -> Path:
    path = directory / "config.yaml"
    path.write_bytes(text.encode())
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("text", WAYS.values(), ids=WAYS)
def test_an_entry_comes_and_goes(text: str, tmp_path: Path) -> None:
    """Added it stands last; taken out the file says what it said, and no comment is lost."""
    path = written(tmp_path, text)
    before = yaml.safe_load(text)
    add_entry(path, DAN, "advocate")
    changed = path.read_bytes().decode()
    assert yaml.safe_load(changed)["lines"][0]["staff"] == [
        *before["lines"][0]["staff"],
        {"mxid": DAN, "role": "advocate"},
    ]
    for comment in (line.partition("#")[2].strip() for line in text.splitlines() if "#" in line):
        assert comment in changed
    assert path.stat().st_mode & 0o777 == 0o640
    assert remove_entry(path, DAN)
    assert yaml.safe_load(path.read_bytes()) == before
    assert path.read_bytes().decode().rstrip("\r\n") == text.rstrip("\r\n")
    assert not remove_entry(path, DAN)


def test_two_changes_at_one_moment_are_both_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second command reads when the first has written; none writes back what it read before the other's change."""
    path, second_is_there = written(tmp_path, WAYS["block"]), threading.Event()
    first = threading.current_thread()
    really_lock, really_write = fcntl.flock, atomic_files.rewrite_atomically

    def lock(descriptor: int, operation: int) -> None:
        if threading.current_thread() is not first:
            second_is_there.set()
        really_lock(descriptor, operation)

    def add_second() -> None:
        add_entry(path, "@eve:quietline.localhost", "advocate")
        second_is_there.set()

    second = threading.Thread(target=add_second)

    def write(place: Path, text: str) -> None:
        if threading.current_thread() is first:
            second.start()
            assert second_is_there.wait(STEP_TIMEOUT)
        really_write(place, text)

    monkeypatch.setattr(fcntl, "flock", lock)
    monkeypatch.setattr(staff_file, "rewrite_atomically", write)
    add_entry(path, DAN, "advocate")
    second.join(STEP_TIMEOUT)
    staff = [entry["mxid"] for entry in yaml.safe_load(path.read_bytes())["lines"][0]["staff"]]
    assert staff[-2:] == [DAN, "@eve:quietline.localhost"]


def test_what_a_program_cannot_change_is_left(tmp_path: Path) -> None:
    """A list that is named elsewhere: nothing is written, and what to do by hand is said."""
    text = "all: &all [{mxid: '@ada:x', role: advocate}]\nlines:\n- staff: *all\n"
    path = written(tmp_path, text)
    with pytest.raises(SetupError, match="by hand"):
        add_entry(path, DAN, "advocate")
    assert path.read_text() == text
