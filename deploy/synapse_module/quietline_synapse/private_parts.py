"""Looking up the private parts of Synapse.

Rule of this module: a part that is missing, or a method that takes other arguments, stops Synapse with a sentence.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Final

from synapse.module_api.errors import ConfigError

SYNAPSE_VERSION: Final = "1.163"


def require_part(owner: Any, name: str) -> Any:
    """Return an attribute; a ConfigError that names it when it is missing."""
    try:
        return getattr(owner, name)
    except AttributeError:
        raise missing_part(name) from None


def require_method(owner: Any, name: str, *arguments: str) -> Any:
    """Return a method; a ConfigError that names it when it is missing, or does not take these arguments."""
    method = require_part(owner, name)
    if not _accepts(method, arguments):
        raise missing_part(name)
    return method


def _accepts(method: Any, arguments: Iterable[str]) -> bool:
    try:
        return set(arguments) <= set(inspect.signature(method).parameters)
    except (TypeError, ValueError):
        return False


def missing_part(name: str) -> ConfigError:
    """Return the error for a part that this Synapse does not have as the module knows it."""
    return ConfigError(
        f"quietline: this Synapse has no `{name}` as the module knows it from {SYNAPSE_VERSION}. Use a "
        "Synapse of the pinned "
        "version, or take the module out of homeserver.yaml and use an administrator's token instead (its README says how)"
    )
