"""Packs that come with Quietline, each read once in a process.

Reading a pack takes a tenth of a second, and no test changes one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from policies.load import load
from policies.pack import Pack


@cache
def shipped(*names: str) -> Pack:
    """Return the merged packs of these names. A pack is frozen, so all tests may share it."""
    return load(names)


def write_agency(folder: Path, text: str) -> str:
    """Write an agency's pack and return its path."""
    path = folder / "agency.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)
