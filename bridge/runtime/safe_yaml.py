"""YAML in which nothing but plain values can stand, read by libyaml: in a tenth of the time of PyYAML's own parser.

Rules of this module: it is for what a program wrote, or what was read before; what people write `policies.yaml_file` reads,
which lets no key stand twice. What is read, and which errors are raised, is as in `yaml.safe_load`, in words of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader
else:  # a PyYAML that was built without libyaml has only its own parser
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def safe_load(text: str) -> Any:
    """Read a document. Raises `YAMLError`, `RecursionError`, and `ValueError` as of a date that is none."""
    return yaml.load(text, Loader=SafeLoader)  # noqa: S506 - a SafeLoader
