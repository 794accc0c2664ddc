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
