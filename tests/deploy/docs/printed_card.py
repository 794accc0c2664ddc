"""The lines of the printed card, for whoever plays a drill by nothing else.

Rule of this module: what is typed is read from the page; nothing of a command is known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

LINE: Final = re.compile(r"^(\d)\. \*\*(.+?)\*\* (.+)$", re.MULTILINE)
TAKE, SLIP, NOTE, LIMITS, SAFE, STOP, HELP, HAND_OVER = range(1, 9)
"""The moments of the card, by the number of the line."""


@dataclass(frozen=True, slots=True)
class PrintedCard:
    """One page of the card. `colleague`: who is meant by `@who`."""

    page: str
    colleague: str

    def typed(self, number: int, place: int = 0) -> str:
        """Return what a line says to type: its first words between backticks, or a later one's."""
        lines = {int(match[1]): match[3] for match in LINE.finditer(self.page)}
        typed: list[str] = re.findall(r"`([^`]+)`", lines[number])
        return typed[place].replace("@who", self.colleague)

    def seconds_to_take_back(self) -> int:
        """Return how long the card says that a message can be deleted."""
        return int(next(re.finditer(r"\d+", LINE.findall(self.page)[SLIP - 1][2]))[0])
