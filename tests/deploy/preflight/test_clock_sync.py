"""Whether anything keeps the machine's clock right, as the kernel says it."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.preflight import clock_sync


@pytest.mark.parametrize(("answer", "sync"), [(0, True), (1, True), (clock_sync.TIME_ERROR, False), (-1, None)])
def test_what_the_kernel_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int, sync: bool | None) -> None:
    """A clock without anybody who sets it is a warning; one that the kernel says nothing of is not."""
    monkeypatch.setattr(clock_sync, "SYNCHRONISED", tmp_path / "none")
    structures: list[bytes] = []

    def adjtimex(structure: ctypes.Array[ctypes.c_char]) -> int:
        structures.append(structure.raw)
        return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(adjtimex=adjtimex))
    assert clock_sync.is_synchronised() is sync
    assert structures == [bytes(clock_sync.STRUCTURE_BYTES)], "`modes` 0: it is asked, and nothing is set"
    row = clock_sync.check_synchronisation()
    assert (row.name, row.ok, row.warning, bool(row.do)) == ("clock", True, sync is False, sync is False)


def test_timesyncd_says_it_where_the_kernel_may_not_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is there once it has set the clock; a C library without that question is none that answers."""
    mark = tmp_path / "synchronized"
    monkeypatch.setattr(clock_sync, "SYNCHRONISED", mark)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())
    assert clock_sync.is_synchronised() is None
    mark.touch()
    assert clock_sync.is_synchronised() is True


def test_a_file_that_this_account_may_not_look_at_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a directory of systemd's own: the kernel is asked, and `check` says all its other rows."""

    def refused(_path: Path, **_how: bool) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace(adjtimex=lambda _structure: 0))
    assert clock_sync.check_synchronisation().what == "is synchronised"


def test_the_real_kernel_is_asked() -> None:
    """Whatever it says of this machine, it is one of the three answers."""
    assert clock_sync.is_synchronised() in {True, False, None}
