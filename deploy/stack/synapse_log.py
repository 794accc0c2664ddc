"""What the homeserver may write to its log.

Rule of this module: an entry shows the template of a message and never its arguments, the type of an exception and never
its text. Synapse's arguments are room ids, user ids (which are staff names), request addresses and parts of events.
"""

from __future__ import annotations

import logging
import re
import traceback
from typing import Final

_IDENTIFIER: Final = re.compile(r"[@!#$][\w.=/+-]{2,}(?::[\w.:\[\]-]+)?")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_DIGITS: Final = re.compile(r"\+?\d[\d ().-]{4,}\d")
REDACTED: Final = "…"


class ContentFreeFormatter(logging.Formatter):
    """Format time, level, logger, line and the message's template; of an exception its types and places.

    Synapse's own warnings and errors are all templates with arguments (read in 1.163.2: none at these levels is an
    f-string). From complete messages of other libraries, everything that looks like an id, a quotation or a number is cut.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format one record, without content."""
        template = record.msg if isinstance(record.msg, str) else f"({type(record.msg).__name__})"
        for pattern in (_QUOTED, _IDENTIFIER, _DIGITS):
            template = pattern.sub(REDACTED, template)
        first = template.split("\n", maxsplit=1)[0]
        head = f"{self.formatTime(record)} {record.levelname} {record.name}:{record.lineno} {first}"
        error = record.exc_info[1] if record.exc_info else None
        return "\n".join([head, *_exception_lines(error)])


def _exception_lines(error: BaseException | None) -> list[str]:
    lines: list[str] = []
    ids: set[int] = set()
    while error is not None and id(error) not in ids:
        ids.add(id(error))
        frames = traceback.extract_tb(error.__traceback__)
        places = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))
        lines.append(f"  {type(error).__module__}.{type(error).__qualname__} at {places or '?'}")
        error = error.__cause__ or error.__context__
    return lines
