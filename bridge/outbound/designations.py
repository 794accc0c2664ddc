"""The designations in use: the two words by which people name a conversation.

Rule of this module: no two conversations have the same designation, and their first words are as unlike as possible.
"""

from __future__ import annotations

import random
from collections import Counter

from bridge.storage.database import Database
from bridge.tables import warm_rooms
from policies.designations import choose_designation


class Designations:
    """Gives a designation to each conversation, with a first word unlike those of the others."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._random = random.SystemRandom()
        self._in_use, self._first_words = set[str](), Counter[str]()

    async def load(self) -> None:
        """Read the designations in use."""
        self._in_use = set(await warm_rooms.designations_in_use(self._database))
        self._first_words = Counter(map(_first_word, self._in_use))

    def allocate(self) -> str:
        """Return an unused designation."""
        words = choose_designation(self._random, self._first_words, taken=self._in_use)
        self._in_use.add(words)
        self._first_words[_first_word(words)] += 1
        return words

    def release(self, words: str) -> None:
        """Free the designation of an ended conversation."""
        if words in self._in_use:
            self._in_use.remove(words)
            self._first_words -= Counter([_first_word(words)])  # drops words whose count is zero


def _first_word(designation: str) -> str:
    return designation.partition(" ")[0]
