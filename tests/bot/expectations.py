"""What a thread's texter and phone may expect, kept beside the code that is tried and never read from it.

Rule of this module: what is in here comes from what was said and heard, and from the design.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bot.model.actions import SendSms


@dataclass(slots=True)
class Words:
    """What a person said in a thread's room, as the account has it.

    `open`: it may still leave by itself; `held`: why it needs a second word; `times`: how often it may reach the phone.
    """

    author: str
    at: float
    body: str = ""
    heard_at: float = 0.0
    undo: float = 0.0
    open: bool = False
    held: str = ""
    times: int = 1
    silence: float = 0.0
    """How old the texter's last text was when this was said; 0 once its author said a second word."""


@dataclass(slots=True)
class Expectations:
    """What a thread's texter and phone may expect."""

    turn: int = 0
    stop: str = ""
    confirmed: bool = False
    unsafe: bool = False
    line: bool = False
    """The texter chose a line for `!unsafe`; `chosen` is the message that lets it leave."""
    chosen: str = ""
    slow_until: float = 0.0
    texted_at: float = 0.0
    """When the texter last texted something that a person writes."""
    offered_at: float = 0.0
    """When a person last said `!transfer`."""
    hands: bool = False
    """Another person may have the phone: since `!unsafe` or `!different`, until `!safe`."""
    times: bool = False
    """Safe times were agreed on."""
    words: dict[str, Words] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    again: set[str] = field(default_factory=set)
    invited: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    lane: deque[tuple[int, SendSms]] = field(default_factory=deque)
    accepted: list[SendSms] = field(default_factory=list)
    phone: list[SendSms] = field(default_factory=list)

    def close(self) -> None:
        """Nothing that has not left may leave any more."""
        for words in self.words.values():
            words.open, words.held = False, ""

    def say_again(self, event_id: str, now: float) -> None:
        """Count words as if they were said now, after all others."""
        words = self.words.pop(event_id)
        self.words[event_id] = words
        words.open, words.held, words.at, words.heard_at, words.silence = True, "", now, now, 0.0
        self.again.add(event_id)
        if event_id in self.left:
            self.left.remove(event_id)
            words.times += 1
