"""Programs of others that look at what we write: systemd, Caddy, nginx, Compose.

Rule of this module: they are no packages of Python's, so a machine may have none of them. A test that has to do without one
says so loudly and is counted; where `QUIETLINE_PROGRAMS` names a directory, they are looked for there as well, so that
packages which were only unpacked will do.
"""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Final

PLACES: Final = ("usr/bin", "usr/sbin", "usr/libexec/docker/cli-plugins", "usr/lib/postgresql/15/bin")


class OutsidePrograms:
    """Finds them. `missing` gets the name of each that was not found, once for each test."""

    def __init__(self, *, missing: list[str]) -> None:
        self._missing = missing

    def find(self, name: str) -> str | None:
        """Return where a program is; None, counted, when it is nowhere."""
        unpacked = os.environ.get("QUIETLINE_PROGRAMS")
        beside = [str(Path(unpacked) / place) for place in PLACES] if unpacked else []
        path = os.pathsep.join([*beside, os.environ.get("PATH", ""), "/usr/sbin", "/usr/libexec/docker/cli-plugins"])
        if (found := shutil.which(name, path=path)) is None:
            self._missing.append(name)
            warnings.warn(f"{name} is not here: a test stepped aside", stacklevel=2)
        return found
