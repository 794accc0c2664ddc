"""Prometheus' own programs, from the machine or unpacked from Debian's packages.

Rules of this module: nothing is installed and nothing of the machine's package lists is changed; what is unpacked lies in
the user's cache, in a directory that nobody else can write. Where a program cannot be had the answer is None, and the
caller says so loudly (`MISSING_PROGRAMS` in `tests/conftest.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

PACKAGES: Final = {"promtool": "promtool", "amtool": "prometheus-alertmanager", "prometheus": "prometheus"}
"""By program, the package of Debian that has it."""
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quietline-tests"
TIMEOUT: Final = 120


@cache
def find(program: str) -> str | None:
    """Return the path of a program; None where it is neither installed nor to be had."""
    if (installed := shutil.which(program)) is not None:
        return installed
    unpacked = CACHE / program / "usr/bin" / program
    if not unpacked.is_file():
        with suppress(OSError, subprocess.SubprocessError):
            _unpack(PACKAGES[program], CACHE / program)
    return str(unpacked) if unpacked.is_file() else None


def _unpack(package: str, to: Path) -> None:
    """Fetch a package with package lists of our own, and unpack it; whole or not at all."""
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    work = CACHE / f"{package}.{os.getpid()}"
    for folder in ("lists/partial", "archives/partial", "root"):
        (work / folder).mkdir(mode=0o700, parents=True)
    try:
        options = (
            f"Dir::State::lists={work}/lists",
            f"Dir::Cache={work}",
            "APT::Sandbox::User=root",
            "Debug::NoLocking=true",
        )
        apt = ("apt-get", "-qq", *(word for option in options for word in ("-o", option)))
        for words in (("update",), ("download", package)):
            subprocess.run((*apt, *words), cwd=work, check=True, capture_output=True, timeout=TIMEOUT)
        (archive,) = work.glob("*.deb")
        subprocess.run(("dpkg-deb", "-x", archive, work / "root"), check=True, capture_output=True, timeout=TIMEOUT)
        if not to.exists():
            (work / "root").rename(to)
    except ValueError as error:
        raise FileNotFoundError(package) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
