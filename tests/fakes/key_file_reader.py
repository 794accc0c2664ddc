"""What stands in a `keys.db`, read beside whoever has it open."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path


def wrapped_keys(path: Path) -> dict[str, bytes]:
    """Return the wrapped keys by their owners."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
        rows = connection.execute("SELECT owner, wrapped FROM slot").fetchall()
    named = {bytes(owner).rstrip(b"\0").decode(): bytes(wrapped) for owner, wrapped in rows}
    return {owner: wrapped for owner, wrapped in named.items() if owner}
