"""Counts the parts of a long text that have arrived, for a carrier that reports each part separately.

Rules of this module: a part counts once, however often it is reported. A text whose number of parts is unknown, because of
a restart, stays "sent" and never becomes "delivered".
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

MAX_TEXTS: Final = 2000
"""Most texts that are kept; the oldest are deleted first."""


@dataclass(slots=True)
class _TextParts:
    count: int = 0
    delivered: set[str] = field(default_factory=set)


class PartCounts:
    """Counts the parts of each text that was sent."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, _TextParts] = OrderedDict()

    def set_estimate(self, message_id: str, count: int) -> None:
        """Note our own count, an estimate until the carrier gives its count."""
        text = self._text(message_id)
        text.count = text.count or count

    def set_count(self, message_id: str, count: Any) -> None:
        """Note the carrier's count; an invalid one is ignored."""
        if type(count) is int and 0 < count < 256:
            self._text(message_id).count = count

    def part_delivered(self, message_id: str, part: str) -> bool:
        """Note that the part with the id `part` arrived; return whether all parts have."""
        text = self._text(message_id)
        if len(text.delivered) < 256:
            text.delivered.add(part)
        return 0 < text.count <= len(text.delivered)

    def is_single_part(self, message_id: str) -> bool:
        """Whether the text is known to have one part."""
        text = self._texts.get(message_id)
        return text is not None and text.count == 1

    def _text(self, message_id: str) -> _TextParts:
        text = self._texts.setdefault(message_id, _TextParts())
        self._texts.move_to_end(message_id)
        while len(self._texts) > MAX_TEXTS:
            self._texts.popitem(last=False)
        return text
