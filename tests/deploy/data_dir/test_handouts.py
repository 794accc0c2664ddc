"""Hand-outs: three lines each, private, and a password that stays."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.data_dir.handouts import Handout, complete, handout_file
from deploy.data_dir.secret_files import SetupError, StaffAccount

HOME = "https://chat.agency.org"
MIRA = "@mira:agency.org"


def test_a_hand_out_is_three_lines_that_only_its_owner_reads(tmp_path: Path) -> None:
    """It holds exactly homeserver, user and password; file and directory are closed to others."""
    (handout,) = complete(tmp_path / "handout", HOME, [MIRA])
    file = tmp_path / "handout" / "mira.txt"
    assert file.read_text() == f"homeserver: {HOME}\nuser: {MIRA}\npassword: {handout.password}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(handout.password) == 29


def test_a_password_is_in_no_repr() -> None:
    """A program that fails prints values: a first password is not among them."""
    handout = Handout.make("https://chat.example.org", "@mira:example.org")
    account = StaffAccount(user="mira", role="advocate", password=handout.password)
    assert handout.password not in repr((handout, account))


def test_a_password_stays_when_the_address_changes(tmp_path: Path) -> None:
    """What a person was handed out still holds; only the homeserver's line follows, and a new person gets a file."""
    (before,) = complete(tmp_path, "http://127.0.0.1:8448", [MIRA])
    after, other = complete(tmp_path, HOME, [MIRA, "@odd/name:agency.org"])
    assert (after.password, after.homeserver) == (before.password, HOME)
    assert Handout.read(tmp_path / "mira.txt") == after
    assert Handout.read(handout_file(tmp_path, "@odd/name:agency.org")) == other
    assert other.localpart == "odd/name"
    assert other.password != after.password


@pytest.mark.parametrize("text", ["", "user: x\n", f"homeserver: {HOME}\nuser: {MIRA}\npassword: \n", "\xff"])
def test_a_damaged_hand_out_is_named_and_kept(tmp_path: Path, text: str) -> None:
    """A password that cannot be read is not replaced by another one: the account may have it."""
    file = tmp_path / "mira.txt"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(SetupError) as caught:
        complete(tmp_path, HOME, [MIRA])
    assert str(file) in caught.value.problems[0]
    assert file.read_text(encoding="latin-1") == text
