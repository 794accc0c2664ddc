"""YAML in which nothing but plain values can stand, read by libyaml: in a tenth of the time of PyYAML's own parser.

Rule of this module: what is read, and which errors are raised, is what `yaml.safe_load` says; their words may be others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader
else:  # a PyYAML that was built without libyaml has only its own parser
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NOT_YAML: Final = (yaml.YAMLError, ValueError, RecursionError)
"""What reading raises. The constructors let a ValueError through, as of a date that is none."""


def safe_load(text: str) -> Any:
    """Read a document. Raises one of `NOT_YAML`."""
    return yaml.load(text, Loader=SafeLoader)  # noqa: S506 - a SafeLoader
