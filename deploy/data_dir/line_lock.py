"""Locks of directories: that of a line's data directory, for a command that needs the line stopped, and of temporary ones.

Rule of this module: the line's lock is the one that a bridge takes (`bridge/app/main.py`). The file belongs to the owner of
the directory, whoever ran the command, because the next bridge must open it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from typing import TYPE_CHECKING, Final

from deploy.data_dir.atomic_files import PRIVATE_DIRECTORY, give_to_owner, make_private_directory, open_descriptor
from deploy.data_dir.secret_files import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


NO_LOCKS: Final = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP)
"""The errors of a file system that locks no directory, as NFS (flock(2)): there two commands are not kept apart."""


class LineRuns(SetupError):  # noqa: N818 - an answer, not a failure
    """A bridge runs on that directory."""

    def __init__(self, where: Path | str) -> None:
        super().__init__([f"{where}: the line runs, or another command works on it; stop it first"])


@contextlib.contextmanager
def line_stopped(data: Path) -> Iterator[None]:
    """Lock a data directory against bridges during the block. Raises `LineRuns` while one runs, `OSError`."""
    # No link is followed: by a link the directory's owner could make root open or create a file elsewhere. With
    # `O_NONBLOCK` a pipe in its place is not waited for.
    how = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    lock = os.open(data / "lock", how, 0o600)
    try:
        give_to_owner(lock, data / "lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LineRuns(data) from None
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def directory_lock(directory: Path) -> Iterator[bool]:
    """Lock a directory during the block; False when another process has its lock, or has deleted it. Raises `OSError`."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_locked = os.path.samestat(os.fstat(descriptor), directory.lstat())
        except (BlockingIOError, FileNotFoundError):
            is_locked = False
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            is_locked = True
        yield is_locked
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def change_lock(path: Path) -> Iterator[None]:
    """Let no other command change a file during the block, which reads it and writes it whole; wait for the other one.

    The lock is that of the folder in which the file lies, whatever link leads to it, and does not keep readers out. On a
    file system that locks no directory two commands are not kept apart. Raises `OSError`.
    """
    with open_descriptor(path.resolve().parent) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        yield


@contextlib.contextmanager
def staging_directory(data: Path) -> Iterator[Path]:
    """Yield an empty private directory beside `data`, to be renamed to it; what is left of it is deleted at the end.

    It belongs to the owner of `data`, if that exists. Missing parents are made so that the account which will run the line
    can pass them. What a killed command left in it is deleted first. Raises :class:`SetupError` while another command uses
    it, `OSError`.
    """
    before = os.umask(0o066)
    try:
        staging = make_private_directory(data.with_name(f".{data.name}.half"))
    finally:
        os.umask(before)
    with directory_lock(staging) as is_ours:
        if not is_ours:
            raise SetupError([f"{data}: another command makes this directory; wait for its end. Nothing was written"])
        status = staging.stat()
        try:
            for path in staging.iterdir():
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            with open_descriptor(staging) as descriptor:
                os.fchmod(descriptor, PRIVATE_DIRECTORY)
                give_to_owner(descriptor, staging, replaces=data.name)
            yield staging
        finally:
            with contextlib.suppress(FileNotFoundError):  # it was renamed; another command may have made one since
                if os.path.samestat(status, staging.lstat()):
                    shutil.rmtree(staging)
