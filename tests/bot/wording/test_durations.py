"""How long ago, in the words of people."""

from __future__ import annotations

import pytest

from bot.wording.durations import describe_duration, describe_in_steps, spell_duration
from tests.every_row import every_row


@every_row(
    ("seconds", "words"),
    [
        *((-5, "less than a minute"), (0, "less than a minute"), (59.9, "less than a minute"), (60, "1 min")),
        *((7199, "119 min"), (7200, "2 h"), (90_000, "25 h")),
    ],
)
def test_how_long(seconds: float, words: str) -> None:
    """A length of time is said in the words of people."""
    assert describe_duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "under 5 min"), (299, "under 5 min"), (300, "5 min"), (599, "5 min"), (600, "10 min")]
)
def test_in_steps(seconds: float, words: str) -> None:
    """Of open threads, five minutes at a time."""
    assert describe_in_steps(seconds) == words


@every_row(
    ("seconds", "words"),
    [
        *((20, "less than a minute"), (60, "a minute"), (600, "10 minutes"), (7200, "2 hours"), (9000, "150 minutes")),
        *((90, "90 seconds"), (150, "150 seconds"), (119.7, "2 minutes"), (61, "61 seconds")),
        *((72 * 3600, "3 days"), (71 * 3600, "71 hours"), (100 * 3600, "100 hours"), (90 * 86_400, "90 days")),
    ],
)
def test_in_whole_words(seconds: float, words: str) -> None:
    """What is kept is not said to go sooner than it does, nor a closing to be at once."""
    assert spell_duration(seconds) == words
