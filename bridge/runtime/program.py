"""The version of this program.

Rule of this module: it comes from the source; when the program is installed without its source, from the package. A process
keeps the one of its first call: an upgrade may replace the files while it runs.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


@cache
def own_version() -> str:
    """Return the version of the source, or of the package when there is no source."""
    source = ROOT / "pyproject.toml"
    if source.is_file():
        return str(tomllib.loads(source.read_text(encoding="utf-8"))["project"]["version"])
    import importlib.metadata  # noqa: PLC0415 - only this case needs it, and every verb imports this module

    return importlib.metadata.version("quietline")
