"""Which version of the program this is.

Rule of this module: the source says it; where the program is installed without its source, the package does.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


def own_version() -> str:
    """Return the version of the source, or, where it is installed without its source, of the package."""
    source = ROOT / "pyproject.toml"
    if source.is_file():
        return str(tomllib.loads(source.read_text(encoding="utf-8"))["project"]["version"])
    import importlib.metadata  # noqa: PLC0415 - no other case needs it, and every verb imports this module

    return importlib.metadata.version("quietline")
