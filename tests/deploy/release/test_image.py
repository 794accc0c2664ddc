"""The image of a release: what buildah is asked, and the same bytes from the same image."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from deploy.data_dir.secret_files import SetupError
from deploy.release.image import CONTAINERFILE, build_image
from deploy.release.source_archive import commit_of, tar_of
from tests.deploy.processes import ROOT

BUILDAH = """#!/bin/sh
echo "$PWD: $*" >> "$ASKED"
case $1 in
    build) test -f deploy/containers/Containerfile && test ! -e .git || { echo "no source" >&2; exit 125; } ;;
    push)
        layout=${3#oci:}; layout=${layout%:*}
        mkdir -p "$layout/blobs/sha256"
        printf layer > "$layout/blobs/sha256/b"; printf manifest > "$layout/blobs/sha256/a"
        printf '{}' > "$layout/index.json"; printf '{}' > "$layout/oci-layout" ;;
esac
"""
"""Stands for buildah: it notes what it is asked, and writes a layout."""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put it before all other programs; return where it notes what it is asked."""
    (folder := tmp_path / "bin").mkdir()
    (folder / "buildah").write_text(BUILDAH)
    (folder / "buildah").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    return tmp_path / "asked"


def build() -> bytes:
    commit, moment = commit_of(ROOT)
    archive = tar_of(ROOT, commit, folder="quietline-1", commit_time=moment)
    return build_image(archive, folder="quietline-1", version="1", commit_time=moment, base="registry/python@sha256:00")


def test_it_is_built_from_the_archive_as_of_the_commit(notes: Path) -> None:
    """In the unpacked source, on the base that was said, with the commit's time, without what was built before."""
    build()
    built, pushed = notes.read_text().splitlines()
    place, _, words = built.partition(": ")
    assert Path(place).name == "quietline-1"
    assert not Path(place).exists(), "nothing is left of it"
    timestamp = str(commit_of(ROOT)[1])
    assert words.split() == [
        *("build", "--no-cache", "--timestamp", timestamp, "--build-arg", "BASE=registry/python@sha256:00"),
        *("--tag", "localhost/quietline:1", "--file", CONTAINERFILE, "."),
    ]
    assert pushed.endswith("/layout:1")


def test_the_same_image_gives_the_same_bytes(notes: Path) -> None:
    """Whenever it was packed: the names in their order, the commit's time, and nothing of the machine."""
    first, second = build(), build()
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        members = tar.getmembers()
    assert [each.name for each in members] == ["blobs/sha256/a", "blobs/sha256/b", "index.json", "oci-layout"]
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in members} == {(0, 0, "", commit_of(ROOT)[1])}


def test_what_buildah_says_is_told(notes: Path, tmp_path: Path) -> None:
    """Its last sentence; nothing is packed then."""
    program = tmp_path / "bin" / "buildah"
    program.write_text("#!/bin/sh\necho first >&2\necho 'Error: no space' >&2\nexit 125\n")
    with pytest.raises(SetupError, match="the image cannot be built: Error: no space"):
        build()


def test_without_buildah_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that a release can be made without an image."""
    archive = io.BytesIO()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="apt install buildah"):
        build_image(archive.getvalue(), folder="q", version="1", commit_time=0, base="x")
