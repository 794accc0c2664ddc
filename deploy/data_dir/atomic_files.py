"""Files that are whole or not there, and readable by their owner only.

Rules of this module: a reader never sees half a file, whatever was killed while it was written, and no file is readable
by others for even a moment, but for what people keep in a mode of their own: a rewrite leaves that as it is. What root
writes belongs to whom the file was that it replaces, or else to whom the directory is: commands are said as root, and the
service has an account of its own, which could not read it.
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
    """Make a directory (mode 0700) with its parents where it is missing; return it."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    for each in reversed(missing):
        with opened(each) as descriptor:
            give_to_owner(descriptor, each)
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write a file of text (UTF-8), as `write_bytes_atomically`."""
    write_bytes_atomically(path, text.encode("utf-8"))


def rewrite_atomically(path: Path, text: str) -> None:
    """Write a file that people keep, as `write_atomically`, with the owner, group and mode that it has."""
    write_bytes_atomically(path, text.encode("utf-8"), keep_mode=True)


def write_bytes_atomically(path: Path, data: bytes, *, keep_mode: bool = False) -> None:
    """Write a file under another name, sync it, and rename it into place: of mode 0600, or of what is there."""
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
        if isinstance(error, OSError) and error.filename is None:  # a write knows no name
            error.filename = str(path)
        raise
    sync_directory(path.parent)


def give_to_owner(descriptor: int, path: Path, *, replaces: str = "") -> None:
    """Have what root made belong to whom the file is that it replaces there, or else to whom its directory is.

    Only what stands under this path itself, once, and is root's: the account of the directory may have put a link to a
    file of root's own there, or do so meanwhile. Where root may not give it, it stays root's.
    """
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError), opened(path.parent) as directory:
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
    """Give a new file group and mode of the one that it replaces: a service may read it by its group alone.

    Where that group may not be given, no group reads it: another one never could.
    """
    with contextlib.suppress(FileNotFoundError):
        before, mode = path.stat(), 0o777
        if os.fstat(descriptor).st_gid != before.st_gid:
            try:
                os.fchown(descriptor, -1, before.st_gid)
            except OSError:
                mode = 0o707
        os.fchmod(descriptor, before.st_mode & mode)


def unfinished(path: Path) -> Iterator[Path]:
    """Find what writers of a file left half-written when they were killed. Not while one may be writing it."""
    return path.parent.glob(f".{path.name}.*")


def file_problem(error: OSError, place: Path | None = None) -> str:
    """Say what is wrong with a file, and of a full disk what to do. `place`: where the system names none."""
    named = error.filename or place
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return f"{f'{named}: ' if named else ''}{error.strerror}{'; make room on that disk, and say it again' if full else ''}"


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk."""
    with opened(path) as descriptor:
        os.fsync(descriptor)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Give a descriptor of a file or directory that is only read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
