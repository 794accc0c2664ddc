"""Files that are whole or not there, and readable by their owner only.

Rule of this module: a reader never sees half a file, whatever was killed while it was written, and no file is readable
by others for even a moment.
"""

from __future__ import annotations

import errno
import os
import secrets
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
    path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, text: str) -> None:
    """Write a file of text (UTF-8), as `write_bytes_atomically`."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write a file (mode 0600) under another name, sync it, and rename it into place."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)
    except BaseException as error:
        half.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a write knows no name
            error.filename = str(path)
        raise
    sync_directory(path.parent)


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
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
