"""The source of a commit as a tar file with the same bytes on every machine.

Rules of this module: its content comes from git's objects, not from the work tree, so it contains only what is committed;
owners, times and the order of names do not depend on the machine. The tar file always has the same bytes; the compressed
file has the same bytes with the same zlib.
"""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LINK, EXECUTABLE = "120000", "100755"


class NoSource(Exception):  # noqa: N818 - an answer, not a failure
    """This is no git checkout, or git cannot be run. The text says why."""


def commit_of(root: Path) -> tuple[str, int]:
    """Return the id of the commit that is checked out, and its time, in seconds since the epoch. Raises `NoSource`."""
    identity, commit_time = _git(root, "log", "-1", "--format=%H %ct").decode().split()
    return identity, int(commit_time)


def tar_of(root: Path, commit: str, *, folder: str, commit_time: int) -> bytes:
    """Return the tar file of a commit: every file below `folder`. Raises `NoSource`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tree = sorted(_tree(root, commit), key=lambda each: each[2])
        for (mode, _, name), data in zip(tree, _blobs(root, [identity for _, identity, _ in tree]), strict=True):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.mtime, entry.mode = commit_time, 0o755 if mode == EXECUTABLE else 0o644
            if mode == LINK:
                entry.type, entry.linkname = tarfile.SYMTYPE, data.decode()
                tar.addfile(entry)
            else:
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def compress(data: bytes) -> bytes:
    """Compress without a name and a time."""
    return gzip.compress(data, compresslevel=9, mtime=0)


def unpack(archive: bytes, directory: str) -> None:
    """Unpack such a tar file into a directory. It is our own: no name in it leads outside."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        if sys.version_info >= (3, 11, 4):  # Debian 12 has 3.11.2, which has no filters
            tar.extractall(directory, filter="tar")
        else:
            tar.extractall(directory)  # noqa: S202 - see above


def _tree(root: Path, commit: str) -> list[tuple[str, str, str]]:
    """Return mode, object and name of every file of a commit."""
    files = []
    for line in _git(root, "ls-tree", "-r", "-z", "--full-tree", commit).decode().split("\0"):
        if line:
            fields, _, name = line.partition("\t")
            mode, _kind, identity = fields.split()
            files.append((mode, identity, name))
    return files


def _blobs(root: Path, identities: Sequence[str]) -> Iterator[bytes]:
    """Yield the content of each of these files, from one git process (git-cat-file(1), "Batch output")."""
    output = io.BytesIO(_git(root, "cat-file", "--batch", stdin="".join(f"{each}\n" for each in identities)))
    for identity in identities:
        match output.readline().decode().split():
            case [_, "blob", size]:
                yield output.read(int(size))
                output.read(1)  # the line end after it
            case _:
                raise NoSource(f"git has no file {identity}")


def _git(root: Path, *words: str, stdin: str = "") -> bytes:
    command = ["git", *words]
    try:
        process = subprocess.run(command, cwd=root, input=stdin.encode(), capture_output=True, check=False)  # noqa: S603 - PATH's
    except OSError as error:
        raise NoSource(f"git cannot be run ({error.strerror})") from None
    if process.returncode:
        raise NoSource(process.stderr.decode(errors="replace").strip().splitlines()[-1])
    return process.stdout
