"""Paths as the configuration holds them.

Rule of this module: a path from a person is made whole before it is stored or compared, because two spellings of one
directory do not compare as equal, systemd takes no `..`, and a restore finds a file's place by its path.
"""

from __future__ import annotations

import os
from pathlib import Path


def whole_path(path: Path) -> Path:
    """Return the path from the root of the file system, without `..`.

    What is before the last `..` is resolved as the system does it: after a link, `..` is not the link's own directory. A
    link elsewhere in the path stays, because a person may lead it to another disk later.
    """
    parts = path.absolute().parts
    if ".." not in parts:
        return Path(*parts)
    after_last = len(parts) - parts[::-1].index("..")
    return Path(os.path.realpath(Path(*parts[:after_last])), *parts[after_last:])
