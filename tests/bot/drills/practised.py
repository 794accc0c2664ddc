"""What a practised advocate says in each drill that comes with Quietline.

Rule of this module: the answers follow the practices; the walk with a manual clock and the drills on a running line use the
same ones.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from bot.model.actions import DESK
from tests.bot.drills.drill_line import Advocate, DrillLine
from tests.bot.strategies import BEN

ELSE: Final = "I am here. Take your time."
"""The answer to a text without an answer of its own."""
GOOD: Final[dict[str, dict[int, tuple[str, ...]]]] = {
    "first-contact": {1: ("!limits",), 2: ("!safecheck", "!tips iphone"), 3: ("!say closing",)},
    "disclosure": {1: ("!limits",), 2: ("!escalate", "I believe you. Thank you for telling me.")},
    "phone-taken": {0: ("Yes, of course.", "!safecheck"), 2: ("!unsafe",), 3: ("!escalate",)},
    "overdose": {1: ("!escalate", "!urgent", "I am here with you. Is anybody near?")},
    "agreed-word": {0: ("!codeword",), 2: ("!verify",), 3: ("!escalate",), 4: ("!cover 1",)},
    "prank": {1: ("!escalate",), 2: ("!different",), 3: ()},
    "stop-by-mistake": {2: (), 3: ()},
    "shift-change": {},
    "silence": {2: ("!safecheck", "!later")},
}
"""The advocate's words after a text, by the number of earlier texts; in place of one kind sentence."""


def practised(name: str) -> Advocate:
    """Return an advocate who follows the practices."""

    def react(line: DrillLine, thread: str, number: int) -> None:
        if line.threads[thread].assignment.assignee is None:
            line.say(DESK, "!claim")
        for words in GOOD[name].get(number, (ELSE,)):
            line.say(thread, words)
            if line.threads[thread].sending.held:
                line.say(thread, "!anyway")
        if name == "shift-change" and number == 2:
            line.after(60, lambda: hand_over(line))

    return react


def hand_over(line: DrillLine) -> None:
    """Transfer both threads to Ben, who accepts."""
    for thread in list(line.threads):
        line.say(thread, "!say handover")
        line.after(15, partial(line.say, thread, f"!transfer {BEN} she has two children"))
        line.after(30, partial(line.say, thread, "!accept", sender=BEN))
