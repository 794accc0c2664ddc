"""Files that are written completely or not at all, and that only their owner can read.

Rules of this module: a reader never sees an incomplete file, whatever was killed during the write, and others can never
read a file, not even for a moment; only a file that people edit keeps the mode that they gave it. A file that root writes
gets the owner of the file that it replaces, or else of the directory: people run commands as root, and the service has its
own account, which could not read root's file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
_FULL = "; make room on that disk, and say it again"
REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EIO: "; that disk fails: look at the log of the system, replace it, and say it again",
    errno.EROFS: "; that disk is read-only, as after an error of it: look at the system's log, and say it again",
}
"""What to do about an error of the disk."""


BACKUP_EXCLUSION_TAG = "CACHEDIR.TAG"
TAG_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"


def exclude_from_backups(directory: Path) -> None:
    """Mark a directory so that backup programs leave it out (Cache Directory Tagging Specification)."""
    tag = directory / BACKUP_EXCLUSION_TAG
    if not tag.is_file():
        write_atomically(
            tag, TAG_SIGNATURE + "# Keys and conversations that end: no backup may hold them. Use `quietline backup`.\n"
        )


def make_private_directory(path: Path) -> Path:
    """Make a missing directory (mode 0700) with its parents; return it."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    for each in reversed(missing):
        with open_descriptor(each) as descriptor:
            give_to_owner(descriptor, each)
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write a file of text (UTF-8), as `write_bytes_atomically`."""
    write_bytes_atomically(path, text.encode("utf-8"))


def rewrite_atomically(path: Path, text: str) -> None:
    """Write a file that people edit, as `write_atomically`; keep its owner, group and mode.

    A link stays one, and its target is written: people edit that. Raises `OSError` for a link of another account, by which
    the directory's owner could make root write elsewhere.
    """
    if path.is_symlink():
        if path.lstat().st_uid not in (0, os.geteuid()):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        path = path.resolve(strict=True)
    write_bytes_atomically(path, text.encode("utf-8"), keep_mode=True)


def write_bytes_atomically(path: Path, data: bytes, *, keep_mode: bool = False) -> None:
    """Write a file under another name, sync it, and rename it. Mode: 0600, or that of the replaced file."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner(descriptor, half, replaces=path.name)
            file.write(data)
            file.flush()
            if keep_mode:
                _keep_mode(descriptor, path)
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException as error:
        half.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # an error of a write has no file name
            error.filename = str(path)
        raise
    sync_directory(path.parent)


def give_to_owner(descriptor: int, path: Path, *, replaces: str = "") -> None:
    """Give a file that root made to the owner of the file that it replaces, or else of its directory.

    Only when the path is this file itself, with one link, and root owns it: the directory's owner may put a link to one of
    root's own files there, also meanwhile. When root may not change the owner, root keeps the file.
    """
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError), open_descriptor(path.parent) as directory:
        status, owner = os.fstat(descriptor), os.fstat(directory)
        if not os.path.samestat(status, os.stat(path.name, dir_fd=directory, follow_symlinks=False)):
            return
        if status.st_uid != os.getuid() or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1):
            return
        with contextlib.suppress(FileNotFoundError):
            owner = os.stat(replaces, dir_fd=directory)
        if owner.st_uid != 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _keep_mode(descriptor: int, path: Path) -> None:
    """Give a new file the group and mode of the one that it replaces: a service may depend on the group to read it.

    When that group may not be set, no group can read the file: the process's own group could not before.
    """
    with contextlib.suppress(FileNotFoundError):
        before, mode = path.stat(), 0o777
        if os.fstat(descriptor).st_gid != before.st_gid:
            try:
                os.fchown(descriptor, -1, before.st_gid)
            except OSError:
                mode = 0o707
        os.fchmod(descriptor, before.st_mode & mode)


def unfinished_files(path: Path) -> Iterator[Path]:
    """Yield incomplete files that killed writers of a file left. Not to be called while one may be writing."""
    return path.parent.glob(f".{path.name}.*")


def file_problem(error: OSError, place: Path | None = None) -> str:
    """Return what is wrong with a file, and the remedy if there is one. `place`: used when the error has no file name."""
    named = error.filename or place
    return f"{f'{named}: ' if named else ''}{error.strerror}{REMEDIES.get(error.errno or 0, '')}"


def access_problem(*paths: Path) -> str:
    """Return which of the paths this account may not read, and the remedy; else "", also for one that is missing.

    A verb would find its parts missing in a directory of another account, and say that.
    """
    for path in paths:
        try:
            path.stat()
            may_read = os.access(path, os.R_OK)
        except OSError as error:
            may_read = not isinstance(error, PermissionError)
        if not may_read:
            return f"{path}: this account may not read it; say it again as root, or as the account that runs the line"
    return ""


def sync_directory(path: Path) -> None:
    """Sync the names in a directory to the disk."""
    with open_descriptor(path) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def open_descriptor(path: Path) -> Iterator[int]:
    """Yield a read-only descriptor of a file or directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
