"""What the agency may say and must do: packs as data, their schema and loader, segmentation. No I/O but reading a pack."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 4 * 1024 * 1024
"""Characters of a file that people write. A larger one is another file: parsing it as YAML would take all memory."""


class ProblemsError(Exception):
    """What people wrote cannot be used. `problems` are sentences, each with its file, path or key.

    All problems are reported at once, and none shows a value.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_text(path: Path, *, newline: str | None = None) -> str:
    """Read a file that people write (UTF-8). Raises `OSError` and `UnicodeDecodeError`. `newline`: as of `open`.

    A pipe in its place reads as empty: nobody waits for a writer.
    """
    with open(path, encoding="utf-8", newline=newline, opener=_without_waiting) as file:
        os.set_blocking(file.fileno(), True)
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise OSError(errno.EFBIG, "larger than 4 MiB: is it the right file?", str(path))
    return text


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
