"""Reads YAML of plain values only, with libyaml: in a tenth of the time of PyYAML's own parser.

Rules of this module: it is for files that a program wrote, or that were validated before; files that people write are read
by `policies.yaml_file`, which refuses duplicate keys. Values and error classes are those of `yaml.safe_load`; the error
texts differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader
else:  # a PyYAML that was built without libyaml has only its own parser
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def safe_load(text: str) -> Any:
    """Read a document. Raises `YAMLError`, `RecursionError`, and `ValueError`, for instance for an invalid date."""
    return yaml.load(text, Loader=SafeLoader)  # noqa: S506 - a SafeLoader
