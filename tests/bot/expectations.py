"""What a thread's texter and phone may expect, computed independently of the tested code.

Rule of this module: its content comes from what was said and received, and from the design.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bot.model.actions import SendSms


@dataclass(slots=True)
class Words:
    """A person's words in a thread's room, as recorded here.

    `open`: they may still leave by themselves; `held`: why they need a confirmation; `times`: how often they may reach the
    phone.
    """

    author: str
    at: float
    body: str = ""
    heard_at: float = 0.0
    undo: float = 0.0
    open: bool = False
    held: str = ""
    held_at: float = 0.0
    """When they were held, or their author was last asked about them."""
    times: int = 1
    silence: float = 0.0
    """The age of the texter's last text when this was said; 0 after its author has confirmed it."""


@dataclass(slots=True)
class Expectations:
    """What a thread's texter and phone may expect."""

    turn: int = 0
    stop: str = ""
    confirmed: bool = False
    unsafe: bool = False
    line: bool = False
    """The texter chose a cover line for `!unsafe`; `chosen` is the message that releases it."""
    chosen: str = ""
    slow_until: float = 0.0
    texted_at: float = 0.0
    """The time of the texter's last text that a person wrote."""
    offered_at: float = 0.0
    """The time of the last `!transfer`."""
    hands: bool = False
    """Another person may have the phone: since `!unsafe` or `!different`, until `!safe`."""
    times: bool = False
    """Safe times are agreed."""
    words: dict[str, Words] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    invited: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    lane: deque[tuple[int, SendSms]] = field(default_factory=deque)
    accepted: list[SendSms] = field(default_factory=list)
    phone: list[SendSms] = field(default_factory=list)

    def close(self) -> None:
        """Forbid all words that have not left to leave."""
        for words in self.words.values():
            words.open, words.held = False, ""

    def say_again(self, event_id: str, at: float, now: float) -> None:
        """Treat words as if they were said at that time, and heard now, after all others."""
        words = self.words.pop(event_id)
        self.words[event_id] = words
        words.open, words.held, words.at, words.heard_at, words.silence = True, "", at, now, 0.0
        self.again.add(event_id)
        if event_id in self.left:
            self.left.remove(event_id)
            words.times += 1
