"""YAML in which nothing but plain values can stand, read by libyaml: in a tenth of the time of PyYAML's own parser.

Rule of this module: what is read, and which errors are raised, is what `yaml.safe_load` says; their words may be others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader
else:  # a PyYAML that was built without libyaml has only its own parser
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def safe_load(text: str) -> Any:
    """Read a document. Raises `yaml.YAMLError`, ValueError of a date that is none, or RecursionError."""
    return yaml.load(text, Loader=SafeLoader)  # noqa: S506 - a SafeLoader
