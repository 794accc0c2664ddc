"""Files of secrets that tests configure a carrier with."""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path


@cache
def secret_file(secret: str) -> Path:
    """Return a file with this secret, for as long as the process lives."""
    path = Path(_directory().name) / hashlib.sha256(secret.encode()).hexdigest()
    path.write_text(secret, encoding="utf-8")
    return path


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()
