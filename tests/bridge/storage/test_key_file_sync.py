"""A disk under `keys.db` that returns EIO at a sync: nothing is told as kept or as destroyed that is not.

Rule of this module: SQLite itself runs, over a VFS whose `xSync` fails at the asked call; so it meets the error where a
disk brings it, with its journal and its rollback as they are then. What the next process would find is looked at in a copy
of both files, taken after the error.

Sources: rogerbinns.github.io/apsw/vfs.html; sqlite.org/c3ref/io_methods.html.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import apsw
import pytest

from bridge.storage.errors import Unavailable
from bridge.storage.key_file import KeyFile
from tests.fakes.key_file_reader import wrapped_keys
from tests.fakes.open_vault import vault_over

VFS: Final = "failing sync"
SYNCS: Final = 12
"""Of three changes: SQLite syncs the journal, its header, the file, and the header once more."""


class Disk:
    """Counts syncs, and fails the one of that number, or every one from there on."""

    def __init__(self) -> None:
        self.failing, self.for_ever, self.count = 0, False, 0

    def sync(self) -> None:
        self.count += 1
        if self.failing and (self.count == self.failing or (self.for_ever and self.count > self.failing)):
            error: Any = apsw.IOError("EIO")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise error

    def fail(self, number: int, *, for_ever: bool = False) -> None:
        self.failing, self.for_ever, self.count = number, for_ever, 0


class FailingFile(apsw.VFSFile):
    """A file of that disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        self._disk.sync()
        super().xSync(flags)


class FailingVfs(apsw.VFS):
    """SQLite's own way to the disk, but for its syncs."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(VFS, "")
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> FailingFile:  # noqa: N802 - SQLite's name
        return FailingFile(self._disk, name, flags)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Have every connection that is made now use the disk."""
    failing_disk = Disk()
    vfs = FailingVfs(failing_disk)
    monkeypatch.setattr(apsw, "Connection", partial(apsw.Connection, vfs=VFS))
    yield failing_disk
    vfs.unregister()


async def reopened(directory: Path, work: Callable[[KeyFile], Awaitable[Any]]) -> Any:
    """Open the file as the next process does, and close it."""
    keys = KeyFile(path=directory / "keys.db")
    await keys.open()
    try:
        return await work(keys)
    finally:
        await keys.close()


async def owners(keys: KeyFile) -> set[str]:
    return await keys.owners()


def key_bytes(directory: Path) -> bytes:
    """Return all bytes of the file and of its journal."""
    return b"".join(file.read_bytes() for file in directory.glob("keys.db*"))


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("number", range(1, SYNCS + 1))
async def test_a_key_is_kept_or_its_maker_hears(tmp_path: Path, disk: Disk, number: int, for_ever: bool) -> None:
    """Whichever sync fails: a key that was answered is there for the next process, and those of before are."""
    keys = KeyFile(path=tmp_path / "keys.db")
    await keys.open()
    vault = vault_over(keys)
    confirmed = {"before"}
    await vault.create("before")
    disk.fail(number, for_ever=for_ever)
    for owner in ("first", "second", "third"):
        try:
            await vault.create(owner)
        except Unavailable as error:
            assert error.code == "SQLITE_IOERR_FSYNC"  # noqa: PT017 - it may or may not come
        else:
            confirmed.add(owner)
    assert len(confirmed) < 4
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=lambda *_: {"copy"})
    disk.fail(0)
    assert await reopened(tmp_path / "copy", owners) >= confirmed
    for owner in ("first", "second", "third"):  # a disk that works again
        await vault.create(owner)
        sealed = await vault.seal(owner, "place", b"words")
        assert await vault.open(owner, "place", sealed) == b"words"
    await keys.close()
    assert await reopened(tmp_path, owners) == {"before", "first", "second", "third"}


@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("number", range(1, SYNCS + 1))
async def test_a_key_is_destroyed_or_who_asked_hears(tmp_path: Path, disk: Disk, number: int, for_ever: bool) -> None:
    """Whichever sync fails: a key that was told as destroyed is in no byte; another is, once it is asked again."""
    keys = KeyFile(path=tmp_path / "keys.db")
    await keys.open()
    vault = vault_over(keys)
    doomed = ("first", "second", "third")
    for owner in ("before", *doomed):
        await vault.create(owner)
    wrapped = wrapped_keys(tmp_path / "keys.db")
    disk.fail(number, for_ever=for_ever)
    destroyed = set()
    for owner in doomed:
        try:
            await vault.destroy(owner)
        except Unavailable as error:
            assert error.code == "SQLITE_IOERR_FSYNC"  # noqa: PT017 - it may or may not come
        else:
            destroyed.add(owner)
    assert len(destroyed) < 3
    shutil.copytree(tmp_path, tmp_path / "copy", ignore=lambda *_: {"copy"})
    disk.fail(0)
    remaining = await reopened(tmp_path / "copy", owners)
    assert "before" in remaining
    assert not remaining & destroyed
    for owner in destroyed:
        assert wrapped[owner] not in key_bytes(tmp_path / "copy")
    for owner in doomed:
        await vault.destroy(owner)
        assert wrapped[owner] not in key_bytes(tmp_path)
    await keys.close()
    assert await reopened(tmp_path, owners) == {"before"}
