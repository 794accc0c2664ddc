"""The image of a release, as an archive of the Open Container Initiative's layout, built by buildah without a daemon.

Rules of this module: the image is built from the release's archive, not from the checkout; every time in it is the
commit's; this module packs buildah's output, ordered by name, so two runs on one base image give the same bytes. The
operator configures buildah (isolation, storage, limits) by its own files and environment.

Sources: buildah-build(1), buildah-push(1); the OCI image layout (github.com/opencontainers/image-spec, image-layout.md).
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from deploy.data_dir.secret_files import SetupError
from deploy.release.source_archive import unpack

CONTAINERFILE: Final = "deploy/containers/Containerfile"
NOT_HERE: Final = "buildah is not here (on Debian: apt install buildah); without --image a release is made without one"


def build_image(archive: bytes, *, folder: str, version: str, commit_time: int, base: str) -> bytes:
    """Return the image of the source in `archive`, below `folder`, on a base image. Raises :class:`SetupError`."""
    buildah = shutil.which("buildah")
    if buildah is None:
        raise SetupError([NOT_HERE])
    with tempfile.TemporaryDirectory(prefix="quietline-image-") as work:
        unpack(archive, work)
        name, layout = f"localhost/quietline:{version}", Path(work) / "layout"
        words = ("--timestamp", str(commit_time), "--build-arg", f"BASE={base}", "--tag", name, "--file", CONTAINERFILE)
        _run((buildah, "build", "--no-cache", *words, "."), Path(work) / folder)
        _run((buildah, "push", name, f"oci:{layout}:{version}"), Path(work))
        return _pack(layout, commit_time)


def _run(words: tuple[str, ...], place: Path) -> None:
    try:
        process = subprocess.run(  # noqa: S603 - buildah, from PATH
            words, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise SetupError([f"buildah cannot be run ({error.strerror})"]) from None
    if process.returncode:
        said = (process.stderr.strip().splitlines() or ["it does not say why"])[-1]
        raise SetupError([f"the image cannot be built: {said}"])


def _pack(layout: Path, commit_time: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(path for path in layout.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(str(file.relative_to(layout)))
            entry.mtime, entry.mode, entry.size = commit_time, 0o644, file.stat().st_size
            with file.open("rb") as opened:
                tar.addfile(entry, opened)
    return packed.getvalue()
