"""The content of a lock file: packages with version, marker and the hashes of their files.

Rule of this module: it reads the form that `uv pip compile --generate-hashes` writes and refuses every other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.runtime.program import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LOCKS: Final = ROOT / "deploy" / "requirements"
_PIN: Final = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;]+)(?: ; [^\\]+?)? \\")
_HASH: Final = re.compile(r"    --hash=sha256:(?P<digest>[0-9a-f]{64})(?: \\)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """A package. `hashes`: SHA-256, one for each of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]


def read_lock(path: Path) -> tuple[LockedPackage, ...]:
    """Return the packages of a lock file in their order. Raises `ValueError` for another form, or a missing hash."""
    pins: list[tuple[re.Match[str], list[str]]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if pin := _PIN.fullmatch(line):
            pins.append((pin, []))
        elif digest := _HASH.fullmatch(line):
            pins[-1][1].append(digest["digest"])
        elif line.strip() and not line.lstrip().startswith("#"):
            raise ValueError(f"{path.name}: a line is no pin and no hash: {line}")
    if bare := [pin["name"] for pin, hashes in pins if not hashes]:
        raise ValueError(f"{path.name}: without a hash: {', '.join(bare)}")
    return tuple(
        LockedPackage(name=pin["name"], version=pin["version"], hashes=tuple(sorted(hashes))) for pin, hashes in pins
    )
