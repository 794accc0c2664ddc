"""Checks the length of a secret that the operator chooses.

Rule of this module: where only such a secret authenticates a vendor's webhook, a short one is a configuration error. A file
that cannot be read is skipped here, because the configuration reports it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator

from bridge.runtime.settings import read_secret

MIN_LENGTH: Final = 32
"""Characters. `openssl rand -hex 32` gives twice as many."""

_SEGMENT = re.compile(rf"[A-Za-z0-9_-]{{{MIN_LENGTH},200}}")


def _check_path_secret(path: Path) -> Path:
    value = secret_or_none(path)
    if value is not None and not _SEGMENT.fullmatch(value):
        raise ValueError(f"the file must hold {MIN_LENGTH} to 200 letters, digits, `-` or `_`")
    return path


def _check_key(path: Path) -> Path:
    value = secret_or_none(path)
    if value is not None and len(value) < MIN_LENGTH:
        raise ValueError(f"the file must hold {MIN_LENGTH} characters or more")
    return path


def secret_or_none(path: Path) -> str | None:
    """Return the secret in a file; None if it cannot be read."""
    try:
        return read_secret(path)
    except (OSError, ValueError):
        return None


PathSecretFile: TypeAlias = Annotated[Path, AfterValidator(_check_path_secret)]
"""The file of the secret segment of a webhook's path."""

KeyFile: TypeAlias = Annotated[Path, AfterValidator(_check_key)]
"""The file of a signing key that we gave the vendor."""
