"""The releases of Synapse that the line supports.

Rule of this module: only this module defines them; the start, `doctor` and the module's page use it.
"""

from __future__ import annotations

import re
from typing import Final

Version = tuple[int, int]

OLDEST: Final[Version] = (1, 155)
"""The first release that the module starts with (`deploy/synapse_module/README.md`)."""
TESTED: Final[Version] = (1, 163)
"""The newest that was tried. A newer one is used where the module's own checks pass, and the line says so."""
_VERSION: Final = re.compile(r"(?:Synapse/)?(\d+)\.(\d+)")


def parse(text: str) -> Version | None:
    """Read `1.163.2`, or the header `Server: Synapse/1.163.2`; None for any other text."""
    match = _VERSION.match(text)
    return (int(match[1]), int(match[2])) if match else None


def dotted(version: Version) -> str:
    """Write a version as people do: `1.163`."""
    return ".".join(map(str, version))
