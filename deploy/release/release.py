"""`quietline release`: source, wheel, bill of materials, image and checksums of a commit, in a new directory.

Rules of this module: two runs for one commit give the same bytes; the wheel is built from the archive, not from the
checkout; nothing is uploaded or signed: a person with a key does that.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bridge.runtime.program import ROOT, own_version
from deploy.data_dir.secret_files import SetupError
from deploy.release.image import build_image
from deploy.release.licences import UnknownLicence, is_compatible, licence_of
from deploy.release.lock_file import LOCKS, read_lock
from deploy.release.sbom import make_sbom
from deploy.release.source_archive import NoSource, commit_of, compress, tar_of, unpack

CHECKSUMS: Final = "SHA256SUMS"


def make_release(out: Path, *, image_base: str | None = None) -> list[Path]:
    """Write a release of the commit that is checked out; return its files. Raises :class:`SetupError`, `OSError`.

    `image_base`: the base of the release's image; None: no image.
    """
    if out.exists():
        raise SetupError([f"{out}: is there already; give a new directory"])
    packages = read_lock(LOCKS / "runtime.txt")
    if problems := licence_problems([package.name for package in packages]):
        raise SetupError(problems)
    name = f"quietline-{own_version()}"
    try:
        commit, commit_time = commit_of(ROOT)
        archive = tar_of(ROOT, commit, folder=name, commit_time=commit_time)
    except NoSource as error:
        raise SetupError([f"{ROOT}: {error}"]) from None
    files = {
        f"{name}.tar.gz": compress(archive),
        f"{name}.cdx.json": make_sbom(packages, commit=commit, commit_time=commit_time).encode(),
        **_wheel(archive, name, commit_time),
    }
    if image_base is not None:
        image = build_image(archive, folder=name, version=own_version(), commit_time=commit_time, base=image_base)
        files[f"{name}.oci.tar"] = image
    sums = {file: hashlib.sha256(data).hexdigest() for file, data in sorted(files.items())}
    files[CHECKSUMS] = "".join(f"{digest}  {file}\n" for file, digest in sums.items()).encode()
    out.mkdir(parents=True)
    try:
        for file, data in files.items():
            (out / file).write_bytes(data)
    except BaseException:  # a full disk: the same command can be repeated
        shutil.rmtree(out)
        raise
    return [out / file for file in files]


def licence_problems(names: list[str]) -> list[str]:
    """Return a sentence for each package whose licence is unknown, or not compatible with ours."""
    problems = []
    for name in names:
        try:
            licence = licence_of(name)
        except UnknownLicence:
            do = "read it, and note it in deploy/release/licences.py"
            problems.append(f"{name}: declares no licence in SPDX's words; {do}")
        else:
            if not is_compatible(licence):
                problems.append(f"{name}: {licence} does not go together with AGPL-3.0-or-later")
    return problems


def _wheel(archive: bytes, folder: str, commit_time: int) -> dict[str, bytes]:
    """Build the wheel from the archive. The time of every file in it is the commit's."""
    with tempfile.TemporaryDirectory(prefix="quietline-release-") as work:
        unpack(archive, work)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
        process = subprocess.run(  # noqa: S603 - this environment's pip
            [
                *pip,
                "--no-build-isolation",
                "--no-cache-dir",
                "--wheel-dir",
                str(Path(work) / "out"),
                str(Path(work) / folder),
            ],
            cwd=work,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(commit_time), "PYTHONHASHSEED": "0", "PYTHONPATH": ""},
            umask=0o022,
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise SetupError([f"the wheel cannot be built: {(process.stderr.strip().splitlines() or ['?'])[-1]}"])
        return {path.name: path.read_bytes() for path in (Path(work) / "out").glob("*.whl")}
