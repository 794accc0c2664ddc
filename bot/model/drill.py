"""The state of a running drill: the position in its script, and what the debrief will need.

Rule of this module: it is part of the desk, and belongs to the one person who plays it. Once the drill is over only a count
is kept (`DeskMember.drills`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SECOND: Final = ".2"
"""The suffix to a drill's id for its second handset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneText:
    """A text of ours for the texter's phone. `reached`: the carrier took it; before that nobody knows."""

    ref: str
    body: str = field(repr=False)
    at: float
    reached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRun:
    """One drill. `user`: who plays it; `users`: that person and every advocate of one of its threads.

    `scene`, `step`: what is played now; `until`: when a pause or a wait is over (0: neither). `facts` and `marks`: what has
    come true and which marks were reached, with the time; `facts_at_text`: how many facts there were at the texter's last
    text; `on_its_way`: that text is in no thread yet; `came`: when a thread got it; `said`: which words for a phone (thread
    and ref) were said after it could be read.
    """

    id: str
    name: str
    language: str
    user: str
    users: tuple[str, ...] = ()
    began: float
    scene: str
    step: int = 0
    until: float = 0.0
    facts: tuple[tuple[str, float], ...] = ()
    facts_at_text: int = 0
    on_its_way: bool = False
    came: float = 0.0
    said: tuple[str, ...] = ()
    marks: tuple[tuple[str, float], ...] = ()
    phone: tuple[PhoneText, ...] = ()
    threads: tuple[str, ...] = ()
    texts: int = 0
    """How many texts the texter has sent."""

    def times_of(self, facts: frozenset[str]) -> tuple[float, ...]:
        """Return when one of these facts came true, oldest first."""
        return tuple(at for fact, at in self.facts if fact in facts)

    def time_of_mark(self, mark: str) -> float | None:
        """Return when the script first reached a mark; None when it did not."""
        return next((at for name, at in self.marks if name == mark), None)


def drill_id(tag: str) -> str:
    """Return the id of the drill from the tag of one of its handsets."""
    return tag.removesuffix(SECOND)
