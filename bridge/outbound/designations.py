"""The designations in use: the two words by which people name a conversation.

Rule of this module: no two conversations have the same designation, and their first words are as unlike as possible.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress

from bridge.storage.database import Database
from bridge.storage.errors import DatabaseError
from bridge.tables import threads, warm_rooms
from policies.designations import choose_designation


class Designations:
    """Gives a designation to each conversation, with a first word unlike those of the others."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._random = random.SystemRandom()
        self._in_use, self._first_words = set[str](), Counter[str]()
        self._offered: dict[str, str] = {}
        """By thread: what a decision or an admission that is not committed yet may give to it."""

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

    def offer(self, thread: str) -> str:
        """Return a designation that the thread may get; the same one until `settle`, which has to follow."""
        if thread not in self._offered:
            self._offered[thread] = self.allocate()
        return self._offered[thread]

    async def settle(self, thread: str) -> None:
        """Free what was offered to the thread, unless the thread has it. While that cannot be read it stays offered.

        A commit that raises may be kept, when the connection to the server was lost: the stored thread is what counts.
        """
        if thread not in self._offered:
            return
        with suppress(DatabaseError, OSError):  # the caller may have an error of its own, which must not be replaced
            stored = await threads.designation_of(self._database, thread)
            if (words := self._offered.pop(thread, stored)) != stored:
                self.release(words)

    def release(self, words: str) -> None:
        """Free the designation of an ended conversation."""
        if words in self._in_use:
            self._in_use.remove(words)
            self._first_words -= Counter([_first_word(words)])  # drops words whose count is zero


def _first_word(designation: str) -> str:
    return designation.partition(" ")[0]
