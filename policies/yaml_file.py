"""Reads strictly a YAML file that people write, and says in a sentence without its values why it cannot be read.

Rule of this module: it knows nothing of what a file is to hold, so that reading the configuration loads no module that
reads packs.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from policies import read_text

if TYPE_CHECKING:
    from yaml import SafeLoader
else:  # libyaml reads in a tenth of the time; a PyYAML that was built without it has only its own parser
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

UNREADABLE = (OSError, yaml.YAMLError, RecursionError, ValueError)
"""What reading a file raises; YAML's own constructors let a ValueError through, and so does a file that is not UTF-8."""
PHONE_DIGITS: Final = 7
"""The digits from which on a key may be a phone number, written by mistake where its value belongs."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_MERGE: Final = "tag:yaml.org,2002:merge"


def parse_yaml(path: Path) -> Any:
    """Read a YAML file without duplicate keys. Raises one of `UNREADABLE`."""
    return yaml.load(read_text(path), Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader, see below


def unreadable_reason(error: Exception, path: Path) -> str:
    """Say why a file could not be read, without any of its values."""
    match error:
        case OSError():
            return f"{path} cannot be read ({error.strerror})"
        case UnicodeDecodeError():
            return "is not UTF-8"
        case DuplicateKeyError():
            return f"line {error.line}: {error.key} is there twice; take one out"
        case yaml.MarkedYAMLError():
            # Libyaml has a limit of its own where PyYAML's parser ends in a RecursionError.
            if "maximum nesting depth" in str(error.problem):
                return "is nested too deeply"
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            return f"line {line}: is not YAML"
        case yaml.YAMLError():
            return "is not YAML"
        case RecursionError():
            return "is nested too deeply"
    return "a date or a number cannot be read"


def key_path(location: Iterable[object], whole: str = "the whole file") -> str:
    """Write the place of a key, from a validation error. A key that may be a phone number is not shown."""
    return ".".join("(a number)" if _may_be_phone(str(key)) else str(key) for key in location) or whole


def _may_be_phone(key: str) -> bool:
    return sum(map(str.isdigit, key)) >= PHONE_DIGITS and _DATE.fullmatch(key) is None


class DuplicateKeyError(yaml.YAMLError):
    """A key is twice in a mapping; the second is in that line. `key`: the key, in words."""

    def __init__(self, line: int, key: str) -> None:
        super().__init__("a key is there twice")
        self.line, self.key = line, key


class _UniqueKeyLoader(SafeLoader):
    """A safe loader that refuses two equal keys, of which the second would silently win."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._looked_at: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Check the keys of a mapping before the keys of a merge (`<<`) are added, which it may repeat."""
        if id(node) not in self._looked_at:
            self._looked_at.add(id(node))
            keys: set[Hashable] = set()
            for key_node in (key_node for key_node, _ in node.value if key_node.tag != _MERGE):
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, Hashable):
                    if key in keys:
                        said = " ".join(str(key).split())[:40]
                        # One with digits may be a phone number, which no message shows: the line leads to it.
                        said = "a key" if any(each.isdigit() for each in said) else f"the key {said}"
                        raise DuplicateKeyError(key_node.start_mark.line + 1, said)
                    keys.add(key)
        super().flatten_mapping(node)
