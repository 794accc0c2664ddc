"""Reads a `keys.db` that another process or connection has open."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.database_file import rows


def wrapped_keys(path: Path) -> dict[str, bytes]:
    """Return the wrapped keys by their owners."""
    slots = rows(path, "SELECT owner, wrapped FROM slot")
    named = {bytes(owner).rstrip(b"\0").decode(): bytes(wrapped) for owner, wrapped in slots}
    return {owner: wrapped for owner, wrapped in named.items() if owner}
